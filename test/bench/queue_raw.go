package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// rawStream is a stream with a consumer group and nothing else: no deduplication,
// no retries, nobody takes over what a dead consumer held.
type rawStream struct {
	client *redis.Client
	batch  int
}

func openRaw(batch int) func(context.Context, string) (jobs, error) {
	return func(ctx context.Context, addr string) (jobs, error) {
		r := &rawStream{redis.NewClient(&redis.Options{Addr: addr, PoolSize: 2 * hands}), batch}
		err := r.client.XGroupCreateMkStream(ctx, "raw", "w", "0").Err()
		if redis.HasErrorPrefix(err, "BUSYGROUP") {
			err = nil
		}
		return r, err
	}
}

func (r *rawStream) add(ctx context.Context, i int) error {
	return r.client.XAdd(ctx, &redis.XAddArgs{Stream: "raw", Values: []any{"j", i}}).Err()
}

func (r *rawStream) addMany(ctx context.Context, n int, payload string) error {
	for i := 0; i < n; {
		pipe := r.client.Pipeline()
		for ; i < n && pipe.Len() < 500; i++ {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "raw", Values: []any{"j", payload}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// work has every hand read for itself; two suffice where they read in batches.
func (r *rawStream) work(ctx context.Context, size int, handle func()) (func(), error) {
	if r.batch > 1 {
		size = 2
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i := range size {
		all.Go(func() {
			for ctx.Err() == nil {
				r.step(ctx, strconv.Itoa(i), handle)
			}
		})
	}
	return func() { cancel(); all.Wait() }, nil
}

// step reads, handles, and acknowledges. What fails shows as a queue that is never empty.
func (r *rawStream) step(ctx context.Context, consumer string, handle func()) {
	read, err := r.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: "w", Consumer: consumer, Streams: []string{"raw", ">"}, Count: int64(r.batch), Block: time.Second,
	}).Result()
	if err != nil {
		return
	}
	var ids []string
	for _, m := range read[0].Messages {
		handle()
		ids = append(ids, m.ID)
	}
	_, _ = r.client.TxPipelined(context.WithoutCancel(ctx), func(p redis.Pipeliner) error { // handled is handled
		p.XAck(ctx, "raw", "w", ids...)
		p.XDel(ctx, "raw", ids...)
		return nil
	})
}

func (r *rawStream) close() error { return r.client.Close() }
