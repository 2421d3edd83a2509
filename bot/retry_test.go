package bot_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// cancelled is a run of pull request 1 that has ended, after which its head moved.
func (s *scene) cancelled(line string) {
	s.t.Helper()
	s.say(mona, line)
	if a := s.say(mona, "/cancel "+string(s.runs()[0].ID)); a.Outcome != bot.Done {
		s.t.Fatalf("%s", a.Text)
	}
	s.forge.pushed = moved
}

func TestARetriedDeployOffersTheNewHead(t *testing.T) {
	for line, want := range map[string]string{
		"/deploy staging":                    "`/deploy staging " + moved + "`",
		"/deploy prod --param color=red":     "`/deploy prod " + moved + " --param color=red`",
		"/deploy staging --param color=blue": "`/deploy staging " + moved + "`",
	} {
		s := asked(t)
		s.cancelled(line)
		if a := s.say(octavia, "/retry"); a.Code != "head_moved" || a.Outcome != bot.Refused || !strings.Contains(a.Text, want) {
			t.Errorf("%s: %s %s, want %s in %s", line, a.Outcome, a.Code, want, a.Text)
		}
		s.wantRuns(1)
	}
}

func TestARetriedDeployOfABranchOffersItsHead(t *testing.T) {
	s := asked(t)
	s.slack("U0MONA", "shop", "", "/deploy shop staging main")
	first := s.runs()[0]
	s.slack("U0MONA", "shop", "", "/cancel "+string(first.ID))
	s.forge.tip = moved
	a := s.slack("U0MONA", "shop", "", "/retry "+string(first.ID))
	if a.Code != "head_moved" || !strings.Contains(a.Text, "`/deploy staging "+head+"`") {
		t.Fatalf("%s: %s", a.Code, a.Text)
	}
	s.wantRuns(1)
	if b := s.confirm("U0MONA", a); b.Outcome != bot.Done || s.runs()[0].SHA != moved {
		t.Errorf("the button deploys %s: %s", s.runs()[0].SHA, b.Text)
	}
}

// What has not moved is run again as it was.
func TestARetriedDeployOfTheHead(t *testing.T) {
	s := asked(t)
	s.cancelled("/deploy staging")
	s.forge.pushed = ""
	if a := s.say(mona, "/retry"); a.Outcome != bot.Done || a.Code != "" {
		t.Errorf("%s: %s", a.Code, a.Text)
	}
	s.wantRuns(2)
}

func TestRetriedChecksRunOnTheHead(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = "service: shop\npipelines:\n  checks:\n    on: {pull_request: {}}\n    steps:\n      - {name: test, run: make}\n"
	s.handle(bot.KindPullRequest, bot.PullRequest{Repo: shop, Actor: mona, Author: mona, Action: "opened", Number: 1, Head: head, Branch: "sale", Base: "main"})
	s.say(octavia, "/cancel")
	s.forge.pushed, s.forge.into = moved, "next"
	first := s.say(mona, "/retry")
	r := s.runs()[0]
	if first.Outcome != bot.Done || r.SHA != moved || r.Base != "next" || r.State != pipeline.Running {
		t.Fatalf("%s: run %s of %s into %s is %s (%s)", first.Text, r.ID, r.SHA, r.Base, r.State, r.Message)
	}
	s.answeredWith(s.say(octavia, "/retry"), first.Run)
	s.wantRuns(2)
}

func TestARetriedDryRunIsOneOfTheHead(t *testing.T) {
	s := asked(t)
	s.cancelled("/deploy staging --dry-run --at 23:00")
	if a := s.say(mona, "/retry"); a.Outcome != bot.Done || s.runs()[0].SHA != moved || !s.runs()[0].DryRun {
		t.Errorf("%s: %s", a.Code, a.Text)
	}
}
