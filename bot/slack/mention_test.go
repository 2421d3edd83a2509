package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// called are the people asked to approve.
type called struct {
	people []pipeline.Actor
	err    error
}

func (c called) Of(context.Context, *pipeline.Run, string) ([]pipeline.Actor, error) {
	return c.people, c.err
}

func (w *world) calling(c called) *slack.Sink {
	s := w.newSink()
	s.Approvers = c
	return s
}

var hubot = pipeline.Actor{ID: 2, Login: "hubot", SlackTeam: "T0SIM", SlackUser: "U2"}

func TestWhoIsAskedIsCalledOnce(t *testing.T) {
	w := newWorld(t)
	r, shown := open(), json.RawMessage(nil)
	w.crash(w.calling(called{people: []pipeline.Actor{hubot, hubot}}), r, &shown)
	if got := w.replies(); len(got) != 1 || !strings.HasPrefix(got[0], "<@U2> Waiting for 2 approvals") || strings.Count(got[0], "<@") != 1 {
		t.Fatalf("thread: %q", got)
	}
	w.mustShow(w.calling(called{people: []pipeline.Actor{hubot}}), r, &shown)
	if got := w.replies(); len(got) != 1 {
		t.Errorf("after a restart: %q", got)
	}
	ts := w.only().TS
	if _, _, err := w.api().DeleteMessage(w.channel(), w.only().Replies[0].TS); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.api().DeleteMessage(w.channel(), ts); err != nil {
		t.Fatal(err)
	}
	r.Message = "Waiting still." // so that there is something to show
	w.mustShow(w.calling(called{people: []pipeline.Actor{hubot}}), r, &shown)
	if got := w.replies(); len(got) != 1 || strings.Contains(got[0], "<@") {
		t.Errorf("in a new thread, after the first was deleted: %q", got)
	}
}

func TestAMessageThatDidNotGetThroughCallsWhenItDoes(t *testing.T) {
	w := newWorld(t)
	r, shown := open(), json.RawMessage(nil)
	w.mustShow(w.newSink(), run(), &shown) // the message is there, its thread is empty
	w.slack.Inject(sim.Fault{Method: "chat.postMessage", Status: 503, Times: 1})
	s := w.calling(called{people: []pipeline.Actor{hubot}})
	if err := w.show(s, r, &shown); !pipeline.IsTemporary(err) {
		t.Fatalf("got %v", err)
	}
	w.mustShow(s, r, &shown)
	if got := w.replies(); len(got) != 1 || !strings.HasPrefix(got[0], "<@U2> ") {
		t.Errorf("thread: %q", got)
	}
}

func TestOnlyPeopleOfTheWorkspaceBecomeAMention(t *testing.T) {
	for name, who := range map[string]pipeline.Actor{
		"of another workspace": {ID: 2, SlackTeam: "T0OTHER", SlackUser: "U2"},
		"a broadcast":          {ID: 2, SlackTeam: "T0SIM", SlackUser: "!channel"},
		"not an id":            {ID: 2, SlackTeam: "T0SIM", SlackUser: "U2|x> <!here"},
		"nobody":               {ID: 2, SlackTeam: "T0SIM"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var shown json.RawMessage
			w.mustShow(w.calling(called{people: []pipeline.Actor{who}}), open(), &shown)
			if got := w.replies(); len(got) != 1 || !strings.HasPrefix(got[0], "Waiting for 2 approvals") {
				t.Errorf("thread: %q", got)
			}
		})
	}
}

func TestWhoIsCalledCannotBeFoundOut(t *testing.T) {
	w := newWorld(t)
	var shown json.RawMessage
	if err := w.show(w.calling(called{err: pipeline.Temporary(errors.New("bad gateway"))}), open(), &shown); !pipeline.IsTemporary(err) {
		t.Errorf("what may go away is waited for: %v", err)
	}
	w.mustShow(w.calling(called{err: errors.New("no such team")}), open(), &shown)
	if got := w.replies(); len(got) != 1 || strings.Contains(got[0], "<@") {
		t.Errorf("what stays is done without: %q", got)
	}
}

func TestWhoAskedElsewhereIsLedToTheThread(t *testing.T) {
	w := newWorld(t)
	w.slack.AddChannel("random", "U1")
	elsewhere := ""
	for _, c := range w.slack.Snapshot().Channels {
		if c.Name == "random" {
			elsewhere = c.ID
		}
	}
	r, shown := run(), json.RawMessage(nil)
	r.Actor.SlackTeam, r.Actor.SlackUser = "T0SIM", "U1"
	r.Origin = pipeline.Origin{Surface: "slack", Channel: elsewhere}
	for range 2 {
		w.mustShow(w.newSink(), r, &shown)
	}
	all := w.slack.EphemeralsTo("mona")
	ts := strings.ReplaceAll(w.only().TS, ".", "")
	if len(all) != 1 || all[0].Channel != elsewhere || !strings.Contains(all[0].Text, w.channel()+"/p"+ts) {
		t.Errorf("told %+v", all)
	}
	r.Origin.Channel, r.ID, shown = w.channel(), "r-87654321", nil
	w.mustShow(w.newSink(), r, &shown)
	if len(w.slack.EphemeralsTo("mona")) != 1 {
		t.Error("who is there already is led there")
	}
}

func (w *world) mail() *slack.Mail {
	return &slack.Mail{Client: w.newClient(), Records: w.threads.Records, Shown: nothingShown{}, Web: bot.Web{GitHub: "https://github.example"}, Log: w.log}
}

// nothingShown is a store in which no run has a thread.
type nothingShown struct{}

func (nothingShown) Shown(context.Context, int64, string, string) (pipeline.Shown, error) {
	return pipeline.Shown{}, nil
}

func failed(id pipeline.RunID) bot.Failure {
	r := run()
	finished(r)
	r.ID, r.State, r.PR = id, pipeline.Failed, 12
	return bot.Failure{Run: r, Step: "image", Message: "`image` exited with code 1.", Tail: []string{"<!channel> ``` <https://evil|x>", "main.c:3"}}
}

func TestFailuresAreToldOnce(t *testing.T) {
	w := newWorld(t)
	fs := []bot.Failure{failed("r-00000001"), failed("r-00000002")}
	for range 2 { // the second time as after a crash just after it was posted
		if err := w.mail().Failed(w.ctx, mona, fs); err != nil {
			t.Fatal(err)
		}
	}
	all := w.slack.Snapshot().Direct("mona")
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	for _, want := range []string{"r-00000001", "r-00000002", "*image*", "main.c:3", "<https://github.example/acme/shop/pull/12>"} {
		if !strings.Contains(all[0].Rendered, want) {
			t.Errorf("%q is not in:\n%s", want, all[0].Rendered)
		}
	}
	if live := all[0].Live(); len(live) != 2 { // the two links to the pull request
		t.Errorf("live: %v", live)
	}
	if err := w.mail().Failed(w.ctx, mona, append(fs, failed("r-00000003"))); err != nil {
		t.Fatal(err)
	}
	all = w.slack.Snapshot().Direct("mona")
	if len(all) != 2 || strings.Contains(all[1].Rendered, "r-00000001") || !strings.Contains(all[1].Rendered, "r-00000003") {
		t.Errorf("what is new comes alone: %+v", all)
	}
}

func TestHistoryIsReadOnlyWhereAMessageMayHaveBeenSent(t *testing.T) {
	w := newWorld(t)
	fs := []bot.Failure{failed("r-00000001")}
	w.slack.Inject(sim.Fault{Method: "chat.postMessage", LoseReply: true, Times: 1})
	if err := w.mail().Failed(w.ctx, mona, fs); !pipeline.IsTemporary(err) {
		t.Fatalf("a lost reply is tried again: %v", err)
	}
	for range 2 {
		if err := w.mail().Failed(w.ctx, mona, fs); err != nil {
			t.Fatal(err)
		}
	}
	if all, reads := w.slack.Snapshot().Direct("mona"), w.calls()["conversations.history"]; len(all) != 1 || reads != 1 {
		t.Errorf("%d messages, history was read %d times", len(all), reads)
	}
}

func TestManyFailuresFitIntoOneMessage(t *testing.T) {
	w := newWorld(t)
	var fs []bot.Failure
	for n := range 60 {
		f := failed(pipeline.RunID("r-000000" + string(rune('a'+n/26)) + string(rune('a'+n%26))))
		f.Message, f.Tail = strings.Repeat("x<", 3000), []string{strings.Repeat("ü&", 4000), strings.Repeat("y", 9000)}
		fs = append(fs, f)
	}
	if err := w.mail().Failed(w.ctx, mona, fs); err != nil {
		t.Fatal(err)
	}
	if all := w.slack.Snapshot().Direct("mona"); len(all) != 1 || !strings.Contains(all[0].Rendered, "and 52 more, see /shipmate status") {
		t.Errorf("told %d messages", len(all))
	}
}
