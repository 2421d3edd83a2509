package bot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const twoQuestions = `
service: shop
environments:
  staging: {}
  prod: {approvals: {count: 1}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: dba, uses: approval}
      - {name: build, run: make}
`

// again says it as say does, but the job is done three times: the answer does
// not get through twice, and between the tries, if lost, what came of it is
// forgotten as by a crash right after it was done.
func (s *scene) again(who pipeline.Actor, text string, lost bool) answered {
	s.t.Helper()
	s.forge.write(text)
	s.talk.fails = 2
	for range 2 {
		if err := s.try(bot.KindSaid, comment(who, text)); !pipeline.IsTemporary(err) {
			s.t.Fatalf("%s: %v", text, err)
		}
		if lost {
			s.forget()
		}
		s.jobs--
	}
	return s.one(s.handle(bot.KindSaid, comment(who, text)))
}

// forget takes the answer of the job in hand out of the records.
func (s *scene) forget() {
	s.t.Helper()
	key := fmt.Sprintf("answer:job-%d:0", s.jobs)
	if err := s.store.Delete(s.t.Context(), shop.ID, key); err != nil {
		s.t.Fatal(err)
	}
}

func eachAgain(t *testing.T, do func(t *testing.T, s *scene, lost bool)) {
	for name, lost := range map[string]bool{"the answer is lost": false, "so is what came of it": true} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.forge.files[shop.ID] = twoQuestions
			do(t, s, lost)
		})
	}
}

func TestOneApproveAnswersOneQuestion(t *testing.T) {
	eachAgain(t, func(t *testing.T, s *scene, lost bool) {
		run := s.say(mona, "/deploy prod").Run
		a := s.again(octavia, "/approve", lost)
		if a.Outcome != bot.Done || !strings.HasPrefix(a.Text, "You approved run") {
			t.Errorf("%s %q", a.Outcome, a.Text)
		}
		r, err := s.store.Load(t.Context(), run)
		if err != nil || len(r.Approvals) != 1 || r.Approvals[0].Gate != pipeline.EnvironmentGate || !r.Asks("dba") {
			t.Errorf("%+v, %v", r.Approvals, err)
		}
	})
}

func TestAnApproveThatWasTheLastIsNotRefused(t *testing.T) {
	eachAgain(t, func(t *testing.T, s *scene, lost bool) {
		s.forge.files[shop.ID] = shopFile
		s.say(mona, "/deploy prod")
		if a := s.again(octavia, "/approve", lost); a.Outcome != bot.Done || !strings.HasPrefix(a.Text, "You approved run") {
			t.Errorf("%s %q", a.Outcome, a.Text)
		}
	})
}

func TestOneCancelCancelsOneRun(t *testing.T) {
	eachAgain(t, func(t *testing.T, s *scene, lost bool) {
		s.say(mona, "/deploy staging")
		second := s.say(mona, "/deploy staging --again").Run
		if a := s.again(mona, "/cancel staging", lost); a.Outcome != bot.Done || !strings.HasPrefix(a.Text, "Cancelling run") {
			t.Errorf("%s %q", a.Outcome, a.Text)
		}
		if r, err := s.store.Load(t.Context(), second); err != nil || r.Cancel != nil {
			t.Errorf("the second run: %+v, %v", r.Cancel, err)
		}
	})
}

func TestUnlockingIsAnsweredAsItWentTheFirstTime(t *testing.T) {
	s := newScene(t)
	s.say(mona, `/lock staging --reason "sale"`)
	if a := s.again(mona, "/unlock staging", false); a.Outcome != bot.Done {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

// The second click on a button comes when its question is answered and the run
// asks another.
func TestAButtonIsAboutOneQuestion(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = twoQuestions
	r, err := s.store.Load(t.Context(), s.say(mona, "/deploy prod").Run)
	if err != nil {
		t.Fatal(err)
	}
	id := s.button(r, bot.ButtonApprove, pipeline.EnvironmentGate)
	if a := s.press(octavia, id, ""); a.Outcome != bot.Done {
		t.Fatalf("%s %q", a.Outcome, a.Text)
	}
	if a := s.press(octavia, id, ""); a.Outcome != bot.Refused || !strings.Contains(a.Text, "already_decided") {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
	if r, err = s.store.Load(t.Context(), r.ID); err != nil || len(r.Approvals) != 1 {
		t.Errorf("%+v, %v", r.Approvals, err)
	}
}
