package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Block puts a leased job back as j, which says why and until when it waits.
func (s *Store) Block(ctx context.Context, l *pipeline.Lease, j pipeline.Job, tell ...pipeline.Job) error {
	job, err := json.Marshal(&j)
	if err != nil {
		return fmt.Errorf("block %s: %w", l.ID, err)
	}
	delay := j.At.Sub(s.now())
	args := []any{letter(l.Pool), l.Token, s.consumer, l.Fence, l.ID, millis(delay), job}
	for i := range tell {
		shard, err := s.jobShard(&tell[i])
		if err == nil && shard != l.Shard {
			err = errors.New("it lies in another shard")
		}
		if err != nil {
			return fmt.Errorf("block %s: job %s: %w", l.ID, tell[i].ID, err)
		}
		if args, err = s.jobArgs(args, &tell[i]); err != nil {
			return err
		}
	}
	if err := s.withLease(ctx, "block", s.script.block, l, args...); err != nil {
		return err
	}
	l.Done = true
	s.mover.within(l.Shard, delay)
	return nil
}

// BlockedJobs lists the jobs that are blocked, of one repository or, with zero, of all.
func (s *Store) BlockedJobs(ctx context.Context, repo int64) ([]pipeline.Job, error) {
	keys := s.keys
	if repo != 0 {
		keys = keys[s.repoShard(repo):][:1]
	}
	var all []pipeline.Job
	for _, k := range keys {
		jobs, err := s.redis.HVals(ctx, k.blocked()).Result()
		if err != nil {
			return nil, wire("list blocked jobs", err)
		}
		for _, text := range jobs {
			var j pipeline.Job
			if err := json.Unmarshal([]byte(text), &j); err != nil {
				return nil, fmt.Errorf("blocked job: %w", err)
			}
			all = append(all, j)
		}
	}
	return all, nil
}

// Lift makes blocked jobs due now, as they are given.
func (s *Store) Lift(ctx context.Context, jobs ...pipeline.Job) error {
	args := map[int][]any{}
	for i := range jobs {
		jobs[i].At = time.Time{}
		shard, err := s.jobShard(&jobs[i])
		if err != nil {
			return fmt.Errorf("lift %s: %w", jobs[i].ID, err)
		}
		if args[shard], err = s.jobArgs(args[shard], &jobs[i]); err != nil {
			return err
		}
	}
	for shard, a := range args {
		if err := s.eval(ctx, s.script.lift, s.keys[shard].queue, a...).Err(); err != nil {
			return wire("lift", err)
		}
	}
	return nil
}
