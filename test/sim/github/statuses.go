package github

import (
	"slices"
	"time"
	"unicode/utf8"
)

// status is one commit status; a new one for the same context does not replace
// it, it comes on top.
type status struct {
	id          int64
	sha         string
	context     string
	state       string
	description *string
	target      *string
	creator     *account
	at          time.Time
}

// StatusRequest is what an integration sends to report a commit status.
type StatusRequest struct {
	State       string  `json:"state"`
	TargetURL   *string `json:"target_url"`
	Description *string `json:"description"`
	Context     *string `json:"context"`
}

// CommitStatus is a commit status as the API shows it.
type CommitStatus struct {
	URL         string    `json:"url"`
	AvatarURL   string    `json:"avatar_url"`
	ID          int64     `json:"id"`
	NodeID      string    `json:"node_id"`
	State       string    `json:"state"`
	Description *string   `json:"description"`
	TargetURL   *string   `json:"target_url"`
	Context     string    `json:"context"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Creator     *User     `json:"creator,omitempty"`
}

// CombinedStatus is the latest of each context.
type CombinedStatus struct {
	State      string            `json:"state"`
	Statuses   []CommitStatus    `json:"statuses"`
	SHA        string            `json:"sha"`
	TotalCount int               `json:"total_count"`
	Repository MinimalRepository `json:"repository"`
	CommitURL  string            `json:"commit_url"`
	URL        string            `json:"url"`
}

func (s *Server) createStatus(c *call) (*reply, error) {
	var in StatusRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.shown(c.repo).git.read(c.params["sha"]); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", c.params["sha"])
	}
	st, err := s.addStatus(c.repo, c.params["sha"], c.actor(), in)
	if err != nil {
		return nil, err
	}
	return created(s.commitStatus(c.repo, st)), nil
}

// maxStatuses is per commit and context; GitHub then refuses for ever.
const maxStatuses = 1000

func (s *Server) addStatus(r *repository, sha string, by *account, in StatusRequest) (*status, error) {
	if _, err := r.git.read(sha); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", sha)
	}
	context := "default"
	if in.Context != nil {
		context = *in.Context
	}
	switch {
	case !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State):
		return nil, custom("Status", "state", "state is not included in the list")
	case utf8.RuneCountInString(context) > 255:
		return nil, custom("Status", "context", "context is too long (maximum is 255 characters)")
	case in.Description != nil && utf8.RuneCountInString(*in.Description) > 140:
		return nil, custom("Status", "description", "description is too long (maximum is 140 characters)")
	case in.TargetURL != nil && *in.TargetURL != "" && !isWebURL(*in.TargetURL):
		return nil, custom("Status", "target_url", "target_url must use http(s) scheme")
	}
	count := 0
	for _, have := range r.statuses {
		if have.sha == sha && have.context == context {
			count++
		}
	}
	if count >= maxStatuses {
		return nil, custom("Status", "base", "This SHA and context has reached the maximum number of statuses.")
	}
	st := &status{id: s.db.newID(), sha: sha, context: context, state: in.State, description: in.Description, target: in.TargetURL, creator: by, at: s.now()}
	r.statuses = append(r.statuses, st)
	s.sendStatus(r, st)
	s.notify(Change{Kind: "status", Repo: r.fullName(), SHA: sha, ID: st.id})
	return st, nil
}

func (s *Server) commitStatus(r *repository, st *status) CommitStatus {
	return CommitStatus{
		URL:         s.api("/repos/%s/statuses/%s", r.fullName(), st.sha),
		AvatarURL:   s.user(st.creator).AvatarURL,
		ID:          st.id,
		NodeID:      nodeID("SC", st.id),
		State:       st.state,
		Description: st.description,
		TargetURL:   st.target,
		Context:     st.context,
		CreatedAt:   st.at,
		UpdatedAt:   st.at,
		Creator:     s.userOrNil(st.creator),
	}
}

// statusesOf lists the statuses of a commit, newest first.
func (r *repository) statusesOf(sha string) []*status {
	var out []*status
	for _, st := range r.statuses {
		if st.sha == sha {
			out = append(out, st)
		}
	}
	slices.Reverse(out)
	return out
}

// latestStatuses keeps the newest of each context, oldest first.
func (r *repository) latestStatuses(sha string) []*status {
	seen := map[string]bool{}
	var out []*status
	for _, st := range r.statusesOf(sha) {
		if !seen[st.context] {
			seen[st.context] = true
			out = append(out, st)
		}
	}
	slices.Reverse(out)
	return out
}

func combinedState(list []*status) string {
	state := "success"
	for _, st := range list {
		switch st.state {
		case "error", "failure":
			return "failure"
		case "pending":
			state = "pending"
		}
	}
	if len(list) == 0 {
		return "pending"
	}
	return state
}

func (s *Server) listStatuses(c *call) (*reply, error) {
	sha, found := c.repo.git.resolve(c.params["ref"])
	if !found {
		return nil, notFound()
	}
	out := []CommitStatus{}
	for _, st := range pageOf(c, c.repo.statusesOf(sha)) {
		out = append(out, s.commitStatus(c.repo, st))
	}
	return ok(out), nil
}

func (s *Server) getCombinedStatus(c *call) (*reply, error) {
	sha, found := c.repo.git.resolve(c.params["ref"])
	if !found {
		return nil, notFound()
	}
	latest := c.repo.latestStatuses(sha)
	url := s.api("/repos/%s/commits/%s", c.repo.fullName(), sha)
	out := CombinedStatus{
		State:      combinedState(latest),
		Statuses:   []CommitStatus{},
		SHA:        sha,
		TotalCount: len(latest),
		Repository: s.minimalRepository(c.repo),
		CommitURL:  url,
		URL:        url + "/status",
	}
	for _, st := range pageOf(c, latest) {
		simple := s.commitStatus(c.repo, st)
		simple.Creator = nil
		out.Statuses = append(out.Statuses, simple)
	}
	return ok(out), nil
}
