package slack

import (
	"context"
	"fmt"
)

// change applies a change to the world and wakes whoever watches it.
func (s *Server) change(apply func(*world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	apply(&s.world)
	s.wake()
}

// wake tells the watchers that something changed. The caller holds the lock.
func (s *Server) wake() {
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default: // it has a wake-up it did not read yet
		}
	}
}

// Subscribe gives a channel that is readable after every change; changes that come
// faster than they are read are one. Call stop when done.
func (s *Server) Subscribe() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, c)
	}
}

// WaitFor returns when the condition holds, looking again after every change.
// The error of a wait that was cut short has the transcript of what there was.
func (s *Server) WaitFor(ctx context.Context, condition func(*State) bool) error {
	changed, stop := s.Subscribe()
	defer stop()
	for {
		state := s.Snapshot()
		if condition(state) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for Slack: %w; it shows:\n%s", ctx.Err(), state.Transcript())
		}
	}
}
