package slack_test

import (
	"strings"
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

// numbers is a modal with a menu the app hears of, one it does not, and a number.
func numbers() slackgo.ModalViewRequest {
	text := func(s string) *slackgo.TextBlockObject {
		return slackgo.NewTextBlockObject(slackgo.PlainTextType, s, false, false)
	}
	menu := func(id string, tell bool) *slackgo.InputBlock {
		of := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, text("Choose"), id,
			slackgo.NewOptionBlockObject("a", text("A"), nil), slackgo.NewOptionBlockObject("b", text("B"), nil))
		in := slackgo.NewInputBlock(id, text(id), nil, of)
		in.DispatchAction = tell
		return in
	}
	number := slackgo.NewNumberInputBlockElement(nil, "n", false)
	number.MinValue, number.MaxValue = "1", "20"
	in := slackgo.NewInputBlock("n", text("n"), nil, number)
	in.Optional = true
	return slackgo.ModalViewRequest{Type: slackgo.VTModal, Title: text("T"), Submit: text("Go"),
		Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{menu("loud", true), menu("quiet", false), in}}}
}

func TestTheAppIsToldOfAChoiceIfItAsksForThat(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	opened, err := api.OpenView(trigger(t, s, b), numbers())
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Choose(t.Context(), slack.Choice{User: "mona", Input: "quiet", Option: "B"}); err != nil || d.Status != 0 {
		t.Errorf("the app was told: %+v, %v", d, err)
	}
	if _, err := s.Choose(t.Context(), slack.Choice{User: "mona", Input: "loud", Option: "A"}); err != nil {
		t.Fatal(err)
	}
	got := <-b.actions
	if got.Type != slackgo.InteractionTypeBlockActions || got.View.ID != opened.ID || got.View.Hash != opened.Hash || got.TriggerID == "" {
		t.Errorf("told %+v", got)
	}
	if a := got.ActionCallback.BlockActions[0]; a.ActionID != "loud" || a.SelectedOption.Value != "a" || got.View.State.Values["quiet"]["quiet"].SelectedOption.Value != "b" {
		t.Errorf("told of %+v with %+v", a, got.View.State.Values)
	}
	for name, c := range map[string]slack.Choice{
		"no such option": {User: "mona", Input: "loud", Option: "C"},
		"no such input":  {User: "mona", Input: "x", Option: "A"},
		"no open modal":  {User: "hubot", Input: "loud", Option: "A"},
	} {
		if _, err := s.Choose(t.Context(), c); err == nil {
			t.Errorf("%s: it was chosen", name)
		}
	}
}

func TestANumberIsANumber(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	if _, err := api.OpenView(trigger(t, s, b), numbers()); err != nil {
		t.Fatal(err)
	}
	for value, sent := range map[string]bool{"x": false, "1.5": false, "0": false, "21": false, "20": true} {
		b.answersJSON(slackgo.NewErrorsViewSubmissionResponse(map[string]string{"n": "no"})) // so that it stays
		_, err := s.SubmitView(t.Context(), slack.Submission{User: "mona", Values: map[string]string{"loud": "A", "quiet": "A", "n": value}})
		if (err == nil) != sent {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestConversationsAreOpenedWithPeople(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.AddUser(slack.User{ID: "U3", Name: "gone", Deleted: true})
	for users, want := range map[string]string{"": "users_list_not_supplied", "U9": "user_not_found", "mona": "user_not_found", "U3": "user_disabled", slack.BotUser: "cannot_dm_bot", "U1,U2": "missing_scope"} {
		if out, _ := api(t, s, "xoxb-test", "conversations.open", "users="+users); out["error"] != want {
			t.Errorf("%q: %v, want %s", users, out, want)
		}
	}
	first, _ := api(t, s, "xoxb-test", "conversations.open", "users=U1")
	again, _ := api(t, s, "xoxb-test", "conversations.open", "users=U1")
	id := first["channel"].(map[string]any)["id"].(string)
	if !strings.HasPrefix(id, "D") || again["channel"].(map[string]any)["id"] != id {
		t.Errorf("first %v, then %v", first, again)
	}
}
