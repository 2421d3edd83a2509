package github

import (
	"bytes"
	"context"
	"encoding/json"
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

// RoundTrip sends a request to the repository under the name it has now. An
// answer that may mean that it has moved, or that the token was revoked before
// its time, is worth one more try.
func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	named := a.c.namesRepo(r, a.repo)
	at := place{repo: a.c.lastSeen(a.repo)}
	if named {
		var err error
		if at, err = a.c.placeOf(r.Context(), a.repo, keepPlace); err != nil {
			return nil, err
		}
	}
	resp, err := a.send(r, at.repo, named)
	if err != nil || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		a.c.forget(a.repo, a.class)
	case named && a.movedSince(r.Context(), at, resp.StatusCode):
		at.repo = a.c.lastSeen(a.repo)
	default:
		return resp, nil
	}
	drain(resp)
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = body
	}
	return a.send(r, at.repo, named)
}

// movedSince reports whether an answer is one that a repository gives which
// was renamed or transferred, and it was.
func (a *authorized) movedSince(ctx context.Context, at place, status int) bool {
	const justNow = 3 * time.Second
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		a.c.places.forget(a.repo.ID)
	case http.StatusNotFound, http.StatusForbidden:
	default:
		return false
	}
	now, err := a.c.placeOf(ctx, at.repo, justNow)
	return err == nil && now.repo != at.repo
}

func (a *authorized) send(r *http.Request, at pipeline.Repo, named bool) (*http.Response, error) {
	if r.URL.Host != a.c.api.Host || r.URL.Scheme != a.c.api.Scheme {
		return nil, fmt.Errorf("refused to send a token to %s", r.URL.Host)
	}
	t, err := a.c.token(r.Context(), at, a.class)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	if named {
		if r, err = a.c.renamed(r, a.repo, at); err != nil {
			return nil, err
		}
	}
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
	return a.accepted(t, resp)
}

// pass sends a request on, or answers a read from what is known.
func (a *authorized) pass(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	seen := readsOf(r.Context())
	if r.Method != http.MethodGet {
		if urgencyOf(r) != courteous {
			defer seen.forget()
		}
		return next.RoundTrip(r)
	}
	key := strconv.FormatInt(a.repo.ID, 10) + " " + string(a.class) + " " + r.Header.Get("Accept") + " " + r.URL.String()
	return seen.once(key, func() (*http.Response, error) { return a.c.cache.roundTrip(key, r, next) })
}

// accepted turns an answer that refuses into an error, because here it is
// known which repository it is about. A token that may not be known everywhere
// yet was looked at before.
func (a *authorized) accepted(t *token, resp *http.Response) (*http.Response, error) {
	if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusUnavailableForLegalReasons {
		return resp, nil
	}
	var body struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(peek(resp), &body) // what is no JSON says nothing
	_, code := judge(resp.StatusCode, body.Message)
	if code == "" {
		return resp, nil
	}
	drain(resp)
	a.c.forget(a.repo, a.class) // a new one may do what was allowed meanwhile
	repo := a.repo
	repo.Installation = t.installation
	return nil, refuse(code, repo, fmt.Errorf("GitHub answered %d: %s", resp.StatusCode, withoutTokens(body.Message)))
}

// limited keeps to GitHub's limits for one installation, 0 being the App itself.
type limited struct {
	c            *Client
	installation int64
}

// maxConcurrent is how many calls of an installation go on at once in each replica, of GitHub's 100.
// Half of them are kept for what is more urgent than a report.
const maxConcurrent = 20

func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	lim := l.c.limitsOf(l.installation)
	if err := lim.spare(urgencyOf(r), l.c.cfg.Now()); err != nil {
		return nil, err
	}
	probe, err := lim.enter(l.c.cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := l.pay(r); err != nil { // a wait for it holds nobody else up
		lim.leave(probe)
		return nil, err
	}
	leave, err := lim.turn(r)
	if err != nil {
		lim.leave(probe)
		return nil, err
	}
	defer leave()
	resp, err := l.c.http.RoundTrip(r)
	if err != nil {
		lim.leave(probe)
		return nil, err
	}
	if left := lim.note(resp); left >= 0 && l.c.cfg.Remaining != nil && l.installation != 0 {
		l.c.cfg.Remaining(l.installation, left)
	}
	if err := lim.heed(resp, probe, l.c.cfg.Now()); err != nil {
		return nil, err
	}
	return resp, nil
}

// limits is what GitHub told us to wait for, in this process.
type limits struct {
	slots   chan struct{}
	telling chan struct{} // the slots that reports may have

	mu      sync.Mutex
	until   time.Time // nothing is sent before
	strikes int       // refusals in a row
	probing bool      // after the wait one request finds out for all

	left, all int       // requests of this hour, as GitHub last said
	reset     time.Time // when the hour is over
}

// reserves is the part of an hour's requests that a kind of calls leaves to
// those that are more urgent, in percent.
var reserves = map[urgency]int{answering: 3, lasting: 10, courteous: 20, passing: 20}

// spare refuses what would take the last requests of the hour from what is more urgent.
func (l *limits) spare(u urgency, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left*100 >= l.all*reserves[u] || !now.Before(l.reset) {
		return nil
	}
	return pipeline.Temporary(&Patience{Wait: min(l.reset.Sub(now), time.Minute), Why: "the requests of this hour are kept for what is more urgent"})
}

// note keeps what an answer says is left of the hour, and returns it; -1 if it says nothing.
func (l *limits) note(resp *http.Response) (left int) {
	left, err := strconv.Atoi(resp.Header.Get("X-Ratelimit-Remaining"))
	if err != nil {
		return -1
	}
	all, errAll := strconv.Atoi(resp.Header.Get("X-Ratelimit-Limit"))
	reset, errReset := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64)
	if errAll != nil || errReset != nil {
		return left
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.all, l.reset = left, all, time.Unix(reset, 0)
	return left
}

func (c *Client) limitsOf(installation int64) *limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.limits[installation]
	if l == nil {
		l = &limits{slots: make(chan struct{}, maxConcurrent), telling: make(chan struct{}, maxConcurrent/2)}
		c.limits[installation] = l
	}
	return l
}

// turn waits until fewer calls are on their way.
func (l *limits) turn(r *http.Request) (leave func(), err error) {
	var taken []chan struct{}
	leave = func() {
		for _, slots := range taken {
			<-slots
		}
	}
	want := []chan struct{}{l.slots}
	if urgencyOf(r) >= lasting {
		want = []chan struct{}{l.telling, l.slots}
	}
	for _, slots := range want {
		select {
		case slots <- struct{}{}:
			taken = append(taken, slots)
		case <-r.Context().Done():
			leave()
			return nil, context.Cause(r.Context())
		}
	}
	return leave, nil
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
