package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// calls counts the calls by method.
func (w *world) calls() map[string]int {
	n := map[string]int{}
	for _, r := range w.slack.Requests() {
		n[r.Method]++
	}
	return n
}

func TestTheCallsOfAPlainDeploy(t *testing.T) {
	w := newWorld(t)
	s, r, shown := w.newSink(), run(), json.RawMessage(nil)
	r.Environment.Approvals = nil
	w.mustShow(s, r, &shown)
	running(r)
	w.mustShow(s, r, &shown)
	finished(r)
	w.mustShow(s, r, &shown)
	want := map[string]int{
		"conversations.list": 1, // the channel's id, once for half an hour
		"chat.postMessage":   3, // the message, "Started.", and how it ended
		"chat.update":        2,
	}
	if got := w.calls(); !maps.Equal(got, want) {
		t.Errorf("calls: %v, want %v", got, want)
	}
}

func TestANoteNeverLandsInTheChannel(t *testing.T) {
	w := newWorld(t)
	s, r, shown := w.newSink(), run(), json.RawMessage(nil)
	w.mustShow(s, r, &shown)
	first := w.only()
	w.slack.Inject(sim.Fault{Method: "chat.postMessage", Status: http.StatusTooManyRequests, RetryAfter: time.Minute, Times: 1})
	running(r)
	if err := w.show(s, r, &shown); !pipeline.IsTemporary(err) || !strings.Contains(w.only().Rendered, "running") {
		t.Fatalf("the message is written, its note waits: %v\n%s", err, w.only().Rendered)
	}
	if _, err := w.slack.Say(sim.Post{User: "mona", Channel: "deploys", Thread: first.TS, Text: "hm"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.api().DeleteMessage(w.channel(), first.TS); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	w.mustShow(s, r, &shown)
	for _, m := range w.slack.Messages("deploys") {
		if !m.Deleted && !strings.Contains(m.Rendered, "Deploy of shop") {
			t.Errorf("a note stands in the channel:\n%s", w.slack.Snapshot().Transcript())
		}
	}
}

func TestAnAnswerToAThreadThatIsGoneIsForTheOneWhoAsked(t *testing.T) {
	for name, replies := range map[string]int{"that had no replies": 0, "that still has replies": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			surface := &slack.Surface{Client: w.client, Log: w.log}
			top := w.post(open())
			for range replies {
				if _, err := w.slack.Say(sim.Post{User: "hubot", Channel: "deploys", Thread: top.TS, Text: "look"}); err != nil {
					t.Fatal(err)
				}
			}
			w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Thread: top.TS, Text: "status"}))
			at := w.said().Origin
			if _, _, err := w.api().DeleteMessage(w.channel(), top.TS); err != nil {
				t.Fatal(err)
			}
			w.reply(surface, at, "All is well.")
			for _, m := range w.slack.Messages("deploys") {
				if !m.Ephemeral() && strings.Contains(m.Rendered, "All is well.") {
					t.Errorf("the answer landed in the channel:\n%s", w.slack.Snapshot().Transcript())
				}
			}
			if got := w.lastWhisper("mona"); !strings.Contains(got, "All is well.") {
				t.Errorf("mona was told %q", got)
			}
		})
	}
}

// budget is a slack.Budget in memory.
type budget struct {
	now   func() time.Time
	spent map[string][]time.Time
}

func (b *budget) Budget(_ context.Context, key string, limit int, per time.Duration, _ int) (bool, time.Duration, error) {
	now := b.now()
	recent := b.spent[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= per {
		recent = recent[1:]
	}
	if b.spent[key] = recent; len(recent) >= limit {
		return false, recent[0].Add(per).Sub(now), nil
	}
	b.spent[key] = append(recent, now)
	return true, 0, nil
}

// due is a report that waits for its turn, as the queue has it wait.
type due struct {
	run   *pipeline.Run
	shown json.RawMessage
	at    time.Time
	done  bool
}

func TestSixtyDeploysInAMinutePassNoLimit(t *testing.T) {
	w := newWorld(t)
	w.slack.SetLimit("conversations.history", 1) // what Slack allows some apps
	w.slack.SetLimit("conversations.replies", 1)
	s := w.newSink()
	s.Budget = &budget{now: w.clock.Now, spent: map[string][]time.Time{}}
	var all []*due
	start := w.clock.Now()
	for n := range 60 {
		r := run()
		r.ID, r.Environment.Approvals = pipeline.RunID(fmt.Sprintf("r-%08d", n)), nil
		all = append(all, &due{run: r, at: start.Add(time.Duration(n) * time.Second)})
	}
	for left := len(all); left > 0; w.clock.advance(100 * time.Millisecond) {
		now := w.clock.Now()
		if now.Sub(start) > time.Hour {
			t.Fatalf("%d runs are not shown as they ended after an hour", left)
		}
		for n, d := range all {
			if d.done || now.Before(d.at) {
				continue
			}
			age := now.Sub(start.Add(time.Duration(n) * time.Second))
			switch {
			case age > 10*time.Second:
				finished(d.run)
			case age > time.Second:
				running(d.run)
			}
			if w.report(s, d); d.done {
				left--
			}
		}
	}
	if v := w.slack.Violations(); len(v) > 0 {
		t.Errorf("beyond Slack's limits: %v", v)
	}
	if got := w.calls(); got["conversations.history"]+got["conversations.replies"] > 0 {
		t.Errorf("Slack's history was read: %v", got)
	}
	for _, m := range w.slack.Messages("deploys") {
		if !strings.Contains(m.Rendered, "succeeded") {
			t.Errorf("a message shows:\n%s", m.Rendered)
		}
	}
}

// report is one try of a report job.
func (w *world) report(s *slack.Sink, d *due) {
	w.t.Helper()
	save := func(_ context.Context, data json.RawMessage) error {
		d.shown = data
		return nil
	}
	after, err := s.Show(w.ctx, d.run, pipeline.Shown{Data: d.shown, Save: save})
	if after != nil {
		d.shown = after
	}
	var wait interface{ RetryAfter() time.Duration }
	switch {
	case err == nil:
		d.done = d.run.State.Terminal()
		d.at = w.clock.Now().Add(time.Second)
	case errors.As(err, &wait):
		d.at = w.clock.Now().Add(wait.RetryAfter())
	default:
		w.t.Fatal(err)
	}
}
