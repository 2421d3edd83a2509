package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const bareRuns = "bare: eleven MULTI of HSET, RPUSH, XADD"

var runContestants = []struct {
	name  string
	begin func(context.Context, *bench) (runner, error)
}{
	{ours, oursRuns},
	{bareRuns, newBareRuns},
}

// measureRun: a durable run of five steps is eleven commits, one for its start
// and two for each step.
func measureRun(ctx context.Context, b *bench) error {
	idle := b.table.figure("a run of five no-op steps, idle, p50", "ms", target{AtMost: 10})
	tail := b.table.figure("a run of five no-op steps, idle, p99", "ms")
	many := b.table.figure(fmt.Sprintf("runs of five no-op steps, %d in parallel", hands), "runs/s", target{Than: bareRuns, AtLeast: 0.15})
	cost := b.table.figure("CPU of engine and Redis per run of five no-op steps", "us")
	asked := b.table.figure("commands of Redis per run, those in scripts included", "commands")
	for range b.rounds {
		for _, c := range runContestants {
			r, err := c.begin(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			err = errors.Join(b.oneByOne(ctx, r, c.name, idle, tail), b.inParallel(ctx, r, c.name, many, cost, asked))
			r.close()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

// runner makes runs from beginning to end.
type runner struct {
	run   func(ctx context.Context, i int64) error
	close func()
}

func oursRuns(ctx context.Context, b *bench) (runner, error) {
	m, err := startMachine(ctx, b)
	if err != nil {
		return runner{}, err
	}
	p := fiveSteps()
	return runner{func(ctx context.Context, i int64) error { return m.through(ctx, i, p) }, m.close}, nil
}

func (b *bench) oneByOne(ctx context.Context, r runner, name string, p50, p99 *figure) error {
	var took []time.Duration
	for i := range b.runs {
		start := time.Now()
		if err := r.run(ctx, int64(i+1)); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	p50.add(name, micros(took, 50)/1000)
	p99.add(name, micros(took, 99)/1000)
	return nil
}

func (b *bench) inParallel(ctx context.Context, r runner, name string, rate, cost, asked *figure) error {
	n := int64(10 * b.runs)
	before, err := b.redis.executed(ctx)
	if err != nil {
		return err
	}
	began, err := b.cpu()
	if err != nil {
		return err
	}
	var next atomic.Int64
	errs := make([]error, hands)
	var all sync.WaitGroup
	start := time.Now()
	for h := range hands {
		all.Go(func() {
			for i := next.Add(1); i <= n && errs[h] == nil; i = next.Add(1) {
				errs[h] = r.run(ctx, int64(b.runs)+i)
			}
		})
	}
	all.Wait()
	rate.add(name, float64(n)/time.Since(start).Seconds())
	ended, err := b.cpu()
	cost.add(name, float64((ended-began).Microseconds())/float64(n))
	after, err2 := b.redis.executed(ctx)
	asked.add(name, float64(after-before)/float64(n))
	return errors.Join(append(errs, err, err2)...)
}
