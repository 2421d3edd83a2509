package github

import (
	"slices"
	"testing"
	"time"

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

func TestTeamMembers(t *testing.T) {
	s := newScene(t)
	all, err := s.client.TeamMembers(s.ctx(), s.repo, "leads", 5)
	if err != nil || len(all) == 0 || all[0].ID == 0 || all[0].Login == "" {
		t.Errorf("got %v, %v", all, err)
	}
	if none, err := s.client.TeamMembers(s.ctx(), s.repo, "no-such-team", 5); err != nil || len(none) != 0 {
		t.Errorf("of no team: %v, %v", none, err)
	}
}
