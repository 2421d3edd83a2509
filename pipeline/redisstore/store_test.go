package redisstore_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

func TestMain(m *testing.M) {
	redisstore.LogTo(slog.New(slog.DiscardHandler))
	if url := os.Getenv(holdsLeases); url != "" {
		holdLeases(url)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func subject(t testing.TB, cfg redisstore.Config) pipelinetest.Subject {
	s := open(t, cfg)
	return pipelinetest.Subject{Backend: s, Now: time.Now, ReadWait: s.SetReadWait}
}

func TestMiniredis(t *testing.T) {
	t.Parallel()
	pipelinetest.Conformance(t, func(t *testing.T) pipelinetest.Subject {
		m := miniredis.RunT(t)
		ctx := t.Context()
		go func() { // miniredis expires keys only when told that time passed
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				m.FastForward(10 * time.Millisecond)
			}
		}()
		return subject(t, redisstore.Config{URL: "redis://" + m.Addr(), Durability: redisstore.Relaxed})
	})
}

func TestServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	pipelinetest.Conformance(t, func(t *testing.T) pipelinetest.Subject {
		flush(t, server)
		return subject(t, redisstore.Config{URL: "unix://" + server.Socket, Durability: redisstore.Strict})
	})
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	pipelinetest.Conformance(t, func(t *testing.T) pipelinetest.Subject {
		flush(t, sentinel.Master)
		return subject(t, redisstore.Config{URL: sentinel.URL, Durability: redisstore.Strict})
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	pipelinetest.Conformance(t, func(t *testing.T) pipelinetest.Subject {
		flush(t, cluster.Nodes...)
		return subject(t, redisstore.Config{URL: cluster.URL, Durability: redisstore.Strict})
	})
}

func flush(t testing.TB, servers ...*redistest.Server) {
	t.Helper()
	for _, s := range servers {
		withClient(s, func(c *redis.Client) {
			if err := c.FlushAll(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func withClient(s *redistest.Server, f func(c *redis.Client)) {
	c := s.Client()
	defer func() { _ = c.Close() }()
	f(c)
}
