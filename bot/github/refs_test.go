package github

import (
	"fmt"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// A word that names two commits is refused with both of them named, and each
// can be written so that it is the only one.
func TestAWordForTwoCommits(t *testing.T) {
	s := newScene(t)
	main := s.sim.Head("octo/shop", "main")
	tag := func(name, sha string) {
		t.Helper()
		if err := s.sim.Tag("octo/shop", name, sha); err != nil {
			t.Fatal(err)
		}
	}
	tag("topic", main)
	tag("main", s.sha)
	tag("same", main)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: "octo/shop", Branch: "v1", Files: map[string]string{"v": "1"}, Message: "Version"}))
	tag(main[:7], s.sha)
	for ref, want := range map[string]string{
		"topic": fmt.Sprintf("`topic` can mean the branch, which is `%.7s` `Add a`, or the tag, which is `%.7s` `Initial commit`. Write which: `refs/heads/topic` or `refs/tags/topic`.", s.sha, main),
		"main":  fmt.Sprintf("`main` can mean the branch, which is `%.7s` `Initial commit`, or the tag, which is `%.7s` `Add a`. Write which: `refs/heads/main` or `refs/tags/main`.", main, s.sha),
	} {
		got, err := s.client.Commit(s.ctx(), s.repo, ref)
		if pipeline.Code(err) != "ambiguous_ref" || pipeline.Message(err) != want {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
	for ref, want := range map[string]pipeline.Commit{
		"refs/heads/topic": {SHA: s.sha, Title: "Add a", Branch: "topic"},
		"refs/tags/topic":  {SHA: main, Title: "Initial commit", OnDefault: true},
		"refs/heads/main":  {SHA: main, Title: "Initial commit", Branch: "main", OnDefault: true},
		"refs/tags/main":   {SHA: s.sha, Title: "Add a"},
		main[:7]:           {SHA: s.sha, Title: "Add a"}, // GitHub, like git, reads a name before the beginning of an id
		"":                 {SHA: main, Title: "Initial commit", Branch: "main", OnDefault: true},
	} {
		if got, err := s.client.Commit(s.ctx(), s.repo, ref); err != nil || got != want {
			t.Errorf("%q: %+v, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"refs/tags/nope", "refs/heads/nope", "refs/heads/v1.0", "refs/tags/v1", "refs/heads/", "refs/remotes/origin/main"} {
		if got, err := s.client.Commit(s.ctx(), s.repo, ref); pipeline.Code(err) != "unknown_ref" {
			t.Errorf("%q: %+v, %v", ref, got, err)
		}
	}
	refs, err := s.client.Refs(s.ctx(), s.repo)
	if err != nil || refs.Default != "refs/heads/main" || len(refs.Pulls) != 1 || refs.Pulls[0].Branch != "refs/heads/topic" {
		t.Errorf("%+v, %v", refs, err)
	}
}

// A commit that GitHub has no time for now is not one that there is not.
func TestACommitThatIsNotAnsweredNow(t *testing.T) {
	s := newScene(t)
	s.sim.Inject(sim.Fault{Path: "/repos/octo/shop/commits/**", Times: 1, Status: 422,
		Body: `{"message":"Server Error: Sorry, this diff is temporarily unavailable due to heavy server load.","errors":[{"resource":"Commit","field":"diff","code":"not_available"}]}`})
	if got, err := s.client.Commit(s.ctx(), s.repo, s.sha); !pipeline.IsTemporary(err) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := s.client.Commit(s.ctx(), s.repo, s.sha); err != nil || got.SHA != s.sha {
		t.Errorf("asked again: %+v, %v", got, err)
	}
}
