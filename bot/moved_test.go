package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

func (s *scene) code(r *pipeline.Run) string {
	s.t.Helper()
	now, err := s.store.Load(s.t.Context(), r.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	if !now.State.Terminal() {
		return string(now.State)
	}
	return now.Code
}

func TestARetargetedPullRequest(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *pipeline.Run)
		before time.Duration // it was made
		want   string
	}{
		"what waits ends":                                 {func(*pipeline.Run) {}, 0, "base_changed"},
		"what has begun goes on":                          {func(r *pipeline.Run) { r.Admitted, r.State = true, pipeline.Running }, 0, "running"},
		"a check that runs goes on":                       {func(r *pipeline.Run) { r.Environment, r.Admitted, r.State = nil, true, pipeline.Running }, 0, "running"},
		"what was asked for after it":                     {func(r *pipeline.Run) { r.Base = "next" }, 0, "waiting"},
		"a rollback":                                      {func(r *pipeline.Run) { r.Trigger = pipeline.ByRollback }, 0, "waiting"},
		"what was made before bases were kept":            {func(r *pipeline.Run) { r.Base = "" }, 0, "waiting"},
		"another pull request's":                          {func(r *pipeline.Run) { r.PR = 2 }, 0, "waiting"},
		"what was asked for after it, and came before us": {func(*pipeline.Run) {}, 2 * time.Minute, "waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			asked := *s.asking()
			asked.ID, asked.Version, asked.Base = "", 0, "main"
			c.change(&asked)
			r, at := s.made(asked), s.clock.Now().Add(time.Second-c.before)
			s.handle(bot.KindPullRequest, bot.PullRequest{Repo: shop, Actor: mona, Action: "edited", Number: 1, Head: head, Base: "next", At: at})
			if got := s.code(r); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestADraftIsLookedAtAgain(t *testing.T) {
	s := newScene(t)
	s.handle(bot.KindPullRequest, bot.PullRequest{Repo: shop, Actor: mona, Action: "converted_to_draft", Number: 1, Head: head, Base: "main", At: s.clock.Now()})
	leases := s.store.Poll(pipeline.Control, 10, time.Minute)
	if len(leases) != 1 || leases[0].ID != (bot.Moved{Repo: shop.ID, SHA: head, PR: 1}).Job().ID {
		t.Errorf("%+v", leases)
	}
}

func TestLateCommands(t *testing.T) {
	s := newScene(t)
	failed := s.made(pipeline.Run{Request: pipeline.Request{Repo: shop, PR: 1, Pipeline: pipeline.Pipeline{Name: "deploy"}}, Progress: pipeline.Progress{State: pipeline.Failed}})
	for _, c := range []struct {
		age   time.Duration
		says  string
		want  string
		lines string
	}{
		{-time.Minute, "/deploy staging", "", ""},
		{9 * time.Minute, "/deploy staging", "", ""},
		{11 * time.Minute, "/deploy staging", "late", "/deploy staging " + head},
		{11 * time.Minute, "/deploy staging main --param a=b", "unknown_param", ""}, // what is wrong is said first
		{11 * time.Minute, `/deploy staging main --wait --reason "it's \"new\""`, "late", "/deploy staging " + head + ` --reason "it's \"new\"" --wait`},
		{25 * time.Hour, "/deploy staging", "expired", "/deploy staging " + head},
		{11 * time.Minute, "/retry", "late", "/retry " + string(failed.ID)},
		{9 * time.Minute, "/retry", "", ""},
		{30 * time.Hour, "/status staging", "", ""},
	} {
		said := comment(mona, c.says)
		said.At = s.clock.Now().Add(-c.age)
		s.forge.write(c.says)
		a := s.one(s.handle(bot.KindSaid, said))
		refused := a.Outcome == bot.Refused
		if refused != (c.want != "") || refused && !strings.Contains(a.Text, "(`"+c.want+"`)") || c.lines != "" && !strings.Contains(a.Text, "paste: `"+c.lines+"` ") {
			t.Errorf("%s ago, %s: %s %s", c.age, c.says, a.Outcome, a.Text)
		}
	}
}

// twofaced is a GitHub that shows another head the second time.
type twofaced struct{ *forge }

func (f twofaced) Live(ctx context.Context, r *pipeline.Run) (pipeline.Live, error) {
	live, err := f.forge.Live(ctx, r)
	live.PullRequest.Head = strings.Repeat("2", 40)
	return live, err
}

func TestGitHubShowsAnotherHeadTheSecondTime(t *testing.T) {
	for _, text := range []string{"/deploy staging", "/deploy prod", "/deploy prod " + head} {
		s := newScene(t)
		gh := twofaced{s.forge}
		engine := &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: gh, Now: s.clock.Now, Log: s.bot.Log}
		s.bot.GitHub, s.bot.Runs = gh, engine
		s.bot.Commands = commands.All(commands.Desk{Runs: engine, Store: s.store, GitHub: gh, Records: s.store})
		if a := s.say(mona, text); a.Outcome != bot.Refused || a.Code != "head_moved" || a.Run != "" {
			t.Errorf("%s: %s %s", text, a.Outcome, a.Text)
		}
	}
}
