package pipelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Backend is everything a store offers to the rest of the bot.
type Backend interface {
	pipeline.Store
	pipeline.Queue
	Ping(ctx context.Context) error
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	History(ctx context.Context, id pipeline.RunID) ([]pipeline.Event, error)
	Deployments(ctx context.Context, repo int64, env string, limit int) ([]pipeline.Deployment, error)
	Signals(ctx context.Context) <-chan pipeline.RunID
	Stats(ctx context.Context) (pipeline.Stats, error)
	Dead(ctx context.Context, limit int) ([]pipeline.DeadJob, error)
	Requeue(ctx context.Context, handles ...string) error
	Put(ctx context.Context, repo int64, key string, value []byte, ttl time.Duration) error
	PutNew(ctx context.Context, repo int64, key string, value []byte, ttl time.Duration) (bool, error)
	Get(ctx context.Context, repo int64, key string) ([]byte, error)
	GetAll(ctx context.Context, repo int64, keys ...string) ([][]byte, error)
	Take(ctx context.Context, repo int64, key string) ([]byte, error)
	Delete(ctx context.Context, repo int64, key string) error
	Add(ctx context.Context, repo int64, key, member string, ttl time.Duration) error
	Remove(ctx context.Context, repo int64, key, member string) error
	Members(ctx context.Context, repo int64, key string) ([]string, error)
	Budget(ctx context.Context, key string, limit int, per time.Duration, cost int) (bool, time.Duration, error)
}

// Subject is an empty store to be tested.
type Subject struct {
	Backend
	Now      func() time.Time      // the store's clock
	Pass     func(d time.Duration) // lets time pass on it; nil: it passes by itself
	ReadWait func(d time.Duration) // has reads that wait for jobs end after d of real time; before the first Lease
}

// pass lets d pass, if this store's clock has to be told. On others whoever
// calls it waits for what time brings.
func (s Subject) pass(d time.Duration) {
	if s.Pass != nil {
		s.Pass(d)
	}
}

// Conformance is what every store must do. open returns an empty one each time.
func Conformance(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"a run comes back as it was committed", runComesBack},
		{"a run nobody made is not found", runNotFound},
		{"a stale change is a conflict and changes nothing", staleChange},
		{"of many who commit one version one wins", oneWinner},
		{"an environment changes only from its stored version", environmentVersions},
		{"a change is whole or not at all", changeIsWhole},
		{"a change without what it needs is refused", incompleteChange},
		{"history and deployments keep their order", historyOrder},
		{"runs are found by repository, pull request and environment", findRuns},
		{"what a sink showed comes back", shownComesBack},
		{"what a sink showed is saved by the holder of its lease", shownNeedsTheLease},
		{"a change is signalled", signalled},
		{"records come back, expire, and are taken once", records},
		{"a budget is never exceeded", budget},

		{"a job is handed out once", handedOutOnce},
		{"no more jobs are handed out than asked for", limitHolds},
		{"pools are separate", poolsAreSeparate},
		{"a wait for jobs ends with its context", leaseEnds},
		{"who waits gets the next job, however long there was none", waitsOn},
		{"a lapsed lease is handed out with a higher fence", lapse},
		{"a renewed lease does not lapse", renewed},
		{"who finishes late is refused everywhere", lateFinisher},
		{"an id is queued once, whoever enqueues it", idempotentIDs},
		{"a job can enqueue itself while it finishes", enqueuesItself},
		{"again runs a leased job once more", again},
		{"again brings a job forward that was put off", forward},
		{"again outlives burying and is served by a retry", againAfterFailure},
		{"delayed jobs come in the order of their times", delayed},
		{"a request is accepted once", acceptedOnce},
		{"a failed job is tried again later", retried},
		{"a buried job can be brought back", buried},
		{"a blocked job waits until it is lifted", blocked},
		{"what lifts a job is not lost while it is tried", liftedWhileLeased},
		{"a run whose time has come gets a job", runWakes},
		{"a run that ended or sleeps gets none", runSleeps},
		{"jobs of all shards arrive", allShards},
		{"statistics count everything", statistics},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const (
	repo     = int64(4711)
	shortTTL = 250 * time.Millisecond // of leases that are to lapse
	longTTL  = time.Minute
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func sameJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	must(t, err)
	w, err := json.Marshal(want)
	must(t, err)
	equal(t, what, string(g), string(w))
}

func newRun(s Subject, repo int64) *pipeline.Run {
	return &pipeline.Run{
		Request: pipeline.Request{
			ID: s.NewRunID(repo), Repo: pipeline.Repo{ID: repo, Owner: "octo", Name: "shop"},
			SHA: "0123456789012345678901234567890123456789", Trigger: pipeline.ByCommand, Created: s.Now(),
		},
		Progress: pipeline.Progress{State: pipeline.Running, Steps: []pipeline.StepRun{{Name: "build", State: pipeline.Running}}},
	}
}

// lease waits until n jobs are leased, at most 10 s.
func (s Subject) lease(t *testing.T, n int, ttl time.Duration) []*pipeline.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var all []*pipeline.Lease
	for len(all) < n {
		ls, err := s.Lease(ctx, pipeline.Control, n-len(all), ttl)
		if err != nil {
			t.Fatalf("%d of %d jobs, then %v", len(all), n, err)
		}
		all = append(all, ls...)
	}
	return all
}

// idle fails if there is a job to hand out within a moment.
func (s Subject) idle(t *testing.T, ttl time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	ls, err := s.Lease(ctx, pipeline.Control, 1, ttl)
	if len(ls) > 0 {
		t.Fatalf("job %s with fence %d was handed out", ls[0].ID, ls[0].Fence)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// race runs f n times at once and returns when all are done.
func race(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}
