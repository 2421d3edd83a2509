package bot

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Arrivals keeps how requests of the platforms came in: when the last good one
// did, and how many were refused for their signature.
type Arrivals struct {
	Refused func(source string) // counts one; may be nil
	Now     func() time.Time
	Log     *slog.Logger

	mu  sync.Mutex
	all map[string]*Arrived
}

// Arrived is what came in from one platform since the start.
type Arrived struct {
	Good    time.Time // the last one whose signature was right
	Bad     time.Time // the last one whose signature was not
	Refused int

	said   time.Time
	unsaid int
}

// sayRefused is how often refused requests are written about at most: anybody can
// send them.
const sayRefused = time.Minute

// Watch looks at how requests are answered: 401 is a wrong signature. setting
// names the secret that makes it right.
func (a *Arrivals) Watch(source, setting string, next http.Handler) http.Handler {
	if next == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(status, r)
		switch {
		case status.status == http.StatusUnauthorized:
			a.refused(source, setting)
		case status.status < http.StatusBadRequest:
			a.good(source)
		}
	})
}

// Of is what came in from a platform.
func (a *Arrivals) Of(source string) Arrived {
	a.mu.Lock()
	defer a.mu.Unlock()
	return *a.of(source)
}

func (a *Arrivals) of(source string) *Arrived {
	if a.all == nil {
		a.all = map[string]*Arrived{}
	}
	if a.all[source] == nil {
		a.all[source] = &Arrived{}
	}
	return a.all[source]
}

func (a *Arrivals) good(source string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of(source).Good = a.Now()
}

func (a *Arrivals) refused(source, setting string) {
	if a.Refused != nil {
		a.Refused(source)
	}
	a.mu.Lock()
	at, now := a.of(source), a.Now()
	at.Bad, at.Refused, at.unsaid = now, at.Refused+1, at.unsaid+1
	times := at.unsaid
	say := at.said.IsZero() || now.Sub(at.said) >= sayRefused
	if say {
		at.said, at.unsaid = now, 0
	}
	a.mu.Unlock()
	if say {
		a.Log.Warn("requests were refused: they bear no signature of "+source+", or one made with another secret than "+setting+
			". If they come from "+source+", enter the same secret on both sides", "source", source, "refused", times)
	}
}
