package redisstore_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// Two replicas are asked for the same at the same moment, again and again.
func TestReplicasStartOneRunForTheSame(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var replicas []*pipeline.Engine
	for range 2 {
		s := open(t, redisstore.Config{URL: server.URL(), Durability: redisstore.Relaxed})
		replicas = append(replicas, &pipeline.Engine{Store: s, Queue: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	}
	const rounds, asking = 20, 8
	for round := range rounds {
		req := pipeline.Request{Repo: pipeline.Repo{ID: int64(round + 1)}, SHA: "a", Environment: &pipeline.Environment{Name: "prod"}, Once: true,
			Trigger: pipeline.ByRollback, Actor: pipeline.Bot(), NotBefore: time.Now().Add(time.Hour),
			Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}}}}
		ids := make([]pipeline.RunID, asking)
		var all sync.WaitGroup
		for i := range asking {
			all.Go(func() {
				r, err := replicas[i%2].Start(context.Background(), req)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = r.ID
			})
		}
		all.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("round %d: more than one run: %v", round, ids)
			}
		}
	}
}
