package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// due does the jobs of this kind whose time has come and returns what was said.
func (s *scene) due(kind string) []answered {
	s.t.Helper()
	before := len(s.talk.answers())
	for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
		if l.Kind == kind {
			if err := s.bot.Handlers()[kind](s.t.Context(), l); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := s.store.Finish(s.t.Context(), l); err != nil {
			s.t.Fatal(err)
		}
	}
	return s.talk.answers()[before:]
}

func TestTheEndOfALockIsAnnounced(t *testing.T) {
	s := newScene(t)
	s.say(mona, `/lock staging --for 10h --reason "load test"`)
	s.clock.Advance(7*time.Hour + 59*time.Minute)
	if got := s.due(commands.KindLockEnds); len(got) != 0 {
		t.Fatalf("too early: %+v", got)
	}
	s.clock.Advance(2 * time.Minute)
	got := s.one(s.due(commands.KindLockEnds))
	if got.To.ID != mona.ID || got.At.PR != 1 || got.At.Comment != 0 || !strings.HasPrefix(got.Text, "Your lock of staging ends in 1h59m0s, at 2026-03-02 19:00 UTC: `load test`.") {
		t.Errorf("said %q to %s at %+v", got.Text, got.To.Login, got.At)
	}
	if line := strings.Trim(got.Text[strings.LastIndex(got.Text, "`/"):], "`"); s.say(mona, line).Outcome != bot.Done {
		t.Errorf("the line to paste is refused: %s", line)
	}
}

func TestTheEndOfALockThatIsGoneIsNot(t *testing.T) {
	for name, line := range map[string]string{"taken off": "/unlock staging", "made anew": `/lock staging --for 30h --reason "more"`} {
		s := newScene(t)
		s.say(mona, `/lock staging --for 10h --reason "load test"`)
		s.clock.Advance(time.Minute)
		s.say(mona, line)
		s.clock.Advance(9 * time.Hour)
		if got := s.due(commands.KindLockEnds); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestALockEndsWithItsPullRequest(t *testing.T) {
	closed := func(s *scene, number int) bot.PullRequest {
		return bot.PullRequest{Repo: shop, Actor: mona, Action: "closed", Number: number, Head: head, Branch: "sale", Base: "main", Author: mona, At: s.clock.Now()}
	}
	for _, row := range []struct {
		name   string
		locked func(*scene)
		number int
		stays  bool
	}{
		{"taken from it", func(s *scene) { s.say(mona, `/lock staging --reason "load test"`) }, 1, false},
		{"everything, taken from it", func(s *scene) { s.say(octavia, `/lock all --reason "incident"`) }, 1, false},
		{"taken from another one", func(s *scene) { s.say(mona, `/lock staging --reason "load test"`) }, 2, true},
		{"taken on Slack", func(s *scene) { s.slack("U0MONA", "shop", "", `/lock staging --reason "load test"`) }, 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.forge.rights[octavia.ID] = pipeline.Admin
			s.handle(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}})
			row.locked(s)
			s.handle(bot.KindPullRequest, closed(s, row.number))
			told := len(s.due(commands.KindNotice))
			locked := s.locked("staging") || s.locked(pipeline.Everywhere)
			if locked != row.stays || told > 0 == row.stays {
				t.Errorf("locked: %v, told: %d, want locked: %v", locked, told, row.stays)
			}
		})
	}
}

func (s *scene) locked(name string) bool {
	s.t.Helper()
	state, err := s.store.Environment(s.t.Context(), shop.ID, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Lock.Holds(s.clock.Now())
}

// fullOnce is an audit log that cannot be written to once.
type fullOnce struct{ full bool }

func (a *fullOnce) Add(context.Context, string, pipeline.AuditEntry) error {
	if a.full {
		a.full = false
		return errors.New("disk full")
	}
	return nil
}

// A command that is tried again, because it was cut short after it had done its
// work, takes no lock off but the one it was about.
func TestUnlockingAgain(t *testing.T) {
	s := newScene(t)
	s.say(mona, `/lock staging --reason "load test"`)
	said := comment(mona, "/unlock staging")
	s.forge.write(said.Text)
	audit := &fullOnce{full: true}
	s.bot.Audit = audit
	if err := s.retry("unlock", said); err == nil || s.locked("staging") {
		t.Fatalf("it was to be cut short after the unlocking: %v", err)
	}
	s.clock.Advance(time.Minute)
	s.say(mona, `/lock staging --reason "again"`)
	s.forge.write(said.Text)
	if err := s.retry("unlock", said); err != nil {
		t.Fatal(err)
	}
	if !s.locked("staging") {
		t.Error("the second lock is gone")
	}
}

// retry handles a message under the same key each time.
func (s *scene) retry(key string, said bot.Said) error {
	payload, err := json.Marshal(said)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.bot.Handlers()[bot.KindSaid](s.t.Context(), &pipeline.Lease{Job: pipeline.Job{ID: key, Kind: bot.KindSaid, Payload: payload}})
}

// A forced unlocking that is cut short is kept and told as what it was.
func TestAForcedUnlockIsToldAsWhatItWas(t *testing.T) {
	s := newScene(t)
	var heard channels
	s.bot.Announce = &heard
	s.say(mona, `/lock staging --reason "do not touch"`)
	a := s.twice(comment(octavia, `/unlock staging --force --reason "mona is away"`), func() {})
	s.due(bot.KindAnnounce)
	if a.Outcome != bot.Done || !slices.Contains(heard, ": **acme/shop**: 🔓 octavia took mona's lock off staging: `mona is away`") {
		t.Errorf("%s %q, told %q", a.Outcome, a.Text, heard)
	}
}

// A lock that is made again by a second try is the first one.
func TestLockingAgain(t *testing.T) {
	s := newScene(t)
	s.twice(comment(mona, `/lock staging --for 10h --reason "load test"`), func() { s.clock.Advance(time.Minute) })
	s.clock.Advance(8 * time.Hour)
	if got := s.due(commands.KindLockEnds); len(got) != 1 {
		t.Errorf("%d warnings, want 1", len(got))
	}
}
