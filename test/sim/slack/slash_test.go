package slack_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

var deploy = slack.Command{User: "mona", Channel: "#deploys", Name: "/deploy", Text: "shop prod --reason <!channel> & more"}

func TestASlashCommandIsSignedAndAnswered(t *testing.T) {
	s, _ := start(t, slack.Config{})
	b := newBot(t, s)
	b.answersJSON(map[string]any{"text": "On it."})
	d, err := s.SlashCommand(t.Context(), deploy)
	if err != nil || d.Status != http.StatusOK || d.Error != "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	got := <-b.commands
	if got.UserID != "U1" || got.UserName != "mona" || got.ChannelName != "deploys" || got.TeamID != "T0SIM" ||
		got.Text != "shop prod --reason &lt;!channel&gt; &amp; more" || got.TriggerID == "" {
		t.Errorf("the bot got %+v", got)
	}
	if seen := s.EphemeralsTo("mona"); len(seen) != 1 || seen[0].Text != "On it." {
		t.Errorf("mona sees %+v", seen)
	}
}

func TestAnAckIntoTheChannelShowsTheCommandToo(t *testing.T) {
	s, _ := start(t, slack.Config{})
	newBot(t, s).answersJSON(map[string]any{"response_type": "in_channel", "text": "Deploying."})
	if _, err := s.SlashCommand(t.Context(), slack.Command{User: "U1", Channel: "deploys", Name: "/deploy", Text: "shop prod"}); err != nil {
		t.Fatal(err)
	}
	seen := s.Messages("deploys")
	if len(seen) != 2 || seen[0].Text != "/deploy shop prod" || seen[1].Text != "Deploying." {
		t.Errorf("seen %+v", seen)
	}
}

func TestWhatAPersonIsToldOfABotThatFails(t *testing.T) {
	tests := []struct {
		name    string
		timeout time.Duration // 0: Slack's own
		answer  http.HandlerFunc
		want    string
	}{
		{"an HTTP error", 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "dispatch_failed"},
		{"no answer in time", 50 * time.Millisecond, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "operation_timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := start(t, slack.Config{AckTimeout: tt.timeout})
			newBot(t, s).answers(tt.answer)
			d, err := s.SlashCommand(t.Context(), deploy)
			if err != nil || d.Error != tt.want {
				t.Fatalf("got %+v, %v", d, err)
			}
			seen := s.EphemeralsTo("mona")
			if last := seen[len(seen)-1].Text; last != `/deploy failed with the error "`+tt.want+`"` {
				t.Errorf("mona reads %q", last)
			}
		})
	}
}

func TestAPersonOutsideTheChannelCannotCommandThere(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.AddChannel("secret", "hubot")
	if _, err := s.SlashCommand(t.Context(), slack.Command{User: "mona", Channel: "secret", Name: "/deploy"}); err == nil {
		t.Error("it was sent")
	}
}

func TestRequestsAreReplayed(t *testing.T) {
	s, _ := start(t, slack.Config{})
	b := newBot(t, s)
	if _, err := s.SlashCommand(t.Context(), deploy); err != nil {
		t.Fatal(err)
	}
	first := <-b.commands
	sent := s.LastSent()
	if d := s.Replay(t.Context(), sent); d.Status != http.StatusOK {
		t.Fatalf("the same again: %+v", d)
	}
	if again := <-b.commands; again.TriggerID != first.TriggerID {
		t.Errorf("trigger %q and %q", first.TriggerID, again.TriggerID)
	}
	for _, ts := range []string{strconv.FormatInt(time.Now().Unix()-301, 10), "", "abc", "9223372036854775808"} {
		if d := s.Replay(t.Context(), s.Resign(sent, ts)); d.Status != http.StatusUnauthorized {
			t.Errorf("timestamp %q: %+v", ts, d)
		}
	}
	sent.Body = append([]byte("x=1&"), sent.Body...)
	if d := s.Replay(t.Context(), sent); d.Status != http.StatusUnauthorized {
		t.Errorf("an altered body: %+v", d)
	}
}

func TestAResponseURLWorksFiveTimesInHalfAnHour(t *testing.T) {
	c := newClock()
	s, _ := start(t, slack.Config{Now: c.Now})
	b := newBot(t, s)
	answer := func(url string) error {
		return slackgo.PostWebhookContext(t.Context(), url, &slackgo.WebhookMessage{Text: "still going"})
	}
	if _, err := s.SlashCommand(t.Context(), deploy); err != nil {
		t.Fatal(err)
	}
	url := (<-b.commands).ResponseURL
	for i := range 5 {
		if err := answer(url); err != nil {
			t.Fatalf("use %d: %v", i+1, err)
		}
	}
	if err := answer(url); err == nil {
		t.Error("the sixth use worked")
	}
	if n := len(s.EphemeralsTo("mona")); n != 5 {
		t.Errorf("mona sees %d messages", n)
	}
	if _, err := s.SlashCommand(t.Context(), deploy); err != nil {
		t.Fatal(err)
	}
	url = (<-b.commands).ResponseURL
	c.advance(30*time.Minute + time.Second)
	if err := answer(url); err == nil {
		t.Error("it worked after half an hour")
	}
}
