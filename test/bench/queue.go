package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// queue is a contestant of the queue measurements. What it does not take part
// in is nil.
type queue struct {
	name   string
	polls  bool                                                                // asks about once a second when idle, so that only few jobs are sent
	node   bool                                                                // needs the node packages
	begin  func(ctx context.Context, b *bench, n int) ([]time.Duration, error) // n times: enqueue while idle, until the handler begins
	fill   func(ctx context.Context, b *bench, n int) error                    // enqueues n jobs with a payload of 1 kB
	drain  func(ctx context.Context, b *bench, n int) (time.Duration, error)   // handles what fill enqueued, hands at a time
	stored bool                                                                // its memory is of interest
}

const hands = 64

func queues() []queue {
	raw := worked{openRaw(1)}
	batched := worked{openRaw(100)}
	mine := worked{openOurs}
	plain := worked{openAsynq(0)}
	tuned := worked{openAsynq(time.Millisecond)}
	return []queue{
		{name: ours, begin: mine.begin, fill: mine.fill, drain: mine.drain, stored: true},
		{name: "bare stream, one by one", begin: raw.begin, fill: raw.fill, drain: raw.drain, stored: true},
		{name: "bare stream, 100 acked at once", fill: batched.fill, drain: batched.drain},
		{name: "asynq", polls: true, begin: plain.begin, fill: plain.fill, drain: plain.drain, stored: true},
		{name: "asynq, asking every millisecond", begin: tuned.begin},
		{name: "BullMQ", node: true, begin: bullBegin, fill: bullFill, drain: bullDrain, stored: true},
	}
}

func measureQueue(ctx context.Context, b *bench) error {
	p50 := b.table.figure("enqueue to handler, idle, p50", "us", target{AtMost: 1000})
	p99 := b.table.figure("enqueue to handler, idle, p99", "us", target{AtMost: 2000})
	rate := b.table.figure(fmt.Sprintf("emptying a queue of %s jobs of 1 kB, %d hands", number(float64(b.drain)), hands), "jobs/s", target{Than: "asynq", AtLeast: 2})
	cost := b.table.figure("CPU of worker and Redis per job while emptying it", "us")
	memory := b.table.figure("memory of Redis per queued job of 1 kB", "bytes", target{AtMost: 1300})
	for range b.rounds {
		for _, q := range queues() {
			if q.node && b.node.dir == "" {
				continue
			}
			if err := b.queueLatency(ctx, q, p50, p99); err != nil {
				return fmt.Errorf("%s: latency: %w", q.name, err)
			}
			if err := b.queueDrain(ctx, q, rate, cost, memory); err != nil {
				return fmt.Errorf("%s: drain: %w", q.name, err)
			}
		}
	}
	return nil
}

func (b *bench) queueLatency(ctx context.Context, q queue, p50, p99 *figure) error {
	if q.begin == nil {
		return nil
	}
	if err := b.redis.flush(ctx); err != nil {
		return err
	}
	n := b.latencies
	if q.polls {
		n = b.polled
	}
	took, err := q.begin(ctx, b, n)
	if err != nil {
		return err
	}
	p50.add(q.name, micros(took, 50))
	if !q.polls {
		p99.add(q.name, micros(took, 99))
	}
	return nil
}

func (b *bench) queueDrain(ctx context.Context, q queue, rate, cost, memory *figure) error {
	if q.fill == nil {
		return nil
	}
	if err := b.redis.flush(ctx); err != nil {
		return err
	}
	before, err := b.redis.stored(ctx)
	if err != nil {
		return err
	}
	if err := q.fill(ctx, b, b.drain); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	after, err := b.redis.stored(ctx)
	if err != nil {
		return err
	}
	if q.stored {
		memory.add(q.name, (after-before)/float64(b.drain))
	}
	began, err := b.cpu()
	if err != nil {
		return err
	}
	took, err := q.drain(ctx, b, b.drain)
	if err != nil {
		return err
	}
	rate.add(q.name, float64(b.drain)/took.Seconds())
	ended, err := b.cpu()
	cost.add(q.name, float64((ended-began).Microseconds())/float64(b.drain))
	return err
}

// micros is a percentile of durations, in microseconds.
func micros(ds []time.Duration, percent int) float64 {
	sorted := slices.Sorted(slices.Values(ds))
	return float64(sorted[len(sorted)*percent/100].Nanoseconds()) / 1000
}

// worked measures what has the shape of a Go library: add jobs here, handle them there.
type worked struct {
	open func(ctx context.Context, redis string) (jobs, error)
}

type jobs interface {
	// add enqueues one job.
	add(ctx context.Context, i int) error
	// addMany enqueues jobs with a payload, in the fastest way the library has.
	addMany(ctx context.Context, n int, payload string) error
	// work calls handle for every job, size at a time, until stop is called.
	work(ctx context.Context, size int, handle func()) (stop func(), err error)
	close() error
}

// begin sends the next job a little after the last one began, when the worker waits again.
func (w worked) begin(ctx context.Context, b *bench, n int) ([]time.Duration, error) {
	q, err := w.open(ctx, b.redis.addr)
	if err != nil {
		return nil, err
	}
	defer q.close()
	began := make(chan time.Time, 1)
	stop, err := q.work(ctx, 1, func() { began <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer stop()
	var took []time.Duration
	for i := range n + n/10 + 1 {
		if err := pause(ctx, 3*time.Millisecond); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := q.add(ctx, i); err != nil {
			return nil, err
		}
		select {
		case at := <-began:
			took = append(took, at.Sub(start))
		case <-time.After(10 * time.Second):
			return nil, fmt.Errorf("job %d did not begin", i)
		}
	}
	return took[len(took)-n:], nil // without the first ones: connections are made, scripts loaded
}

func (w worked) fill(ctx context.Context, b *bench, n int) error {
	q, err := w.open(ctx, b.redis.addr)
	if err != nil {
		return err
	}
	defer q.close()
	return q.addMany(ctx, n, kilobyte)
}

// kilobyte is a payload, and JSON.
var kilobyte = `"` + strings.Repeat("0123456789abcdef", 64)[:1022] + `"`

func (w worked) drain(ctx context.Context, b *bench, n int) (time.Duration, error) {
	q, err := w.open(ctx, b.redis.addr)
	if err != nil {
		return 0, err
	}
	defer q.close()
	var all sync.WaitGroup
	all.Add(n)
	start := time.Now()
	stop, err := q.work(ctx, hands, all.Done)
	if err != nil {
		return 0, err
	}
	defer stop()
	done := make(chan time.Duration)
	go func() { all.Wait(); done <- time.Since(start) }()
	select {
	case took := <-done:
		return took, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(5 * time.Minute):
		return 0, fmt.Errorf("not empty after 5 minutes")
	}
}
