package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

func clockFile(cron string) string {
	return fmt.Sprintf(`
service: shop
environments: {staging: {}}
pipelines:
  nightly:
    on: {schedule: [{cron: %q, environment: staging, timezone: Europe/Berlin}]}
    steps:
      - {name: build, run: make}
`, cron)
}

// ticks ends all runs, as if they had taken no time, and is tick then.
func (s *scene) ticks() int {
	s.t.Helper()
	for _, r := range s.runs() {
		if _, err := s.engine.Cancel(s.t.Context(), r.ID, pipeline.Cancellation{By: mona, Code: "cancelled"}); err != nil && pipeline.Code(err) == "" {
			s.t.Fatal(err)
		}
	}
	return s.tick()
}

// tick hands out what is due and returns how many runs there are then.
func (s *scene) tick() int {
	s.t.Helper()
	for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
		if l.Kind != bot.KindTick {
			continue
		}
		if err := s.bot.Handlers()[l.Kind](s.t.Context(), l); err != nil {
			s.t.Fatal(err)
		}
		if err := s.store.Finish(s.t.Context(), l); err != nil {
			s.t.Fatal(err)
		}
	}
	runs, err := s.store.Runs(s.t.Context(), pipeline.RunQuery{Repo: shop.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range runs {
		if r.Trigger != pipeline.BySchedule || r.EnvironmentName() != "staging" || !r.Actor.IsBot() || r.SHA != head || r.Reason == "" {
			s.t.Errorf("run %+v", r.Request)
		}
	}
	return len(runs)
}

// scheduled is a scene at 10 in Berlin whose file has the schedule.
func scheduled(t *testing.T, cron string) *scene {
	s := newScene(t)
	s.forge.files[shop.ID] = clockFile(cron)
	for range 2 { // two replicas read it at their start
		s.handle(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}})
	}
	return s
}

func TestASchedule(t *testing.T) {
	s := scheduled(t, "30 10 * * *")
	for _, step := range []struct {
		wait time.Duration
		runs int
	}{{29 * time.Minute, 0}, {time.Minute, 1}, {23 * time.Hour, 1}, {time.Hour, 2}, {24 * time.Hour, 3}} {
		s.store.Advance(step.wait)
		if n := s.ticks(); n != step.runs {
			t.Errorf("at %s there are %d runs, want %d", s.clock.Now().Format(time.DateTime), n, step.runs)
		}
	}
}

func TestATickIsTakenOnceThoughItsWorkerDies(t *testing.T) {
	s := scheduled(t, "30 10 * * *")
	s.store.Advance(30 * time.Minute)
	due := s.store.Poll(pipeline.Control, 10, time.Minute)
	l := due[slices.IndexFunc(due, func(l *pipeline.Lease) bool { return l.Kind == bot.KindTick })]
	if err := s.bot.Handlers()[l.Kind](t.Context(), l); err != nil { // and dies before it finishes
		t.Fatal(err)
	}
	s.store.Advance(2 * time.Minute)
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs", n)
	}
	s.store.Advance(24 * time.Hour)
	if n := s.ticks(); n != 2 {
		t.Errorf("%d runs the next day", n)
	}
}

func TestWhatWasMissedForLong(t *testing.T) {
	s := scheduled(t, "30 10 * * *")
	s.store.Advance(59*time.Minute + 30*time.Minute) // just in time
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs an hour late", n)
	}
	s.store.Advance(3 * 24 * time.Hour) // nobody was there for days
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs after days", n)
	}
	s.store.Advance(24 * time.Hour)
	if n := s.ticks(); n != 2 {
		t.Errorf("%d runs the day after", n)
	}
}

func TestAScheduleThatIsChanged(t *testing.T) {
	s := scheduled(t, "30 10 * * *")
	s.forge.files[shop.ID] = clockFile("0 12 * * *")
	s.handle(bot.KindPush, bot.Push{Repo: shop, Branch: "main", Default: true, After: head})
	s.store.Advance(30 * time.Minute)
	if n := s.ticks(); n != 0 {
		t.Errorf("%d runs by the old schedule", n)
	}
	s.store.Advance(90 * time.Minute)
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs by the new one", n)
	}
	delete(s.forge.files, shop.ID)
	s.store.Advance(24 * time.Hour)
	s.ticks()
	if st, err := s.store.Stats(t.Context()); err != nil || st.Delayed != 0 {
		t.Errorf("%d jobs wait though the file is gone, %v", st.Delayed, err)
	}
}

func TestAScheduleOutlivesABrokenFile(t *testing.T) {
	s := scheduled(t, "30 10 * * *")
	s.forge.files[shop.ID] = "service: ["
	s.store.Advance(30 * time.Minute)
	if n := s.ticks(); n != 0 {
		t.Errorf("%d runs of a broken file", n)
	}
	s.forge.files[shop.ID] = clockFile("30 10 * * *")
	s.store.Advance(24 * time.Hour)
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs when it was good again", n)
	}
}

func TestOtherSchedulesTickForThemselves(t *testing.T) {
	s := newScene(t)
	s.forge.files[shop.ID] = strings.Replace(clockFile("30 10 * * *"), "schedule: [", `schedule: [{cron: "45 10 * * *", environment: staging}, `, 1)
	s.handle(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}})
	s.store.Advance(30 * time.Minute)
	if n := s.ticks(); n != 1 {
		t.Errorf("%d runs at 10:30 in Berlin", n)
	}
	s.store.Advance(75 * time.Minute)
	if n := s.ticks(); n != 2 {
		t.Errorf("%d runs at 10:45 UTC", n)
	}
}

// In the night in which Berlin puts its clocks back, and in which it puts them
// forward, a schedule starts as many runs as it names times.
func TestAScheduleWhereClocksAreChanged(t *testing.T) {
	for _, night := range []struct {
		cron string
		from time.Time
		runs []string // in UTC
	}{
		{"0,30 2 * * *", time.Date(2026, 10, 24, 21, 30, 0, 0, time.UTC), []string{"00:00", "00:30"}},
		{"0 */2 * * *", time.Date(2026, 10, 24, 22, 10, 0, 0, time.UTC), []string{"00:00", "03:00", "05:00"}},
		{"0 2-3 * * *", time.Date(2026, 3, 28, 21, 30, 0, 0, time.UTC), []string{"01:00"}},
		{"30 2 * * *", time.Date(2026, 3, 28, 21, 30, 0, 0, time.UTC), []string{"01:00"}},
	} {
		s := newScene(t)
		s.store.Advance(night.from.Sub(s.clock.Now()))
		s.forge.files[shop.ID] = clockFile(night.cron)
		s.handle(bot.KindInstalled, bot.Installed{Added: []pipeline.Repo{shop}})
		var started []string
		for range 8 * 6 {
			s.store.Advance(10 * time.Minute)
			if n := s.ticks(); n > len(started) {
				started = append(started, s.clock.Now().UTC().Format("15:04"))
			}
			if again := s.ticks(); again != len(started) {
				t.Fatalf("%s: %d runs at once", night.cron, again)
			}
		}
		if got := strings.Join(started, " "); got != strings.Join(night.runs, " ") {
			t.Errorf("%s from %s: %s, want %s", night.cron, night.from, got, night.runs)
		}
	}
}

// A stored schedule carries the name of its day; the repository may have
// another one now, or be where the App is not.
func TestAScheduleOfARepositoryThatMoved(t *testing.T) {
	tick := func(s *scene) {
		s.handle(bot.KindTick, bot.Tick{Repo: shop, Pipeline: "nightly", Schedule: pipeline.ScheduleTrigger{Cron: "0 9 * * *", Timezone: "UTC"}, At: s.clock.Now()})
	}
	file := shopFile + `
  nightly:
    on: {schedule: [{cron: "0 9 * * *"}]}
    steps:
      - {name: build, run: make}
`
	t.Run("renamed", func(t *testing.T) {
		s := newScene(t)
		store := pipeline.Repo{ID: shop.ID, Owner: "acme", Name: "store"}
		s.forge.files[shop.ID], s.forge.moved = file, map[int64]pipeline.Repo{shop.ID: store}
		tick(s)
		runs, err := s.store.Runs(t.Context(), pipeline.RunQuery{Repo: shop.ID, Limit: 10})
		if err != nil || len(runs) != 1 || runs[0].Repo != store {
			t.Errorf("%+v, %v", runs, err)
		}
	})
	t.Run("transferred to where the App is not", func(t *testing.T) {
		s := newScene(t)
		var said channels
		s.bot.Announce = &said
		delete(s.forge.files, shop.ID)
		s.forge.gone = true
		tick(s)
		s.due(bot.KindAnnounce)
		want := ": **acme/shop**: the schedule of nightly has ended. The GitHub App is not installed on acme/shop."
		if !slices.Equal(said, []string{want}) {
			t.Errorf("%q", said)
		}
	})
}
