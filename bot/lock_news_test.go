package bot_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// channels is what was told to channels, as "channel: text".
type channels []string

func (c *channels) Announce(_ context.Context, _ string, a pipeline.Announcement) error {
	*c = append(*c, a.Channel+": "+a.Text)
	return nil
}

// hear does the announcements that are due and returns what they told.
func (s *scene) hear() []string {
	s.t.Helper()
	var heard channels
	s.bot.Announce = &heard
	s.due(bot.KindAnnounce)
	return heard
}

const twoChannels = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod: {slack: "#shop-prod"}
pipelines:
  deploy:
    on: {command: deploy}
    steps: [{name: go, run: "true"}]
`

// Whatever becomes of a lock is told where people look at the environment.
func TestLocksAreToldInTheChannel(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = twoChannels
	for _, row := range []struct {
		who  pipeline.Actor
		line string
		want []string
	}{
		{mona, `/lock staging --for 1d --reason "load test"`,
			[]string{"#shop: 🔒 **staging** of shop is locked by mona until 2026-03-03 09:00 UTC: `load test`. To unlock it: `/unlock staging`."}},
		{mona, `/lock staging --for 2d --reason "more"`,
			[]string{"#shop: 🔒 **staging** of shop stays locked by mona until 2026-03-04 09:00 UTC: `more`. To unlock it: `/unlock staging`."}},
		{octavia, `/lock staging --force --reason "mine"`,
			[]string{"#shop: 🔒 **staging** of shop was locked by mona, and the lock is taken over by octavia until 2026-03-03 09:00 UTC: `mine`. To unlock it: `/unlock staging`."}},
		{octavia, `/unlock staging`, []string{"#shop: 🔓 **staging** of shop is unlocked by octavia. It was locked by octavia: `mine`."}},
		{mona, `/lock staging --reason "a"`, []string{"#shop: 🔒 **staging** of shop is locked by mona until 2026-03-03 09:00 UTC: `a`. To unlock it: `/unlock staging`."}},
		{octavia, `/unlock staging --force --reason "she is away"`, []string{"#shop: 🔓 **staging** of shop is unlocked by octavia: `she is away`. It was locked by mona: `a`."}},
	} {
		s.clock.Advance(time.Second)
		if a := s.say(row.who, row.line); a.Outcome != bot.Done {
			t.Fatalf("%s: %s", row.line, a.Text)
		}
		got := slices.DeleteFunc(s.hear(), func(text string) bool { return strings.HasPrefix(text, ": ") }) // the operator's
		if !slices.Equal(got, row.want) {
			t.Errorf("%s\ntold %q\nwant %q", row.line, got, row.want)
		}
	}
}

func TestTheEndOfALockIsToldInTheChannel(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = twoChannels
	s.say(mona, `/lock staging --for 2h --reason "load test"`)
	s.say(mona, `/lock prod --for 2h --reason "load test"`)
	s.say(mona, `/unlock prod`)
	s.hear()
	s.clock.Advance(2*time.Hour + time.Second)
	s.due(commands.KindLockEnded)
	want := []string{"#shop: 🔓 **staging** of shop is unlocked: the time of its lock is over. It was locked by mona: `load test`."}
	if got := s.hear(); !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
}

// A command that is cut short after it locked, and tried again, tells it once.
func TestALockIsToldOnce(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = twoChannels
	s.twice(comment(mona, `/lock staging --for 10h --reason "load test"`), func() { s.clock.Advance(time.Minute) })
	if got := s.hear(); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}
