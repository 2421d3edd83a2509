package github

import (
	"context"
	"fmt"
)

// Change says that something is no longer as it was.
type Change struct {
	Kind   string `json:"kind"` // comment, reaction, status, check_run, deployment, pull_request, push, review, delivery, installation, repository
	Repo   string `json:"repo,omitempty"`
	Number int    `json:"number,omitempty"`
	SHA    string `json:"sha,omitempty"`
	ID     int64  `json:"id,omitempty"`
}

// Subscribe returns a channel of changes and a function to end it. A subscriber
// that lags 256 changes behind misses some: read the state, not the changes.
func (s *Server) Subscribe() (<-chan Change, func()) {
	ch := make(chan Change, 256)
	s.mu.Lock()
	s.watchers[ch] = true
	s.mu.Unlock()
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.watchers[ch] {
			delete(s.watchers, ch)
			close(ch)
		}
	}
}

// notify wakes everybody who waits for a change. The lock is held.
func (s *Server) notify(c Change) {
	close(s.changed)
	s.changed = make(chan struct{})
	for w := range s.watchers {
		select {
		case w <- c:
		default:
		}
	}
}

// WaitFor returns nil as soon as done says true, asking it now and after every
// change, or the error of ctx. done must not call methods of the Server.
func (s *Server) WaitFor(ctx context.Context, done func(*State) bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(&State{s}), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for github: %w", ctx.Err())
		}
	}
}

// View calls f with a consistent view of the state. f must not call methods of
// the Server.
func (s *Server) View(f func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&State{s})
}
