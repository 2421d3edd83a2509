package github

import (
	"fmt"
	"strings"
)

const zeroSHA = "0000000000000000000000000000000000000000"

// moveBranch points a branch at a commit (or removes it, for an empty sha) and
// does everything that follows on github.com: the activity, the push webhook,
// the check suite, and what it means for pull requests.
func (s *Server) moveBranch(r *repository, branch, sha string, by *account, kind string) error {
	before := r.git.branches[branch]
	if err := r.git.move(branch, sha); err != nil {
		return err
	}
	s.branchMoved(r, branch, before, sha, by, kind)
	return nil
}

func (s *Server) branchMoved(r *repository, branch, before, after string, by *account, kind string) {
	forced := before != "" && after != "" && !r.git.isAncestor(before, after)
	switch {
	case after == "":
		kind = "branch_deletion"
	case before == "":
		kind = "branch_creation"
	case forced:
		kind = "force_push"
	}
	now := s.now()
	r.pushed = now
	r.activities = append(r.activities, &activity{
		id: s.db.newID(), before: orZero(before), after: orZero(after), ref: "refs/heads/" + branch, kind: kind, actor: by, at: now,
	})
	s.sendPush(r, push{branch: branch, before: before, after: after, forced: forced, by: by})
	if after == "" {
		s.headDeleted(r, branch, by)
	} else {
		s.requestSuite(r, branch, before, after, by)
		s.headMoved(r, branch, after, forced, by)
	}
	s.notify(Change{Kind: "push", Repo: r.fullName(), SHA: after})
}

func orZero(sha string) string {
	if sha == "" {
		return zeroSHA
	}
	return sha
}

// requestSuite makes a check suite for the App, as GitHub does for every push.
func (s *Server) requestSuite(r *repository, branch, before, after string, by *account) {
	inst := s.db.installationOf(r)
	if inst == nil || inst.permissions["checks"] != "write" {
		return
	}
	if suite, isNew := s.suite(r, s.db.own, after, branch, before); isNew {
		s.sendCheckSuite("requested", r, suite, by)
	}
}

// headDeleted closes the pull requests from the branch.
func (s *Server) headDeleted(r *repository, branch string, by *account) {
	for _, base := range s.db.repos {
		for _, p := range base.pulls {
			if p.state == "open" && p.headRepo == r && p.headRef == branch {
				s.closePull(p, by)
			}
		}
	}
}

// headMoved updates the pull requests from and to the branch.
func (s *Server) headMoved(r *repository, branch, after string, forced bool, by *account) {
	for _, base := range s.db.repos {
		for _, p := range base.pulls {
			if p.state != "open" {
				continue
			}
			if p.repo == r && p.baseRef == branch {
				p.reads = 0
			}
			if p.headRepo != r || p.headRef != branch {
				continue
			}
			if err := s.advance(p, after, forced, by); err != nil {
				s.cfg.Logger.Error("pull request not moved", "repo", base.fullName(), "pull", p.number, "err", err)
			}
		}
	}
}

func (s *Server) advance(p *pull, after string, forced bool, by *account) error {
	before := p.headSHA
	if err := p.repo.git.fetch(p.headRepo.git, after, fmt.Sprintf("refs/pull/%d/head", p.number)); err != nil {
		return err
	}
	p.headSHA, p.baseSHA, p.updated, p.reads = after, p.baseTip(), s.now(), 0
	if forced {
		p.timeline = append(p.timeline, timelineItem{event: "head_ref_force_pushed", actor: by, at: s.now(), commit: after, id: s.db.newID()})
	}
	s.addCommits(p, by)
	if p.repo.git.isAncestor(after, p.baseTip()) { // pushed to the base by hand
		now := s.now()
		p.mergedBy, p.mergedAt, p.mergeCommit = by, &now, after
		s.closePull(p, by)
		return nil
	}
	s.sendPull("synchronize", p, by, map[string]any{"before": before, "after": after})
	s.notify(Change{Kind: "pull_request", Repo: p.repo.fullName(), Number: p.number, SHA: after})
	return nil
}

// splitHead reads the head of a pull request, branch or owner:branch.
func (s *Server) splitHead(base *repository, head string) (*repository, string, error) {
	owner, branch, forked := strings.Cut(head, ":")
	if !forked {
		return base, head, nil
	}
	for _, r := range s.db.repos {
		if strings.EqualFold(r.owner.login, owner) && (r == base || r.parent == base) {
			return r, branch, nil
		}
	}
	return nil, "", fmt.Errorf("%s has no fork of %s", owner, base.fullName())
}
