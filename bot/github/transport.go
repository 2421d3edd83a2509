package github

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// authorized adds the token of a class to every request, and keeps what did not
// change since.
type authorized struct {
	c     *Client
	repo  pipeline.Repo
	class class
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.send(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	// The token was revoked before its time. One new one is worth a try.
	drain(resp)
	a.c.forget(a.repo, a.class)
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = body
	}
	return a.send(r)
}

func (a *authorized) send(r *http.Request) (*http.Response, error) {
	if r.URL.Host != a.c.api.Host || r.URL.Scheme != a.c.api.Scheme {
		return nil, fmt.Errorf("refused to send a token to %s", r.URL.Host)
	}
	t, err := a.c.token(r.Context(), a.repo, a.class)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.value.Reveal())
	resp, err := a.pass(r, &limited{c: a.c, installation: t.installation})
	if err != nil || resp.StatusCode < 400 {
		return resp, err
	}
	early := a.c.fresh(t, resp)
	if early == nil {
		early = a.c.notYet(r, a.repo, resp)
	}
	if early != nil {
		drain(resp)
		return nil, early
	}
	return resp, nil
}

// pass sends a request on, or answers a read from what is known.
func (a *authorized) pass(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	seen := readsOf(r.Context())
	if r.Method != http.MethodGet {
		if r.Context().Value(courtesy{}) == nil {
			defer seen.forget()
		}
		return next.RoundTrip(r)
	}
	key := strconv.FormatInt(a.repo.ID, 10) + " " + string(a.class) + " " + r.Header.Get("Accept") + " " + r.URL.String()
	return seen.once(key, func() (*http.Response, error) { return a.c.cache.roundTrip(key, r, next) })
}

// limited keeps to GitHub's limits for one installation, 0 being the App itself.
type limited struct {
	c            *Client
	installation int64
}

// GitHub's own numbers and ours, all per installation.
// Source: docs.github.com, "Rate limits for the REST API".
const (
	maxConcurrent  = 20  // of GitHub's 100, for each replica
	pointsMinute   = 720 // of 900; a read is 1, a write 5
	contentMinute  = 70  // of 80 things created
	contentHour    = 450 // of 500
	reportMinute   = 55  // reports leave some of it to answers, which people wait for
	reportHour     = 400
	courtesyMinute = 40 // reactions that say "seen" leave the rest to what matters
	courtesyHour   = 200
	longestPause   = 3 * time.Second // a longer wait goes back to the queue
)

func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	lim := l.c.limitsOf(l.installation)
	select {
	case lim.slots <- struct{}{}:
		defer func() { <-lim.slots }()
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	probe, err := lim.enter(l.c.cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := l.pay(r); err != nil {
		lim.leave(probe)
		return nil, err
	}
	resp, err := l.c.http.RoundTrip(r)
	if err != nil {
		lim.leave(probe)
		return nil, err
	}
	if left, err := strconv.Atoi(resp.Header.Get("X-Ratelimit-Remaining")); err == nil && l.c.cfg.Remaining != nil && l.installation != 0 {
		l.c.cfg.Remaining(l.installation, left)
	}
	if err := lim.heed(resp, probe, l.c.cfg.Now()); err != nil {
		return nil, err
	}
	return resp, nil
}

// courtesy marks calls that nobody misses when a budget is short.
type courtesy struct{}

// answering marks calls that a person waits for.
type answering struct{}

// pay books a request on the shared budgets.
func (l *limited) pay(r *http.Request) error {
	if l.c.cfg.Budget == nil || l.installation == 0 {
		return nil
	}
	cost, minute, hour := 5, reportMinute, reportHour
	nice := r.Context().Value(courtesy{}) != nil
	switch {
	case nice:
		minute, hour = courtesyMinute, courtesyHour
	case r.Context().Value(answering{}) != nil:
		minute, hour = contentMinute, contentHour
	}
	if r.Method == http.MethodGet {
		cost = 1
	}
	if r.Method == http.MethodPost {
		if err := l.book(r.Context(), "content-minute", minute, time.Minute, 1, nice); err != nil {
			return err
		}
		if err := l.book(r.Context(), "content-hour", hour, time.Hour, 1, nice); err != nil {
			return err
		}
	}
	return l.book(r.Context(), "points", pointsMinute, time.Minute, cost, nice)
}

// book waits a little for its turn; where that does not do, the job comes back later.
func (l *limited) book(ctx context.Context, name string, limit int, per time.Duration, cost int, nice bool) error {
	key := "github:" + strconv.FormatInt(l.installation, 10) + ":" + name
	for waited := time.Duration(0); ; {
		ok, wait, err := l.c.cfg.Budget.Budget(ctx, key, limit, per, cost)
		if err != nil {
			return pipeline.Temporary(fmt.Errorf("budget %s: %w", key, err))
		}
		if ok {
			return nil
		}
		wait = max(wait, 10*time.Millisecond)
		if nice || waited+wait > longestPause {
			return pipeline.Temporary(&Patience{Wait: wait, Why: "the budget " + name + " of this installation is spent"})
		}
		waited += wait
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// limits is what GitHub told us to wait for, in this process.
type limits struct {
	slots chan struct{}

	mu      sync.Mutex
	until   time.Time // nothing is sent before
	strikes int       // refusals in a row
	probing bool      // after the wait one request finds out for all
}

func (c *Client) limitsOf(installation int64) *limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.limits[installation]
	if l == nil {
		l = &limits{slots: make(chan struct{}, maxConcurrent)}
		c.limits[installation] = l
	}
	return l
}

// enter refuses while GitHub wants no requests, and lets a single one through
// when the wait is over.
func (l *limits) enter(now time.Time) (probe bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.strikes == 0:
		return false, nil
	case now.Before(l.until):
		return false, pipeline.Temporary(&Patience{Wait: l.until.Sub(now), Why: "GitHub asked us to wait"})
	case l.probing:
		return false, pipeline.Temporary(&Patience{Wait: time.Second, Why: "GitHub asked us to wait, and another request finds out whether it is over"})
	}
	l.probing = true
	return true, nil
}

func (l *limits) leave(probe bool) {
	if !probe {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
}

// heed reads what an answer says about limits; it is an error if it is a refusal.
func (l *limits) heed(resp *http.Response, probe bool, now time.Time) error {
	wait, refused := refusal(resp, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	if probe {
		l.probing = false
	}
	if !refused {
		if probe && resp.StatusCode < 500 {
			l.strikes = 0
		}
		return nil
	}
	drain(resp)
	l.strikes++
	if wait == 0 { // GitHub: "wait at least one minute", then exponentially longer
		wait = min(time.Minute<<min(l.strikes-1, 4), 15*time.Minute)
	}
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
	return pipeline.Temporary(&Patience{Wait: wait, Why: fmt.Sprintf("GitHub answered %d, a rate limit", resp.StatusCode)})
}

// refusal reports whether an answer says that there were too many requests, and
// how long to wait if it says that.
func refusal(resp *http.Response, now time.Time) (wait time.Duration, refused bool) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		return max(time.Duration(s)*time.Second, time.Second), true
	}
	if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(time.Unix(reset, 0).Sub(now)+time.Second, time.Second), true
		}
	}
	return 0, resp.StatusCode == http.StatusTooManyRequests || limitWords.Match(peek(resp))
}

// peek reads the start of a body and leaves the body as it was.
func peek(resp *http.Response) []byte {
	const enough = 4 << 10
	start, _ := io.ReadAll(io.LimitReader(resp.Body, enough)) // what came counts
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	return start
}

// drain lets the connection be used again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}
