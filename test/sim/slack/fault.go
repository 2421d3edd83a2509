package slack

import (
	"net/http"
	"path"
	"slices"
	"time"
)

// Fault makes calls go wrong. The first one that matches a call and is not used up acts.
type Fault struct {
	Method     string        // glob: "chat.*", "*"; response URLs are "response_url"
	Status     int           // HTTP status; 429 without Error says ratelimited
	RetryAfter time.Duration // header Retry-After
	Error      string        // code of an ok:false answer
	Delay      time.Duration // wait before the call is done
	LoseReply  bool          // do it, then break the connection instead of answering
	Times      int           // how often; 0: until ClearFaults
}

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault takes the fault for a call; the zero Fault does nothing.
func (s *Server) fault(method string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if ok, _ := path.Match(f.Method, method); !ok {
			continue
		}
		found := *f
		if f.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if f.Times > 1 {
			f.Times--
		}
		return found
	}
	return Fault{}
}

func (f Fault) fails() bool { return f.Status != 0 || f.Error != "" }

func (f Fault) refusal() *refusal {
	r := &refusal{code: f.Error, status: f.Status, retryAfter: f.RetryAfter}
	switch {
	case r.code == "" && f.Status == http.StatusTooManyRequests:
		r.code = "ratelimited"
	case r.code == "":
		r.code = "internal_error"
	}
	return r
}
