package github

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Fault makes requests go wrong.
type Fault struct {
	Method string // empty: every method
	// Path is a glob over the path without /api/v3: * is one segment, ** any
	// number of them. Empty: every path. Git is at /owner/name.git/**.
	Path string

	Status int // answered instead; 0: the real answer, after Delay
	Header map[string]string
	Body   string
	Delay  time.Duration
	Drop   bool // close the connection without an answer
	// TakesEffect lets the request do its work before Status or Drop: the
	// answer is lost, the effect is not.
	TakesEffect bool

	Times int // how often; 0: until removed
	After int // how many matching requests pass first

	path *regexp.Regexp
	left int
}

// Inject adds a fault and returns a function that takes it away again.
func (s *Server) Inject(f Fault) (remove func()) {
	f.path = glob(f.Path)
	f.left = f.Times
	added := &f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(have *Fault) bool { return have == added })
	}
}

// SecondaryLimit is what GitHub answers to a client that is too eager.
func SecondaryLimit(retryAfter string) Fault {
	return Fault{
		Status: http.StatusForbidden,
		Header: map[string]string{"Retry-After": retryAfter},
		Body:   string(encode(secondaryError())),
	}
}

func glob(pattern string) *regexp.Regexp {
	if pattern == "" {
		pattern = "**"
	}
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(expr, `\*\*`, ".*")
	expr = strings.ReplaceAll(expr, `\*`, "[^/]*")
	return regexp.MustCompile("^" + expr + "$")
}

func (s *Server) fault(method, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method != "" && f.Method != method || !f.path.MatchString(path) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		if f.Times > 0 {
			if f.left--; f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

func (f *Fault) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", jsonMedia)
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	body := f.Body
	if body == "" {
		body = string(encode(&apiError{status: f.Status, message: http.StatusText(f.Status)}))
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(body)) // the caller may be gone
}
