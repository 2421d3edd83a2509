package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Dead returns the dead letters, oldest first within a shard, at most limit per shard.
func (s *Store) Dead(ctx context.Context, limit int) ([]pipeline.DeadJob, error) {
	var all []pipeline.DeadJob
	for shard, k := range s.keys {
		entries, err := s.redis.XRangeN(ctx, k.dead(), "-", "+", int64(limit)).Result()
		if err != nil {
			return nil, wire("list dead jobs", err)
		}
		for _, e := range entries {
			d := pipeline.DeadJob{Handle: strconv.Itoa(shard) + "/" + e.ID}
			d.Reason, _ = e.Values["r"].(string)
			job, _ := e.Values["j"].(string)
			if err := json.Unmarshal([]byte(job), &d.Job); err != nil {
				s.log.Error("unreadable dead job", "job", d.Handle, "err", err)
			}
			ms, _, _ := strings.Cut(e.ID, "-")
			n, _ := strconv.ParseInt(ms, 10, 64)
			d.At = time.UnixMilli(n)
			all = append(all, d)
		}
	}
	return all, nil
}

// Requeue puts dead letters back on the queue, with no failed tries. One that
// is not there any more is pipeline.ErrNotFound.
func (s *Store) Requeue(ctx context.Context, handles ...string) error {
	var errs []error
	for _, h := range handles {
		if err := s.requeue(ctx, h); err != nil {
			errs = append(errs, fmt.Errorf("requeue %s: %w", h, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) requeue(ctx context.Context, handle string) error {
	number, entry, _ := strings.Cut(handle, "/")
	shard, err := strconv.Atoi(number)
	if err != nil || shard < 0 || shard >= s.shards {
		return pipeline.ErrNotFound
	}
	k := s.keys[shard]
	entries, err := s.redis.XRange(ctx, k.dead(), entry, entry).Result()
	if err != nil {
		return wire("read dead job", err)
	}
	if len(entries) == 0 {
		return pipeline.ErrNotFound
	}
	var j pipeline.Job
	text, _ := entries[0].Values["j"].(string)
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	j.Tries, j.At = 0, time.Time{}
	args, err := s.jobArgs([]any{entry}, &j)
	if err != nil {
		return err
	}
	ok, err := s.eval(ctx, s.script.requeue, k.queue, args...).Bool()
	if err == nil && !ok {
		return pipeline.ErrNotFound
	}
	return wire("requeue", err)
}
