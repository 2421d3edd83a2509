package bot_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// TestToldWhenItStarts: who waited long enough for somebody else is told, once.
func TestToldWhenItStarts(t *testing.T) {
	onPull := pipeline.Origin{Surface: "github", PR: 1, Comment: 7}
	for name, c := range map[string]struct {
		change func(*pipeline.Run)
		want   string
	}{
		"after a lock": {func(r *pipeline.Run) {}, "r-1 starts now; it waited 12m for the lock of **prod**."},
		"after a lock and in the queue": {func(r *pipeline.Run) {
			r.Waited = append(r.Waited, pipeline.Wait{Code: "queued", For: pipeline.Duration(2 * time.Hour)})
		}, "r-1 starts now; it waited 12m for the lock of **prod** and 2h in the queue of **prod**."},
		"after a freeze":                      {func(r *pipeline.Run) { r.Waited[0].Code = "frozen" }, "r-1 starts now; it waited 12m for the freeze of **prod**."},
		"not after less than a minute":        {func(r *pipeline.Run) { r.Waited[0].For = pipeline.Duration(59 * time.Second) }, ""},
		"not after an approval":               {func(r *pipeline.Run) { r.Waited[0].Code = "approval" }, ""},
		"not before it starts":                {func(r *pipeline.Run) { r.Admitted = false }, ""},
		"not on Slack, where the thread does": {func(r *pipeline.Run) { r.Origin.Surface = "slack" }, ""},
		"not who did not ask":                 {func(r *pipeline.Run) { r.CausedBy = mona }, ""},
		"not the bot":                         {func(r *pipeline.Run) { r.Actor = pipeline.Bot() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			r := &pipeline.Run{Request: pipeline.Request{ID: "r-1", Repo: shop, PR: 1, Actor: mona, Origin: onPull, Environment: &pipeline.Environment{Name: "prod"}}}
			r.Admitted, r.State, r.Waited = true, pipeline.Running, []pipeline.Wait{{Code: "locked", For: pipeline.Duration(12*time.Minute + 30*time.Second)}}
			c.change(r)
			sink := bot.Starts{Queue: s.store}
			var shown pipeline.Shown
			for range 2 {
				if sink.Subject(r) == "" {
					break
				}
				data, err := sink.Show(t.Context(), r, shown)
				if err != nil {
					t.Fatal(err)
				}
				shown.Data = data
			}
			got := ""
			for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
				var n commands.Notice
				if err := json.Unmarshal(l.Payload, &n); err != nil || n.To != mona || n.At.PR != 1 || n.At.Comment != 0 || got != "" {
					t.Errorf("%+v, %v", n, err)
				}
				got = n.Text
			}
			if got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
		})
	}
}

// TestWhatARunWaitedFor is kept by the engine, gate by gate.
func TestWhatARunWaitedFor(t *testing.T) {
	s := newScene(t)
	s.say(octavia, `/lock staging --for 30m --reason "upgrade"`)
	id := s.say(mona, "/deploy staging --wait").Run
	s.clock.Advance(12 * time.Minute)
	s.say(octavia, "/unlock staging")
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		if h := s.engine.Handlers()[l.Kind]; h != nil {
			if err := h(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := s.store.Load(t.Context(), id)
	if err != nil || !r.Admitted || len(r.Waited) != 1 || r.Waited[0] != (pipeline.Wait{Code: "locked", For: pipeline.Duration(12 * time.Minute)}) || !r.HeldSince.IsZero() {
		t.Errorf("%s %+v %v, %v", r.State, r.Waited, r.HeldSince, err)
	}
}
