package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// ends is how a run to an environment ends, whatever its steps would do.
func (s *scene) ends(id pipeline.RunID, state pipeline.State) {
	s.t.Helper()
	r, err := s.store.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	env, err := s.store.Environment(s.t.Context(), shop.ID, r.EnvironmentName())
	if err != nil {
		s.t.Fatal(err)
	}
	r.State, r.Ended = state, s.clock.Now()
	d := pipeline.Deployment{Run: id, SHA: r.SHA, Pipeline: "deploy", State: state, At: s.clock.Now()}
	env.Active, env.Unsettled = "", id
	if state == pipeline.Succeeded {
		env.Current, env.Unsettled = &d, ""
	}
	if err := s.store.Commit(s.t.Context(), pipeline.Change{Run: r, Environment: env, Deployment: &d}); err != nil {
		s.t.Fatal(err)
	}
}

// twice handles a message whose first try is cut short after it did its work,
// with something that happens in between, and returns the answer in the end.
func (s *scene) twice(m bot.Said, between func()) answered {
	s.t.Helper()
	s.forge.write(m.Text)
	audit := &fullOnce{full: true}
	s.bot.Audit = audit
	if err := s.retry("twice", m); err == nil {
		s.t.Fatal("it was to be cut short")
	}
	between()
	before := len(s.talk.answers())
	if err := s.retry("twice", m); err != nil {
		s.t.Fatal(err)
	}
	return s.one(s.talk.answers()[before:])
}

// A command that started its run is never refused when it is tried again:
// people would say it once more.
func TestWhatWasStartedIsNotRefused(t *testing.T) {
	open := strings.Replace(shopFile, "approvals: {count: 1}", "", 1)
	for _, row := range []struct {
		name, line string
		between    func(*scene)
	}{
		{"another deploy works on staging by now", "/promote staging prod", func(s *scene) { s.say(mona, "/deploy staging") }},
		{"its time is over by now", "/deploy staging --at 09:10", func(s *scene) { s.clock.Advance(11 * time.Minute) }},
		{"the comment was changed", "/deploy staging", func(s *scene) { s.forge.write("edited") }},
		{"what runs there went wrong", "/promote staging prod", func(s *scene) { s.ends(s.say(mona, "/deploy staging").Run, pipeline.Failed) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.forge.files[shop.ID] = open
			s.ends(s.say(mona, "/deploy staging").Run, pipeline.Succeeded)
			s.clock.Advance(time.Second)
			m := comment(mona, row.line)
			m.Came = s.clock.Now()
			if a := s.twice(m, func() { row.between(s) }); a.Outcome != bot.Done || a.Run == "" {
				t.Errorf("%s %q", a.Outcome, a.Text)
			}
		})
	}
}

func TestAFailedDeployIsNotTheSameFiles(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID], s.forge.same, s.forge.tip = pushFile, true, strings.Repeat("2", 40)
	s.ends(s.say(mona, "/deploy staging").Run, pipeline.Succeeded)
	s.clock.Advance(time.Minute)
	s.ends(s.say(mona, "/deploy staging").Run, pipeline.Failed)
	s.clock.Advance(time.Minute)
	s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: mona, Branch: "main", Before: strings.Repeat("0", 40), After: s.forge.tip})
	runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{Repo: shop.ID, Limit: 1})
	if err != nil || runs[0].Trigger != pipeline.ByPush || runs[0].Code == "nothing_to_do" {
		t.Errorf("%s %q, %v", runs[0].State, runs[0].Message, err)
	}
}

func TestAnOlderPushDoesNotFollowANewerOne(t *testing.T) {
	s := newScene(t)
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	s.forge.files[shop.ID], s.forge.tip = pushFile, b
	push := func(before, after string) pipeline.RunID {
		s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: mona, Branch: "main", Before: before, After: after})
		env, err := s.store.Environment(t.Context(), shop.ID, "staging")
		if err != nil {
			t.Fatal(err)
		}
		return env.Active
	}
	newer := push(a, b)
	if newer == "" {
		t.Fatal("the newest push is not deployed")
	}
	s.ends(newer, pipeline.Succeeded)
	if older := push(strings.Repeat("0", 40), a); older != "" {
		t.Errorf("%s deploys the older commit", older)
	}
}

func TestAnOverrideDoesNotWaitBehindTheLocked(t *testing.T) {
	s := newScene(t)
	s.say(mona, `/lock staging --reason "migration"`)
	s.say(mona, "/deploy staging --wait")
	second := s.say(mona, "/deploy staging --wait").Run
	a := s.say(octavia, fmt.Sprintf(`/override %s lock --reason "the site is down"`, second))
	if r, err := s.store.Load(t.Context(), second); err != nil || !r.Admitted {
		t.Errorf("%s: %q, %v", r.State, a.Text, err)
	}
}

func TestATimeOfTheDayIsMeantWhenItIsSaid(t *testing.T) {
	s := newScene(t)
	s.clock.Advance(13*time.Hour + 5*time.Second) // 22:00:05
	m := comment(mona, "/deploy staging --at 22:00")
	m.At = time.Date(2026, 3, 2, 21, 59, 40, 0, time.UTC)
	s.forge.write(m.Text)
	if a := s.one(s.handle(bot.KindSaid, m)); a.Outcome != bot.Done || strings.Contains(a.Text, "03-03") {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

func TestRetryOnSlackNamesItsRun(t *testing.T) {
	s := newScene(t)
	s.handle(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}})
	s.ends(s.say(octavia, "/deploy staging").Run, pipeline.Failed)
	if a := s.slack("U0MONA", "shop", "", "/retry"); a.Outcome != bot.Refused || !strings.Contains(a.Text, "Say which run") {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

// What a push starts is said by the list of its branches: a later pattern wins,
// and the branches of a merge queue are meant by none that does not name them.
func TestWhichBranchesAPushRuleMeans(t *testing.T) {
	for _, row := range []struct {
		branches, branch string
		want             bool
	}{
		{`["**"]`, "topic", true},
		{`["**", "!topic"]`, "topic", false},
		{`["**", "!topic"]`, "main", true},
		{`["**", "!feature/**", "feature/x"]`, "feature/x", true},
		{`["**", "!feature/**", "feature/x"]`, "feature/y", false},
		{`["**"]`, "gh-readonly-queue/main/pr-1-abc", false},
		{`["*/**"]`, "gh-readonly-queue/main/pr-1-abc", false},
		{`["gh-*/**"]`, "gh-readonly-queue/main/pr-1-abc", false},
		{`["gh-readonly-queue/**"]`, "gh-readonly-queue/main/pr-1-abc", true},
		{`["main", "gh-readonly-queue/main/**"]`, "gh-readonly-queue/main/pr-1-abc", true},
		{`["gh-readonly-queue/**", "!gh-readonly-queue/main/**"]`, "gh-readonly-queue/main/pr-1-abc", false},
	} {
		s := newScene(t)
		s.forge.files[shop.ID] = shopFile + `
  pushed:
    on: {push: {branches: ` + row.branches + `}}
    steps:
      - {name: build, run: make}
`
		s.handle(bot.KindPush, bot.Push{Repo: shop, Actor: mona, Branch: row.branch, Before: strings.Repeat("0", 40), After: head})
		if got := len(s.runs()) == 1; got != row.want {
			t.Errorf("a push to %s for %s starts it: %t", row.branch, row.branches, got)
		}
	}
}
