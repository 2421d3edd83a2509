package github

import (
	"errors"
	"fmt"
)

// NewPR describes a pull request.
type NewPR struct {
	Repo  string // the base
	Head  string // branch, or owner:branch of a fork
	Base  string // default: the default branch
	Title string // default: the head
	Body  string
	Draft bool
}

// OpenPR opens a pull request.
func (p Person) OpenPR(in NewPR) (out PullRequest, err error) {
	err = p.on(in.Repo, "read", func(r *repository, me *account) error {
		pr, err := p.s.openPull(r, me, in)
		if err != nil {
			return err
		}
		out = p.s.pullInfo(pr)
		return nil
	})
	return out, err
}

func (s *Server) openPull(r *repository, me *account, in NewPR) (*pull, error) {
	if in.Base == "" {
		in.Base = r.defaultBranch
	}
	if in.Title == "" {
		in.Title = in.Head
	}
	headRepo, branch, err := s.splitHead(r, in.Head)
	if err != nil {
		return nil, err
	}
	sha := headRepo.git.branches[branch]
	if sha == "" || r.git.branches[in.Base] == "" {
		return nil, fmt.Errorf("no branch %s or %s", in.Head, in.Base)
	}
	r.lastNumber++
	now := s.now()
	pr := &pull{
		id: s.db.newID(), number: r.lastNumber, repo: r, headRepo: headRepo, headRef: branch, headSHA: sha,
		baseRef: in.Base, baseSHA: r.git.branches[in.Base], title: in.Title, body: in.Body, author: me,
		state: "open", draft: in.Draft, created: now, updated: now,
	}
	if err := r.git.fetch(headRepo.git, sha, fmt.Sprintf("refs/pull/%d/head", pr.number)); err != nil {
		return nil, err
	}
	r.pulls = append(r.pulls, pr)
	s.addCommits(pr, me)
	s.sendPull("opened", pr, me, nil)
	s.notify(Change{Kind: "pull_request", Repo: r.fullName(), Number: pr.number, SHA: sha})
	return pr, nil
}

// ForkPR forks the repository, commits the files to in.Head of the fork and
// opens a pull request from there.
func (p Person) ForkPR(in NewPR, files map[string]string) (PullRequest, error) {
	fork, err := p.Fork(in.Repo)
	if err != nil {
		return PullRequest{}, err
	}
	if _, err := p.Push(Push{Repo: fork, Branch: in.Head, Files: files}); err != nil {
		return PullRequest{}, err
	}
	in.Head = p.login + ":" + in.Head
	return p.OpenPR(in)
}

// ClosePR closes a pull request without merging it.
func (p Person) ClosePR(repo string, number int) error {
	return p.onOwnPull(repo, number, func(pr *pull, me *account) error {
		if pr.state != "open" {
			return errors.New("already closed")
		}
		p.s.closePull(pr, me)
		return nil
	})
}

// ReopenPR opens a closed pull request again.
func (p Person) ReopenPR(repo string, number int) error {
	return p.onOwnPull(repo, number, func(pr *pull, me *account) error {
		if pr.state == "open" || pr.mergedAt != nil {
			return errors.New("not closed, or merged")
		}
		pr.state, pr.closedAt = "open", nil
		p.s.pullEvent(pr, me, "reopened", "reopened", nil)
		return nil
	})
}

// MergePR merges a pull request: by "merge" or "squash".
func (p Person) MergePR(repo string, number int, method string) error {
	return p.onPull(repo, number, "write", func(pr *pull, me *account) error { return p.s.merge(pr, me, method) })
}

// MarkReady ends the draft.
func (p Person) MarkReady(repo string, number int) error {
	return p.onOwnPull(repo, number, func(pr *pull, me *account) error {
		pr.draft = false
		p.s.pullEvent(pr, me, "ready_for_review", "ready_for_review", nil)
		return nil
	})
}

// ConvertToDraft makes a pull request a draft.
func (p Person) ConvertToDraft(repo string, number int) error {
	return p.onOwnPull(repo, number, func(pr *pull, me *account) error {
		pr.draft = true
		p.s.pullEvent(pr, me, "converted_to_draft", "convert_to_draft", nil)
		return nil
	})
}

// Retarget changes the base of a pull request.
func (p Person) Retarget(repo string, number int, base string) error {
	return p.onOwnPull(repo, number, func(pr *pull, me *account) error {
		tip := pr.repo.git.branches[base]
		if tip == "" {
			return fmt.Errorf("no branch %s", base)
		}
		ref, sha := pr.baseRef, pr.baseSHA
		pr.baseRef, pr.baseSHA, pr.reads = base, tip, 0
		p.s.addCommits(pr, me)
		p.s.pullEvent(pr, me, "edited", "base_ref_changed", map[string]any{
			"changes": map[string]any{"base": map[string]any{"ref": map[string]string{"from": ref}, "sha": map[string]string{"from": sha}}},
		})
		return nil
	})
}

func (s *Server) pullEvent(pr *pull, by *account, action, event string, more map[string]any) {
	pr.updated = s.now()
	pr.timeline = append(pr.timeline, timelineItem{event: event, actor: by, at: pr.updated, id: s.db.newID()})
	s.sendPull(action, pr, by, more)
	s.notify(Change{Kind: "pull_request", Repo: pr.repo.fullName(), Number: pr.number})
}
