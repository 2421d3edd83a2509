package bot_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// asking is a run of mona's to prod that waits for an approval.
func (s *scene) asking() *pipeline.Run {
	env := &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}, Protected: true}
	return s.made(pipeline.Run{
		Request: pipeline.Request{Repo: shop, Service: "shop", PR: 1, Environment: env, Trigger: pipeline.ByCommand, Actor: mona,
			Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}}}},
		Progress: pipeline.Progress{State: pipeline.Waiting, Code: "approval", Steps: []pipeline.StepRun{{Name: "build", State: pipeline.Queued}}},
	})
}

func (s *scene) button(r *pipeline.Run, kind bot.ButtonKind, gate string) string {
	s.t.Helper()
	id, err := s.bot.Buttons.ID(s.t.Context(), r, kind, gate)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// press is somebody pressing a button on GitHub.
func (s *scene) press(who pipeline.Actor, id, reason string) answered {
	s.t.Helper()
	return s.one(s.handle(bot.KindPressed, bot.Pressed{Repo: shop, Button: id, Actor: who, Origin: pipeline.Origin{Surface: "github"}, Reason: reason}))
}

func TestAButtonLeadsBackToItsRunAndGate(t *testing.T) {
	s := newScene(t)
	r := s.asking()
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`) // all that GitHub takes
	ids := map[string]bool{}
	for _, want := range []bot.Button{
		{Run: r.ID, Kind: bot.ButtonApprove, Gate: pipeline.EnvironmentGate, SHA: head},
		{Run: r.ID, Kind: bot.ButtonReject, Gate: pipeline.EnvironmentGate, SHA: head},
		{Run: r.ID, Kind: bot.ButtonApprove, Gate: "look", SHA: head},
		{Run: r.ID, Kind: bot.ButtonCancel, SHA: head},
	} {
		id := s.button(r, want.Kind, want.Gate)
		if !form.MatchString(id) || ids[id] {
			t.Errorf("%s %s has the id %q", want.Kind, want.Gate, id)
		}
		ids[id] = true
		if again := s.button(r, want.Kind, want.Gate); again != id {
			t.Errorf("asked again, %s %s is %q, was %q", want.Kind, want.Gate, again, id)
		}
		if got, err := s.bot.Buttons.Find(t.Context(), shop.ID, id); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	if other := s.button(s.asking(), bot.ButtonCancel, ""); ids[other] {
		t.Error("buttons of two runs have one id")
	}
}

func TestAButtonIsPressed(t *testing.T) {
	s := newScene(t)
	r := s.asking()
	approve, reject, cancel := s.button(r, bot.ButtonApprove, pipeline.EnvironmentGate), s.button(r, bot.ButtonReject, pipeline.EnvironmentGate), s.button(r, bot.ButtonCancel, "")

	s.press(mona, approve, "").refused(t, "You may not approve this: who asks does not approve. Ask somebody who may; `/why` says who. (`may_not_approve`)")
	s.press(eve, reject, "no").refused(t, "You may not approve this: it needs write access, you have read. Ask somebody who may; `/why` says who. (`may_not_approve`)")
	if a := s.press(octavia, approve, ""); a.Outcome != bot.Done || a.Text != "You approved run "+string(r.ID)+"." || a.At.PR != 1 || a.Run != r.ID {
		t.Errorf("%+v", a)
	}
	got, err := s.store.Load(t.Context(), r.ID)
	if err != nil || !got.Admitted || len(got.Approvals) != 1 || got.Approvals[0].By != octavia || got.Approvals[0].Gate != pipeline.EnvironmentGate {
		t.Fatalf("%+v, %v", got, err)
	}
	s.press(octavia, reject, "").refused(t, "Run "+string(r.ID)+" is not waiting for this approval: it is running. More says `/status "+string(r.ID)+"`. (`already_decided`)")
	if a := s.press(mona, cancel, ""); a.Outcome != bot.Done {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

// What is typed into the dialog is never read as anything but a reason.
func TestAReasonIsNoCommand(t *testing.T) {
	for typed, want := range map[string]string{
		"":                          "rejected by button",
		"not today":                 "not today",
		`" --reason "mine" \`:       `" --reason "mine" \`,
		"--wait\n/deploy prod":      "--wait /deploy prod",
		"“curly” — and — long dash": "“curly” — and — long dash",
	} {
		s := newScene(t)
		r := s.asking()
		if a := s.press(octavia, s.button(r, bot.ButtonReject, pipeline.EnvironmentGate), typed); a.Outcome != bot.Done {
			t.Errorf("%q: %s %q", typed, a.Outcome, a.Text)
		}
		got, err := s.store.Load(t.Context(), r.ID)
		if err != nil || got.Cancel == nil || got.Cancel.Reason != want {
			t.Errorf("%q: %+v, %v", typed, got.Cancel, err)
		}
	}
}

func TestAButtonOfARunThatIsGone(t *testing.T) {
	s := newScene(t)
	gone := &pipeline.Run{Request: pipeline.Request{ID: "r-0000gone", Repo: shop}}
	s.press(mona, s.button(gone, bot.ButtonCancel, ""), "").refused(t, "The run behind this button is gone. Which there are says `/status`. (`unknown_run`)")
}

func TestButtonsLastNinetyDays(t *testing.T) {
	s := newScene(t)
	id := s.button(s.asking(), bot.ButtonCancel, "")
	s.clock.Advance(90*24*time.Hour - 1)
	if _, err := s.bot.Buttons.Find(t.Context(), shop.ID, id); err != nil {
		t.Error(err)
	}
	s.clock.Advance(1)
	if got, err := s.bot.Buttons.Find(t.Context(), shop.ID, id); err == nil {
		t.Errorf("found %+v", got)
	}
}

func TestAButtonNobodyKnows(t *testing.T) {
	const unknown = "This button is not one of ours, or it is too old. Use the command instead. (`unknown_button`)"
	s := newScene(t)
	id := s.button(s.asking(), bot.ButtonCancel, "")
	elsewhere := bot.Pressed{Repo: cart, Button: id, Actor: mona, Origin: pipeline.Origin{Surface: "github"}}
	if err := s.try(bot.KindPressed, elsewhere); err != nil {
		t.Errorf("of another repository: %v, temporary: %t", err, pipeline.IsTemporary(err))
	}
	s.press(mona, "AAAAAAAAAAAAAAAAAAAA", "").refused(t, unknown)
}
