package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
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

// An idle bot asks Redis fewer than five times a second, however many runs
// are parked.
func TestIdleBotIsQuiet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendfsync", "everysec")
	s := open(t, redisstore.Config{URL: server.URL()})
	park(t, s, 10000)
	quiet(t, s, 2, server)
}

func TestIdleBotIsQuietOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	s := open(t, redisstore.Config{URL: cluster.URL})
	quiet(t, s, 16, cluster.Nodes...)
}

func park(t *testing.T, s *redisstore.Store, n int) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				r := newRun(s, i%100)
				r.State = pipeline.Waiting
				r.Wake = time.Now().Add(time.Hour + time.Duration(i)*time.Second)
				if err := s.Commit(t.Context(), pipeline.Change{Run: r}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func newRun(s *redisstore.Store, repo int64) *pipeline.Run {
	return &pipeline.Run{
		Request:  pipeline.Request{ID: s.NewRunID(repo), Repo: pipeline.Repo{ID: repo}},
		Progress: pipeline.Progress{State: pipeline.Running},
	}
}

// quiet has workers and a listener wait and, when all reads wait on the
// servers, counts what still reaches these.
func quiet(t *testing.T, s *redisstore.Store, readers int, servers ...*redistest.Server) {
	t.Helper()
	const watch = 6 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.Signals(ctx)
	for _, pool := range []pipeline.Pool{pipeline.Control, pipeline.Steps, pipeline.Control, pipeline.Steps} {
		go func() {
			for ctx.Err() == nil {
				_, _ = s.Lease(ctx, pool, 4, 15*time.Second)
			}
		}()
	}
	redistest.Eventually(t, "all reads wait", func() bool {
		waiting := 0
		for _, server := range servers {
			waiting += blocked(ctx, server)
		}
		return waiting == readers
	})
	var count atomic.Int64
	var all sync.WaitGroup
	for _, server := range servers {
		all.Go(func() { monitor(t, server.Addr, watch, &count) })
	}
	all.Wait()
	perSecond := float64(count.Load()) / watch.Seconds()
	t.Logf("%.1f commands a second", perSecond)
	if perSecond >= 5 {
		t.Errorf("%.1f commands a second, want fewer than 5", perSecond)
	}
}

// monitor counts what clients send; what scripts call inside is marked "lua".
func monitor(t *testing.T, addr string, watch time.Duration, count *atomic.Int64) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write([]byte("MONITOR\r\n"))
	_ = c.SetReadDeadline(time.Now().Add(watch))
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if line := lines.Text(); line != "+OK" && !strings.Contains(line, " lua] ") && !strings.Contains(line, `"replconf"`) {
			count.Add(1)
		}
	}
}

// A queued job of 1 kB takes about 1,300 bytes: its text, what the allocator
// rounds a stream's node of three jobs up to, and 90 for its id.
// A server that hangs does not hold a caller past its own deadline: Slack waits
// three seconds for an answer.
func TestACallerKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL()})
	j := pipeline.Job{ID: "one", Kind: "command", Repo: 1}
	if _, err := s.Accept(t.Context(), j, time.Minute, "one"); err != nil { // connected
		t.Fatal(err)
	}
	withClient(server, func(c *redis.Client) {
		if err := c.Do(t.Context(), "CLIENT", "PAUSE", "20000", "ALL").Err(); err != nil {
			t.Fatal(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Accept(ctx, j, time.Minute, "two"); !errors.Is(err, context.DeadlineExceeded) || !pipeline.IsTemporary(err) {
		t.Errorf("accept: %v", err)
	}
	server.Kill()
}

func TestMemoryPerJob(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendfsync", "no")
	s := open(t, redisstore.Config{URL: server.URL()})
	payload := json.RawMessage(strconv.Quote(strings.Repeat("x", 1022)))
	const jobs = 20000
	batch := make([]pipeline.Job, 0, 500)
	before := 0
	for i := range jobs + cap(batch) {
		if i == cap(batch) { // scripts and connections are there now
			before = usedMemory(t, server)
		}
		batch = append(batch, pipeline.Job{ID: fmt.Sprintf("command:%d", i), Kind: "command", Repo: int64(i % 20), Payload: payload})
		if len(batch) == cap(batch) {
			if err := s.Enqueue(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	perJob := (usedMemory(t, server) - before) / jobs
	t.Logf("%d bytes a job", perJob)
	if perJob > 1310 {
		t.Errorf("%d bytes a job, want about 1300", perJob)
	}
}

func usedMemory(t *testing.T, server *redistest.Server) (bytes int) {
	t.Helper()
	withClient(server, func(c *redis.Client) {
		info := c.InfoMap(context.Background(), "memory").Val()
		bytes, _ = strconv.Atoi(info["Memory"]["used_memory_dataset"])
		overhead, _ := strconv.Atoi(info["Memory"]["used_memory_overhead"])
		aof, _ := strconv.Atoi(info["Memory"]["mem_aof_buffer"])
		clients, _ := strconv.Atoi(info["Memory"]["mem_clients_normal"])
		bytes += overhead - aof - clients
	})
	return bytes
}

// What was answered for is there after kill -9, and the store comes back by itself.
func TestKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL(), Durability: redisstore.Strict})
	var mu sync.Mutex
	accepted := map[string]bool{}
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for w := range 16 {
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprintf("%d-%d-%d", round, w, i)
					ok, err := s.Accept(ctx, pipeline.Job{ID: id, Kind: "command", Repo: int64(w)}, time.Hour, id)
					if err != nil {
						return
					}
					mu.Lock()
					accepted[id] = accepted[id] || ok
					mu.Unlock()
				}
			})
		}
		redistest.Eventually(t, "enough is accepted", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(accepted) > 400*(round+1)
		})
		server.Kill()
		cancel()
		all.Wait()
		server.Start()
	}
	t.Logf("%d accepted", len(accepted))
	got := map[string]bool{}
	redistest.Eventually(t, "every accepted job is handed out", func() bool {
		ls, err := s.Lease(t.Context(), pipeline.Control, 100, time.Minute)
		if err == nil {
			err = s.Finish(t.Context(), ls...)
		}
		for _, l := range ls {
			got[l.ID] = true
			delete(accepted, l.ID)
		}
		return err == nil && len(accepted) == 0
	})
}

// A server that lost its data has no streams to wait on any more; the wait that
// was under way goes on all the same.
func TestAWaitOutlivesTheData(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL(), Shards: 2})
	got := make(chan []*pipeline.Lease, 1)
	go func() {
		ls, err := s.Lease(t.Context(), pipeline.Control, 1, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- ls
	}()
	redistest.Eventually(t, "the read waits", func() bool { return blocked(t.Context(), server) == 1 })
	flush(t, server)
	if err := s.Enqueue(t.Context(), pipeline.Job{ID: "a", Kind: "x"}); err != nil {
		t.Fatal(err)
	}
	if ls := <-got; len(ls) != 1 {
		t.Errorf("the wait that was under way got %v", ls)
	}
}

// blocked counts the reads that wait on a server.
func blocked(ctx context.Context, server *redistest.Server) (n int) {
	withClient(server, func(c *redis.Client) {
		n, _ = strconv.Atoi(c.InfoMap(ctx, "clients").Val()["Clients"]["blocked_clients"])
	})
	return n
}

// A waiting Lease finds the new master.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	s := open(t, redisstore.Config{URL: sentinel.URL, Durability: redisstore.Strict})
	ctx := t.Context()
	before := pipeline.Job{ID: "before", Kind: "x", Repo: 1}
	if err := s.Enqueue(ctx, before); err != nil {
		t.Fatal(err)
	}
	withClient(sentinel.Master, func(c *redis.Client) { c.Wait(ctx, 1, 5*time.Second) })
	sentinel.Master.Kill()
	start := time.Now()
	redistest.Eventually(t, "the new master takes jobs", func() bool {
		return s.Enqueue(ctx, pipeline.Job{ID: "after", Kind: "x", Repo: 1}) == nil
	})
	t.Logf("failover took %s", time.Since(start))
	found := map[string]bool{}
	redistest.Eventually(t, "both jobs are handed out", func() bool {
		ls, _ := s.Lease(ctx, pipeline.Control, 5, time.Minute)
		for _, l := range ls {
			found[l.ID] = true
		}
		return found["before"] && found["after"]
	})
}

// Processes share the queue: each job goes to one, and what a dead one held
// goes to another.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, err := redisstore.Open(t.Context(), redisstore.Config{URL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	two := open(t, redisstore.Config{URL: server.URL()})
	const ttl = 300 * time.Millisecond
	if err := one.Enqueue(t.Context(), pipeline.Job{ID: "a", Kind: "x"}); err != nil {
		t.Fatal(err)
	}
	held, err := one.Lease(t.Context(), pipeline.Control, 1, ttl)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	if ls, err := one.Lease(t.Context(), pipeline.Control, 1, time.Hour); err != nil || len(ls) > 0 {
		t.Fatal(ls, err)
	}
	_ = one.Close()
	if _, err := one.Lease(t.Context(), pipeline.Control, 1, ttl); err == nil {
		t.Error("a closed store leases")
	}
	var taken []*pipeline.Lease
	redistest.Eventually(t, "the other process takes over", func() bool {
		taken, err = two.Lease(t.Context(), pipeline.Control, 1, ttl)
		return err == nil && len(taken) == 1
	})
	if taken[0].Fence != 2 {
		t.Errorf("fence %d", taken[0].Fence)
	}
}

// A newer bot may have written fields this one does not know; a record that
// is broken is an error, never a panic.
func TestStrangeRecords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL(), Shards: 1})
	ctx := t.Context()
	withClient(server, func(c *redis.Client) {
		c.HSet(ctx, "sm:{0}:run:r-00000000", "q", `{"id":"r-00000000","new":{"a":[1]}}`, "p", `{"state":"running","steps":[{"name":"a","new":1}]}`, "v", 3, "x", "y")
		c.HSet(ctx, "sm:{0}:run:r-00000001", "q", `{"id":`, "p", `null`, "v", 1)
		c.HSet(ctx, "sm:{0}:run:r-00000002", "q", `{}`)
		c.HSet(ctx, "sm:{0}:env:1:prod", "d", `[]`, "v", "x")
		c.XAdd(ctx, &redis.XAddArgs{Stream: "sm:{0}:q:control", Values: []any{"j", `{"id":"a","kind":"x","new":true}`}})
		c.XAdd(ctx, &redis.XAddArgs{Stream: "sm:{0}:q:control", Values: []any{"j", `not json`}})
	})
	r, err := s.Load(ctx, "r-00000000")
	if err != nil || r.Version != 3 || r.Steps[0].Name != "a" {
		t.Errorf("unknown fields: %+v, %v", r, err)
	}
	for _, id := range []pipeline.RunID{"r-00000001", "r-00000002"} {
		if _, err := s.Load(ctx, id); err == nil {
			t.Errorf("%s is broken and was loaded", id)
		}
	}
	if _, err := s.Environment(ctx, 1, "prod"); err == nil {
		t.Error("a broken environment was loaded")
	}
	var ls []*pipeline.Lease
	redistest.Eventually(t, "both jobs come", func() bool {
		more, _ := s.Lease(ctx, pipeline.Control, 2, time.Minute)
		ls = append(ls, more...)
		return len(ls) == 2
	})
	if err := s.Bury(ctx, ls[1], "unreadable"); err != nil {
		t.Error(err)
	}
}

// An ended run expires, and its index forgets it.
func TestRetention(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, redisstore.Config{URL: server.URL(), Keep: 50 * time.Millisecond})
	r := newRun(s, 1)
	for _, state := range []pipeline.State{pipeline.Running, pipeline.Succeeded} {
		r.State = state
		if err := s.Commit(t.Context(), pipeline.Change{Run: r, Events: []pipeline.Event{{Kind: "run"}}}); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Eventually(t, "the run expires", func() bool {
		_, err := s.Load(t.Context(), r.ID)
		return errors.Is(err, pipeline.ErrNotFound)
	})
	runs, err := s.Runs(t.Context(), pipeline.RunQuery{Repo: 1})
	if err != nil || len(runs) > 0 {
		t.Errorf("got %v, %v", runs, err)
	}
	withClient(server, func(c *redis.Client) {
		keys := c.Keys(t.Context(), "sm:{*}:run*").Val()
		for _, k := range keys {
			if c.Type(t.Context(), k).Val() != "zset" || strings.HasSuffix(k, ":runs:1") {
				t.Errorf("%s is left", k)
			}
		}
	})
}
