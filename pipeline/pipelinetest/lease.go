package pipelinetest

import (
	"context"
	"slices"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// How long is waited for a job, in real time: the virtual clock does not move
// by itself. See the same names in the real store.
const (
	leaseWait = 5 * time.Second
	readWait  = 10 * time.Second
	fetchWait = 50 * time.Millisecond
)

// pool is how jobs are taken from one pool, as in the real store: one read
// waits for new jobs on behalf of the Lease whose turn it is.
type pool struct {
	turn    chan struct{}
	arrived chan []*pipeline.Lease
	waiting bool // a Lease waits for the read
	reading bool
}

func newPools() map[pipeline.Pool]*pool {
	pools := map[pipeline.Pool]*pool{}
	for _, name := range []pipeline.Pool{pipeline.Control, pipeline.Steps} {
		pools[name] = &pool{turn: make(chan struct{}, 1), arrived: make(chan []*pipeline.Lease)}
	}
	return pools
}

// Lease waits up to five seconds of real time until there is a job.
func (s *Store) Lease(ctx context.Context, name pipeline.Pool, limit int, ttl time.Duration) ([]*pipeline.Lease, error) {
	p := s.pools[name]
	timeout := time.NewTimer(leaseWait)
	defer timeout.Stop()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-timeout.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer s.leave(p)
	for {
		leases, passed := s.takeOrWait(name, limit, ttl)
		if len(leases) > 0 {
			return leases, nil
		}
		select {
		case leases := <-p.arrived:
			for _, l := range leases {
				l.TTL = ttl
			}
			return leases, nil
		case <-passed: // leases may have lapsed
		case <-timeout.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takeOrWait takes what is ready. If nothing is, it sees to it that somebody
// reads; passed is closed when the clock has gone on.
func (s *Store) takeOrWait(name pipeline.Pool, limit int, ttl time.Duration) (leases []*pipeline.Lease, passed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leases := s.take(name, limit, ttl); len(leases) > 0 {
		return leases, nil
	}
	p := s.pools[name]
	p.waiting = true
	if !p.reading {
		p.reading = true
		s.reads.Go(func() { s.read(name, p) })
	}
	return nil, s.passed
}

// Close ends the reads that wait for jobs. Nobody leases any more.
func (s *Store) Close() {
	close(s.closing)
	s.reads.Wait()
}

func (s *Store) leave(p *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.waiting = false
}

// read waits for a new job and hands it to the Lease whose turn it is, or puts
// it back.
func (s *Store) read(name pipeline.Pool, p *pool) {
	leases := s.readOnce(name)
	for s.readsOn(p, len(leases) == 0) {
		leases = s.readOnce(name)
	}
	if len(leases) == 0 {
		return
	}
	wait := time.NewTimer(fetchWait)
	defer wait.Stop()
	select {
	case p.arrived <- leases:
	case <-wait.C:
		s.release(leases)
	}
}

func (s *Store) readsOn(p *pool, empty bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reading = empty && p.waiting
	return p.reading
}

// readOnce waits until there is a job nobody has had yet, for as long as a read may last.
func (s *Store) readOnce(name pipeline.Pool) []*pipeline.Lease {
	end := time.NewTimer(s.ReadWait)
	defer end.Stop()
	for {
		s.mu.Lock()
		leases, changed := s.take(name, 1, 0), s.changed
		s.mu.Unlock()
		if len(leases) > 0 {
			return leases
		}
		select {
		case <-changed:
		case <-end.C:
			return nil
		case <-s.closing:
			return nil
		}
	}
}

// release puts back jobs nobody came for.
func (s *Store) release(leases []*pipeline.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leases {
		if s.ours(l) != nil {
			s.put(l.Job)
		}
	}
	s.tell()
}

// Poll is Lease without waiting.
func (s *Store) Poll(pool pipeline.Pool, limit int, ttl time.Duration) []*pipeline.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(pool, limit, ttl)
}

// take leases jobs that are ready and, with a ttl, those whose lease has lapsed.
func (s *Store) take(pool pipeline.Pool, limit int, ttl time.Duration) []*pipeline.Lease {
	s.settle()
	now := s.clock.Now()
	var ready []*item
	for _, it := range s.jobs {
		lapsed := ttl > 0 && it.fence > 0 && !now.Before(it.since.Add(ttl))
		if it.Pool == pool && !it.delayed && (it.fence == 0 || lapsed) {
			ready = append(ready, it)
		}
	}
	slices.SortFunc(ready, bySequence)
	var leases []*pipeline.Lease
	for _, it := range ready[:min(limit, len(ready))] {
		it.fence++
		it.since = now
		leases = append(leases, &pipeline.Lease{Job: it.Job, Fence: it.fence, Token: token(it), TTL: ttl})
	}
	return leases
}
