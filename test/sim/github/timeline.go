package github

import (
	"slices"
	"time"
)

// timelineItem is one thing that happened to a pull request. GitHub's timeline
// tells when the head was forced; of plain pushes it lists the commits only.
type timelineItem struct {
	event   string
	actor   *account
	at      time.Time
	commit  string
	comment *comment
	review  *review
	id      int64
}

// timelineEvent is the plain shape of an item.
type timelineEvent struct {
	ID                    int64     `json:"id"`
	NodeID                string    `json:"node_id"`
	URL                   string    `json:"url"`
	Actor                 User      `json:"actor"`
	Event                 string    `json:"event"`
	CommitID              *string   `json:"commit_id"`
	CommitURL             *string   `json:"commit_url"`
	CreatedAt             time.Time `json:"created_at"`
	PerformedViaGithubApp *AppInfo  `json:"performed_via_github_app"`
}

func (s *Server) listTimeline(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, item := range pageOf(c, p.timeline) {
		out = append(out, s.timelineInfo(p, item))
	}
	return ok(out), nil
}

func (s *Server) timelineInfo(p *pull, item timelineItem) any {
	switch {
	case item.comment != nil:
		return struct {
			Event string `json:"event"`
			Actor User   `json:"actor"`
			IssueComment
		}{item.event, s.user(item.actor), s.issueComment(item.comment)}
	case item.review != nil:
		return struct {
			Event string `json:"event"`
			Review
		}{item.event, s.reviewInfo(p, item.review)}
	case item.event == "committed":
		commit, err := p.repo.git.read(item.commit)
		if err != nil {
			commit = &gitCommit{sha: item.commit}
		}
		return struct {
			Event string `json:"event"`
			GitCommit
		}{item.event, s.gitCommit(p.repo, commit)}
	}
	info := timelineEvent{
		ID:        item.id,
		NodeID:    nodeID("EV", item.id),
		URL:       s.api("/repos/%s/issues/events/%d", p.repo.fullName(), item.id),
		Actor:     s.user(item.actor),
		Event:     item.event,
		CreatedAt: item.at,
	}
	if item.commit != "" {
		url := s.api("/repos/%s/commits/%s", p.repo.fullName(), item.commit)
		info.CommitID, info.CommitURL = &item.commit, &url
	}
	return info
}

// addCommits brings the committed items of the timeline up to date.
func (s *Server) addCommits(p *pull, by *account) {
	list, err := p.commits()
	if err != nil {
		return
	}
	var shas []string
	for _, c := range list {
		shas = append(shas, c.sha)
	}
	known := map[string]bool{}
	p.timeline = slices.DeleteFunc(p.timeline, func(item timelineItem) bool {
		if item.event != "committed" {
			return false
		}
		known[item.commit] = true
		return !slices.Contains(shas, item.commit)
	})
	for _, sha := range shas {
		if !known[sha] {
			p.timeline = append(p.timeline, timelineItem{event: "committed", actor: by, at: s.now(), commit: sha})
		}
	}
}

// Activity is one movement of a branch.
type Activity struct {
	ID           int64     `json:"id"`
	NodeID       string    `json:"node_id"`
	Before       string    `json:"before"`
	After        string    `json:"after"`
	Ref          string    `json:"ref"`
	Timestamp    time.Time `json:"timestamp"`
	ActivityType string    `json:"activity_type"`
	Actor        User      `json:"actor"`
}

func (s *Server) listActivity(c *call) (*reply, error) {
	q := c.query
	var found []*activity
	for _, a := range slices.Backward(c.repo.activities) {
		short := a.ref[len("refs/heads/"):]
		if matches(q.Get("actor"), a.actor.login) && matches(q.Get("activity_type"), a.kind) &&
			(matches(q.Get("ref"), a.ref) || q.Get("ref") == short) {
			found = append(found, a)
		}
	}
	out := []Activity{}
	for _, a := range cursorPage(c, found, "after", func(a *activity) int64 { return a.id }) {
		out = append(out, Activity{
			ID:           a.id,
			NodeID:       nodeID("ACT", a.id),
			Before:       a.before,
			After:        a.after,
			Ref:          a.ref,
			Timestamp:    a.at,
			ActivityType: a.kind,
			Actor:        s.user(a.actor),
		})
	}
	return ok(out), nil
}
