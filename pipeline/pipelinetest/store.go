// Package pipelinetest has what tests of everything above the store need: an
// in-memory [Store] on a clock that the test moves, and [Conformance], the
// suite that this store and the real one both pass.
package pipelinetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Store is a pipeline.Store and a pipeline.Queue in memory. It keeps copies,
// as a real one does: what a caller does to a Run reaches it by Commit alone.
type Store struct {
	ReadWait time.Duration // how long a read that waits for jobs lasts, in real time; before the first Lease

	clock *Clock
	pools map[pipeline.Pool]*pool

	closing chan struct{}
	reads   sync.WaitGroup

	mu           sync.Mutex    // also of what is in the pools
	changed      chan struct{} // closed and replaced by whatever may make a job ready
	passed       chan struct{} // closed and replaced when time has passed
	runs         map[pipeline.RunID]*run
	made         []pipeline.RunID // in the order they were made
	environments map[environment]versioned
	deployments  map[environment][]pipeline.Deployment
	shown        map[string]pipeline.Shown
	records      map[string]record
	spent        map[string][]spending
	listeners    map[chan pipeline.RunID]bool
	queue
}

type versioned struct {
	data    []byte
	version int64
}

type run struct {
	request  []byte
	progress []byte
	version  int64
	open     bool
	wake     time.Time
	history  []pipeline.Event
}

type environment struct {
	repo int64
	name string
}

const wakeGrace = 30 * time.Second

// NewStore makes an empty store on the clock.
func NewStore(clock *Clock) *Store {
	s := &Store{
		ReadWait:     readWait,
		clock:        clock,
		pools:        newPools(),
		closing:      make(chan struct{}),
		changed:      make(chan struct{}),
		passed:       make(chan struct{}),
		runs:         map[pipeline.RunID]*run{},
		environments: map[environment]versioned{},
		deployments:  map[environment][]pipeline.Deployment{},
		shown:        map[string]pipeline.Shown{},
		records:      map[string]record{},
		spent:        map[string][]spending{},
		listeners:    map[chan pipeline.RunID]bool{},
		queue:        queue{jobs: map[string]*item{}, seen: map[string]time.Time{}},
	}
	clock.onAdvance(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell()
		close(s.passed)
		s.passed = make(chan struct{})
	})
	return s
}

// Advance moves the store's clock on.
func (s *Store) Advance(d time.Duration) { s.clock.Advance(d) }

// Ping always works.
func (s *Store) Ping(context.Context) error { return nil }

// tell wakes all who wait for jobs.
func (s *Store) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// NewRunID makes a random id.
func (s *Store) NewRunID(int64) pipeline.RunID {
	const crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [8]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = crockford[b[i]%32]
	}
	return pipeline.RunID("r-" + string(b[:]))
}

// Load returns a copy of the run.
func (s *Store) Load(_ context.Context, id pipeline.RunID) (*pipeline.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(id)
}

func (s *Store) load(id pipeline.RunID) (*pipeline.Run, error) {
	stored := s.runs[id]
	if stored == nil {
		return nil, fmt.Errorf("run %s: %w", id, pipeline.ErrNotFound)
	}
	r := &pipeline.Run{Version: stored.version}
	return r, errors.Join(json.Unmarshal(stored.request, &r.Request), json.Unmarshal(stored.progress, &r.Progress))
}

// Environment returns a copy of the environment's state.
func (s *Store) Environment(_ context.Context, repo int64, name string) (*pipeline.EnvironmentState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &pipeline.EnvironmentState{Repo: repo, Name: name}
	stored, ok := s.environments[environment{repo, name}]
	if !ok {
		return e, nil
	}
	err := json.Unmarshal(stored.data, e)
	e.Version = stored.version
	return e, err
}

// Commit makes one transition, whole or not at all.
func (s *Store) Commit(_ context.Context, c pipeline.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	for _, l := range []*pipeline.Lease{c.Finish, c.Hold} {
		if l != nil && s.ours(l) == nil {
			return fmt.Errorf("commit: %w", pipeline.ErrLeaseLost)
		}
	}
	if c.Run != nil && s.runVersion(c.Run.ID) != c.Run.Version ||
		c.Environment != nil && s.environments[environmentOf(c)].version != c.Environment.Version {
		return fmt.Errorf("commit: %w", pipeline.ErrConflict)
	}
	if err := s.write(c); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if c.Finish != nil {
		s.finish(c.Finish)
	}
	for _, j := range c.Jobs {
		s.enqueue(j)
	}
	if c.Signal {
		for l := range s.listeners {
			select {
			case l <- c.Run.ID:
			default:
			}
		}
	}
	s.tell()
	return nil
}

func environmentOf(c pipeline.Change) environment {
	return environment{c.Environment.Repo, c.Environment.Name}
}

func (s *Store) runVersion(id pipeline.RunID) int64 {
	if r := s.runs[id]; r != nil {
		return r.version
	}
	return 0
}

// write stores run, environment, history and deployment; everything that can
// fail comes before the first change.
func (s *Store) write(c pipeline.Change) error {
	if c.Run == nil && (len(c.Events) > 0 || c.Signal) {
		return errors.New("events and signals need a run")
	}
	if c.Environment == nil && c.Deployment != nil {
		return errors.New("a deployment needs an environment")
	}
	var request, progress, state []byte
	var err, err2, err3 error
	if c.Run != nil {
		request, err = json.Marshal(&c.Run.Request)
		progress, err2 = json.Marshal(&c.Run.Progress)
	}
	if c.Environment != nil {
		state, err3 = json.Marshal(c.Environment)
	}
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	if c.Run != nil {
		r := s.runs[c.Run.ID]
		if r == nil {
			r = &run{request: request}
			s.runs[c.Run.ID] = r
			s.made = append(s.made, c.Run.ID)
		}
		c.Run.Version++
		r.progress, r.version = progress, c.Run.Version
		r.wake, r.open = c.Run.Wakes(s.clock.Now(), wakeGrace)
		r.history = append(r.history, c.Events...)
	}
	if c.Shown != nil {
		s.saveShown(*c.Shown)
	}
	if c.Environment != nil {
		c.Environment.Version++
		at := environmentOf(c)
		s.environments[at] = versioned{state, c.Environment.Version}
		if c.Deployment != nil {
			all := slices.Insert(s.deployments[at], 0, *c.Deployment)
			s.deployments[at] = all[:min(len(all), 200)]
		}
	}
	return nil
}

// Runs returns the runs that match, newest first.
func (s *Store) Runs(_ context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*pipeline.Run
	for _, id := range slices.Backward(s.made) {
		r, err := s.load(id)
		if err != nil {
			return nil, err
		}
		if q.Matches(r) {
			found = append(found, r)
		}
		if len(found) == q.Limit {
			break
		}
	}
	return found, nil
}

// History returns all events of a run, oldest first.
func (s *Store) History(_ context.Context, id pipeline.RunID) ([]pipeline.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[id]; r != nil {
		return slices.Clone(r.history), nil
	}
	return nil, nil
}

// Deployments returns the newest deployments of an environment, newest first.
func (s *Store) Deployments(_ context.Context, repo int64, env string, limit int) ([]pipeline.Deployment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.deployments[environment{repo, env}]
	if limit > 0 {
		all = all[:min(len(all), limit)]
	}
	return slices.Clone(all), nil
}

// Shown returns what is kept about a subject.
func (s *Store) Shown(_ context.Context, repo int64, subject, sink string) (pipeline.Shown, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shown[shownKey(repo, subject, sink)]
	sh.Repo, sh.Subject, sh.Sink, sh.Data = repo, subject, sink, slices.Clone(sh.Data)
	return sh, nil
}

func (s *Store) saveShown(sh pipeline.Shown) {
	key := shownKey(sh.Repo, sh.Subject, sh.Sink)
	kept := s.shown[key]
	switch {
	case sh.Data == nil:
		kept.Doubt = sh.Doubt
	case kept.Doubt == sh.Doubt:
		kept.Data, kept.Doubt = slices.Clone(sh.Data), ""
	default:
		kept.Data = slices.Clone(sh.Data)
	}
	s.shown[key] = kept
}

func shownKey(repo int64, subject, sink string) string {
	return strings.Join([]string{fmt.Sprint(repo), subject, sink}, "\x00")
}

// Signals returns the ids of runs changed with Change.Signal, until ctx ends.
func (s *Store) Signals(ctx context.Context) <-chan pipeline.RunID {
	c := make(chan pipeline.RunID, 256)
	s.mu.Lock()
	s.listeners[c] = true
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, c)
		close(c)
	})
	return c
}

// Stats counts everything, as if there were one shard.
func (s *Store) Stats(context.Context) (pipeline.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	control, steps := pipeline.QueueStats{Pool: pipeline.Control}, pipeline.QueueStats{Pool: pipeline.Steps}
	st := pipeline.Stats{Dead: int64(len(s.dead))}
	for _, it := range s.jobs {
		q := &control
		if it.Pool == pipeline.Steps {
			q = &steps
		}
		if it.Blocked != nil {
			st.Blocked++
		}
		switch {
		case it.delayed:
			st.Delayed++
			if it.Blocked == nil && !it.At.After(s.clock.Now().Add(pipeline.Soon)) {
				st.Soon++
			}
		case it.fence > 0:
			q.Leased++
		default:
			q.Ready++
			q.Oldest = max(q.Oldest, s.clock.Now().Sub(it.since))
		}
	}
	for _, r := range s.runs {
		if r.open {
			st.Open++
		}
	}
	st.Queues = []pipeline.QueueStats{control, steps}
	return st, nil
}

func bySequence(a, b *item) int { return cmp.Compare(a.sequence, b.sequence) }
