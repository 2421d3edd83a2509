package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestADirectMessageIsAnswered(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	if d, err := s.DirectMessage(t.Context(), "mona", "status"); err != nil || d.Error != "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	<-b.events
	if _, _, err := api.PostMessage("U1", slackgo.MsgOptionText("All quiet.", false)); err != nil {
		t.Fatal(err)
	}
	seen := s.Snapshot().Direct("mona")
	if len(seen) != 2 || seen[0].Name != "mona" || seen[1].Text != "All quiet." {
		t.Errorf("the conversation is %+v", seen)
	}
}

func TestChannelsOfOneNameInTwoWorkspaces(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.AddWorkspace(slack.Team{ID: "T9", BotToken: "xoxb-other"})
	theirs := s.CreateChannel(slack.Channel{Name: "deploys", Team: "T9", Members: []string{slack.BotUser}})
	channel, _, err := client(s, "xoxb-other").PostMessage("#deploys", slackgo.MsgOptionText("x", false))
	if err != nil || channel != theirs {
		t.Errorf("posted to %q, want %q: %v", channel, theirs, err)
	}
}

func TestTheStateIsJSONAndHasNoTokens(t *testing.T) {
	s, api := start(t, slack.Config{})
	if _, _, err := api.PostMessage("deploys", slackgo.MsgOptionBlocks(section("hi"), approveButton())); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"rendered":"hi\n[Approve]"`, `"text":"0123456 to prod"`, `"name":"mona"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s lacks %s", raw, want)
		}
	}
	if strings.Contains(string(raw), "xoxb") {
		t.Errorf("a token in %s", raw)
	}
	if got := s.Snapshot().Transcript(); got != "#deploys\n  shipmate> hi\n    [Approve]\n" {
		t.Errorf("transcript %q", got)
	}
}
