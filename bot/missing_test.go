package bot_test

import (
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// A command without an environment is answered with those there are, and with
// the line that was most likely meant.
func TestACommandWithoutItsEnvironment(t *testing.T) {
	s := newScene(t)
	for _, row := range []struct{ line, want string }{
		{"/deploy", "`/deploy` needs an environment. Those of shop are staging, prod. You most likely mean `/deploy staging`. (`missing_argument`)"},
		{`/deploy --reason big sale --at 22:00`, "`/deploy` needs an environment. Those of shop are staging, prod. Put the text after `--reason` in quotes: `/deploy <env> --at 22:00 --reason \"big sale\"`. (`unquoted_text`)"},
		{"/rollback", "`/rollback` needs an environment. Those of shop are staging, prod. You most likely mean `/rollback staging`. (`missing_argument`)"},
		{"/history", "`/history` needs an environment. Those of shop are staging, prod. You most likely mean `/history staging`. (`missing_argument`)"},
		{"/promote", "`/promote` needs an environment. Those of shop are staging, prod. You most likely mean `/promote staging to prod`. (`missing_argument`)"},
		{"/promote staging", "`/promote` needs an environment. Those of shop are staging, prod. You most likely mean `/promote staging to prod`. (`missing_argument`)"},
		{`/lock --reason "x"`, "`/lock` needs an environment. Those of shop are staging, prod. You most likely mean `/lock staging --reason x`. (`missing_argument`)"},
	} {
		if a := s.say(mona, row.line); a.Outcome != bot.Refused || a.Text != row.want {
			t.Errorf("%s: %s\n%s\nwant\n%s", row.line, a.Outcome, a.Text, row.want)
		}
	}
	s.say(mona, `/lock prod --reason "x"`)
	want := "`/unlock` needs an environment. Those of shop are staging, prod. You most likely mean `/unlock prod`. (`missing_argument`)"
	if a := s.say(mona, "/unlock"); a.Text != want {
		t.Errorf("%s\nwant\n%s", a.Text, want)
	}
	s.runsNow("staging", pipeline.Deployment{Run: "r-1", SHA: head, PR: 1, State: pipeline.Succeeded, At: s.clock.Now()})
	want = "`/deploy` needs an environment. Those of shop are staging, prod. You most likely mean `/deploy prod`. (`missing_argument`)"
	if a := s.say(mona, "/deploy"); a.Text != want {
		t.Errorf("%s\nwant\n%s", a.Text, want)
	}
}

// runsNow has an environment hold a deployment.
func (s *scene) runsNow(name string, d pipeline.Deployment) {
	s.t.Helper()
	state, err := s.store.Environment(s.t.Context(), shop.ID, name)
	if err == nil {
		state.Current = &d
		err = s.store.Commit(s.t.Context(), pipeline.Change{Environment: state, Deployment: &d})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
