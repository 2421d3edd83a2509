//go:build crash

package crash

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// TestPausedAnywhere stops the bot with SIGSTOP at a point until its leases
// have lapsed and another replica has brought the story to its end. Then it
// goes on, and what it was about to do must be refused or change nothing.
func TestPausedAnywhere(t *testing.T) {
	// What is deployed is fetched before: a process that is stopped in the middle
	// of a fetch keeps the lock of the cache that both use.
	s := *stories[0]
	s.before = func(p *play) error {
		if err := onePR(p); err != nil {
			return err
		}
		if err := p.comment(1, "/deploy staging"); err != nil {
			return err
		}
		return p.settled()
	}
	s.ends, s.starts = append(s.ends, s.ends...), append(s.starts, s.starts...)
	l := newLane(t)
	other := l.replica("b")
	o, err := l.perform(&s, point{}, false)
	if err != nil || len(o.wrong) > 0 {
		t.Fatal(err, o.wrong)
	}
	plays := max(4, 160 / *every)
	if testing.Short() {
		plays = 4
	}
	paused, doubled := 0, 0
	for i := range plays {
		at := point{redisBefore, 1 + i*o.counts[redisBefore]/plays}
		switch i % 4 {
		case 1:
			at.kind = redisAfter
		case 3:
			at = point{scriptStarted, 1 + i/4%2}
		}
		wrong, came, err := l.pausedPlay(&s, other, at)
		if err != nil {
			t.Fatalf("paused %s: %v", at, err)
		}
		if len(wrong) > 0 { // what is left over is not for the next play
			l = newLane(t)
			other = l.replica("b")
		}
		for _, w := range wrong {
			if strings.HasPrefix(w, "duplicated") {
				doubled++ // a request that was on its way: nothing at GitHub refuses it
				continue
			}
			t.Errorf("paused %s: %s", at, w)
		}
		if came {
			paused++
		}
	}
	t.Logf("%d pauses past the lease: 0 steps started twice, %d duplicated reports", paused, doubled)
}

func (l *lane) pausedPlay(s *story, other *bot, at point) (wrong []string, came bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	p, err := l.prepare(ctx, s)
	if err != nil {
		return nil, false, err
	}
	first := l.bot
	fired := first.gate.set(at, true)
	told := s.tell(p)
	ended := make(chan error, 1)
	go func() { ended <- p.settled() }()
	select {
	case <-fired:
	case err := <-ended:
		_, _, came := first.gate.unset()
		if !came {
			return p.check(), false, err
		}
	}
	p.lapse(ctx, first.consumer())
	other.address(l)
	other.start()
	err = p.redeliver(ctx, p.since)
	if err == nil {
		err = p.settledOn(other)
	}
	first.address(l)
	first.gate.unset()
	first.signal(syscall.SIGCONT)
	first.gate.open()
	first.stop() // when everything it had in hand has come to its end
	other.stop()
	first.start()
	if err == nil {
		err = p.redeliver(ctx, p.since) // what came while nobody listened
	}
	if err == nil {
		err = p.settled()
	}
	if err == nil {
		err = told
	}
	if err != nil {
		wrong = append(wrong, "lost: "+err.Error())
	}
	if wrong = append(wrong, p.check()...); len(wrong) > 0 {
		p.dump(at, outcome{what: "paused", wrong: wrong})
	}
	return wrong, true, l.github.Uninstall(p.repo)
}

const oneStepFile = `
service: CHANNEL
environments:
  staging: {}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: WORK}
`

// TestOneRunAtATime has two replicas race for one environment: the scripts
// themselves see that no two runs are active in it at a time.
func TestOneRunAtATime(t *testing.T) {
	runs := 12
	if testing.Short() {
		runs = 5
	}
	s := &story{name: "race", file: oneStepFile}
	s.before = func(p *play) error {
		for i := range runs {
			if _, err := p.openPR(fmt.Sprintf("change%d", i)); err != nil {
				return err
			}
			s.ends, s.starts = append(s.ends, pipeline.Succeeded), append(s.starts, "release")
		}
		return nil
	}
	l := newLane(t)
	other := l.replica("b")
	other.start()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	l.plenty(ctx)
	p, err := l.prepare(ctx, s)
	l.must(err)
	for i := range runs {
		l.must(p.comment(i+1, "/deploy staging"))
	}
	l.must(p.settled())
	for _, w := range p.check() {
		t.Error(w)
	}
	text, err := os.ReadFile(p.folder + "/effects")
	l.must(err)
	active := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case words[0] == "start" && active != "":
			t.Errorf("run %s started while run %s was active", words[1], active)
		case words[0] == "end":
			active = ""
		default:
			active = words[1]
		}
	}
	t.Logf("%d runs, one after the other, by two replicas", runs)
}

// TestTakeover measures how long a run stands still after the death of its
// bot. The next one sees that it is dead; before a lease lapses by itself, at
// least ten seconds pass.
func TestTakeover(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a few bots one after the other")
	}
	const plays = 4
	took := make(chan time.Duration, plays)
	for i := range plays {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l := newLane(t)
			at := []point{{scriptStarted, 1}, {scriptEnding, 2}, {githubAfter, 10}, {redisAfter, 40}}[i]
			o, err := l.perform(stories[0], at, true)
			if err != nil || len(o.wrong) > 0 || o.what == "" {
				t.Fatal(err, o.what, o.wrong)
			}
			took <- o.took
		})
	}
	t.Cleanup(func() {
		close(took)
		var all []time.Duration
		for d := range took {
			all = append(all, d.Round(time.Millisecond))
		}
		slices.Sort(all)
		t.Logf("from kill -9 to the end of the run, with nobody else there: %v", all)
		if len(all) > 0 && all[len(all)-1] > 8*time.Second {
			t.Errorf("a takeover took %v, so a lease lapsed by itself", all[len(all)-1])
		}
	})
}
