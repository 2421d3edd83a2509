package github

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// together holds reads back until so many are on their way.
type together struct {
	want int // zero: none is held
	all  chan struct{}

	mu     sync.Mutex
	inside int
}

func (tg *together) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || tg.want == 0 {
		return http.DefaultTransport.RoundTrip(r)
	}
	tg.mu.Lock()
	if tg.inside++; tg.inside == tg.want {
		close(tg.all)
	}
	tg.mu.Unlock()
	select {
	case <-tg.all:
		return http.DefaultTransport.RoundTrip(r)
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

func TestWhatACommandAsksIsReadSideBySideAndOnce(t *testing.T) {
	tg := &together{all: make(chan struct{})}
	s := newScene(t, func(c *Config) { c.HTTP = tg })
	said := sim.Must(s.sim.As("mona").Comment("octo/shop", s.pr, "/deploy staging"))
	if _, err := s.client.Config(s.ctx(), s.repo); err != nil { // its name and its file are known
		t.Fatal(err)
	}
	s.sim.ForgetRequests()
	tg.want = 4

	ctx, cancel := context.WithTimeout(s.client.ReadOnce(s.ctx()), 15*time.Second)
	defer cancel()
	at := pipeline.Origin{Surface: "github", PR: s.pr, Comment: said.ID}
	defer s.client.Ahead(ctx, s.repo, at, s.mona)()
	if same, err := s.client.CommentUnchanged(ctx, s.repo, at, "/deploy staging"); !same || err != nil {
		t.Errorf("comment: %v, %v", same, err)
	}
	if _, err := s.client.Config(ctx, s.repo); err != nil {
		t.Error(err)
	}
	if who, err := s.client.Standing(ctx, s.repo, s.mona, pipeline.Roster{}); who.Permission != pipeline.Write || err != nil {
		t.Errorf("permission: %v, %v", who, err)
	}
	if pr, err := s.client.PullRequest(ctx, s.repo, s.pr); pr.Head != s.sha || err != nil {
		t.Errorf("pull request: %v, %v", pr, err)
	}
	if got := len(s.sim.Requests()); got != 4 {
		t.Errorf("%d requests: %v", got, s.sim.Requests())
	}
}

// TestAheadIsOnlyAhead: what it could not read is asked for again, and what
// nobody waits for any more is given up.
func TestAheadIsOnlyAhead(t *testing.T) {
	tg := &together{all: make(chan struct{})}
	s := newScene(t, func(c *Config) { c.HTTP = tg })
	if _, err := s.client.Config(s.ctx(), s.repo); err != nil {
		t.Fatal(err)
	}
	tg.want = 1 << 20 // nothing is ever answered
	ctx := s.client.ReadOnce(s.ctx())
	end := s.client.Ahead(ctx, s.repo, pipeline.Origin{PR: s.pr}, s.mona)
	end()
	tg.want = 0
	if pr, err := s.client.PullRequest(ctx, s.repo, s.pr); pr.Head != s.sha || err != nil {
		t.Errorf("pull request: %v, %v", pr, err)
	}
}
