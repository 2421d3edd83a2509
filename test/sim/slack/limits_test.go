package slack_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestOneMessageASecondAfterABurst(t *testing.T) {
	c := newClock()
	s, api := start(t, slack.Config{Now: c.Now})
	post := func() error {
		_, _, err := api.PostMessage("deploys", slackgo.MsgOptionText("x", false))
		return err
	}
	for i := range 4 {
		if err := post(); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	var limited *slackgo.RateLimitedError
	if err := post(); !errors.As(err, &limited) || limited.RetryAfter != time.Second {
		t.Fatalf("the fifth: %v", err)
	}
	c.advance(time.Second)
	if err := post(); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if n := s.Violations()["chat.postMessage"]; n != 1 {
		t.Errorf("%d violations", n)
	}
	s.EnforceLimits(false)
	if err := post(); err != nil || s.Violations()["chat.postMessage"] != 2 {
		t.Errorf("only counted: %v, %v", err, s.Violations())
	}
}

func TestTiersAreCountedPerMinute(t *testing.T) {
	c := newClock()
	s, api := start(t, slack.Config{Now: c.Now})
	s.SetLimit("users.info", 2)
	call := func() error { _, err := api.GetUserInfo("U1"); return err }
	if err := errors.Join(call(), call()); err != nil {
		t.Fatal(err)
	}
	c.advance(20 * time.Second)
	var limited *slackgo.RateLimitedError
	if err := call(); !errors.As(err, &limited) || limited.RetryAfter != 40*time.Second {
		t.Fatalf("the third: %v", err)
	}
	c.advance(40 * time.Second)
	if err := call(); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestFaults(t *testing.T) {
	s, api := start(t, slack.Config{})
	post := func() error {
		_, _, err := api.PostMessage("deploys", slackgo.MsgOptionText("x", false))
		return err
	}
	s.Inject(slack.Fault{Method: "chat.*", Status: http.StatusBadGateway, Times: 1})
	var status slackgo.StatusCodeError
	if err := post(); !errors.As(err, &status) || status.Code != http.StatusBadGateway {
		t.Errorf("502: %v", err)
	}
	s.Inject(slack.Fault{Method: "*", Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second, Times: 1})
	var limited *slackgo.RateLimitedError
	if err := post(); !errors.As(err, &limited) || limited.RetryAfter != 7*time.Second {
		t.Errorf("429: %v", err)
	}
	s.Inject(slack.Fault{Method: "chat.postMessage", Error: "fatal_error", Times: 1})
	if err := post(); err == nil || err.Error() != "fatal_error" {
		t.Errorf("fatal_error: %v", err)
	}
	if n := len(s.Messages("deploys")); n != 0 {
		t.Fatalf("%d messages", n)
	}
	s.Inject(slack.Fault{Method: "chat.postMessage", LoseReply: true})
	if err := post(); err == nil || len(s.Messages("deploys")) != 1 {
		t.Errorf("a lost reply: %v, %d messages", err, len(s.Messages("deploys")))
	}
	s.ClearFaults()
	if err := post(); err != nil {
		t.Errorf("after all: %v", err)
	}
}

func TestWaitForWakesOnChange(t *testing.T) {
	s, api := start(t, slack.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- s.WaitFor(ctx, func(st *slack.State) bool { return len(st.Messages("deploys")) == 2 })
	}()
	for range 2 {
		if _, _, err := api.PostMessage("deploys", slackgo.MsgOptionText("x", false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWorkspacesAreApart(t *testing.T) {
	s, api := start(t, slack.Config{})
	s.AddWorkspace(slack.Team{ID: "T9", Domain: "other", Name: "Other", BotToken: "xoxb-other"})
	s.AddUser(slack.User{ID: "U9", Name: "eve", Team: "T9"})
	theirs := s.CreateChannel(slack.Channel{Name: "theirs", Team: "T9", Members: []string{"U9", slack.BotUser}})
	if _, _, err := api.PostMessage(theirs, slackgo.MsgOptionText("x", false)); err == nil || err.Error() != "channel_not_found" {
		t.Errorf("into the other workspace: %v", err)
	}
	if _, _, err := client(s, "xoxb-other").PostMessage(theirs, slackgo.MsgOptionText("x", false)); err != nil {
		t.Error(err)
	}
	if _, err := api.GetUserInfo("U9"); err == nil {
		t.Error("their people are visible")
	}
}
