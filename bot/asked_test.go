package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const askedFile = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod: {protected: true, slack: "#shop", approvals: {count: 1}}
pipelines:
  deploy:
    on: {command: deploy}
    params: {color: {default: blue}}
    steps:
      - {name: build, run: make}
  ship:
    on: {push: {branches: [main], environment: staging}}
    steps:
      - {name: build, run: make}
`

func asked(t *testing.T) *scene {
	s := onSlack(t)
	s.forge.files[shop.ID] = askedFile
	return s
}

// answeredWith checks an answer that names a run which was asked for before.
func (s *scene) answeredWith(a answered, first pipeline.RunID, texts ...string) {
	s.t.Helper()
	if a.Run != first || a.Code != "already_asked" || a.Outcome != bot.Done || a.Shown || len(a.Confirm) != 0 {
		s.t.Errorf("run %s, code %q, outcome %s, shown %v, want it answered with %s: %s", a.Run, a.Code, a.Outcome, a.Shown, first, a.Text)
	}
	for _, text := range append(texts, "already asked for", string(first), "--again`", "(`already_asked`)") {
		if !strings.Contains(a.Text, text) {
			s.t.Errorf("%q is not in %q", text, a.Text)
		}
	}
}

func (s *scene) wantRuns(n int) {
	s.t.Helper()
	if all := s.runs(); len(all) != n {
		s.t.Errorf("%d runs, want %d", len(all), n)
	}
}

func TestTheSameAskedTwiceIsOneRun(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		same                bool
	}{
		{"while it waits for approval", "/deploy prod", "/deploy prod", true},
		{"while it runs", "/deploy staging", "/deploy staging", true},
		{"by another name of the commit", "/deploy prod", "/deploy prod " + head, true},
		{"for another reason", "/deploy prod --reason sale", "/deploy prod --reason hurry", true},
		{"willing to wait", "/deploy prod", "/deploy prod --wait", true},
		{"with the default of a parameter", "/deploy prod", "/deploy prod --param color=blue", true},
		{"with another parameter", "/deploy prod", "/deploy prod --param color=red", false},
		{"for another environment", "/deploy prod", "/deploy staging", false},
		{"for later", "/deploy prod", "/deploy prod --at 23:00", false},
		{"both for later", "/deploy prod --at 23:00", "/deploy prod --at 23:00", true},
		{"as a dry run", "/deploy prod", "/deploy prod --dry-run", false},
		{"by those who mean it", "/deploy prod", "/deploy prod --again", false},
		{"after it was cancelled", "/deploy prod\n/cancel prod", "/deploy prod", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := asked(t)
			s.say(mona, c.first)
			before := s.runs()
			a := s.say(octavia, c.second)
			if c.same {
				s.answeredWith(a, before[0].ID, "mona")
				s.wantRuns(len(before))
				return
			}
			if a.Outcome != bot.Done || a.Code != "" {
				t.Errorf("%s %s: %s", a.Outcome, a.Code, a.Text)
			}
			s.wantRuns(len(before) + 1)
		})
	}
}

func TestWhoWaitsForApprovalIsSaidToTheSecond(t *testing.T) {
	s := asked(t)
	first := s.say(mona, "/deploy prod").Run
	s.answeredWith(s.say(octavia, "/deploy prod"), first, "/approve "+string(first), "`/deploy prod --again`")
}

func TestNobodyIsAnsweredWithARunTheyMayNotAskFor(t *testing.T) {
	s := asked(t)
	s.say(mona, "/deploy prod")
	if a := s.say(eve, "/deploy prod"); a.Code != "not_allowed" || a.Outcome != bot.Refused {
		t.Errorf("%s %s: %s", a.Outcome, a.Code, a.Text)
	}
}

func TestTheSameAskedTwiceOnSlack(t *testing.T) {
	s := asked(t)
	one, two := s.slack("U0MONA", "shop", "", "/deploy prod"), s.slack("U0OCTAVIA", "shop", "", "/deploy prod")
	first := s.confirm("U0MONA", one).Run
	s.answeredWith(s.confirm("U0OCTAVIA", two), first, "mona")              // by button, at the same moment
	s.answeredWith(s.slack("U0OCTAVIA", "shop", "", "/deploy prod"), first) // and later, without a question
	s.answeredWith(s.say(mona, "/deploy prod"), first)
	s.wantRuns(1)
}

func TestPromotedTwice(t *testing.T) {
	s := asked(t)
	s.deployed("staging", head)
	first := s.say(mona, "/promote staging prod").Run
	s.answeredWith(s.say(octavia, "/promote staging prod"), first)
	s.wantRuns(2)
}

// deployed is an environment in which a run that has ended well stands.
func (s *scene) deployed(env, sha string) *pipeline.Run {
	s.t.Helper()
	cfg, err := s.forge.Config(s.t.Context(), shop)
	if err != nil {
		s.t.Fatal(err)
	}
	policy, _ := cfg.Environment(env)
	p, _ := cfg.Pipeline("deploy")
	r := &pipeline.Run{Request: pipeline.Request{ID: s.store.NewRunID(shop.ID), Repo: shop, Service: "shop", Pipeline: *p, Environment: policy,
		SHA: sha, Actor: mona, Trigger: pipeline.ByCommand, Created: s.clock.Now()}}
	r.State, r.Admitted, r.Steps = pipeline.Succeeded, true, []pipeline.StepRun{{Name: "build", State: pipeline.Succeeded}}
	state, err := s.store.Environment(s.t.Context(), shop.ID, env)
	if err != nil {
		s.t.Fatal(err)
	}
	d := pipeline.Deployment{Run: r.ID, SHA: sha, State: pipeline.Succeeded, At: s.clock.Now(), By: "mona"}
	state.Current = &d
	if err := s.store.Commit(s.t.Context(), pipeline.Change{Run: r, Environment: state, Deployment: &d}); err != nil {
		s.t.Fatal(err)
	}
	s.clock.Advance(time.Minute)
	return r
}

// Said once more while it goes on, it must not go back one revision further.
func TestRolledBackTwice(t *testing.T) {
	s := asked(t)
	for n := range 3 {
		s.deployed("staging", strings.Repeat(fmt.Sprint(n+2), 40))
	}
	first := s.say(mona, "/rollback staging").Run
	s.answeredWith(s.say(octavia, "/rollback staging"), first, "rollback", "`/rollback staging --again`")
	s.answeredWith(s.say(octavia, "/rollback staging to "+strings.Repeat("3", 40)), first)
	if a := s.say(eve, "/rollback staging"); a.Code != "not_allowed" {
		t.Errorf("%s: %s", a.Code, a.Text)
	}
	s.wantRuns(4)
}

func TestRetriedTwice(t *testing.T) {
	s := asked(t)
	s.say(mona, "/deploy prod")
	s.say(mona, "/cancel prod")
	first := s.say(mona, "/retry").Run
	s.answeredWith(s.say(octavia, "/retry"), first, "`/retry --again`")
	s.wantRuns(2)
}

// What nobody asks for by word is answered nobody; there is one run all the same.
func TestAPushOfWhatIsUnderWayStartsNoOther(t *testing.T) {
	s := asked(t)
	push := bot.Push{Repo: shop, Actor: mona, Branch: "main", After: head}
	s.handle(bot.KindPush, push)
	s.handle(bot.KindPush, push)
	s.wantRuns(1)
}

func TestAScheduleDoesNotOvertakeItself(t *testing.T) {
	s := scheduled(t, "*/10 * * * *")
	for range 3 {
		s.clock.Advance(10 * time.Minute)
		if n := s.tick(); n != 1 {
			t.Errorf("%d runs, and the first goes on", n)
		}
	}
}
