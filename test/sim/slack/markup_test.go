package slack_test

import (
	"fmt"
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestWhatIsLiveInAText(t *testing.T) {
	tests := []struct{ text, want string }{
		{"plain <3 a < b > c", "[]"},
		{"&lt;!channel&gt; &lt;@U1&gt;", "[]"},
		{"<!channel> <!here|here>", "[{broadcast channel } {broadcast here here}]"},
		{"<@U1> and <@U2|hubot>", "[{user U1 } {user U2 hubot}]"},
		{"<!subteam^S1|@leads>", "[{group S1 @leads}]"},
		{"<#C1|deploys>", "[{channel C1 deploys}]"},
		{"<https://evil.example|https://prod.example>", "[{link https://evil.example https://prod.example}]"},
		{"<mailto:a@b.example|mail>", "[{link mailto:a@b.example mail}]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(slack.ActiveMarkup(tt.text)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestWhatIsLiveInAMessage(t *testing.T) {
	s, api := start(t, slack.Config{})
	typed := "<!channel> <@U1>"
	_, _, err := api.PostMessage("deploys", slackgo.MsgOptionText("fallback", false), slackgo.MsgOptionBlocks(
		slackgo.NewHeaderBlock(slackgo.NewTextBlockObject("plain_text", typed, false, false)),
		section("by "+typed),
		slackgo.NewContextBlock("", slackgo.NewTextBlockObject("mrkdwn", "&lt;!here&gt;", false, false))))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Messages("deploys")[0].Live()); got != "[{broadcast channel } {user U1 }]" {
		t.Errorf("live: %s", got)
	}
}

func TestLinkNamesMakesNamesLive(t *testing.T) {
	s, api := start(t, slack.Config{})
	if _, _, err := api.PostMessage("deploys", slackgo.MsgOptionText("@channel @mona", false), slackgo.MsgOptionLinkNames(true)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Messages("deploys")[0].Live()); got != "[{broadcast channel } {user U1 }]" {
		t.Errorf("live: %s", got)
	}
}
