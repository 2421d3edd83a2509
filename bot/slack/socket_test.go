package slack_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/slack"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// newSocketWorld has two websockets open.
func newSocketWorld(t *testing.T) *world { return newSocketWorldWith(t, 0) }

func newSocketWorldWith(t *testing.T, drain time.Duration) *world {
	t.Helper()
	w := newWorldWith(t, sim.Config{SocketMode: true})
	ctx, stop := context.WithCancel(w.ctx)
	s := &slack.Socket{Requests: w.requests, Stagger: time.Millisecond, Drain: drain, Log: w.log}
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() }) // before the Slack ends
	w.sockets(2)
	return w
}

func (w *world) sockets(atLeast int) {
	w.t.Helper()
	if err := w.slack.WaitFor(w.ctx, func(s *sim.State) bool { return s.Sockets >= atLeast }); err != nil {
		w.t.Fatal(err)
	}
}

func TestSocketModeSaysTheSame(t *testing.T) {
	w := newSocketWorld(t)
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "shop prod"}))
	if s := w.said(); s.Text != "/deploy shop prod" || s.Actor.SlackUser != "U1" || s.Origin.ReplyTo == "" || s.At.IsZero() {
		t.Errorf("said %+v", s)
	}
	if !strings.HasPrefix(w.lastWhisper("mona"), "On it: ") {
		t.Errorf("told %q", w.lastWhisper("mona"))
	}
	w.slack.Replay(w.ctx, w.slack.LastSent())
	w.nothingMore()
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "status"}))
	if s := w.said(); s.Text != "/status" {
		t.Errorf("said %+v", s)
	}
	w.must(w.slack.GlobalShortcut(w.ctx, sim.Shortcut{User: "mona", CallbackID: "deploy"}))
	d := w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{"Service": "shop", "Environment": "live"}}))
	if d.Errors["environment"] == "" {
		t.Errorf("errors of a form arrive: %+v", d)
	}
	w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{"Environment": "prod"}}))
	if s := w.said(); s.Text != "/deploy shop prod" {
		t.Errorf("said %+v", s)
	}
}

func TestOverASocketNothingIsAcknowledgedThatWasNotStored(t *testing.T) {
	w := newWorldWith(t, sim.Config{SocketMode: true, AckTimeout: 200 * time.Millisecond})
	ctx, stop := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		(&slack.Socket{Requests: w.requests, Connections: 1, Log: w.log}).Run(ctx)
	})
	t.Cleanup(func() { stop(); running.Wait() })
	w.sockets(1)
	w.queue.goAway(true)
	d := w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "status"}))
	if d.Status == http.StatusOK {
		t.Errorf("acknowledged: %+v", d)
	}
	d = w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/whoami"}))
	if !strings.HasPrefix(w.lastWhisper("mona"), "Not accepted: ") {
		t.Errorf("%+v, told %q", d, w.lastWhisper("mona"))
	}
	w.queue.goAway(false)
	w.clock.advance(time.Minute)
	w.slack.RetryDue(w.ctx)
	if s := w.said(); s.Text != "/status" {
		t.Errorf("delivered again: %+v", s)
	}
}

// People go on while every connection is told to reconnect again and again.
func TestReconnectsLoseNothingAndDoubleNothing(t *testing.T) {
	w := newSocketWorld(t)
	const rounds, each = 5, 20 // Slack takes ten connections: two, and two more after each but the last round
	for round := range rounds {
		var people sync.WaitGroup
		for n := range each {
			people.Go(func() {
				d, err := w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/logs", Text: fmt.Sprintf("r-%d-%d", round, n)})
				if err != nil || d.Error != "" {
					t.Errorf("round %d: %+v, %v", round, d, err)
				}
			})
		}
		people.Wait()
		if round == rounds-1 {
			break
		}
		w.slack.Disconnect([]string{"warning", "refresh_requested"}[round%2])
		w.fresh()
	}
	if got := w.queue.count(); got != rounds*each {
		t.Errorf("%d of %d commands", got, rounds*each)
	}
}

// fresh waits until a connection takes requests again.
func (w *world) fresh() {
	w.t.Helper()
	w.sockets(2)
	for {
		d := w.slack.SendEvent(w.ctx, "T0SIM", sim.Block{"type": "reaction_added", "user": "U1"})
		if d.Error == "" {
			return
		}
		if w.ctx.Err() != nil {
			w.t.Fatal("no connection comes up")
		}
	}
}

func TestBrokenSocketsComeBack(t *testing.T) {
	w := newSocketWorld(t)
	w.slack.Inject(sim.Fault{Method: "apps.connections.open", Status: http.StatusInternalServerError, Times: 2})
	w.slack.DropSockets()
	w.fresh()
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/whoami"}))
	w.said()
}

func TestAConnectionThatWasToldToEndEnds(t *testing.T) {
	w := newSocketWorldWith(t, 20*time.Millisecond)
	w.slack.Disconnect("refresh_requested")
	err := w.slack.WaitFor(w.ctx, func(s *sim.State) bool {
		return len(w.slack.Requests("apps.connections.open")) == 4 && s.Sockets == 2
	})
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/whoami"}))
	w.said()
}
