// Package test holds what must be true of shipmate as a whole: the map of its
// packages, and its conversations with people.
package test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/needs"
	"github.com/shipmate/shipmate/test/world"
)

var update = flag.Bool("update", false, "write what was said into testdata")

// Executables of the bot, made when they are needed: one that looks for data
// races, and one that is quick enough for dozens side by side.
var racing, quick func() (string, error)

// How many conversations are played at a time: of those in which GitHub lags
// nearly all is waiting, and each takes some 150 MB. -parallel is for both.
var atOnce, lagAtOnce = 6, 32

func TestMain(m *testing.M) {
	flag.Parse()
	given := flag.Lookup("test.parallel")
	if n, err := strconv.Atoi(given.Value.String()); err == nil && given.Value.String() != given.DefValue {
		atOnce, lagAtOnce = n, n
	}
	_ = given.Value.Set("100000") // who waits in a queue of ours must not be in the way of who goes
	dir, err := os.MkdirTemp("", "shipmate-conversations-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	racing, quick = executable(filepath.Join(dir, "racing"), needs.Race()...), executable(filepath.Join(dir, "quick"))
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func executable(dir string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) { return world.Build(context.Background(), dir, flags...) })
}

// Each file in testdata is a conversation: what people do, and below it what
// they then see. It is played with the real program between a simulated GitHub
// and a simulated Slack. Run with -update to write down what they see now.
func TestConversations(t *testing.T) {
	if _, err := racing(); err != nil { // before any time is taken
		t.Fatal(err)
	}
	q := queue{hands: make(chan struct{}, atOnce)}
	for _, file := range conversations(t) {
		t.Run(nameOf(file), func(t *testing.T) {
			defer q.wait(t)()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := converse(t, readTranscript(string(want)), 0)
			if *update {
				err = os.WriteFile(file, []byte(got), 0o644)
			} else if got != string(want) {
				t.Errorf("%s is not what is said now (-update to accept it):\n%s", file, firstDifference(string(want), got))
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	go q.serve()
}

// queue lets so many of its tests go on at a time, the first first: the testing
// package has no order for those that are parallel.
type queue struct {
	hands chan struct{}
	turns []chan struct{}
}

// wait has a test wait until it is its turn. It calls what is returned at its end.
func (q *queue) wait(t *testing.T) (leave func()) {
	turn := make(chan struct{})
	q.turns = append(q.turns, turn)
	t.Parallel()
	<-turn
	return func() { <-q.hands }
}

// serve begins when all tests wait.
func (q *queue) serve() {
	for _, turn := range q.turns {
		q.hands <- struct{}{}
		close(turn)
	}
}

func conversations(t *testing.T) []string {
	t.Helper()
	needs.On(t, needs.Git())
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	return files
}

func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txt") }

// transcript is a file of testdata, without what was seen.
type transcript struct {
	intro string
	turns []turn
}

// turn is what somebody does, or a remark of the author (do is nil).
type turn struct {
	raw  string // as written
	do   func(*stage, action) error
	act  action
	note bool
}

func readTranscript(text string) transcript {
	intro, rest, _ := strings.Cut(text, "\n\n")
	out := transcript{intro: intro}
	lines := strings.Split(rest, "\n")
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "-- ") {
			raw := lines[i]
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "-- ") {
				i++
				raw += "\n" + lines[i]
			}
			out.turns = append(out.turns, turn{raw: raw, note: true})
			continue
		}
		do, act := understand(lines[i])
		if do == nil {
			continue // what was seen then
		}
		raw := lines[i]
		for more := continued(lines[i+1:]); more > 0; more-- {
			i++
			raw += "\n" + lines[i]
			act.text += "\n" + strings.TrimPrefix(lines[i], strings.Repeat(" ", act.indent))
		}
		out.turns = append(out.turns, turn{raw: raw, do: do, act: act})
	}
	return out
}

// continued is how many of the lines belong to what somebody writes: those that
// are indented, and empty ones between them.
func continued(lines []string) int {
	n := 0
	for i, l := range lines {
		if strings.HasPrefix(l, "  ") {
			n = i + 1
		} else if l != "" {
			break
		}
	}
	return n
}

// converse plays the turns and returns the file with what was seen now.
func converse(t *testing.T, tr transcript, lag time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second+time.Duration(4*len(tr.turns))*lag)
	defer cancel()
	s := openStage(ctx, t, tr, lag)
	var b strings.Builder
	b.WriteString(tr.intro + "\n")
	for _, turn := range tr.turns {
		b.WriteString("\n" + turn.raw + "\n")
		if turn.note {
			continue
		}
		act := turn.act
		act.text, act.what, s.speaker = s.real(act.text), s.real(act.what), act.who
		if err := turn.do(s, act); err != nil {
			t.Fatalf("%s: %v", turn.raw, err)
		}
		s.pass()
		if err := s.settle(); err != nil {
			t.Fatalf("%s: %v", turn.raw, err)
		}
		for _, line := range s.news() {
			b.WriteString(line + "\n")
		}
	}
	// A job that was given up, because it panicked for example, told nobody.
	if dead, err := s.w.Metric("shipmate_queue_dead"); err != nil || dead > 0 {
		t.Errorf("%v jobs were given up, see the log: %v", dead, err)
	}
	return b.String()
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	near := func(lines []string) string { return strings.Join(lines[max(0, i-4):min(len(lines), i+12)], "\n") }
	return fmt.Sprintf("from line %d on it was\n\n%s\n\nand is\n\n%s", i+1, near(w), near(g))
}
