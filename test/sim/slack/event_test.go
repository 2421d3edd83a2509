package slack_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/slack-go/slack/slackevents"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestAMentionInAThread(t *testing.T) {
	s, _ := start(t, slack.Config{})
	b := newBot(t, s)
	var got slackevents.EventsAPIEvent
	b.answers(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, _ = slackevents.ParseEvent(json.RawMessage(body), slackevents.OptionNoVerifyToken())
	})
	top, err := s.Say(slack.Post{User: "hubot", Channel: "deploys", Text: "ready"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Mention(t.Context(), slack.Post{User: "mona", Channel: "deploys", Thread: top.TS, Text: "deploy prod <!channel> @hubot https://x.example"})
	if err != nil || d.Error != "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	mention, ok := got.InnerEvent.Data.(*slackevents.AppMentionEvent)
	if !ok || mention.ThreadTimeStamp != top.TS || mention.User != "U1" ||
		mention.Text != "<@U0SHIPMATE> deploy prod &lt;!channel&gt; <@U2> <https://x.example>" {
		t.Errorf("the bot got %+v", got.InnerEvent.Data)
	}
	if n := len(s.Messages("deploys")[0].Replies); n != 1 {
		t.Errorf("%d replies", n)
	}
}

func TestAFailedEventIsSentAgainThreeTimes(t *testing.T) {
	c := newClock()
	s, _ := start(t, slack.Config{Now: c.Now})
	b := newBot(t, s)
	b.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	d, err := s.Mention(t.Context(), slack.Post{User: "mona", Channel: "deploys", Text: "status"})
	if err != nil || d.Attempts != 2 {
		t.Fatalf("at once: %+v, %v", d, err)
	}
	if d := s.RetryDue(t.Context()); len(d) != 0 {
		t.Errorf("too early: %+v", d)
	}
	for _, wait := range []time.Duration{time.Minute, 5 * time.Minute} {
		c.advance(wait)
		if d := s.RetryDue(t.Context()); len(d) != 1 {
			t.Errorf("after %s: %+v", wait, d)
		}
	}
	c.advance(time.Hour)
	if d := s.RetryDue(t.Context()); len(d) != 0 {
		t.Errorf("a fourth time: %+v", d)
	}
	for i, want := range []string{"", "1", "2", "3"} {
		h := <-b.events
		if h.Get("X-Slack-Retry-Num") != want || (h.Get("X-Slack-Retry-Reason") == "http_error") != (i > 0) {
			t.Errorf("attempt %d: %v", i, h)
		}
	}
}

func TestABotCanForbidRetries(t *testing.T) {
	s, _ := start(t, slack.Config{})
	newBot(t, s).answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Slack-No-Retry", "1")
		w.WriteHeader(http.StatusInternalServerError)
	})
	if d, err := s.Mention(t.Context(), slack.Post{User: "mona", Channel: "deploys"}); err != nil || d.Attempts != 1 {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestTheHandshake(t *testing.T) {
	s, _ := start(t, slack.Config{})
	if err := s.VerifyURL(t.Context()); err == nil {
		t.Error("without a bot")
	}
	newBot(t, s)
	if err := s.VerifyURL(t.Context()); err != nil {
		t.Error(err)
	}
}
