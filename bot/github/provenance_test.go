package github

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

func (s *scene) checks(pr int, sha string, who pipeline.Actor) *pipeline.Run {
	r := &pipeline.Run{}
	r.ID, r.Repo, r.SHA, r.PR, r.Base, r.Ref, r.Actor = "r-1", s.repo, sha, pr, "main", "topic", who
	r.Trigger = pipeline.ByPullRequest
	return r
}

func TestWhoseCodeACheckIs(t *testing.T) {
	const repo = "octo/shop"
	for name, c := range map[string]struct {
		do   func(s *scene) *pipeline.Run
		want string // how the reason begins; "": there is none
	}{
		"a branch's": {func(s *scene) *pipeline.Run { return s.checks(s.pr, s.sha, s.mona) }, ""},
		"a fork's": {func(s *scene) *pipeline.Run {
			pr := sim.Must(s.sim.As("eve").ForkPR(sim.NewPR{Repo: repo, Head: "topic", Title: "x"}, map[string]string{"x": "x"}))
			return s.checks(pr.Number, pr.Head.SHA, s.mona)
		}, "The pull request comes from a fork."},
		"a fork's that was deleted": {func(s *scene) *pipeline.Run {
			pr := sim.Must(s.sim.As("eve").ForkPR(sim.NewPR{Repo: repo, Head: "topic", Title: "x"}, map[string]string{"x": "x"}))
			if err := s.sim.DeleteRepo("eve/shop"); err != nil {
				s.t.Fatal(err)
			}
			return s.checks(pr.Number, pr.Head.SHA, s.mona)
		}, "The pull request comes from a fork."},
		"a fork's by a maintainer of ours": {func(s *scene) *pipeline.Run {
			pr := sim.Must(s.sim.As("hubot").ForkPR(sim.NewPR{Repo: repo, Head: "topic", Title: "x"}, map[string]string{"x": "x"}))
			return s.checks(pr.Number, pr.Head.SHA, s.mona)
		}, "The pull request comes from a fork."},
		"the head has moved": {func(s *scene) *pipeline.Run {
			sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}}))
			return s.checks(s.pr, s.sha, s.mona)
		}, "The pull request moved from"},
		"who pushed has left": {func(s *scene) *pipeline.Run {
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "hubot", Role: "write"}))
			sha := sim.Must(s.sim.As("hubot").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}}))
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "hubot", Role: "read"}))
			return s.checks(s.pr, sha, s.mona)
		}, "`hubot` pushed"},
		"the author of the commit claims to be mona": {func(s *scene) *pipeline.Run {
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "eve", Role: "write"}))
			sha := sim.Must(s.sim.As("eve").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}, AuthorName: "mona", AuthorEmail: "mona@users.noreply.github.com"}))
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "eve", Role: "triage"}))
			return s.checks(s.pr, sha, s.mona)
		}, "`eve` pushed"},
		"eve asked for the check of mona's commit": {func(s *scene) *pipeline.Run {
			eve := sim.Must(s.sim.AddUser(sim.NewUser{Login: "evelyn"}))
			return s.checks(s.pr, s.sha, pipeline.Actor{ID: eve.ID, Login: "evelyn"})
		}, "`evelyn` started this check."},
		"an app pushed to it, with write access": {func(s *scene) *pipeline.Run {
			sim.Must(s.sim.AddApp("dependabot", 0))
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "dependabot[bot]", Role: "write"}))
			sha := sim.Must(s.sim.As("dependabot[bot]").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}}))
			return s.checks(s.pr, sha, s.mona)
		}, "`dependabot[bot]` pushed"},
		"an app brought the branch back to mona's commit": {func(s *scene) *pipeline.Run {
			sim.Must(s.sim.AddApp("dependabot", 0))
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "dependabot[bot]", Role: "write"}))
			sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "topic", Files: map[string]string{"b": "b"}}))
			sim.Must(s.sim.As("dependabot[bot]").Push(sim.Push{Repo: repo, Branch: "topic", To: s.sha, Force: true}))
			return s.checks(s.pr, s.sha, s.mona)
		}, "`dependabot[bot]` pushed"},
		"a commit that was never pushed to the branch": {func(s *scene) *pipeline.Run {
			r := s.checks(0, s.sha, pipeline.Bot())
			r.Trigger, r.Ref = pipeline.ByPush, "main"
			return r
		}, "GitHub does not say who pushed"},
		"a push": {func(s *scene) *pipeline.Run {
			r := s.checks(0, s.sha, pipeline.Bot())
			r.Trigger = pipeline.ByPush
			return r
		}, ""},
		"the clock, on the default branch": {func(s *scene) *pipeline.Run {
			r := s.checks(0, s.sim.Head(repo, "main"), pipeline.Bot())
			r.Trigger = pipeline.BySchedule
			return r
		}, ""},
		"the clock, elsewhere": {func(s *scene) *pipeline.Run {
			r := s.checks(0, s.sha, pipeline.Bot())
			r.Trigger = pipeline.BySchedule
			return r
		}, "The commit is not on the default branch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.must(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "eve", Role: "read"}))
			r := c.do(s)
			from, err := s.client.Provenance(s.ctx(), r)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if why := from.Withheld(r, nil); why != nil {
				got = pipeline.Message(why)
			}
			if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A person whose right cannot be asked gets nothing, and an error is no right.
func TestAnErrorGivesNoSecrets(t *testing.T) {
	s := newScene(t)
	r := s.checks(s.pr, s.sha, s.mona)
	r.PR = 999
	if _, err := s.client.Provenance(s.ctx(), r); pipeline.Code(err) != "unknown_pull_request" {
		t.Errorf("%v", err)
	}
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
