package github

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

func TestRefsAreWhatPeopleDeployTheMostRecentFirst(t *testing.T) {
	s := newScene(t)
	mona := s.sim.As("mona")
	for _, branch := range []string{"old", "zebra", "apple"} {
		s.clock.add(time.Second)
		if _, err := mona.Push(sim.Push{Repo: "octo/shop", Branch: branch, Files: map[string]string{branch: "x"}, Message: branch}); err != nil {
			t.Fatal(err)
		}
	}
	refs, err := s.client.Refs(s.ctx(), s.repo)
	if err != nil {
		t.Fatal(err)
	}
	pull, _ := s.sim.PullRequest("octo/shop", s.pr)
	if refs.Default != "main" || len(refs.Pulls) != 1 || refs.Pulls[0].Number != s.pr || refs.Pulls[0].Branch != pull.Head.Ref {
		t.Errorf("refs %+v", refs)
	}
	if !slices.Equal(refs.Branches, []string{"apple", "zebra", "old"}) {
		t.Errorf("branches %v: those of pull requests and the default branch are there already", refs.Branches)
	}
}

func TestABranchThatIsGoneIsNotOffered(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	got := moved([]move{
		{Ref: "refs/heads/a", Kind: "push", Timestamp: at}, {Ref: "refs/heads/b", Kind: "push", Timestamp: at.Add(1)},
		{Ref: "refs/heads/a", Kind: "branch_deletion", Timestamp: at.Add(2)}, {Ref: "refs/tags/c", Kind: "push", Timestamp: at.Add(3)},
		{Ref: "refs/heads/b", Kind: "push", Timestamp: at.Add(4)},
	})
	if !slices.Equal(got, []string{"b"}) {
		t.Errorf("got %v", got)
	}
}

func TestWhomRulesName(t *testing.T) {
	s := newScene(t)
	named := func(most int, entries ...string) string {
		t.Helper()
		all, err := s.client.Named(s.ctx(), s.repo, pipeline.Roster{Entries: entries}, most)
		if err != nil {
			t.Fatal(err)
		}
		var logins []string
		for _, a := range all {
			if a.ID == 0 {
				t.Errorf("%+v has no id", a)
			}
			logins = append(logins, a.Login)
		}
		return strings.Join(logins, " ")
	}
	if got := named(5, "team:leads", "user:eve", "user:nobody", "team:no-such-team"); got != "hubot eve" {
		t.Errorf("named are %q", got)
	}
	if got := named(0, "team:leads", "user:eve"); got != "eve" {
		t.Errorf("of a team that is too large: %q", got)
	}
}
