package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// late says something that was written long ago and comes only now.
func (s *scene) late(who pipeline.Actor, ago time.Duration, text string) answered {
	m := comment(who, text)
	m.At, m.Came = s.clock.Now().Add(-ago), s.clock.Now()
	s.forge.write(text)
	return s.one(s.handle(bot.KindSaid, m))
}

// Whatever a command's help says, its examples are done late if they are
// questions, and refused if they are not.
func TestEveryCommandThatComesLate(t *testing.T) {
	questions := 0
	for _, c := range newScene(t).bot.Commands {
		h := c.Help()
		for _, line := range h.Examples {
			s := newScene(t)
			s.asking()
			a := s.late(octavia, 20*time.Hour, line)
			late := a.Code == "late" && strings.Contains(a.Text, "This was written 20 hours ago") && strings.Contains(a.Text, "paste: `"+h.Name)
			switch {
			case h.Question && (a.Code == "late" || a.Code == "expired"):
				t.Errorf("%s is refused: %s", line, a.Text)
			case h.Question:
				questions++
			case a.Outcome != bot.Refused || a.Run != "":
				t.Errorf("%s is done: %s", line, a.Text)
			case !late && h.Name != "/deploy" && h.Name != "/promote" && h.Name != "/rollback" && h.Name != "/retry": // what is wrong with these is said first
				t.Errorf("%s: %s", line, a.Text)
			}
		}
	}
	if questions < 10 {
		t.Errorf("only %d questions", questions)
	}
}

func TestALateUnlockLeavesTheLock(t *testing.T) {
	s := newScene(t)
	if a := s.say(mona, `/lock prod --reason "upgrade"`); a.Outcome != bot.Done {
		t.Fatal(a.Text)
	}
	a := s.late(mona, 20*time.Hour, "/unlock prod")
	if !s.locked("prod") || a.Code != "late" || !strings.Contains(a.Text, "20 hours ago and came to shipmate only now, so it was not done. If it is still what you want, paste: `/unlock prod`") {
		t.Errorf("locked: %t, %s", s.locked("prod"), a.Text)
	}
	if a := s.late(mona, 30*time.Hour, "/unlock prod"); !s.locked("prod") || a.Code != "expired" {
		t.Errorf("locked: %t, %s", s.locked("prod"), a.Text)
	}
	if a := s.late(mona, 9*time.Minute, "/unlock prod"); s.locked("prod") {
		t.Errorf("it is still locked: %s", a.Text)
	}
}

// It came in time, and its turn came when the bot was back.
func TestACommandThatWaitedForUs(t *testing.T) {
	s := newScene(t)
	m := comment(mona, `/lock prod --reason "upgrade"`)
	m.At, m.Came = s.clock.Now(), s.clock.Now().Add(time.Second)
	s.forge.write(m.Text)
	s.store.Advance(40 * time.Minute)
	if a := s.one(s.handle(bot.KindSaid, m)); s.locked("prod") || a.Code != "late" || !strings.Contains(a.Text, "40 minutes ago and its turn came only now") {
		t.Errorf("locked: %t, %s", s.locked("prod"), a.Text)
	}
}

// What was begun in time is not left half done.
func TestACommandThatWasBegunInTime(t *testing.T) {
	s := newScene(t)
	m := comment(mona, `/lock prod --reason "upgrade"`)
	m.At = s.clock.Now()
	a := s.twice(m, func() { s.clock.Advance(40 * time.Minute) })
	if !s.locked("prod") || a.Code != "" {
		t.Errorf("locked: %t, %s", s.locked("prod"), a.Text)
	}
}

func TestAButtonThatWasPressedLongAgo(t *testing.T) {
	s := newScene(t)
	r := s.asking()
	id := s.button(r, bot.ButtonApprove, pipeline.EnvironmentGate)
	now := s.clock.Now()
	a := s.one(s.handle(bot.KindPressed, bot.Pressed{Repo: shop, Button: id, Actor: octavia, Origin: pipeline.Origin{Surface: "slack", Channel: "C0"}, At: now.Add(-time.Hour), Came: now}))
	if a.Code != "late" || !strings.Contains(a.Text, "paste: `/approve "+string(r.ID)+"`") {
		t.Errorf("%s %s", a.Outcome, a.Text)
	}
	a = s.one(s.handle(bot.KindRerun, bot.Rerun{Repo: shop, Actor: octavia, Run: s.made(pipeline.Run{Request: pipeline.Request{Repo: shop, PR: 1, SHA: head, Pipeline: pipeline.Pipeline{Name: "deploy"}}, Progress: pipeline.Progress{State: pipeline.Failed}}).ID, SHA: head, Came: now.Add(-time.Hour)}))
	if a.Code != "late" {
		t.Errorf("%s %s", a.Outcome, a.Text)
	}
}
