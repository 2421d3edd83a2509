package github

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

type deployment struct {
	id          int64
	sha, ref    string
	task        string
	environment string
	original    string
	description string
	payload     json.RawMessage
	transient   bool
	production  bool
	creator     *account
	created     time.Time
	updated     time.Time
	statuses    []*deploymentStatus
}

type deploymentStatus struct {
	id             int64
	state          string
	description    string
	environment    string
	environmentURL string
	logURL         string
	creator        *account
	at             time.Time
}

// Deployment is a deployment as the API shows it.
type Deployment struct {
	URL                   string          `json:"url"`
	ID                    int64           `json:"id"`
	NodeID                string          `json:"node_id"`
	Task                  string          `json:"task"`
	OriginalEnvironment   string          `json:"original_environment"`
	Environment           string          `json:"environment"`
	Description           *string         `json:"description"`
	CreatedAt             time.Time       `json:"created_at"`
	UpdatedAt             time.Time       `json:"updated_at"`
	StatusesURL           string          `json:"statuses_url"`
	RepositoryURL         string          `json:"repository_url"`
	Creator               User            `json:"creator"`
	SHA                   string          `json:"sha"`
	Ref                   string          `json:"ref"`
	Payload               json.RawMessage `json:"payload"`
	TransientEnvironment  bool            `json:"transient_environment"`
	ProductionEnvironment bool            `json:"production_environment"`
	PerformedViaGithubApp *AppInfo        `json:"performed_via_github_app"`

	// Statuses come newest first; the API lists them at StatusesURL.
	Statuses []DeploymentStatus `json:"-"`
}

// DeploymentRequest is what an integration sends to create a deployment.
type DeploymentRequest struct {
	Ref              *string         `json:"ref"`
	Task             *string         `json:"task"`
	AutoMerge        *bool           `json:"auto_merge"`
	RequiredContexts *[]string       `json:"required_contexts"`
	Payload          json.RawMessage `json:"payload"`
	Environment      *string         `json:"environment"`
	Description      *string         `json:"description"`
	Transient        *bool           `json:"transient_environment"`
	Production       *bool           `json:"production_environment"`
}

func (s *Server) createDeployment(c *call) (*reply, error) {
	var in DeploymentRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Ref == nil {
		return nil, required(map[string]bool{"ref": false})
	}
	if in.Description != nil && utf8.RuneCountInString(*in.Description) > 140 {
		return nil, custom("Deployment", "description", "description is too long (maximum is 140 characters)")
	}
	sha, found := s.shown(c.repo).git.resolve(*in.Ref)
	if !found {
		return nil, unprocessable("No ref found for: %s", *in.Ref)
	}
	if value(in.AutoMerge, true) {
		if merged, err := s.autoMerge(c, *in.Ref, sha); merged || err != nil {
			return &reply{status: 202, body: map[string]string{"message": "Auto-merged " + c.repo.defaultBranch + " into " + *in.Ref + " on deployment."}}, err
		}
	}
	if err := s.checkContexts(c.repo, *in.Ref, sha, in.RequiredContexts); err != nil {
		return nil, err
	}
	return created(s.deploymentInfo(c.repo, s.addDeployment(c, sha, in))), nil
}

// autoMerge brings the branch up to date with the default branch, as GitHub does
// before a deployment unless told not to.
func (s *Server) autoMerge(c *call, ref, sha string) (merged bool, err error) {
	git := c.repo.git
	main := git.branches[c.repo.defaultBranch]
	if ref == c.repo.defaultBranch || git.branches[ref] == "" || git.isAncestor(main, sha) {
		return false, nil
	}
	m := git.mergeTree(sha, main)
	if !m.clean {
		return false, conflict("Conflict merging %s into %s.", c.repo.defaultBranch, ref)
	}
	head, err := git.commitTree(m.tree, []string{sha, main}, s.signature(c.actor()), "Merge "+c.repo.defaultBranch+" into "+ref)
	if err != nil {
		return false, err
	}
	return true, s.moveBranch(c.repo, ref, head, c.actor(), "push")
}

// checkContexts refuses a deployment of a commit whose contexts are not green:
// the named ones, all of them for nil, none for an empty list.
func (s *Server) checkContexts(r *repository, ref, sha string, names *[]string) error {
	states := map[string]string{}
	for _, st := range r.latestStatuses(sha) {
		states[st.context] = st.state
	}
	for _, run := range r.latestRuns(func(run *checkRun) bool { return run.suite.sha == sha }) {
		states[run.name] = "pending"
		if run.status == "completed" {
			states[run.name] = "failure"
			if slices.Contains([]string{"success", "neutral", "skipped"}, run.conclusion) {
				states[run.name] = "success"
			}
		}
	}
	wanted := sortedKeys(states)
	if names != nil {
		wanted = *names
	}
	var failed []Failed
	for _, name := range wanted {
		if states[name] != "success" {
			state := states[name]
			if state == "" {
				state = "missing"
			}
			failed = append(failed, Failed{name, state})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &apiError{
		status:  409,
		message: "Conflict: Commit status checks failed for " + ref + ".",
		errors:  []any{FieldError{Resource: "Deployment", Field: "required_contexts", Code: "invalid", Contexts: failed}},
	}
}

func (s *Server) addDeployment(c *call, sha string, in DeploymentRequest) *deployment {
	now := s.now()
	d := &deployment{
		id:          s.db.newID(),
		sha:         sha,
		ref:         *in.Ref,
		task:        value(in.Task, "deploy"),
		environment: value(in.Environment, "production"),
		description: value(in.Description, ""),
		payload:     in.Payload,
		transient:   value(in.Transient, false),
		creator:     c.actor(),
		created:     now,
		updated:     now,
	}
	d.original = d.environment
	d.production = value(in.Production, d.environment == "production")
	if p := strings.TrimSpace(string(d.payload)); p == "" || p == "null" || p == `""` {
		d.payload = json.RawMessage("{}")
	}
	c.repo.deployments = append(c.repo.deployments, d)
	s.sendDeployment(c.repo, d)
	s.notify(Change{Kind: "deployment", Repo: c.repo.fullName(), SHA: sha, ID: d.id})
	return d
}

func (c *call) deployment() (*deployment, error) {
	for _, d := range c.repo.deployments {
		if d.id == c.number("deployment") {
			return d, nil
		}
	}
	return nil, notFound()
}

func (s *Server) deploymentInfo(r *repository, d *deployment) Deployment {
	url := s.api("/repos/%s/deployments/%d", r.fullName(), d.id)
	out := Deployment{
		URL:                   url,
		ID:                    d.id,
		NodeID:                nodeID("DE", d.id),
		Task:                  d.task,
		OriginalEnvironment:   d.original,
		Environment:           d.environment,
		Description:           orNil(d.description),
		CreatedAt:             d.created,
		UpdatedAt:             d.updated,
		StatusesURL:           url + "/statuses",
		RepositoryURL:         s.api("/repos/%s", r.fullName()),
		Creator:               s.user(d.creator),
		SHA:                   d.sha,
		Ref:                   d.ref,
		Payload:               d.payload,
		TransientEnvironment:  d.transient,
		ProductionEnvironment: d.production,
		PerformedViaGithubApp: s.appOrNil(d.creator),
	}
	for _, st := range slices.Backward(d.statuses) {
		out.Statuses = append(out.Statuses, s.deploymentStatusInfo(r, d, st))
	}
	return out
}

func (s *Server) listDeployments(c *call) (*reply, error) {
	q := c.query
	out := []Deployment{}
	for _, d := range slices.Backward(c.repo.deployments) {
		if matches(q.Get("sha"), d.sha) && matches(q.Get("ref"), d.ref) && matches(q.Get("task"), d.task) && matches(q.Get("environment"), d.environment) {
			out = append(out, s.deploymentInfo(c.repo, d))
		}
	}
	return ok(pageOf(c, out)), nil
}

func matches(want, have string) bool { return want == "" || want == "none" || want == have }

func (s *Server) getDeployment(c *call) (*reply, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	return ok(s.deploymentInfo(c.repo, d)), nil
}

// value is what a pointer points at, or otherwise.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
