// Package redisstore keeps runs and jobs in Redis: it is a [pipeline.Store] and
// a [pipeline.Queue] on a single server, Sentinel or Cluster.
//
// Start reading at [Store.Commit] and scripts/commit.lua: one transition of a
// run is one script in one slot. scripts/queue.lua says how a job is kept and
// what a lease is. The mover (mover.go) is the only thing that runs by itself.
//
// Everything of a repository lies in one shard, under keys that begin with
// "sm:{<shard>}:". Times that decide are taken from Redis' clock; a time in a
// Change is understood as a distance from Config.Now.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Store is a pipeline.Store and a pipeline.Queue in Redis.
type Store struct {
	redis    redis.UniversalClient
	together *redis.AutoPipeliner // sends what many callers ask at once in one go
	cluster  bool
	shards   int
	keys     []shardKeys // by shard
	script   scripts
	process  process
	look     func(pid int) seen // asks the kernel about a process
	consumer string             // our name in the consumer groups
	commits  atomic.Uint64
	keep     time.Duration
	now      func() time.Time
	log      *slog.Logger

	leaseWait, readWait time.Duration

	pools   map[pipeline.Pool]*pool
	mover   *mover
	signals signals

	closing context.Context // ends when Close is called
	close   context.CancelFunc
	work    sync.WaitGroup // the mover, readers and the subscription
}

// Open connects, checks the server (see Durability), and starts the mover.
// What it refuses is a *pipeline.Error that names the setting. Close ends it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	a, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if !cfg.Insecure {
		if err := a.checkPrivate(); err != nil {
			return nil, err
		}
	}
	s := &Store{redis: a.client(), cluster: a.kind == "cluster", keep: cfg.Keep, now: cfg.Now, log: cfg.Logger, script: newScripts()}
	if s.together, err = s.redis.AutoPipeline(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if err := s.start(ctx, cfg); err != nil {
		_ = s.redis.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) start(ctx context.Context, cfg Config) error {
	if s.keep == 0 {
		s.keep = 90 * 24 * time.Hour
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Durability == "" {
		cfg.Durability = Normal
	}
	if err := checkServers(ctx, s.redis, cfg.Durability); err != nil {
		return err
	}
	shards, err := agreeOnShards(ctx, s.redis, cfg.Shards)
	if err != nil {
		return err
	}
	s.shards = shards
	for i := range shards {
		s.keys = append(s.keys, newShardKeys(i))
	}
	if err := s.createGroups(ctx); err != nil {
		return err
	}
	s.process, s.look = thisProcess(), lookAt
	s.consumer = s.process.consumer()
	s.closing, s.close = context.WithCancel(context.Background())
	s.signals.listeners = map[chan pipeline.RunID]bool{}
	s.pools = map[pipeline.Pool]*pool{
		pipeline.Control: newPool(pipeline.Control, shards, s.cluster),
		pipeline.Steps:   newPool(pipeline.Steps, shards, s.cluster),
	}
	s.leaseWait, s.readWait = leaseWait, readWait
	s.mover = newMover(shards)
	s.work.Go(s.runMover)
	return nil
}

// createGroups makes the streams and their groups where they are missing.
func (s *Store) createGroups(ctx context.Context) error {
	for _, k := range s.keys {
		for _, stream := range k.queue[2:4] {
			err := s.redis.XGroupCreateMkStream(ctx, stream, group, "0").Err()
			if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
				return wire("create group on "+stream, err)
			}
		}
	}
	return nil
}

// group is the consumer group of every stream of jobs.
const group = "w"

// Close stops the mover and every wait for jobs, waits for them, and closes
// the connections. Leases still held lapse by themselves.
func (s *Store) Close() error {
	s.close()
	// Closing the connections also ends the reads that wait for jobs.
	err := s.redis.Close()
	s.work.Wait()
	return err
}

// Ping reports whether Redis takes writes, as far as a question can tell.
func (s *Store) Ping(ctx context.Context) error {
	return wire("ping", s.redis.Ping(ctx).Err())
}

// eval runs a script in one round trip, two the first time on a server.
func (s *Store) eval(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	return script.Run(ctx, s.redis, keys, args...)
}

// evalTogether is eval for what many do at once and nobody waits for by the
// microsecond: calls that meet are sent in one pipeline, which halves what they
// cost both sides. The pipeline knows no deadlines, so the caller keeps its own;
// a call it gave up may still be made.
func (s *Store) evalTogether(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	done := make(chan *redis.Cmd, 1)
	go func() { done <- script.Run(ctx, s.together, keys, args...) }()
	select {
	case cmd := <-done:
		return cmd
	case <-ctx.Done():
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(ctx.Err())
		return cmd
	}
}

// wire wraps an error of a call to Redis. All of them may go away by
// themselves: a restart, a failover, a full disk.
func wire(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("redis: %s: %w", doing, err)
	}
	return pipeline.Temporary(fmt.Errorf("redis: %s: %w", doing, err))
}
