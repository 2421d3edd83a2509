package github

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Limits are GitHub's rate limits, per installation. 0 is what github.com
// enforces, a negative number switches a limit off.
// Source: docs.github.com, "Rate limits for the REST API".
type Limits struct {
	PerHour       int // requests, 5000
	Points        int // per minute: 1 for a read, 5 for a write; 900
	ContentMinute int // 80
	ContentHour   int // 500
	Concurrent    int // 100
}

// Unlimited are limits that never refuse anything.
func Unlimited() Limits {
	return Limits{PerHour: -1, Points: -1, ContentMinute: -1, ContentHour: -1, Concurrent: -1}
}

// Violations counts the requests that were refused for a limit.
type Violations struct {
	Primary    int `json:"primary"`
	Points     int `json:"points"`
	Content    int `json:"content"`
	Concurrent int `json:"concurrent"`
	// Impatient counts requests made before the Retry-After or reset of an
	// earlier refusal had passed; GitHub may ban a client for them.
	Impatient int `json:"impatient"`
}

type limiter struct {
	limits     Limits
	inFlight   int
	accounts   map[int64]*spending // by installation id, 0 for the App itself
	violations Violations
}

type spending struct {
	used    int
	reset   time.Time
	points  []point
	content []time.Time
	blocked time.Time
}

type point struct {
	at   time.Time
	cost int
}

func newLimiter(l Limits) limiter {
	return limiter{limits: withDefaults(l), accounts: map[int64]*spending{}}
}

func withDefaults(l Limits) Limits {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.PerHour, 5000}, {&l.Points, 900}, {&l.ContentMinute, 80}, {&l.ContentHour, 500}, {&l.Concurrent, 100}} {
		if *f.field == 0 {
			*f.field = f.value
		}
		if *f.field < 0 {
			*f.field = math.MaxInt32
		}
	}
	return l
}

// SetLimits changes the limits from now on and forgets what was spent.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.limits = withDefaults(l)
	s.limits.accounts = map[int64]*spending{}
}

// Violations tells how often the limits were hit.
func (s *Server) Violations() Violations {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits.violations
}

// enter counts a request in, and tells whether there are too many at once.
func (s *Server) enter() (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.inFlight++
	return s.limits.inFlight > s.limits.limits.Concurrent
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.inFlight--
}

func (c *call) spending() *spending {
	var key int64
	if c.who.token != nil {
		key = c.who.token.installation.id
	}
	if c.who.user != nil {
		key = -c.who.user.id // people have a budget of their own
	}
	l := &c.s.limits
	sp := l.accounts[key]
	if sp == nil {
		sp = &spending{}
		l.accounts[key] = sp
	}
	if now := c.s.cfg.Now(); !now.Before(sp.reset) {
		sp.used, sp.reset = 0, now.Add(time.Hour).Truncate(time.Second)
	}
	return sp
}

// spend books a request, or refuses it. The lock is held.
func (s *Server) spend(c *call, content, over bool) error {
	now, l, sp := s.cfg.Now(), &s.limits, c.spending()
	if now.Before(sp.blocked) {
		l.violations.Impatient++
	}
	if over {
		l.violations.Concurrent++
		return s.tooEager(sp)
	}
	if sp.used >= l.limits.PerHour {
		l.violations.Primary++
		sp.blocked = sp.reset
		c.rateHeaders(sp)
		return forbidden("API rate limit exceeded for installation ID %d. If you reach out to GitHub Support for help, please include the request ID.", c.installationID())
	}
	cost := 5
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		cost = 1
	}
	sp.forget(now)
	if sp.total()+cost > l.limits.Points {
		l.violations.Points++
		return s.tooEager(sp)
	}
	if content && sp.tooMuchContent(now, l.limits) {
		l.violations.Content++
		return s.tooEager(sp)
	}
	sp.used++
	sp.points = append(sp.points, point{now, cost})
	if content {
		sp.content = append(sp.content, now)
	}
	c.rateHeaders(sp)
	return nil
}

func (sp *spending) forget(now time.Time) {
	for len(sp.points) > 0 && now.Sub(sp.points[0].at) >= time.Minute {
		sp.points = sp.points[1:]
	}
	for len(sp.content) > 0 && now.Sub(sp.content[0]) >= time.Hour {
		sp.content = sp.content[1:]
	}
}

func (sp *spending) total() (n int) {
	for _, p := range sp.points {
		n += p.cost
	}
	return n
}

func (sp *spending) tooMuchContent(now time.Time, l Limits) bool {
	recent := 0
	for _, t := range sp.content {
		if now.Sub(t) < time.Minute {
			recent++
		}
	}
	return recent >= l.ContentMinute || len(sp.content) >= l.ContentHour
}

func (s *Server) tooEager(sp *spending) error {
	sp.blocked = s.cfg.Now().Add(time.Minute)
	e := secondaryError()
	e.header = http.Header{"Retry-After": {"60"}}
	return e
}

func secondaryError() *apiError {
	return &apiError{
		status:  http.StatusForbidden,
		message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID.",
		docs:    "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits",
	}
}

// refund gives back what an answer 304 does not cost. The lock is held.
func (s *Server) refund(c *call) {
	sp := c.spending()
	if sp.used > 0 {
		sp.used--
	}
	c.rateHeaders(sp)
}

func (c *call) rateHeaders(sp *spending) {
	limit := c.s.limits.limits.PerHour
	for name, value := range map[string]string{
		"Limit":     strconv.Itoa(limit),
		"Remaining": strconv.Itoa(max(0, limit-sp.used)),
		"Used":      strconv.Itoa(sp.used),
		"Reset":     strconv.FormatInt(sp.reset.Unix(), 10),
		"Resource":  "core",
	} {
		c.header.Set("X-RateLimit-"+name, value)
	}
}

func (c *call) installationID() int64 {
	if c.who.token == nil {
		return 0
	}
	return c.who.token.installation.id
}

// rate is one budget in the answer to GET /rate_limit.
type rate struct {
	Limit     int   `json:"limit"`
	Used      int   `json:"used"`
	Remaining int   `json:"remaining"`
	Reset     int64 `json:"reset"`
}

func (s *Server) getRateLimit(c *call) (*reply, error) {
	sp := c.spending()
	limit := s.limits.limits.PerHour
	core := rate{Limit: limit, Used: sp.used, Remaining: max(0, limit-sp.used), Reset: sp.reset.Unix()}
	c.rateHeaders(sp)
	return ok(map[string]any{
		"resources": map[string]rate{"core": core, "search": {Limit: 30, Remaining: 30, Reset: core.Reset}},
		"rate":      core,
	}), nil
}

func (v Violations) String() string {
	return fmt.Sprintf("primary %d, points %d, content %d, concurrent %d, impatient %d", v.Primary, v.Points, v.Content, v.Concurrent, v.Impatient)
}
