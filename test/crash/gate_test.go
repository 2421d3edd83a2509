//go:build crash

package crash

import (
	"fmt"
	"sync"
)

// kind is a kind of moment at which the bot can be killed.
type kind string

const (
	redisBefore   kind = "before a Redis command"
	redisAfter    kind = "after a reply of Redis"
	githubBefore  kind = "before a GitHub request"
	githubAfter   kind = "after GitHub did it"
	slackBefore   kind = "before a Slack request"
	slackAfter    kind = "after Slack did it"
	scriptStarted kind = "in the middle of a script"
	scriptEnding  kind = "just before a script's end"
)

var kinds = []kind{redisBefore, redisAfter, githubBefore, githubAfter, slackBefore, slackAfter, scriptStarted, scriptEnding}

// point is the n-th moment of a kind, counted from 1.
type point struct {
	kind kind
	n    int
}

func (p point) String() string { return fmt.Sprintf("%s, number %d", p.kind, p.n) }

// gate is what all traffic of one bot passes. It counts, and at the point it
// is set to it kills and closes: what comes is dropped until it is opened
// again. One that pauses stops the process instead, and what comes waits.
type gate struct {
	kill, pause func()

	mu       sync.Mutex
	moves    sync.Cond // frozen is no more
	frozen   bool
	pauses   bool
	counting bool
	closed   bool
	counts   map[kind]int
	at       point
	what     string // that the point was
	fired    chan struct{}
}

func newGate(kill, pause func()) *gate {
	g := &gate{kill: kill, pause: pause}
	g.moves.L = &g.mu
	return g
}

// set starts to count, from zero, and to wait for the point; the zero point never comes.
func (g *gate) set(at point, pauses bool) (fired <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counting, g.counts, g.at, g.what, g.pauses = true, map[kind]int{}, at, "", pauses
	g.fired = make(chan struct{})
	return g.fired
}

// unset stops counting and reports whether the point came.
func (g *gate) unset() (counts map[kind]int, what string, came bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	came = g.what != ""
	g.counting, g.at = false, point{}
	return g.counts, g.what, came
}

// open lets traffic pass again, of the bot's next process.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.frozen = false, false
	g.moves.Broadcast()
}

// shut lets nothing pass any more, as kill -9 of the process does.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.frozen = true, false
	g.moves.Broadcast()
}

// pass counts a moment and reports whether what comes after it may happen.
func (g *gate) pass(k kind, what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.count(k, what)
	return ok
}

// notice counts a moment that is not the bot's own: it is not held up. It
// reports whether the bot lives.
func (g *gate) notice(k kind, what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counting && !g.closed && !g.frozen {
		g.counts[k]++
		if (g.at == point{k, g.counts[k]}) && g.what == "" {
			g.strike(what)
		}
	}
	return !g.closed
}

// send counts a command and sends it, in one: no other is sent in between. The
// command's number is zero while nobody counts.
func (g *gate) send(what string, counted bool, send func() error) (number int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.thaw()
	if g.closed {
		return 0, errShut
	}
	if counted {
		n, ok := g.count(redisBefore, what)
		if !ok {
			return 0, errShut
		}
		number = n
	}
	return number, send()
}

// replied is told that the reply to a command came, and reports whether it may
// be passed on.
func (g *gate) replied(number int, what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.thaw()
	if g.counting && number > 0 && (g.at == point{redisAfter, number}) && g.what == "" {
		g.fire(what)
	}
	return !g.closed
}

// thaw waits, under the lock, until nothing is frozen.
func (g *gate) thaw() {
	for g.frozen {
		g.moves.Wait()
	}
}

// count is under the lock.
func (g *gate) count(k kind, what string) (n int, ok bool) {
	g.thaw()
	if g.closed {
		return 0, false
	}
	if !g.counting {
		return 0, true
	}
	g.counts[k]++
	n = g.counts[k]
	if (g.at == point{k, n}) && g.what == "" {
		g.fire(what)
	}
	return n, !g.closed
}

// fire returns when a paused process goes on.
func (g *gate) fire(what string) {
	g.strike(what)
	g.thaw()
}

func (g *gate) strike(what string) {
	g.what = what
	if g.pauses {
		g.frozen = true
		g.pause()
	} else {
		g.closed = true
		g.kill()
	}
	close(g.fired)
}

// shutting reports whether the gate is closed now, or frozen.
func (g *gate) shutting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed || g.frozen
}

type shutError struct{}

func (shutError) Error() string { return "the gate is shut" }

var errShut error = shutError{}
