package github

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// urgency is how much depends on a call. All calls of an installation share
// GitHub's budgets, and each kind may use them up to a ceiling of its own: what
// is less urgent stops earlier, and leaves the rest to what is more so.
type urgency int

const (
	deciding  urgency = iota // reads that decide about a deploy
	warning                  // says that answers are late
	answering                // a person waits for it
	lasting                  // reports of what stays: an end, a question to people
	courteous                // reactions, which nobody misses
	passing                  // reports of what is over soon
)

type urgencyKey struct{}

// withUrgency marks the calls made with a context. Without a mark reads decide,
// and writes report.
func withUrgency(ctx context.Context, u urgency) context.Context {
	return context.WithValue(ctx, urgencyKey{}, u)
}

func urgencyOf(r *http.Request) urgency {
	if u, marked := r.Context().Value(urgencyKey{}).(urgency); marked {
		return u
	}
	if r.Method == http.MethodGet {
		return deciding
	}
	return lasting
}

// ceiling is how far a kind of calls may use the budgets of an installation.
type ceiling struct {
	points        int // in a minute, of GitHub's 900; a read is 1, a write 5
	contentMinute int // of GitHub's 80 things created
	contentHour   int // of GitHub's 500
}

// Source of GitHub's numbers: docs.github.com, "Rate limits for the REST API".
var ceilings = map[urgency]ceiling{
	deciding:  {points: 810, contentMinute: 72, contentHour: 450},
	warning:   {points: 600, contentMinute: 76, contentHour: 470},
	answering: {points: 600, contentMinute: 72, contentHour: 450},
	lasting:   {points: 450, contentMinute: 60, contentHour: 400},
	courteous: {points: 300, contentMinute: 40, contentHour: 100},
	passing:   {points: 250, contentMinute: 35, contentHour: 200},
}

// longestPause is how long a read that decides waits here for its turn. What
// waits longer, and whatever only tells of a deploy, goes back to the queue at
// once and holds no worker.
const longestPause = 2 * time.Second

// pay books a request on the shared budgets.
func (l *limited) pay(r *http.Request) error {
	if l.c.cfg.Budget == nil || l.installation == 0 {
		return nil
	}
	if paid, _ := r.Context().Value(paidKey{}).(*atomic.Int32); paid != nil && r.Method == http.MethodPost && paid.Add(-1) >= 0 {
		return nil
	}
	return l.bookAll(r.Context(), r.Method, urgencyOf(r))
}

// bookAll books one request on every budget that it uses, or on none.
func (l *limited) bookAll(ctx context.Context, method string, u urgency) error {
	top, points := ceilings[u], 5
	if method == http.MethodGet {
		points = 1
	}
	all := []booking{{"points", top.points, time.Minute, points}}
	if method == http.MethodPost {
		all = append(all, booking{"content-minute", top.contentMinute, time.Minute, 1}, booking{"content-hour", top.contentHour, time.Hour, 1})
	}
	for i, b := range all {
		err := l.book(ctx, u, b)
		if err == nil {
			continue
		}
		for _, back := range all[:i] {
			back.cost = -back.cost
			if lost := l.book(ctx, u, back); lost != nil {
				l.c.cfg.Log.Warn("a budget keeps what was booked in vain", "budget", back.name, "err", lost)
			}
		}
		return err
	}
	return nil
}

type paidKey struct{}

// prepay books the POST that is to be made with the context it returns. Where
// looking comes before making, nothing is looked at that cannot be made now.
func (c *Client) prepay(ctx context.Context, repo pipeline.Repo) (context.Context, error) {
	if c.cfg.Budget == nil || repo.Installation == 0 {
		return ctx, nil
	}
	u, marked := ctx.Value(urgencyKey{}).(urgency)
	if !marked {
		u = lasting
	}
	if err := (&limited{c: c, installation: repo.Installation}).bookAll(ctx, http.MethodPost, u); err != nil {
		return ctx, err
	}
	paid := &atomic.Int32{}
	paid.Store(1)
	return context.WithValue(ctx, paidKey{}, paid), nil
}

// booking is a part of a budget.
type booking struct {
	name  string
	limit int
	per   time.Duration
	cost  int
}

// book waits a little for its turn if a deploy hangs on it; where that does not
// do, the job comes back later.
func (l *limited) book(ctx context.Context, u urgency, b booking) error {
	key := "github:" + strconv.FormatInt(l.installation, 10) + ":" + b.name
	for waited := time.Duration(0); ; {
		ok, wait, err := l.c.cfg.Budget.Budget(ctx, key, b.limit, b.per, b.cost)
		if err != nil {
			return pipeline.Temporary(fmt.Errorf("budget %s: %w", key, err))
		}
		if ok {
			return nil
		}
		wait = max(wait, 10*time.Millisecond)
		if u != deciding || waited+wait > longestPause {
			if b.per == time.Hour && u != courteous {
				l.c.sayLate(l.installation, wait)
			}
			return pipeline.Temporary(&Patience{Wait: wait, Why: "the budget " + b.name + " of this installation is spent"})
		}
		waited += wait
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// lateness is that an installation has used up what it may create in an hour.
type lateness struct{ said, until time.Time }

// sayLate keeps that, and writes it down once an hour.
func (c *Client) sayLate(installation int64, wait time.Duration) {
	now := c.cfg.Now()
	c.mu.Lock()
	l := c.late[installation]
	due := l.said.IsZero() || now.Sub(l.said) >= time.Hour
	if due {
		l.said = now
	}
	if now.After(l.until) {
		l.until = now.Add(wait)
	}
	c.late[installation] = l
	c.mu.Unlock()
	if due {
		c.cfg.Log.Warn("what GitHub lets the App create in an hour is used up: answers and reports wait, deploys go "+
			"on", "installation", installation, "wait", wait.Round(time.Second))
	}
}

// lateNote is a sentence for people while reports are late; "" if they are not.
func (c *Client) lateNote(installation int64) string {
	c.mu.Lock()
	until := c.late[installation].until
	c.mu.Unlock()
	if !c.cfg.Now().Before(until) {
		return ""
	}
	return "GitHub lets shipmate write only so much in an hour, and that is used up. Statuses, checks and deployments follow from " +
		"about " + until.UTC().Format("15:04 MST") + "."
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
