package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	leaseWait = 5 * time.Second       // a Lease without a job returns after this
	readWait  = 10 * time.Second      // a read waits this long on the server
	fetchWait = 50 * time.Millisecond // jobs read for a caller that left wait this long for the next
)

// pool is how this process takes jobs from one pool: callers of Lease get
// their turn one after the other, so that nothing is read that nobody asked
// for. A caller first takes what is ready. If nothing is, readers wait on the
// server, and it waits for them: as long as a caller waits, a read that ended
// without a job is followed by another. A read goes on when the caller leaves,
// for the next one, so that an idle bot asks Redis next to nothing.
type pool struct {
	name    pipeline.Pool
	turn    chan struct{}
	arrived chan arrival
	lapsed  chan struct{} // the mover has seen lapsed leases
	ttl     atomic.Int64  // of the leases, in ms; zero: this process takes no jobs here

	mu      sync.Mutex
	waiting bool // whose turn it is found nothing and waits for the readers
	readers []reader
	first   int // the reader asked first, so that no shard starves the others
}

// reader waits on the streams of some shards: of all, or, on a cluster, where
// a command reads from one slot only, of one.
type reader struct {
	shards  []int
	reading bool
}

type arrival struct {
	leases []*pipeline.Lease
	err    error
}

func newPool(name pipeline.Pool, shards int, cluster bool) *pool {
	p := &pool{name: name, turn: make(chan struct{}, 1), arrived: make(chan arrival), lapsed: make(chan struct{}, 1)}
	all := reader{}
	for i := range shards {
		if cluster {
			p.readers = append(p.readers, reader{shards: []int{i}})
		}
		all.shards = append(all.shards, i)
	}
	if !cluster {
		p.readers = []reader{all}
	}
	return p
}

// Lease waits until there is at least one job for the pool and returns up to
// limit of them. All who take from a pool must use the same ttl: whatever
// has been idle for that long is taken for lapsed.
func (s *Store) Lease(ctx context.Context, name pipeline.Pool, limit int, ttl time.Duration) ([]*pipeline.Lease, error) {
	p := s.pools[name]
	if p == nil || limit < 1 || ttl < time.Millisecond {
		return nil, fmt.Errorf("lease: pool %q, limit %d, ttl %s: out of range", name, limit, ttl)
	}
	if p.ttl.Swap(ttl.Milliseconds()) == 0 {
		s.mover.now() // to look for what was lapsed before we came
	}
	timeout := time.NewTimer(s.leaseWait)
	defer timeout.Stop()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-timeout.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closing.Done():
		return nil, errClosed
	}
	leases, err := s.leaseInTurn(ctx, p, limit, timeout.C)
	if len(leases) > limit {
		s.release(leases[limit:])
		leases = leases[:limit]
	}
	for _, l := range leases {
		l.TTL = ttl
		s.mover.within(l.Shard, ttl)
	}
	return leases, err
}

var errClosed = fmt.Errorf("redis: the store is closed")

func (s *Store) leaseInTurn(ctx context.Context, p *pool, limit int, timeout <-chan time.Time) ([]*pipeline.Lease, error) {
	select {
	case a := <-p.arrived:
		return a.leases, a.err
	default:
	}
	defer p.leave()
	for claim := p.hasLapsed(); ; claim = true {
		leases, err := s.take(ctx, p, limit, claim)
		if len(leases) > 0 || err != nil {
			return leases, err
		}
		s.startReaders(p)
		select {
		case a := <-p.arrived:
			return a.leases, a.err
		case <-p.lapsed:
		case <-timeout:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closing.Done():
			return nil, errClosed
		}
	}
}

func (p *pool) hasLapsed() bool {
	select {
	case <-p.lapsed:
		return true
	default:
		return false
	}
}

// take leases what is ready, without waiting. Where a reader waits nothing can
// be ready, so only lapsed leases are worth the question.
func (s *Store) take(ctx context.Context, p *pool, limit int, claim bool) ([]*pipeline.Lease, error) {
	ttl := int64(0)
	if claim {
		ttl = p.ttl.Load()
	}
	var leases []*pipeline.Lease
	for _, shards := range p.toAsk(claim) {
		found, err := s.takeFrom(ctx, p, shards, limit-len(leases), ttl)
		if err != nil {
			return leases, err
		}
		if leases = append(leases, found...); len(leases) >= limit {
			break
		}
	}
	return leases, nil
}

// toAsk lists the shards of the readers that do not wait (of all, if asked
// for), beginning with another shard each time.
func (p *pool) toAsk(all bool) [][]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first++
	var ask [][]int
	for i := range p.readers {
		r := &p.readers[(p.first+i)%len(p.readers)]
		if all || !r.reading {
			at := p.first % len(r.shards)
			ask = append(ask, append(append([]int{}, r.shards[at:]...), r.shards[:at]...))
		}
	}
	return ask
}

func (s *Store) takeFrom(ctx context.Context, p *pool, shards []int, limit int, ttl int64) ([]*pipeline.Lease, error) {
	streams := make([]string, len(shards))
	for i, shard := range shards {
		streams[i] = s.keys[shard].stream(p.name)
	}
	found, err := s.eval(ctx, s.script.take, streams, s.consumer, limit, ttl).Slice()
	if redis.HasErrorPrefix(err, "NOGROUP") {
		return nil, s.createGroups(ctx) // the server lost its data
	}
	if err != nil {
		return nil, wire("lease", err)
	}
	var leases []*pipeline.Lease
	for ; len(found) >= 4; found = found[4:] {
		at, _ := found[0].(int64)
		entry, _ := found[1].(string)
		fence, _ := found[2].(int64)
		job, _ := found[3].(string)
		leases = append(leases, s.lease(p.name, shards[at-1], entry, fence, job))
	}
	return leases, nil
}

// lease makes a lease of what a stream holds. A job nobody can read still
// becomes one, without a kind, so that it is buried instead of coming for ever.
func (s *Store) lease(name pipeline.Pool, shard int, entry string, fence int64, job string) *pipeline.Lease {
	l := &pipeline.Lease{Fence: fence, Token: entry, Shard: shard}
	if err := json.Unmarshal([]byte(job), &l.Job); err != nil {
		s.log.Error("unreadable job", "job", l.ID, "err", err)
		l.Kind = ""
	}
	l.Pool = name
	return l
}

// startReaders has the server tell us when there is a job.
func (s *Store) startReaders(p *pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = true
	for i := range p.readers {
		if r := &p.readers[i]; !r.reading && s.closing.Err() == nil {
			r.reading = true
			s.work.Go(func() { s.read(p, r) })
		}
	}
}

// leave: whose turn it was waits for the readers no more.
func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = false
}

// read waits for jobs until there are some and hands them to whose turn it is.
func (s *Store) read(p *pool, r *reader) {
	leases, err := s.waitForJobs(p, r.shards)
	for p.readsOn(r, len(leases) == 0 && err == nil) {
		leases, err = s.waitForJobs(p, r.shards)
	}
	if len(leases) == 0 && err == nil {
		return
	}
	wait := time.NewTimer(fetchWait)
	defer wait.Stop()
	select {
	case p.arrived <- arrival{leases, err}:
	case <-wait.C:
		s.release(leases)
	case <-s.closing.Done():
		s.release(leases)
	}
}

// readsOn reports whether the reader is to read again: if its read ended
// without a job while a caller waits. The caller's own wait is not to end for
// it to be told of the next job. A reader that does not is started by whoever
// waits next.
func (p *pool) readsOn(r *reader, empty bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.reading = empty && p.waiting
	return r.reading
}

func (s *Store) waitForJobs(p *pool, shards []int) ([]*pipeline.Lease, error) {
	args := &redis.XReadGroupArgs{Group: group, Consumer: s.consumer, Count: 1, Block: s.readWait}
	for _, shard := range shards {
		args.Streams = append(args.Streams, s.keys[shard].stream(p.name))
	}
	for range shards {
		args.Streams = append(args.Streams, ">")
	}
	read, err := s.redis.XReadGroup(s.closing, args).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case redis.HasErrorPrefix(err, "NOGROUP"), redis.HasErrorPrefix(err, "UNBLOCKED"):
		return nil, s.createGroups(s.closing) // the server lost its data
	case err != nil:
		return nil, wire("wait for jobs", err)
	}
	var leases []*pipeline.Lease
	for _, stream := range read {
		for i, name := range args.Streams[:len(shards)] {
			for _, m := range stream.Messages {
				if name == stream.Stream {
					job, _ := m.Values["j"].(string)
					leases = append(leases, s.lease(p.name, shards[i], m.ID, 1, job))
				}
			}
		}
	}
	return leases, nil
}

// release puts back jobs that were read but that nobody came for.
func (s *Store) release(leases []*pipeline.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.closing), 2*time.Second)
	defer cancel()
	for _, l := range leases {
		job, err := json.Marshal(&l.Job)
		if err == nil {
			err = s.eval(ctx, s.script.release, s.keys[l.Shard].queue, s.consumer, letter(l.Pool), l.Token, l.Fence, l.ID, job).Err()
		}
		if err != nil { // the lease lapses instead
			s.log.Warn("job not put back", "job", l.ID, "err", err)
		}
	}
}
