package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	// longestSleep of the mover: after it, what another process made due that
	// died before its own mover acted is found.
	longestSleep = 5 * time.Second
	moveLimit    = 200       // due things moved by one call, so that none blocks Redis for long
	upkeepEvery  = time.Hour // removing what is long gone
	moverRetry   = time.Second
	longestLease = 24 * time.Hour // no lease lasts that long
	takeovers    = 5              // of one job at once; a job that ends every process must not end them in a row
)

// mover keeps the next time each shard needs attention. One goroutine per
// Store sleeps until the earliest of them.
type mover struct {
	mu   sync.Mutex
	next []time.Time // by shard
	kick chan struct{}
}

func newMover(shards int) *mover {
	return &mover{next: make([]time.Time, shards), kick: make(chan struct{}, 1)}
}

// within has the mover look at the shard after d, if it would not sooner.
func (m *mover) within(shard int, d time.Duration) {
	if d >= longestSleep {
		return
	}
	at := time.Now().Add(max(0, d) + time.Millisecond)
	m.mu.Lock()
	sooner := at.Before(m.next[shard])
	if sooner {
		m.next[shard] = at
	}
	m.mu.Unlock()
	if sooner {
		m.wakeUp()
	}
}

func (m *mover) now() {
	m.mu.Lock()
	clear(m.next)
	m.mu.Unlock()
	m.wakeUp()
}

func (m *mover) wakeUp() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// due returns the shards to look at now, and how long until there is one.
// Those it returns are put off; see put.
func (m *mover) due() (shards []int, sleep time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	sleep = longestSleep
	for i, at := range m.next {
		if wait := at.Sub(now); wait > 0 {
			sleep = min(sleep, wait)
			continue
		}
		shards = append(shards, i)
		m.next[i] = now.Add(longestSleep)
	}
	return shards, sleep
}

// runMover works until the store is closed.
func (s *Store) runMover() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	upkeep := time.Now().Add(upkeepEvery)
	healthy := true
	for {
		shards, sleep := s.mover.due()
		for _, shard := range shards {
			err := s.move(s.closing, shard)
			if err != nil {
				s.mover.within(shard, moverRetry)
			}
			if healthy != (err == nil) && s.closing.Err() == nil {
				healthy = err == nil
				s.log.Warn("mover", "healthy", healthy, "err", err)
			}
		}
		if time.Now().After(upkeep) {
			upkeep = time.Now().Add(upkeepEvery)
			s.upkeep(s.closing)
		}
		if len(shards) > 0 {
			continue
		}
		timer.Reset(sleep)
		select {
		case <-s.closing.Done():
			return
		case <-s.mover.kick:
		case <-timer.C:
		}
	}
}

// move does what is due in a shard and notes when the next thing is.
func (s *Store) move(ctx context.Context, shard int) error {
	k := s.keys[shard]
	control, steps := s.pools[pipeline.Control], s.pools[pipeline.Steps]
	result, err := s.eval(ctx, s.script.move, append(k.queue[:6:6], k.wake),
		moveLimit, wakeGrace.Milliseconds(), longestSleep.Milliseconds(), control.ttl.Load(), steps.ttl.Load()).Slice()
	if redis.HasErrorPrefix(err, "NOGROUP") {
		return s.createGroups(ctx)
	}
	if err != nil {
		return wire("move", err)
	}
	wait, _ := result[0].(int64)
	s.mover.within(shard, time.Duration(wait)*time.Millisecond)
	if err := s.inherit(ctx, shard, result[3:]); err != nil {
		return err
	}
	for i, p := range []*pool{control, steps} {
		if result[1+i] == int64(1) {
			p.tellLapsed()
		}
	}
	return nil
}

// inherit lets the leases of processes lapse that are known to have ended.
func (s *Store) inherit(ctx context.Context, shard int, consumers []any) error {
	for _, c := range consumers {
		name, _ := c.(string)
		if name == s.consumer || !s.process.isDead(name, s.look) {
			continue
		}
		leases, err := s.eval(ctx, s.script.lapse, s.keys[shard].queue[2:4], name, longestLease.Milliseconds(), takeovers).Int()
		if err != nil {
			return wire("take over", err)
		}
		for _, p := range s.pools {
			p.tellLapsed()
		}
		if leases > 0 {
			s.log.Info("leases of a process that has ended are taken over", "consumer", name, "leases", leases)
		}
	}
	return nil
}

// tellLapsed has whose turn it is look for leases that have lapsed.
func (p *pool) tellLapsed() {
	select {
	case p.lapsed <- struct{}{}:
	default:
	}
}

// upkeep forgets consumers of processes that are gone, and dead jobs nobody
// asked for within the time that runs are kept.
func (s *Store) upkeep(ctx context.Context) {
	for _, k := range s.keys {
		oldest := num(time.Now().Add(-s.keep).UnixMilli())
		if err := s.redis.XTrimMinID(ctx, k.dead(), oldest).Err(); err != nil {
			s.log.Warn("trim dead jobs", "err", err)
		}
		for _, stream := range k.queue[2:4] {
			s.forgetConsumers(ctx, stream, upkeepEvery)
		}
	}
}

func (s *Store) forgetConsumers(ctx context.Context, stream string, idle time.Duration) {
	consumers, err := s.redis.XInfoConsumers(ctx, stream, group).Result()
	if err != nil {
		s.log.Warn("list consumers", "err", err)
		return
	}
	for _, c := range consumers {
		if c.Pending == 0 && c.Idle >= idle && c.Name != s.consumer {
			if err := s.eval(ctx, s.script.forget, []string{stream}, c.Name).Err(); err != nil {
				s.log.Warn("forget consumer", "err", err)
			}
		}
	}
}
