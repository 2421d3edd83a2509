package github

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBody is how many characters GitHub takes as a comment.
const maxBody = 65536

type comment struct {
	id        int64
	pull      *pull
	author    *account
	viaApp    *account
	body      string
	created   time.Time
	updated   time.Time
	reactions []*reaction
	line      *lineComment // nil: it stands in the conversation
}

// IssueComment is a comment on a pull request or an issue.
type IssueComment struct {
	URL                   string    `json:"url"`
	HTMLURL               string    `json:"html_url"`
	IssueURL              string    `json:"issue_url"`
	ID                    int64     `json:"id"`
	NodeID                string    `json:"node_id"`
	User                  User      `json:"user"`
	CreatedAt             time.Time `json:"created_at"`
	UpdatedAt             time.Time `json:"updated_at"`
	AuthorAssociation     string    `json:"author_association"`
	Body                  string    `json:"body"`
	Reactions             Reactions `json:"reactions"`
	PerformedViaGithubApp *AppInfo  `json:"performed_via_github_app"`
}

func (s *Server) issueComment(cm *comment) IssueComment {
	r := cm.pull.repo
	url := s.api("/repos/%s/issues/comments/%d", r.fullName(), cm.id)
	return IssueComment{
		URL:                   url,
		HTMLURL:               s.page("%s/pull/%d#issuecomment-%d", r.fullName(), cm.pull.number, cm.id),
		IssueURL:              s.api("/repos/%s/issues/%d", r.fullName(), cm.pull.number),
		ID:                    cm.id,
		NodeID:                nodeID("IC", cm.id),
		User:                  s.user(cm.author),
		CreatedAt:             cm.created,
		UpdatedAt:             cm.updated,
		AuthorAssociation:     s.association(r, cm.author),
		Body:                  cm.body,
		Reactions:             s.reactionSummary(url, cm.reactions),
		PerformedViaGithubApp: s.appOrNil(cm.viaApp),
	}
}

func checkBody(body string) error {
	switch {
	case strings.TrimSpace(body) == "":
		return invalid(FieldError{Resource: "IssueComment", Field: "data", Code: "unprocessable", Message: "Body cannot be blank"})
	case utf8.RuneCountInString(body) > maxBody:
		return invalid(FieldError{Resource: "IssueComment", Field: "data", Code: "unprocessable", Message: "Body is too long (maximum is 65536 characters)"})
	}
	return nil
}

func (s *Server) addComment(p *pull, by *account, body string) (*comment, error) {
	return s.addCommentAt(p, by, body, s.now())
}

func (s *Server) addCommentAt(p *pull, by *account, body string, now time.Time) (*comment, error) {
	if err := checkBody(body); err != nil {
		return nil, err
	}
	cm := &comment{id: s.db.newID(), pull: p, author: by, body: body, created: now, updated: now}
	if by.app != nil {
		cm.viaApp = by
	}
	p.comments = append(p.comments, cm)
	p.updated = now
	p.timeline = append(p.timeline, timelineItem{event: "commented", comment: cm, actor: by, at: now})
	s.sendComment("created", cm, by, nil)
	if s.lag > 0 {
		cm.updated = now.Add(time.Second)
	}
	s.notify(Change{Kind: "comment", Repo: p.repo.fullName(), Number: p.number, ID: cm.id})
	return cm, nil
}

func (s *Server) editComment(cm *comment, by *account, body string) error {
	if err := checkBody(body); err != nil {
		return err
	}
	before := cm.body
	cm.body, cm.updated = body, s.now()
	s.sendComment("edited", cm, by, &before)
	s.notify(Change{Kind: "comment", Repo: cm.pull.repo.fullName(), Number: cm.pull.number, ID: cm.id})
	return nil
}

func (s *Server) removeComment(cm *comment, by *account) {
	p := cm.pull
	p.comments = slices.DeleteFunc(p.comments, func(have *comment) bool { return have == cm })
	p.timeline = slices.DeleteFunc(p.timeline, func(item timelineItem) bool { return item.comment == cm })
	s.sendComment("deleted", cm, by, nil)
	s.notify(Change{Kind: "comment", Repo: p.repo.fullName(), Number: p.number, ID: cm.id})
}

func (r *repository) comment(id int64) *comment {
	for _, p := range r.pulls {
		for _, cm := range p.comments {
			if cm.id == id {
				return cm
			}
		}
	}
	return nil
}

func (c *call) comment() (*comment, error) {
	find := c.repo.comment
	if strings.Contains(c.r.URL.Path, "/pulls/comments/") {
		find = c.repo.lineComment
	}
	if cm := find(c.number("comment")); cm != nil {
		return cm, nil
	}
	return nil, notFound()
}

func (c *call) commentBody() (string, error) {
	var in struct {
		Body *string `json:"body"`
	}
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if err := required(map[string]bool{"body": in.Body != nil}); err != nil {
		return "", err
	}
	return *in.Body, nil
}

func (s *Server) createComment(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	body, err := c.commentBody()
	if err != nil {
		return nil, err
	}
	if err := s.happens(c.repo); err != nil {
		return nil, err
	}
	if err := s.unlocked(p, c.actor(), "comment"); err != nil {
		return nil, err
	}
	cm, err := s.addComment(p, c.actor(), body)
	if err != nil {
		return nil, err
	}
	return created(s.issueComment(cm)), nil
}

func (s *Server) getComment(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	return ok(s.issueComment(cm)), nil
}

func (s *Server) updateComment(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	body, err := c.commentBody()
	if err != nil {
		return nil, err
	}
	if err := s.unlocked(cm.pull, c.actor(), "comment"); err != nil {
		return nil, err
	}
	if err := s.editComment(cm, c.actor(), body); err != nil {
		return nil, err
	}
	return ok(s.issueComment(cm)), nil
}

func (s *Server) deleteComment(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	s.removeComment(cm, c.actor())
	return noContent(), nil
}

func (s *Server) listComments(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	since, _ := time.Parse(time.RFC3339, c.query.Get("since"))
	out := []IssueComment{}
	for _, cm := range p.comments {
		if !cm.updated.Before(since) {
			out = append(out, s.issueComment(cm))
		}
	}
	return ok(pageOf(c, out)), nil
}
