package bot_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

func TestACommandIsWorkedOnWhileItIsAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.forge.write("/help")
		looking, release := make(chan struct{}), make(chan struct{})
		s.talk.acking = func() error { <-release; return nil }
		s.forge.looked = func() { s.talk.note("looked"); <-looking }
		done := make(chan error, 1)
		go func() { done <- s.try(bot.KindSaid, comment(mona, "/help")) }()

		pass(1100 * time.Millisecond)
		close(looking)
		synctest.Wait()
		if got := s.talk.happened(); got != "looked" {
			t.Errorf("before it is acked there was: %q, want the comment looked at and nothing said", got)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := s.talk.happened(); got != "looked, acked, replied" {
			t.Errorf("happened: %s", got)
		}
	})
}

func TestARefusalComesAfterTheAckToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.forge.write("/deploy prod")
		looking, release := make(chan struct{}), make(chan struct{})
		s.talk.acking = func() error { <-release; return nil }
		s.forge.looked = func() { <-looking }
		done := make(chan error, 1)
		go func() { done <- s.try(bot.KindSaid, comment(mona, "/deploy staging")) }()

		pass(1100 * time.Millisecond)
		close(looking)
		synctest.Wait()
		if got := s.talk.happened(); got != "" {
			t.Errorf("before it is acked there was: %s", got)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := s.talk.happened(); got != "acked, replied" {
			t.Errorf("happened: %s", got)
		}
	})
}

func TestWhatIsAnsweredWithinASecondIsNotAcked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.forge.looked = func() { pass(900 * time.Millisecond) }
		s.say(mona, "/help")
		pass(time.Minute)
		if got := s.talk.happened(); got != "replied" {
			t.Errorf("happened: %s", got)
		}
	})
}

func TestAnAckThatFailsHoldsNothingUp(t *testing.T) {
	s := newScene(t)
	s.talk.acking = func() error { return errors.New("GitHub is away") }
	if a := s.say(mona, "/help deploy"); a.Outcome != bot.Done {
		t.Errorf("%s %q", a.Outcome, a.Text)
	}
}

func TestWhatIsNoCommandOfOursIsNotAcked(t *testing.T) {
	for _, text := range []string{"/assign octavia", "Looks good to me.", "> /deploy staging"} {
		s := newScene(t)
		if a := s.say(mona, text); a.Outcome != bot.Ignored || a.Text != "" {
			t.Errorf("%s: %s %q", text, a.Outcome, a.Text)
		}
		if got := s.talk.happened(); got != "replied" {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestACommentThatChangedIsNotDone(t *testing.T) {
	const changed = "The comment was changed after it was written, so nothing was done. Write a new one. (`comment_changed`)"
	for name, stands := range map[string]string{"edited": "/deploy prod", "a word added": "/deploy staging please", "deleted": ""} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.forge.write(stands)
			s.one(s.handle(bot.KindSaid, comment(mona, "/deploy staging"))).refused(t, changed)
			if runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{}); err != nil || len(runs) > 0 {
				t.Errorf("it was done: %v, %v", runs, err)
			}
		})
	}
}

func TestACommandTriedAgainIsDoneOnce(t *testing.T) {
	s := newScene(t)
	first := s.say(mona, "/deploy staging")
	s.jobs-- // the same job, as after a crash
	again := s.say(mona, "/deploy staging")
	if first.Run == "" || !reflect.DeepEqual(again.Answer, first.Answer) || again.Key != first.Key {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{}); err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// What is tried again takes long already, so it is acked with the second try,
// and not with every one after it.
func TestWhatIsTriedAgainIsAckedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.forge.write("/help deploy")
		s.forge.looked = func() { pass(900 * time.Millisecond) }
		payload, err := json.Marshal(comment(mona, "/help deploy"))
		if err != nil {
			t.Fatal(err)
		}
		for tries := range 4 {
			job := pipeline.Job{ID: "job-1", Kind: bot.KindSaid, Payload: payload, Tries: tries}
			if err := s.bot.Handlers()[bot.KindSaid](t.Context(), &pipeline.Lease{Job: job}); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.talk.happened(); got != "replied, acked, replied, replied, replied" {
			t.Errorf("happened: %s", got)
		}
	})
}

// An event is nobody's question: what GitHub is too far behind to verify is tried again.
func TestAnEventThatCannotBeVerifiedIsTriedAgain(t *testing.T) {
	for kind, message := range map[string]any{
		bot.KindPush:        bot.Push{Repo: shop, Branch: "main", After: head},
		bot.KindPullRequest: bot.PullRequest{Repo: shop, Action: "opened", Number: 1, Head: head},
		bot.KindInstalled:   bot.Installed{Added: []pipeline.Repo{shop}},
	} {
		s := newScene(t)
		s.forge.unread = pipeline.Refuse("cannot_verify", "GitHub still shows an older state.")
		if err := s.try(kind, message); !pipeline.IsTemporary(err) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	s := newScene(t)
	s.forge.unread = pipeline.Refuse("cannot_verify", "GitHub still shows an older state.")
	s.say(mona, "/deploy staging").refused(t, "GitHub still shows an older state. (`cannot_verify`)")
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }
