package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const tooMuch = "That is more than 60 commands in a minute, or 120 in this repository, so nothing was done. Wait a minute. (`rate_limited`)"

// flood says a command so many times and wants each to be done.
func (s *scene) flood(who pipeline.Actor, times int) {
	s.t.Helper()
	for i := range times {
		if a := s.say(who, "/help"); a.Outcome != bot.Done || !strings.HasPrefix(a.Text, "What you can say here:") {
			s.t.Fatalf("command %d of %s: %s %q", i+1, who.Login, a.Outcome, a.Text)
		}
	}
}

func TestAPersonMaySaySixtyCommandsAMinute(t *testing.T) {
	s := newScene(t)
	s.flood(mona, 60)
	s.say(mona, "/help").refused(t, tooMuch)
	s.say(mona, "/help").refused(t, "") // told once
	s.flood(octavia, 1)

	s.clock.Advance(time.Minute - 1)
	s.say(mona, "/help").refused(t, "")
	s.clock.Advance(1)
	s.flood(mona, 60)
	s.say(mona, "/help").refused(t, tooMuch) // and once more in the next minute
}

func TestTheSixtyPassOneByOne(t *testing.T) {
	s := newScene(t)
	s.flood(mona, 20)
	s.clock.Advance(30 * time.Second)
	s.flood(mona, 40)
	s.clock.Advance(30 * time.Second)
	s.flood(mona, 20) // the first twenty are a minute old
	s.say(mona, "/help").refused(t, tooMuch)
}

func TestARepositoryTakesTwiceAsMany(t *testing.T) {
	s := newScene(t)
	s.flood(mona, 60)
	s.flood(octavia, 60)
	s.say(eve, "/help").refused(t, tooMuch)
	s.say(eve, "/help").refused(t, "")

	elsewhere := comment(eve, "/help")
	elsewhere.Repo = cart
	if a := s.one(s.handle(bot.KindSaid, elsewhere)); a.Outcome != bot.Done {
		t.Errorf("in another repository: %s %q", a.Outcome, a.Text)
	}
	s.clock.Advance(time.Minute)
	s.flood(eve, 1)
}

func TestEveryLineOfACommentCounts(t *testing.T) {
	s := newScene(t)
	five := strings.Repeat("/help\n", 5)
	for range 11 {
		if a := s.say(mona, five); a.Outcome != bot.Done {
			t.Fatalf("%s %q", a.Outcome, a.Text)
		}
	}
	s.flood(mona, 4)
	s.say(mona, "/deploy staging\n/help").refused(t, tooMuch)
	if runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{}); err != nil || len(runs) > 0 {
		t.Errorf("a part of what was refused was done: %v, %v", runs, err)
	}
	s.flood(mona, 1) // what was refused does not count
}

// What one is told stands where it was written; whoever reads elsewhere has not seen it.
func TestAFloodIsToldOfOnEveryPullRequest(t *testing.T) {
	s := newScene(t)
	s.flood(mona, 60)
	s.say(mona, "/help").refused(t, tooMuch)
	other := comment(mona, "/help")
	other.Origin.PR = 2
	s.one(s.handle(bot.KindSaid, other)).refused(t, tooMuch)
}

func TestAFloodOfMistakesIsNotAnswered(t *testing.T) {
	s := newScene(t)
	told := 0
	for range 200 {
		if a := s.say(eve, "/deploy"); a.Text != "" {
			told++
		}
	}
	if told > 61 {
		t.Errorf("%d answers to 200 mistakes in a minute", told)
	}
}

func TestEverybodyIsToldOnSlack(t *testing.T) {
	s := newScene(t)
	s.bot.Identities = linked{"U0MONA": mona, "U0EVE": eve, "U0OCTAVIA": octavia}
	s.known(shop)
	for range 60 {
		s.slack("U0MONA", "shop", "", "/help")
		s.slack("U0OCTAVIA", "shop", "", "/help")
	}
	for _, u := range []string{"U0MONA", "U0OCTAVIA", "U0EVE"} {
		if a := s.slack(u, "shop", "", "/help"); a.Text == "" {
			t.Errorf("%s is told nothing: %s", u, a.Outcome)
		}
	}
}

func TestUnlinkedPeopleHaveBudgetsOfTheirOwn(t *testing.T) {
	s := newScene(t)
	s.known(shop)
	for range 61 {
		s.slack("U0ZOE", "shop", "", "/help")
	}
	if a := s.slack("U0ANN", "shop", "", "/help"); a.Outcome != bot.Done {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}
