package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const moved = "2222222222222222222222222222222222222222"

// onSlack is a scene in which shop is known and mona and octavia are on Slack.
func onSlack(t *testing.T) *scene {
	s := newScene(t)
	s.bot.Identities = linked{"U0MONA": mona, "U0OCTAVIA": octavia, "U0EVE": eve}
	svc := bot.Service{Name: "shop", Repo: shop, Environments: []string{"staging", "prod"}, Channels: []string{"#shop"}}
	if err := s.bot.Services.Put(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
	return s
}

// confirm presses the button of a question on Slack.
func (s *scene) confirm(user string, q answered) answered {
	s.t.Helper()
	if len(q.Confirm) != 1 {
		s.t.Fatalf("it asks %d questions: %+v", len(q.Confirm), q)
	}
	at := pipeline.Origin{Surface: "slack", Channel: "C0SHOP", ReplyTo: "https://hooks.slack.com/click"}
	return s.one(s.handle(bot.KindPressed, bot.Pressed{Repo: pipeline.Repo{ID: shop.ID}, Button: q.Confirm[0].Button,
		Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: user}, Origin: at, At: s.clock.Now()}))
}

func (s *scene) runs() []*pipeline.Run {
	s.t.Helper()
	all, err := s.store.Runs(s.t.Context(), pipeline.RunQuery{})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func TestAProtectedEnvironmentGetsWhatThePersonSaw(t *testing.T) {
	s := onSlack(t)
	q := s.slack("U0MONA", "shop", "", "/deploy prod --reason sale")
	if len(s.runs()) != 0 || !strings.Contains(q.Text, head) || !strings.Contains(q.Text, "Add a sale") {
		t.Fatalf("%d runs after %q", len(s.runs()), q.Text)
	}
	s.forge.tip = moved
	a := s.confirm("U0MONA", q)
	runs := s.runs()
	if len(runs) != 1 || a.Run != runs[0].ID || !a.Replace {
		t.Fatalf("answered %+v; runs: %v", a, runs)
	}
	if r := runs[0]; r.SHA != head || r.Reason != "sale" || r.Actor.ID != mona.ID || r.Origin.Channel != "C0SHOP" {
		t.Errorf("deployed %+v", r.Request)
	}
}

func TestAConfirmationIsGoodOnceForOneAndNotForLong(t *testing.T) {
	for name, c := range map[string]struct {
		before func(s *scene, q answered)
		user   string
		code   string
	}{
		"somebody else":              {func(*scene, answered) {}, "U0OCTAVIA", "not_yours"},
		"somebody who is not linked": {func(*scene, answered) {}, "U0ZOE", "not_linked"},
		"twice":                      {func(s *scene, q answered) { s.confirm("U0MONA", q) }, "U0MONA", "already_confirmed"},
		"five minutes later":         {func(s *scene, q answered) { s.clock.Advance(5 * time.Minute) }, "U0MONA", "confirmation_expired"},
		"right taken away meanwhile": {func(s *scene, q answered) { s.forge.rights[mona.ID] = pipeline.Read }, "U0MONA", "not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := onSlack(t)
			q := s.slack("U0MONA", "shop", "", "/deploy prod")
			c.before(s, q)
			before := len(s.runs())
			if a := s.confirm(c.user, q); a.Outcome != bot.Refused || !strings.Contains(a.Text, "`"+c.code+"`") || len(s.runs()) != before {
				t.Errorf("%s %q, and %d runs more", a.Outcome, a.Text, len(s.runs())-before)
			}
		})
	}
}

func TestAClickThatIsHandledAgainStartsTheSameRun(t *testing.T) {
	s := onSlack(t)
	q := s.slack("U0MONA", "shop", "", "/deploy prod")
	first := s.confirm("U0MONA", q)
	s.jobs-- // the same job, as after a crash
	s.clock.Advance(time.Hour)
	again := s.confirm("U0MONA", q)
	if first.Run == "" || again.Run != first.Run || len(s.runs()) != 1 {
		t.Errorf("first %+v, then %+v; %d runs", first, again, len(s.runs()))
	}
}

func TestAQuestionThatIsHandledAgainIsTheSameQuestion(t *testing.T) {
	s := onSlack(t)
	first := s.slack("U0MONA", "shop", "", "/deploy prod")
	s.jobs--
	s.clock.Advance(4 * time.Minute)
	again := s.slack("U0MONA", "shop", "", "/deploy prod")
	if again.Confirm[0] != first.Confirm[0] {
		t.Errorf("asked %+v, then %+v", first.Confirm, again.Confirm)
	}
	s.clock.Advance(2 * time.Minute)
	if a := s.confirm("U0MONA", again); a.Outcome != bot.Refused {
		t.Errorf("asked again it lasts longer: %+v", a)
	}
}

func TestWhatNeedsNoConfirmation(t *testing.T) {
	for name, text := range map[string]string{
		"the whole commit id":                  "/deploy prod " + head,
		"an environment that is not protected": "/deploy staging",
	} {
		t.Run(name, func(t *testing.T) {
			s := onSlack(t)
			if a := s.slack("U0MONA", "shop", "", text); a.Run == "" || len(a.Confirm) != 0 {
				t.Errorf("answered %+v", a)
			}
		})
	}
	t.Run("a comment on GitHub, where it can be shown what was there", func(t *testing.T) {
		s := newScene(t)
		if a := s.say(mona, "/deploy prod"); a.Run == "" || len(a.Confirm) != 0 {
			t.Errorf("answered %+v", a)
		}
	})
}
