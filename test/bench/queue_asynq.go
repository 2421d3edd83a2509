package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

type asynqQueue struct {
	redis  asynq.RedisClientOpt
	client *asynq.Client
	check  time.Duration
}

// openAsynq: check is how often an idle server asks for tasks; zero is its own default.
func openAsynq(check time.Duration) func(context.Context, string) (jobs, error) {
	return func(_ context.Context, addr string) (jobs, error) {
		o := asynq.RedisClientOpt{Addr: addr, PoolSize: 2 * hands}
		return &asynqQueue{o, asynq.NewClient(o), check}, nil
	}
}

func (q *asynqQueue) add(ctx context.Context, _ int) error {
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask("noop", nil))
	return err
}

// addMany: asynq has no call for many at once.
func (q *asynqQueue) addMany(ctx context.Context, n int, payload string) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, hands)
	var all sync.WaitGroup
	for i := range hands {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				_, errs[i] = q.client.EnqueueContext(ctx, asynq.NewTask("noop", []byte(payload)))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (q *asynqQueue) work(_ context.Context, size int, handle func()) (func(), error) {
	s := asynq.NewServer(q.redis, asynq.Config{Concurrency: size, TaskCheckInterval: q.check, LogLevel: asynq.FatalLevel})
	err := s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		handle()
		return nil
	}))
	return s.Shutdown, err
}

func (q *asynqQueue) close() error { return q.client.Close() }
