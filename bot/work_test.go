package bot_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Whoever pushed what a push deploys by itself does not approve it.
func TestNobodyApprovesTheirOwnPush(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = `
service: shop
environments: {prod: {approvals: {count: 1}}}
pipelines:
  deploy:
    on: {push: {branches: [main], environment: prod}}
    steps:
      - {name: build, run: make}
`
	s.forge.wrote = []int64{octavia.ID}
	s.forge.rights[mona.ID] = pipeline.Maintain
	s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: octavia, Branch: "main", Default: true, After: head})
	runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{Repo: shop.ID})
	if err != nil || len(runs) != 1 {
		t.Fatal(len(runs), err)
	}
	approve := "/approve " + string(runs[0].ID)
	if a := s.say(octavia, approve); a.Outcome != bot.Refused || !strings.Contains(a.Text, "may_not_approve") {
		t.Errorf("who pushed: %s %q", a.Outcome, a.Text)
	}
	if a := s.say(mona, approve); a.Outcome != bot.Done {
		t.Errorf("somebody else: %s %q", a.Outcome, a.Text)
	}
}

// The head of the pull request is under its rules by any of its names.
func TestThePullRequestsOwnHeadByAnotherName(t *testing.T) {
	for _, ref := range []string{"", " sale", " " + head[:8]} {
		s := newScene(t)
		s.forge.notYet = true
		if a := s.say(mona, "/deploy prod"+ref); a.Outcome != bot.Refused || !strings.Contains(a.Text, "confirm_sha") {
			t.Errorf("/deploy prod%s: %s %q", ref, a.Outcome, a.Text)
		}
		s.forge.notYet = false
		r, err := s.store.Load(t.Context(), s.say(mona, "/deploy prod"+ref).Run)
		if err != nil || r.PR != 1 || r.SHA != head {
			t.Errorf("/deploy prod%s: %+v %v", ref, r, err)
		}
	}
}

func TestALocksReasonIsQuoted(t *testing.T) {
	s := newScene(t)
	s.say(mona, "/lock staging --reason \"` @octavia [x](https://evil.example)\"")
	a := s.say(octavia, "/deploy staging")
	if a.Outcome != bot.Refused || !strings.Contains(a.Text, "`' @octavia [x](https://evil.example)`") {
		t.Errorf("%q", a.Text)
	}
}
