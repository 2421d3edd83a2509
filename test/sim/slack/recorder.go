package slack

import (
	"errors"
	"maps"
	"time"
)

// maxRecorded bounds what is remembered of calls, so that a playground can run for days.
const maxRecorded = 20_000

// Request is one call the bot made. Tokens and client secrets are left out.
type Request struct {
	Method string         `json:"method"`
	Args   map[string]any `json:"args,omitempty"`
	Error  string         `json:"error,omitempty"`
	At     time.Time      `json:"at"`
	Took   time.Duration  `json:"took"`
}

// Requests lists the calls so far, the oldest first; methods choose, none means all.
func (s *Server) Requests(methods ...string) []Request {
	wanted := map[string]bool{}
	for _, m := range methods {
		wanted[m] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if len(methods) == 0 || wanted[r.Method] {
			out = append(out, r)
		}
	}
	return out
}

func (s *Server) record(method string, a args, err error, start time.Time) {
	kept := maps.Clone(map[string]any(a))
	for _, secret := range []string{"token", "client_secret", "code"} {
		delete(kept, secret)
	}
	r := Request{Method: method, Args: kept, At: s.now(), Took: time.Since(start)}
	var refused *refusal
	if errors.As(err, &refused) {
		r.Error = refused.code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if len(s.requests) > maxRecorded {
		s.requests = s.requests[len(s.requests)-maxRecorded:]
	}
}
