package github

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// lineComment is what makes a comment one on a line of the diff.
type lineComment struct {
	review *review
	path   string
	commit string
}

// ReviewComment is a comment on a line of the diff.
type ReviewComment struct {
	URL                 string     `json:"url"`
	PullRequestReviewID int64      `json:"pull_request_review_id"`
	ID                  int64      `json:"id"`
	NodeID              string     `json:"node_id"`
	DiffHunk            string     `json:"diff_hunk"`
	Path                string     `json:"path"`
	Position            int        `json:"position"`
	OriginalPosition    int        `json:"original_position"`
	CommitID            string     `json:"commit_id"`
	OriginalCommitID    string     `json:"original_commit_id"`
	User                User       `json:"user"`
	Body                string     `json:"body"`
	CreatedAt           time.Time  `json:"created_at"`
	UpdatedAt           time.Time  `json:"updated_at"`
	HTMLURL             string     `json:"html_url"`
	PullRequestURL      string     `json:"pull_request_url"`
	AuthorAssociation   string     `json:"author_association"`
	Links               CommentURL `json:"_links"`
	Reactions           Reactions  `json:"reactions"`
	StartLine           *int       `json:"start_line"`
	OriginalStartLine   *int       `json:"original_start_line"`
	StartSide           *string    `json:"start_side"`
	Line                int        `json:"line"`
	OriginalLine        int        `json:"original_line"`
	Side                string     `json:"side"`
	SubjectType         string     `json:"subject_type"`
}

// CommentURL repeats the links of a ReviewComment.
type CommentURL struct {
	Self        Link `json:"self"`
	HTML        Link `json:"html"`
	PullRequest Link `json:"pull_request"`
}

func (s *Server) reviewComment(cm *comment) ReviewComment {
	r, line := cm.pull.repo, cm.line
	url := s.api("/repos/%s/pulls/comments/%d", r.fullName(), cm.id)
	html := s.page("%s/pull/%d#discussion_r%d", r.fullName(), cm.pull.number, cm.id)
	pull := s.api("/repos/%s/pulls/%d", r.fullName(), cm.pull.number)
	return ReviewComment{
		URL: url, PullRequestReviewID: line.review.id, ID: cm.id, NodeID: nodeID("PRRC", cm.id), DiffHunk: "@@ -0,0 +1 @@", Path: line.path,
		Position: 1, OriginalPosition: 1, CommitID: line.commit, OriginalCommitID: line.commit, User: s.user(cm.author), Body: cm.body,
		CreatedAt: cm.created, UpdatedAt: cm.updated, HTMLURL: html, PullRequestURL: pull, AuthorAssociation: s.association(r, cm.author),
		Links: CommentURL{Link{url}, Link{html}, Link{pull}}, Reactions: s.reactionSummary(url, cm.reactions),
		Line: 1, OriginalLine: 1, Side: "RIGHT", SubjectType: "line",
	}
}

func (s *Server) sendReviewComment(action string, cm *comment, by *account, before *string) {
	payload := map[string]any{"comment": s.reviewComment(cm), "pull_request": s.pullSimple(cm.pull), "sender": s.user(by)}
	if before != nil {
		payload["changes"] = map[string]any{"body": map[string]string{"from": *before}}
	}
	s.send(s.db.installationOf(cm.pull.repo), cm.pull.repo, "pull_request_review_comment", action, payload)
}

// NewLineComment is a comment of a review on a file that the pull request changes.
type NewLineComment struct {
	Path  string
	Body  string
	Draft time.Duration // so long before the review was sent; GitHub keeps that as created_at
}

// addLineComments are sent with the review, each as an event of its own. Sending
// the review touches them, so that updated_at is later than created_at.
func (s *Server) addLineComments(p *pull, re *review, list []NewLineComment) ([]*comment, error) {
	files, err := p.files()
	if err != nil {
		return nil, err
	}
	var out []*comment
	for _, in := range list {
		if !slices.ContainsFunc(files, func(f gitFile) bool { return f.name == in.Path }) {
			return nil, fmt.Errorf("%s is no part of the diff", in.Path)
		}
		if err := checkBody(in.Body); err != nil {
			return nil, err
		}
		out = append(out, &comment{
			id: s.db.newID(), pull: p, author: re.by, body: in.Body, created: re.at.Add(-in.Draft), updated: re.at.Add(time.Second),
			line: &lineComment{review: re, path: in.Path, commit: re.commit},
		})
	}
	return out, nil
}

// CommentOnLine adds a single comment on a file: a review without words of its own.
func (p Person) CommentOnLine(repo string, number int, path, body string) (out ReviewComment, err error) {
	re, err := p.Review(repo, number, NewReview{State: "COMMENTED", Comments: []NewLineComment{{Path: path, Body: body}}})
	if err != nil {
		return out, err
	}
	err = p.onPull(repo, number, "read", func(pr *pull, _ *account) error {
		for _, cm := range pr.lines {
			if cm.line.review.id == re.ID {
				out = p.s.reviewComment(cm)
				return nil
			}
		}
		return errors.New("the comment is gone")
	})
	return out, err
}

// onLine finds a comment on a line that the person may change.
func (p Person) onLine(repo string, id int64, do func(cm *comment, me *account) error) error {
	return p.on(repo, "read", func(r *repository, me *account) error {
		cm := r.lineComment(id)
		if cm == nil {
			return fmt.Errorf("%s has no review comment %d", repo, id)
		}
		if cm.author != me {
			if err := p.s.require(r, me, "write"); err != nil {
				return err
			}
		}
		return do(cm, me)
	})
}

// EditLineComment changes a comment on a line: the own, or with write anybody's.
func (p Person) EditLineComment(repo string, id int64, body string) error {
	return p.onLine(repo, id, func(cm *comment, me *account) error {
		before := cm.body
		cm.body, cm.updated = body, p.s.now()
		p.s.sendReviewComment("edited", cm, me, &before)
		p.s.notify(Change{Kind: "comment", Repo: repo, Number: cm.pull.number, ID: id})
		return nil
	})
}

// DeleteLineComment deletes a comment on a line: the own, or with write anybody's.
func (p Person) DeleteLineComment(repo string, id int64) error {
	return p.onLine(repo, id, func(cm *comment, me *account) error {
		cm.pull.lines = slices.DeleteFunc(cm.pull.lines, func(have *comment) bool { return have == cm })
		p.s.sendReviewComment("deleted", cm, me, nil)
		p.s.notify(Change{Kind: "comment", Repo: repo, Number: cm.pull.number, ID: id})
		return nil
	})
}

func (r *repository) lineComment(id int64) *comment {
	for _, p := range r.pulls {
		for _, cm := range p.lines {
			if cm.id == id {
				return cm
			}
		}
	}
	return nil
}

func (s *Server) getReviewComment(c *call) (*reply, error) {
	cm, err := c.comment()
	if err != nil {
		return nil, err
	}
	return ok(s.reviewComment(cm)), nil
}

func (s *Server) listReviewComments(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	out := []ReviewComment{}
	for _, cm := range p.lines {
		out = append(out, s.reviewComment(cm))
	}
	return ok(pageOf(c, out)), nil
}

func (s *Server) getReview(c *call) (*reply, error) {
	p, err := c.pull()
	if err != nil {
		return nil, err
	}
	for _, re := range p.reviews {
		if re.id == c.number("review") {
			return ok(s.reviewInfo(p, re)), nil
		}
	}
	return nil, notFound()
}

// LineComments lists the comments on lines of a pull request, oldest first.
func (s *Server) LineComments(repo string, number int) (out []ReviewComment) {
	s.View(func(st *State) {
		if p := st.repo(repo).pull(number); p != nil {
			for _, cm := range p.lines {
				out = append(out, s.reviewComment(cm))
			}
		}
	})
	return out
}
