package slack_test

import (
	"encoding/json"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func modal(t *testing.T, external string) slackgo.ModalViewRequest {
	t.Helper()
	var v slackgo.ModalViewRequest
	if err := json.Unmarshal([]byte(modalJSON), &v); err != nil {
		t.Fatal(err)
	}
	v.ExternalID = external
	return v
}

// trigger makes mona type a command and gives its trigger_id.
func trigger(t *testing.T, s *slack.Server, b *bot) string {
	t.Helper()
	if _, err := s.SlashCommand(t.Context(), slack.Command{User: "mona", Channel: "deploys", Name: "/deploy"}); err != nil {
		t.Fatal(err)
	}
	return (<-b.commands).TriggerID
}

func TestAModalIsFilledInAndSubmitted(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	opened, err := api.OpenView(trigger(t, s, b), modal(t, "one"))
	if err != nil {
		t.Fatal(err)
	}
	v := s.OpenView("mona")
	if v == nil || v.ID != opened.ID || v.Title != "Deploy" || v.Rendered != "# Deploy\nReason: []\nEnvironment: [] ▾ staging | prod\n[Go]" {
		t.Fatalf("mona sees %+v", v)
	}
	for name, values := range map[string]map[string]string{
		"a field is empty": {"Reason": "x"},
		"a field too long": {"Reason": "12345678901", "Environment": "prod"},
		"no such option":   {"Reason": "x", "Environment": "moon"},
		"no such field":    {"Colour": "x"},
	} {
		if _, err := s.SubmitView(t.Context(), slack.Submission{User: "mona", Values: values}); err == nil {
			t.Errorf("%s: it was sent", name)
		}
	}
	fill := slack.Submission{User: "mona", Values: map[string]string{"Reason": "hotfix", "env": "prod"}}

	b.answersJSON(slackgo.NewErrorsViewSubmissionResponse(map[string]string{"env": "It is locked."}))
	d, err := s.SubmitView(t.Context(), fill)
	if err != nil || d.Errors["env"] != "It is locked." || s.OpenView("mona").Errors["env"] == "" {
		t.Fatalf("errors: %+v, %v", d, err)
	}
	got := <-b.actions
	if got.View.CallbackID != "deploy" || got.View.State.Values["reason"]["text"].Value != "hotfix" ||
		got.View.State.Values["env"]["menu"].SelectedOption.Value != "p" || got.View.Hash == "" {
		t.Errorf("the bot got %+v", got.View)
	}

	second := modal(t, "two")
	b.answersJSON(slackgo.NewPushViewSubmissionResponse(&second))
	if d, err = s.SubmitView(t.Context(), fill); err != nil || d.Error != "" || len(s.Snapshot().Modals) != 2 {
		t.Fatalf("push: %+v, %v", d, err)
	}
	b.answersJSON(slackgo.NewErrorsViewSubmissionResponse(map[string]string{"nothing": "x"}))
	if d, err = s.SubmitView(t.Context(), fill); err != nil || d.Error == "" {
		t.Errorf("an error for no field: %+v, %v", d, err)
	}
	b.answersJSON(slackgo.NewClearViewSubmissionResponse())
	if d, err = s.SubmitView(t.Context(), fill); err != nil || s.OpenView("mona") != nil {
		t.Errorf("clear: %+v, %v", d, err)
	}
}

func TestTriggersWorkOnceAndShortly(t *testing.T) {
	c := newClock()
	s, api := start(t, slack.Config{Now: c.Now})
	b := newBot(t, s)
	id := trigger(t, s, b)
	if _, err := api.OpenView(id, modal(t, "")); err != nil {
		t.Fatal(err)
	}
	if _, err := api.OpenView(id, modal(t, "")); err == nil || err.Error() != "exchanged_trigger_id" {
		t.Errorf("twice: %v", err)
	}
	id = trigger(t, s, b)
	c.advance(3*time.Second + time.Millisecond)
	if _, err := api.OpenView(id, modal(t, "")); err == nil || err.Error() != "expired_trigger_id" {
		t.Errorf("late: %v", err)
	}
}

func TestAStackHoldsThreeModals(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	first, err := api.OpenView(trigger(t, s, b), modal(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		pushed, err := api.PushView(trigger(t, s, b), modal(t, ""))
		if err != nil || pushed.RootViewID != first.ID {
			t.Fatalf("push: %+v, %v", pushed, err)
		}
	}
	if _, err := api.PushView(trigger(t, s, b), modal(t, "")); err == nil || err.Error() != "push_limit_reached" {
		t.Errorf("the fourth: %v", err)
	}
}

func TestAViewIsUpdatedUnlessItChanged(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	opened, err := api.OpenView(trigger(t, s, b), modal(t, "mine"))
	if err != nil {
		t.Fatal(err)
	}
	next := modal(t, "mine")
	next.Title.Text = "Deploying"
	if _, err := api.UpdateView(next, "mine", opened.Hash, ""); err != nil {
		t.Fatal(err)
	}
	if v := s.OpenView("mona"); v.Title != "Deploying" {
		t.Errorf("mona sees %+v", v)
	}
	if _, err := api.UpdateView(next, "", opened.Hash, opened.ID); err == nil || err.Error() != "hash_conflict" {
		t.Errorf("with an old hash: %v", err)
	}
}

func TestClosingAModalIsToldIfAsked(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	v := modal(t, "")
	v.NotifyOnClose = true
	if _, err := api.OpenView(trigger(t, s, b), v); err != nil {
		t.Fatal(err)
	}
	if d, err := s.CloseView(t.Context(), "mona"); err != nil || d.Error != "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	if got := <-b.actions; got.Type != slackgo.InteractionTypeViewClosed || got.IsCleared {
		t.Errorf("the bot got %+v", got)
	}
	if s.OpenView("mona") != nil {
		t.Error("it is still open")
	}
}

func TestTheHomeTab(t *testing.T) {
	s, api := start(t, slack.Config{})
	b := newBot(t, s)
	if d, err := s.AppHomeOpened(t.Context(), "mona"); err != nil || d.Error != "" {
		t.Fatalf("got %+v, %v", d, err)
	}
	home := slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab, Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{section("*Your runs*"), approveButton()}}}
	if _, err := api.PublishView("U1", home, ""); err != nil {
		t.Fatal(err)
	}
	v := s.Home("mona")
	if v == nil || v.Rendered != "*Your runs*\n[Approve]" {
		t.Fatalf("mona sees %+v", v)
	}
	if _, err := s.Click(t.Context(), slack.Click{User: "mona", View: v.ID, Button: "Approve"}); err != nil {
		t.Fatal(err)
	}
	if got := <-b.actions; got.Container.ViewID != v.ID || got.View.Type != slackgo.VTHomeTab {
		t.Errorf("the bot got %+v", got)
	}
}
