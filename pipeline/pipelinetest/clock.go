package pipelinetest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until it is told to go on.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	tells []func()
}

// NewClock makes a clock that shows the time given.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is the time shown.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on and wakes whoever waits for a time to come.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	tells := c.tells
	c.mu.Unlock()
	for _, tell := range tells {
		tell()
	}
}

func (c *Clock) onAdvance(tell func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tells = append(c.tells, tell)
}
