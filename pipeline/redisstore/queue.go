package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Enqueue adds jobs, in one round trip per shard.
func (s *Store) Enqueue(ctx context.Context, jobs ...pipeline.Job) error {
	args := map[int][]any{}
	shards := make([]int, len(jobs))
	for i := range jobs {
		shard, err := s.jobShard(&jobs[i])
		if err != nil {
			return fmt.Errorf("enqueue %s: %w", jobs[i].ID, err)
		}
		if args[shard], err = s.jobArgs(args[shard], &jobs[i]); err != nil {
			return err
		}
		shards[i] = shard
	}
	for shard, a := range args {
		if err := s.eval(ctx, s.script.enqueue, s.keys[shard].queue, a...).Err(); err != nil {
			return wire("enqueue", err)
		}
	}
	for i := range jobs {
		s.timeJobs(shards[i], jobs[i:i+1])
	}
	return nil
}

// Accept enqueues the job unless one of the keys was seen within keep. The
// keys are remembered in the job's shard: a key is only found again by a job
// of the same run or repository or, where a job names neither, of the same ID.
func (s *Store) Accept(ctx context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error) {
	shard, err := s.jobShard(&j)
	if err != nil {
		return false, fmt.Errorf("accept %s: %w", j.ID, err)
	}
	k := s.keys[shard]
	all := append(make([]string, 0, len(k.queue)+len(keys)), k.queue...)
	for _, key := range keys {
		all = append(all, k.seen(key))
	}
	args, err := s.jobArgs([]any{max(1, keep.Milliseconds())}, &j)
	if err != nil {
		return false, err
	}
	fresh, err := s.evalTogether(ctx, s.script.accept, all, args...).Bool()
	if err != nil {
		return false, wire("accept", err)
	}
	s.timeJobs(shard, []pipeline.Job{j})
	return fresh, nil
}

// Renew makes the lease last a full ttl again.
func (s *Store) Renew(ctx context.Context, l *pipeline.Lease) error {
	return s.withLease(ctx, "renew", s.script.renew, l, letter(l.Pool), l.Token, s.consumer, l.Fence)
}

// Finish takes done jobs off the queue, in one round trip per shard; those no
// longer ours are left alone and not marked Done.
func (s *Store) Finish(ctx context.Context, ls ...*pipeline.Lease) error {
	byShard := map[int][]*pipeline.Lease{}
	for _, l := range ls {
		byShard[l.Shard] = append(byShard[l.Shard], l)
	}
	for shard, ls := range byShard {
		args := append(make([]any, 0, 1+4*len(ls)), s.consumer)
		for _, l := range ls {
			args = append(args, letter(l.Pool), l.Token, l.Fence, l.ID)
		}
		done, err := s.evalTogether(ctx, s.script.finish, s.keys[shard].queue, args...).Int64Slice()
		if err != nil && !redis.HasErrorPrefix(err, "NOGROUP") {
			return wire("finish", err)
		}
		for i := range done {
			ls[i].Done = done[i] == 1
		}
	}
	return nil
}

// Retry puts a leased job back, to be handed out at the given time, with Tries one higher.
func (s *Store) Retry(ctx context.Context, l *pipeline.Lease, at time.Time) error {
	j := l.Job
	j.Tries++
	j.At = at
	job, err := json.Marshal(&j)
	if err != nil {
		return fmt.Errorf("retry %s: %w", l.ID, err)
	}
	delay := at.Sub(s.now())
	err = s.withLease(ctx, "retry", s.script.retry, l, letter(l.Pool), l.Token, s.consumer, l.Fence, l.ID, millis(delay), job)
	if err != nil {
		return err
	}
	l.Done = true
	s.mover.within(l.Shard, delay)
	return nil
}

// Bury moves a leased job to the dead letters with the reason.
func (s *Store) Bury(ctx context.Context, l *pipeline.Lease, reason string) error {
	job, err := json.Marshal(&l.Job)
	if err != nil {
		return fmt.Errorf("bury %s: %w", l.ID, err)
	}
	err = s.withLease(ctx, "bury", s.script.bury, l, letter(l.Pool), l.Token, s.consumer, l.Fence, l.ID, reason, job)
	if err != nil {
		return err
	}
	l.Done = true
	return nil
}

func (s *Store) withLease(ctx context.Context, doing string, script *redis.Script, l *pipeline.Lease, args ...any) error {
	ok, err := s.eval(ctx, script, s.keys[l.Shard].queue, args...).Bool()
	if err != nil && !redis.HasErrorPrefix(err, "NOGROUP") {
		return wire(doing+" "+l.ID, err)
	}
	if !ok {
		return fmt.Errorf("%s %s: %w", doing, l.ID, pipeline.ErrLeaseLost)
	}
	return nil
}

// jobArgs appends a job as the scripts want it: id, pool, delay in ms, again, job.
func (s *Store) jobArgs(args []any, j *pipeline.Job) ([]any, error) {
	if j.ID == "" {
		return nil, fmt.Errorf("enqueue a job of kind %q: it has no id", j.Kind)
	}
	if j.Pool != "" && j.Pool != pipeline.Control && j.Pool != pipeline.Steps {
		return nil, fmt.Errorf("enqueue %s: there is no pool %q", j.ID, j.Pool)
	}
	job, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("enqueue %s: %w", j.ID, err)
	}
	delay := int64(0)
	if !j.At.IsZero() {
		delay = millis(j.At.Sub(s.now()))
	}
	again := ""
	if j.Again {
		again = "1"
	}
	return append(args, j.ID, letter(j.Pool), delay, again, job), nil
}

// timeJobs lets the mover know of jobs that are due before it looks again.
func (s *Store) timeJobs(shard int, jobs []pipeline.Job) {
	for i := range jobs {
		if !jobs[i].At.IsZero() {
			s.mover.within(shard, jobs[i].At.Sub(s.now()))
		}
	}
}

// letter is how the scripts write a pool; no pool means Control.
func letter(p pipeline.Pool) string {
	if p == pipeline.Steps {
		return "s"
	}
	return "c"
}
