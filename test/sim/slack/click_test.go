package slack_test

import (
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestAButtonAsksAndActs(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	_, ts, err := api.PostMessage("deploys", slackgo.MsgOptionBlocks(section("Approve?"), approveButton()))
	if err != nil {
		t.Fatal(err)
	}
	var asked slack.Dialog
	answer := func(yes bool) func(slack.Dialog) bool {
		return func(d slack.Dialog) bool { asked = d; return yes }
	}
	click := slack.Click{User: "mona", Channel: "deploys", Message: ts, Button: "Approve", Confirm: answer(false)}
	d, err := s.Click(t.Context(), click)
	if err != nil || !d.Denied || asked.Text != "0123456 to prod" || len(s.Sent()) != 0 {
		t.Fatalf("denied: %+v, %v, asked %+v", d, err, asked)
	}
	click.Confirm = answer(true)
	if d, err = s.Click(t.Context(), click); err != nil || d.Error != "" {
		t.Fatalf("clicked: %+v, %v", d, err)
	}
	got := <-b.actions
	action := got.ActionCallback.BlockActions[0]
	if got.User.ID != "U1" || action.ActionID != "approve" || action.Value != "id-1" || got.Container.MessageTs != ts ||
		got.Message.Timestamp != ts || got.Channel.Name != "deploys" || got.Team.ID != "T0SIM" {
		t.Errorf("the bot got %+v", got)
	}
	err = slackgo.PostWebhookContext(t.Context(), got.ResponseURL, &slackgo.WebhookMessage{Text: "Approved by mona", ReplaceOriginal: true})
	if err != nil {
		t.Fatal(err)
	}
	if m := s.Messages("deploys")[0]; m.Rendered != "Approved by mona" || len(m.Buttons) != 0 || !m.Edited {
		t.Errorf("the card is %+v", m)
	}
	if _, err := s.Click(t.Context(), click); err == nil {
		t.Error("a button that is gone was clicked")
	}
	err = slackgo.PostWebhookContext(t.Context(), got.ResponseURL, &slackgo.WebhookMessage{DeleteOriginal: true})
	if err != nil || len(s.Messages("deploys")) != 0 {
		t.Errorf("delete_original: %v, left %+v", err, s.Messages("deploys"))
	}
}

func TestAMenuInAMessage(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	option := slackgo.NewOptionBlockObject("p", slackgo.NewTextBlockObject("plain_text", "prod", false, false), nil)
	menu := slackgo.NewOptionsSelectBlockElement("static_select", slackgo.NewTextBlockObject("plain_text", "Where", false, false), "env", option)
	_, ts, err := api.PostMessage("deploys", slackgo.MsgOptionBlocks(slackgo.NewActionBlock("b", menu)))
	if err != nil {
		t.Fatal(err)
	}
	if text := s.Messages("deploys")[0].Rendered; text != "[Where ▾ prod]" {
		t.Errorf("shown as %q", text)
	}
	if _, err := s.Click(t.Context(), slack.Click{User: "U1", Channel: "deploys", Message: ts, Button: "env", Option: "prod"}); err != nil {
		t.Fatal(err)
	}
	if got := (<-b.actions).ActionCallback.BlockActions[0]; got.SelectedOption.Value != "p" {
		t.Errorf("the bot got %+v", got)
	}
}

func TestAnEphemeralButtonIsForItsReader(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	channel := s.Snapshot().Channels[0].ID
	ts, err := api.PostEphemeral(channel, "U1", slackgo.MsgOptionBlocks(approveButton()))
	if err != nil {
		t.Fatal(err)
	}
	click := slack.Click{User: "hubot", Channel: "deploys", Message: ts, Button: "approve"}
	if _, err := s.Click(t.Context(), click); err == nil {
		t.Error("hubot clicked what only mona sees")
	}
	click.User = "mona"
	if _, err := s.Click(t.Context(), click); err != nil {
		t.Fatal(err)
	}
	if got := <-b.actions; !got.Container.IsEphemeral || got.Message.Timestamp != "" {
		t.Errorf("the bot got %+v", got)
	}
}

func TestAForgedClickIsSentAsItIs(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	_, ts, err := api.PostMessage("deploys", slackgo.MsgOptionBlocks(approveButton()))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := s.ClickPayload(slack.Click{User: "mona", Channel: "deploys", Message: ts, Button: "approve"})
	if err != nil {
		t.Fatal(err)
	}
	payload["team"] = map[string]any{"id": "T9"}
	s.SendInteraction(t.Context(), payload)
	if got := <-b.actions; got.Team.ID != "T9" {
		t.Errorf("the bot got %+v", got.Team)
	}
}

func TestShortcuts(t *testing.T) {
	s, _ := start(t, slack.Config{})
	b := newBot(t, s)
	said, err := s.Say(slack.Post{User: "mona", Channel: "deploys", Text: "broken?"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GlobalShortcut(t.Context(), slack.Shortcut{User: "mona", CallbackID: "deploy"}); err != nil {
		t.Fatal(err)
	}
	if got := <-b.actions; got.Type != slackgo.InteractionTypeShortcut || got.CallbackID != "deploy" || got.TriggerID == "" {
		t.Errorf("global: %+v", got)
	}
	if _, err := s.MessageShortcut(t.Context(), slack.Shortcut{User: "hubot", CallbackID: "why", Channel: "deploys", Message: said.TS}); err != nil {
		t.Fatal(err)
	}
	if got := <-b.actions; got.Type != slackgo.InteractionTypeMessageAction || got.Message.Text != "broken?" || got.User.ID != "U2" {
		t.Errorf("message: %+v", got)
	}
}
