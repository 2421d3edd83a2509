package main

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// newBareRuns writes what the commits of a run write (its record, a line of
// history, a job) with bare commands, and no rules, workers or leases.
func newBareRuns(ctx context.Context, b *bench) (runner, error) {
	c := redis.NewClient(&redis.Options{Addr: b.redis.addr, PoolSize: hands})
	progress, event, job, err := bareRecords()
	if err != nil {
		return runner{}, err
	}
	return runner{func(ctx context.Context, i int64) error {
		key := "bare:" + strconv.FormatInt(i, 10)
		for range 11 {
			_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.HSet(ctx, key, "p", progress)
				p.RPush(ctx, key+":history", event)
				p.XAdd(ctx, &redis.XAddArgs{Stream: "bare:q", Values: []any{"j", job}})
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}, func() { _ = c.Close() }}, b.redis.flush(ctx)
}

func bareRecords() (progress, event, job []byte, err error) {
	now := time.Now()
	p := pipeline.Progress{State: pipeline.Running, Admitted: true, Fence: 3, Started: now, Deadline: now, Wake: now}
	for _, s := range fiveSteps().Steps {
		p.Steps = append(p.Steps, pipeline.StepRun{Name: s.Name, State: pipeline.Succeeded, Attempt: 1, Call: 1, Started: now, Ended: now})
	}
	if progress, err = json.Marshal(p); err != nil {
		return nil, nil, nil, err
	}
	if event, err = json.Marshal(pipeline.Event{At: now, Kind: "step", Step: "build", State: pipeline.Succeeded}); err != nil {
		return nil, nil, nil, err
	}
	job, err = json.Marshal(pipeline.Job{ID: "step:r-12345678:build:1:1", Kind: "step", Pool: pipeline.Steps, Run: "r-12345678", Payload: json.RawMessage(`{"step":"build","attempt":1,"call":1}`)})
	return progress, event, job, err
}
