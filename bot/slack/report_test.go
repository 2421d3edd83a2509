package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

// run is a deploy of shop to prod that waits in line.
func run() *pipeline.Run {
	r := &pipeline.Run{Request: pipeline.Request{
		ID: "r-12345678", Repo: pipeline.Repo{ID: 77, Owner: "acme", Name: "shop"}, Service: "shop", SHA: sha, Ref: "main",
		Pipeline:    pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "image", Run: "make"}, {Name: "rollout", Run: "make"}}},
		Environment: &pipeline.Environment{Name: "prod", Slack: "#deploys", Approvals: &pipeline.ApprovalPolicy{Count: 2, By: []string{"team:release-leads"}}},
		Actor:       pipeline.Actor{ID: 1, Login: "mona"}, Created: time.Now(),
		Origin: pipeline.Origin{Surface: "github", PR: 12},
	}}
	r.State = pipeline.Queued
	r.Steps = []pipeline.StepRun{{Name: "image", State: pipeline.Queued}, {Name: "rollout", State: pipeline.Queued}}
	return r
}

// open is the same, waiting for approval.
func open() *pipeline.Run {
	r := run()
	r.State, r.Code, r.Message = pipeline.Waiting, "approval", "Waiting for 2 approvals (release-leads)."
	return r
}

func running(r *pipeline.Run) {
	r.State, r.Code, r.Message, r.Admitted, r.Started = pipeline.Running, "", "", true, r.Created
	r.Steps[0].State, r.Steps[0].Started, r.Steps[0].Attempt = pipeline.Running, r.Created, 1
}

func finished(r *pipeline.Run) {
	r.State, r.Admitted, r.Started, r.Ended = pipeline.Succeeded, true, r.Created, r.Created.Add(12*time.Second)
	for i := range r.Steps {
		r.Steps[i].State, r.Steps[i].Started, r.Steps[i].Ended = pipeline.Succeeded, r.Created, r.Created.Add(5*time.Second)
	}
}

// show is one report job: shown is loaded, and saved even after an error.
func (w *world) show(s *slack.Sink, r *pipeline.Run, shown *json.RawMessage) error {
	w.t.Helper()
	w.clock.advance(2 * time.Second)
	save := func(_ context.Context, data json.RawMessage) error {
		*shown = data
		return nil
	}
	after, err := s.Show(w.ctx, r, pipeline.Shown{Data: *shown, Save: save})
	if after != nil {
		*shown = after
	}
	return err
}

// crash is a report job whose worker died when all was shown: only what it saved
// on the way is left.
func (w *world) crash(s *slack.Sink, r *pipeline.Run, shown *json.RawMessage) {
	w.t.Helper()
	var left json.RawMessage
	save := func(_ context.Context, data json.RawMessage) error {
		left = slices.Clone(data)
		return nil
	}
	w.clock.advance(2 * time.Second)
	if _, err := s.Show(w.ctx, r, pipeline.Shown{Data: *shown, Save: save}); err != nil {
		w.t.Fatal(err)
	}
	*shown = left
}

func (w *world) mustShow(s *slack.Sink, r *pipeline.Run, shown *json.RawMessage) {
	w.t.Helper()
	if err := w.show(s, r, shown); err != nil {
		w.t.Fatal(err)
	}
}

// post shows a run and gives its message.
func (w *world) post(r *pipeline.Run) sim.Message {
	w.t.Helper()
	var shown json.RawMessage
	w.mustShow(w.newSink(), r, &shown)
	return w.only()
}

// only is the one message in #deploys.
func (w *world) only() sim.Message {
	w.t.Helper()
	all := w.slack.Messages("deploys")
	if len(all) != 1 {
		w.t.Fatalf("%d messages:\n%s", len(all), w.slack.Snapshot().Transcript())
	}
	return all[0]
}

func (w *world) replies() []string {
	var out []string
	for _, m := range w.only().Replies {
		out = append(out, m.Rendered)
	}
	return out
}

func TestOneMessagePerRun(t *testing.T) {
	w := newWorld(t)
	r, shown := run(), json.RawMessage(nil)
	w.mustShow(w.newSink(), r, &shown)
	first := w.only()
	for _, want := range []string{"Deploy of shop to prod", "0123456", "by mona", "*queued*", "image", "rollout"} {
		if !strings.Contains(first.Rendered, want) {
			t.Errorf("%q is not in:\n%s", want, first.Rendered)
		}
	}
	r.State, r.Code, r.Message = pipeline.Waiting, "approval", "Waiting for 2 approvals."
	w.mustShow(w.newSink(), r, &shown)
	waiting := w.only()
	for _, button := range []string{"Approve", "Reject", "Cancel"} {
		if _, ok := waiting.Button(button); !ok {
			t.Errorf("no button %s", button)
		}
	}
	r.Approvals = []pipeline.Approval{{Gate: "environment", By: pipeline.Actor{ID: 2, Login: "hubot"}, Yes: true, SHA: sha}}
	running(r)
	w.mustShow(w.newSink(), r, &shown)
	deciding := w.only()
	if _, ok := deciding.Button("Approve"); ok || !strings.Contains(deciding.Rendered, "Approved by hubot") {
		t.Errorf("the question is closed:\n%s", deciding.Rendered)
	}
	finished(r)
	w.mustShow(w.newSink(), r, &shown)
	last := w.only()
	if last.TS != first.TS || !strings.Contains(last.Rendered, "succeeded after 12s") {
		t.Errorf("at the end:\n%s", last.Rendered)
	}
	if b, ok := last.Button("Roll back"); !ok || b.Confirm == nil {
		t.Error("the way back is not asked for with a question")
	}
	want := []string{"Waiting for 2 approvals by `release-leads`. Press a button above, or say `/approve r-12345678`.", "Started.", "✅ succeeded after 12s"}
	if got := w.replies(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("thread: %q", got)
	}
	if v := w.slack.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

func TestWhoIsAskedSeesWhatWouldBeDone(t *testing.T) {
	w := newWorld(t)
	r := open()
	r.Plans = []pipeline.Planning{{Gate: pipeline.EnvironmentGate, State: pipeline.Succeeded, Steps: []pipeline.StepPlan{
		{Step: "image", State: pipeline.Skipped, Message: "What it does is known only after build."},
		{Step: "rollout", State: pipeline.Succeeded, Message: "3 to change.", Summary: strings.Repeat("+ <!channel> line\n", 50)}}}}
	m := w.post(r)
	for _, want := range []string{"Plan of image: What it does is known only after build.", "Plan of rollout: 3 to change.\n", "\n…\n", "The whole of it is in the check on the commit."} {
		if !strings.Contains(m.Rendered, want) {
			t.Errorf("%q is not in:\n%s", want, m.Rendered)
		}
	}
	if n := strings.Count(m.Rendered, "line"); n != 12 {
		t.Errorf("%d lines of the plan in:\n%s", n, m.Rendered)
	}
	running(r)
	if m := newWorld(t).post(r); strings.Contains(m.Rendered, "Plan of") {
		t.Errorf("nobody is asked, and still:\n%s", m.Rendered)
	}
}

func TestNothingIsSentWhenNothingChanged(t *testing.T) {
	w := newWorld(t)
	r, shown := run(), json.RawMessage(nil)
	w.mustShow(w.newSink(), r, &shown)
	before, calls := string(shown), len(w.slack.Requests("chat.*"))
	w.mustShow(w.newSink(), r, &shown)
	if got := len(w.slack.Requests("chat.postMessage", "chat.update")); got != 1 || string(shown) != before {
		t.Errorf("%d calls (before %d), shown %s", got, calls, shown)
	}
}

func TestAMessageThatWasPostedJustBeforeACrashIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	r, shown := run(), json.RawMessage(nil)
	w.crash(w.newSink(), r, &shown)
	finished(r)
	w.mustShow(w.newSink(), r, &shown)
	if m := w.only(); !strings.Contains(m.Rendered, "succeeded") {
		t.Errorf("it shows:\n%s", m.Rendered)
	}
}

func TestLostRepliesLeaveOneMessage(t *testing.T) {
	w := newWorld(t)
	r, shown := run(), json.RawMessage(nil)
	running(r)
	w.slack.Inject(sim.Fault{Method: "chat.postMessage", LoseReply: true, Times: 1})
	if err := w.show(w.newSink(), r, &shown); !pipeline.IsTemporary(err) {
		t.Errorf("a lost reply is tried again: %v", err)
	}
	w.slack.Inject(sim.Fault{Method: "chat.postMessage", LoseReply: true, Times: 1}) // of the note
	if err := w.show(w.newSink(), r, &shown); !pipeline.IsTemporary(err) {
		t.Errorf("a lost reply is tried again: %v", err)
	}
	w.mustShow(w.newSink(), r, &shown)
	if got := w.replies(); len(got) != 1 {
		t.Errorf("thread: %q", got)
	}
}

func TestTroubleIsTriedAgain(t *testing.T) {
	for name, f := range map[string]sim.Fault{
		"too many calls": {Method: "chat.*", Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second, Times: 1},
		"server error":   {Method: "chat.*", Status: http.StatusBadGateway, Times: 1},
		"own words":      {Method: "chat.*", Error: "internal_error", Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.slack.Inject(f)
			r, shown, s := run(), json.RawMessage(nil), w.newSink()
			err := w.show(s, r, &shown)
			if !pipeline.IsTemporary(err) {
				t.Fatalf("got %v", err)
			}
			calls := len(w.slack.Requests("chat.postMessage"))
			if f.RetryAfter > 0 {
				var asks interface{ RetryAfter() time.Duration }
				if !errors.As(err, &asks) || asks.RetryAfter() != f.RetryAfter {
					t.Errorf("the error does not say when to come back: %v", err)
				}
				if err := w.show(s, r, &shown); !pipeline.IsTemporary(err) || len(w.slack.Requests("chat.postMessage")) != calls {
					t.Errorf("Slack is left alone for as long as it asked: %v", err)
				}
				w.clock.advance(f.RetryAfter)
			}
			w.mustShow(s, r, &shown)
			w.only()
		})
	}
}

func TestADeletedMessageIsPostedAgain(t *testing.T) {
	w := newWorld(t)
	r, shown := run(), json.RawMessage(nil)
	w.mustShow(w.newSink(), r, &shown)
	w.slack.Inject(sim.Fault{Method: "chat.update", Error: "message_not_found", Times: 1})
	finished(r)
	w.mustShow(w.newSink(), r, &shown)
	if all := w.slack.Messages("deploys"); len(all) != 2 || !strings.Contains(all[1].Rendered, "succeeded") {
		t.Errorf("shows:\n%s", w.slack.Snapshot().Transcript())
	}
}

func TestChannels(t *testing.T) {
	t.Run("a public channel is joined", func(t *testing.T) {
		w := newWorld(t)
		w.slack.CreateChannel(sim.Channel{Name: "lonely"})
		r := run()
		r.Environment.Slack = "#lonely"
		w.mustShow(w.newSink(), r, new(json.RawMessage))
		if len(w.slack.Messages("lonely")) != 1 || len(w.slack.Requests("conversations.join")) != 1 {
			t.Error(w.slack.Snapshot().Transcript())
		}
	})
	t.Run("one that is not there is said so", func(t *testing.T) {
		w := newWorld(t)
		r := run()
		r.Environment.Slack = "#nowhere"
		err := w.show(w.newSink(), r, new(json.RawMessage))
		if pipeline.Code(err) != "slack_channel_not_found" || pipeline.IsTemporary(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a missing scope is named", func(t *testing.T) {
		w := newWorldWith(t, sim.Config{Scopes: []string{"channels:read", "channels:history"}})
		err := w.show(w.newSink(), run(), new(json.RawMessage))
		if !strings.Contains(pipeline.Message(err), "chat:write") || pipeline.IsTemporary(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without one in the file it is the command's", func(t *testing.T) {
		r := run()
		r.Environment.Slack = ""
		s := new(slack.Sink)
		if got := s.Subject(r); got != "" {
			t.Errorf("asked for on GitHub: subject %q", got)
		}
		r.Origin = pipeline.Origin{Surface: "slack", Channel: "C1234567"}
		if got := s.Subject(r); got != "r-12345678" {
			t.Errorf("asked for on Slack: subject %q", got)
		}
	})
}

func TestALargeRunFits(t *testing.T) {
	w := newWorld(t)
	r := run()
	r.Reason = strings.Repeat("because ", 2000)
	r.Message = strings.Repeat("It took long. ", 2000)
	r.Steps = nil
	for i := range 200 {
		r.Steps = append(r.Steps, pipeline.StepRun{Name: fmt.Sprintf("step-%03d", i), State: pipeline.Failed, Attempt: 1, Message: strings.Repeat("&<", 300)})
	}
	m := w.postOnly(r)
	if !strings.Contains(m.Rendered, "step-000") || !strings.Contains(m.Rendered, "step-199") || !strings.Contains(m.Rendered, " more …") {
		t.Errorf("it shows:\n%s", m.Rendered)
	}
}

// postOnly shows a run whose notes may be too many to be posted at once.
func (w *world) postOnly(r *pipeline.Run) sim.Message {
	w.t.Helper()
	var shown json.RawMessage
	if err := w.show(w.newSink(), r, &shown); err != nil && !pipeline.IsTemporary(err) {
		w.t.Fatal(err)
	}
	return w.only()
}

func TestNothingTypedIsLive(t *testing.T) {
	const evil = "<!channel> <@U2> <#C1> @here [x](https://evil.example/) <https://evil|https://prod> & **b**"
	w := newWorld(t)
	r := open()
	r.Reason, r.Title, r.Ref, r.Message, r.Service = evil, evil, evil, evil, evil
	r.Actor.Login = evil
	r.Approvals = []pipeline.Approval{{Gate: "environment", By: pipeline.Actor{ID: 3, Login: evil}, Yes: true, SHA: sha, Reason: evil}}
	r.Steps[0].State, r.Steps[0].Message, r.Steps[0].Attempt = pipeline.Failed, evil, 1
	w.mustShow(w.newSink(), r, new(json.RawMessage))
	for _, m := range w.slack.Snapshot().All("deploys") {
		if live := m.Live(); len(live) > 0 || m.Unfurl {
			t.Errorf("live: %v, unfurls %v, in:\n%s", live, m.Unfurl, m.Rendered)
		}
	}
}

func TestABudgetThatIsUsedUpIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	s := w.newSink()
	s.Budget = denies{}
	err := w.show(s, run(), new(json.RawMessage))
	if !pipeline.IsTemporary(err) || len(w.slack.Messages("deploys")) != 0 {
		t.Errorf("got %v", err)
	}
}
