package github

import (
	"slices"
	"testing"
)

func TestReadOnce(t *testing.T) {
	s := newScene(t)
	reads := func() (n int) {
		for _, r := range s.sim.Requests() {
			if r.Method == "GET" {
				n++
			}
		}
		return n
	}
	if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err != nil { // the token is there
		t.Fatal(err)
	}
	once := s.client.ReadOnce(s.ctx())
	before := reads()
	for range 3 {
		if got, err := s.client.PullRequest(once, s.repo, s.pr); err != nil || got.Head != s.sha {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := reads() - before; n != 1 {
		t.Errorf("%d reads of one pull request", n)
	}
	before = reads()
	for range 2 {
		if _, err := s.client.PullRequest(s.ctx(), s.repo, s.pr); err != nil {
			t.Fatal(err)
		}
	}
	if n := reads() - before; n != 2 {
		t.Errorf("%d reads by two who do not share them", n)
	}
	// After a write everything is asked again.
	if _, err := s.client.write(once, post{repo: s.repo, pr: s.pr, marker: marker("test"), body: marker("test") + "x"}); err != nil {
		t.Fatal(err)
	}
	before = reads()
	if _, err := s.client.PullRequest(once, s.repo, s.pr); err != nil || reads()-before != 1 {
		t.Errorf("%d reads after a write, %v", reads()-before, err)
	}
	// What is shared is not the same bytes twice over.
	one, err1 := s.client.Contributors(once, s.repo, "", s.sha, 0, "")
	two, err2 := s.client.Contributors(once, s.repo, "", s.sha, 0, "")
	if err1 != nil || err2 != nil || !slices.Equal(one, two) {
		t.Errorf("%v %v, %v %v", one, err1, two, err2)
	}
}
