package slack

import (
	"maps"
	"net/http"
	"time"
)

const (
	postInterval = time.Second // chat.postMessage: one a second per channel
	postBurst    = 4           // Slack says "short bursts >1 allowed"; this is our reading
)

// limits counts calls. Slack's limits are "per method per workspace per app".
type limits struct {
	countOnly  bool
	perMinute  map[string]int // overrides by method
	calls      map[string][]time.Time
	posts      map[string]bucket
	violations map[string]int
}

// bucket is a token bucket: tokens left at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

func newLimits() limits {
	return limits{
		perMinute:  map[string]int{},
		calls:      map[string][]time.Time{},
		posts:      map[string]bucket{},
		violations: map[string]int{},
	}
}

// EnforceLimits switches refusals by rate on (as they are at first) or off.
// Violations are counted either way.
func (s *Server) EnforceLimits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.countOnly = !on
}

// SetLimit changes how many calls a minute a method allows.
func (s *Server) SetLimit(method string, perMinute int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.perMinute[method] = perMinute
}

// Violations says how often each method was called beyond its limit.
func (s *Server) Violations() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.limits.violations)
}

// take counts a call and refuses it if it is one too many.
func (l *limits) take(name string, c *call, perMinute int) error {
	if own, ok := l.perMinute[name]; ok {
		perMinute = own
	}
	wait := l.window(c.team.ID+" "+name, perMinute, c.now)
	if name == "chat.postMessage" && wait == 0 {
		wait = l.post(c.channelKey(), c.now)
	}
	if wait == 0 {
		return nil
	}
	l.violations[name]++
	if l.countOnly {
		return nil
	}
	return &refusal{code: "ratelimited", status: http.StatusTooManyRequests, retryAfter: wait}
}

// window allows so many calls in any minute. A refused call does not count.
func (l *limits) window(key string, perMinute int, now time.Time) time.Duration {
	recent := l.calls[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Minute {
		recent = recent[1:]
	}
	if len(recent) >= perMinute {
		l.calls[key] = recent
		if len(recent) == 0 {
			return time.Minute
		}
		return max(recent[0].Add(time.Minute).Sub(now), time.Second)
	}
	l.calls[key] = append(recent, now)
	return 0
}

func (l *limits) post(channel string, now time.Time) time.Duration {
	b, ok := l.posts[channel]
	if !ok {
		b = bucket{tokens: postBurst, at: now}
	}
	refill := float64(now.Sub(b.at)) / float64(postInterval)
	b = bucket{tokens: min(postBurst, b.tokens+refill), at: now}
	defer func() { l.posts[channel] = b }()
	if b.tokens < 1 {
		return postInterval
	}
	b.tokens--
	return 0
}

// channelKey is the channel of a call however it was named.
func (c *call) channelKey() string {
	if ch := c.channelIn(c.team.ID, c.str("channel")); ch != nil {
		return ch.ID
	}
	return c.str("channel")
}
