package redisstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// Each benchmark has beside it what Redis does for the same work with bare
// commands; "ratio" is our part of its speed. The server syncs every second,
// so that the disk does not hide the difference.
func benchServer(b *testing.B) (*redisstore.Store, *redis.Client) {
	server := redistest.Start(b, "--appendfsync", "everysec")
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket, PoolSize: 64})
	b.Cleanup(func() { _ = c.Close() })
	return open(b, redisstore.Config{URL: "unix://" + server.Socket}), c
}

// rate is how often per second f was done by 64 goroutines.
func rate(b *testing.B, n int, f func(i int) error) float64 {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range 64 {
		all.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(start).Seconds()
}

func report(b *testing.B, unit string, ours, bare float64) {
	b.ReportMetric(ours, unit)
	b.ReportMetric(bare, "bare_"+unit)
	b.ReportMetric(ours/bare, "ratio")
}

// BenchmarkCommit plays the eleven commits of a run of five steps, against
// eleven MULTI that write the same record, history entry and job.
func BenchmarkCommit(b *testing.B) {
	ctx := context.Background()
	s, c := benchServer(b)
	n := max(b.N, 300)
	progress, err := json.Marshal(fiveSteps())
	if err != nil {
		b.Fatal(err)
	}
	event, _ := json.Marshal(pipeline.Event{At: time.Now(), Kind: "step", Step: "build", State: pipeline.Running})
	job, _ := json.Marshal(pipeline.Job{ID: "advance:r-12345678", Kind: "advance", Run: "r-12345678"})
	b.ResetTimer()
	bare := rate(b, n, func(i int) error {
		key := "bare:" + strconv.Itoa(i)
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
	})
	ours := rate(b, n, func(i int) error { return elevenCommits(ctx, s, int64(i)) })
	report(b, "runs/s", ours, bare)
	b.ReportMetric(11*ours, "commits/s")
}

func fiveSteps() *pipeline.Progress {
	p := &pipeline.Progress{State: pipeline.Running, Started: time.Now()}
	for i := range 5 {
		p.Steps = append(p.Steps, pipeline.StepRun{
			Name: "step" + strconv.Itoa(i), State: pipeline.Running, Attempt: 1, Call: 1, Started: time.Now(),
			With: map[string]any{"image": "registry.example/shop"}, Outputs: map[string]string{"digest": strings.Repeat("0123456789abcdef", 4)},
		})
	}
	return p
}

func elevenCommits(ctx context.Context, s *redisstore.Store, repo int64) error {
	r := &pipeline.Run{
		Request:  pipeline.Request{ID: s.NewRunID(repo), Repo: pipeline.Repo{ID: repo}, PR: 1, Created: time.Now()},
		Progress: *fiveSteps(),
	}
	for i := range 11 {
		if i == 10 {
			r.State = pipeline.Succeeded
		}
		err := s.Commit(ctx, pipeline.Change{
			Run:    r,
			Events: []pipeline.Event{{At: time.Now(), Kind: "step", Step: "build", State: pipeline.Running}},
			Jobs:   []pipeline.Job{{ID: "advance:" + string(r.ID) + strconv.Itoa(i), Kind: "advance", Run: r.ID}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func benchJobs(n int) []pipeline.Job {
	jobs := make([]pipeline.Job, n)
	for i := range jobs {
		jobs[i] = pipeline.Job{ID: fmt.Sprintf("job-%d", i), Kind: "noop", Repo: int64(i % 100), Payload: json.RawMessage(`{"n":1}`)}
	}
	return jobs
}

// BenchmarkEnqueue: single jobs from 64 goroutines, against bare XADD.
func BenchmarkEnqueue(b *testing.B) {
	ctx := context.Background()
	s, c := benchServer(b)
	n := max(b.N, 10000)
	jobs := benchJobs(n)
	text, _ := json.Marshal(jobs[0])
	b.ResetTimer()
	bare := rate(b, n, func(int) error {
		return c.XAdd(ctx, &redis.XAddArgs{Stream: "bare:q", Values: []any{"j", text}}).Err()
	})
	ours := rate(b, n, func(i int) error { return s.Enqueue(ctx, jobs[i-1]) })
	report(b, "jobs/s", ours, bare)
}

// BenchmarkDrain: a queue of no-op jobs is emptied by two takers in batches of
// 100, against XREADGROUP and one MULTI of XACK and XDEL.
func BenchmarkDrain(b *testing.B) {
	ctx := context.Background()
	s, c := benchServer(b)
	n := max(b.N, 20000)
	const batch = 100
	jobs := benchJobs(n)
	text, _ := json.Marshal(jobs[0])
	c.XGroupCreateMkStream(ctx, "bare:q", "w", "0")
	for part := range slices.Chunk(jobs, 1000) {
		pipe := c.Pipeline()
		for range part {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "bare:q", Values: []any{"j", text}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			b.Fatal(err)
		}
		if err := s.Enqueue(ctx, part...); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	bare := drain(b, n, func(ctx context.Context) (int, error) {
		read, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "w", Consumer: "c", Streams: []string{"bare:q", ">"}, Count: batch, Block: -1}).Result()
		if err != nil {
			return 0, ignoreNil(err)
		}
		var ids []string
		for _, m := range read[0].Messages {
			ids = append(ids, m.ID)
		}
		_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.XAck(ctx, "bare:q", "w", ids...)
			p.XDel(ctx, "bare:q", ids...)
			return nil
		})
		return len(ids), err
	})
	ours := drain(b, n, func(ctx context.Context) (int, error) {
		ls, err := s.Lease(ctx, pipeline.Control, batch, time.Minute)
		if err != nil {
			return 0, err
		}
		return len(ls), s.Finish(ctx, ls...)
	})
	report(b, "jobs/s", ours, bare)
}

func ignoreNil(err error) error {
	if err == redis.Nil {
		return nil
	}
	return err
}

func drain(b *testing.B, n int, take func(ctx context.Context) (int, error)) float64 {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	var took time.Duration
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				got, err := take(ctx)
				if err != nil && ctx.Err() == nil {
					b.Error(err)
					cancel()
				}
				if got > 0 && done.Add(int64(got)) == int64(n) {
					took = time.Since(start)
					cancel()
				}
			}
		})
	}
	all.Wait()
	return float64(n) / took.Seconds()
}

// BenchmarkLatency: from Enqueue to a waiting Lease on an idle server, against
// XADD to a blocked XREADGROUP.
func BenchmarkLatency(b *testing.B) {
	ctx := context.Background()
	s, c := benchServer(b)
	n := max(b.N, 1000)
	c.XGroupCreateMkStream(ctx, "bare:q", "w", "0")
	b.ResetTimer()
	bare := latencies(b, n, func(int) error {
		return c.XAdd(ctx, &redis.XAddArgs{Stream: "bare:q", Values: []any{"j", "x"}}).Err()
	}, func() error {
		return c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "w", Consumer: "c", Streams: []string{"bare:q", ">"}, Count: 1, Block: 5 * time.Second}).Err()
	})
	ours := latencies(b, n, func(i int) error {
		return s.Enqueue(ctx, pipeline.Job{ID: strconv.Itoa(i), Kind: "noop", Repo: int64(i)})
	}, func() error {
		ls, err := s.Lease(ctx, pipeline.Control, 1, time.Minute)
		if len(ls) != 1 && err == nil {
			err = fmt.Errorf("%d jobs", len(ls))
		}
		go func() { _ = s.Finish(ctx, ls...) }()
		return err
	})
	b.ReportMetric(float64(ours[n/2].Microseconds()), "p50_us")
	b.ReportMetric(float64(ours[n*99/100].Microseconds()), "p99_us")
	b.ReportMetric(float64(bare[n/2].Microseconds()), "bare_p50_us")
	b.ReportMetric(float64(bare[n*99/100].Microseconds()), "bare_p99_us")
	b.ReportMetric(float64(ours[n/2])/float64(bare[n/2]), "ratio")
}

func latencies(b *testing.B, n int, send func(i int) error, receive func() error) []time.Duration {
	got := make(chan time.Time)
	go func() {
		for range n {
			if err := receive(); err != nil {
				b.Error(err)
			}
			got <- time.Now()
		}
	}()
	var all []time.Duration
	idle := time.NewTicker(2 * time.Millisecond) // until the receiver waits again
	defer idle.Stop()
	for i := range n {
		<-idle.C
		start := time.Now()
		if err := send(i); err != nil {
			b.Fatal(err)
		}
		all = append(all, (<-got).Sub(start))
	}
	slices.Sort(all)
	return all
}
