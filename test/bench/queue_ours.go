package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

type oursQueue struct{ store *redisstore.Store }

func openOurs(ctx context.Context, addr string) (jobs, error) {
	s, err := redisstore.Open(ctx, redisstore.Config{URL: "redis://" + addr})
	return &oursQueue{s}, err
}

// job spreads over 100 repositories, and so over all shards.
func oursJob(i int, payload string) pipeline.Job {
	return pipeline.Job{ID: fmt.Sprintf("noop:%d", i), Kind: "noop", Repo: int64(i%100 + 1), Payload: json.RawMessage(payload)}
}

func (q *oursQueue) add(ctx context.Context, i int) error {
	return q.store.Enqueue(ctx, oursJob(i, ""))
}

func (q *oursQueue) addMany(ctx context.Context, n int, payload string) error {
	for i := 0; i < n; {
		var some []pipeline.Job
		for ; i < n && len(some) < 500; i++ {
			some = append(some, oursJob(i, payload))
		}
		if err := q.store.Enqueue(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

func (q *oursQueue) work(ctx context.Context, size int, handle func()) (func(), error) {
	return startWorker(ctx, &pipeline.Worker{
		Queue: q.store,
		Handlers: map[string]pipeline.Handler{"noop": func(context.Context, *pipeline.Lease) error {
			handle()
			return nil
		}},
		Pools: map[pipeline.Pool]int{pipeline.Control: size},
	}), nil
}

// startWorker runs a worker until stop is called.
func startWorker(ctx context.Context, w *pipeline.Worker) (stop func()) {
	w.Log, w.Now = complaints, time.Now
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx, 5*time.Second) })
	return func() { cancel(); running.Wait() }
}

// complaints are warnings and errors of our own code; there should be none.
var complaints = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

func (q *oursQueue) close() error { return q.store.Close() }
