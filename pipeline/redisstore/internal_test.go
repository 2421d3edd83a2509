package redisstore

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

func openMini(t *testing.T, shards int) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{URL: "redis://" + miniredis.RunT(t).Addr(), Durability: Relaxed, Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestRunIDsLeadToTheirShard(t *testing.T) {
	t.Parallel()
	for shards := 1; shards <= maxShards; shards++ {
		s := &Store{shards: shards}
		used := map[int]bool{}
		for repo := range int64(2000) {
			shard, err := s.runShard(s.NewRunID(repo))
			if err != nil || shard != s.repoShard(repo) {
				t.Fatalf("%d shards, repository %d: shard %d, %v", shards, repo, shard, err)
			}
			used[shard] = true
		}
		if len(used) != shards {
			t.Errorf("%d of %d shards are used", len(used), shards)
		}
	}
}

// A commit whose answer was lost is sent again by the client; it must neither
// act twice nor be taken for somebody else's.
func TestACommitSentTwiceActsOnce(t *testing.T) {
	t.Parallel()
	s := openMini(t, 1)
	if err := s.Enqueue(t.Context(), pipeline.Job{ID: "a", Kind: "x"}); err != nil {
		t.Fatal(err)
	}
	ls, err := s.Lease(t.Context(), pipeline.Control, 1, time.Minute)
	if err != nil || len(ls) != 1 {
		t.Fatal(ls, err)
	}
	r := &pipeline.Run{Request: pipeline.Request{ID: s.NewRunID(1), Repo: pipeline.Repo{ID: 1}}}
	c := pipeline.Change{Run: r, Finish: ls[0], Events: []pipeline.Event{{Kind: "run"}}, Jobs: []pipeline.Job{{ID: "b", Kind: "x", Run: r.ID}}}
	args, err := s.commitArgs(&c)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		done, err := s.eval(t.Context(), s.script.commit, s.commitKeys(0, &c), args...).Int()
		if err != nil || done != 1 {
			t.Fatalf("result %d, %v", done, err)
		}
	}
	events, err := s.History(t.Context(), r.ID)
	if err != nil || len(events) != 1 {
		t.Errorf("events %v, %v", events, err)
	}
}

// A change of two shards cannot be one script, so it is refused before anything is done.
func TestAChangeLiesInOneShard(t *testing.T) {
	t.Parallel()
	s := openMini(t, 8)
	r := &pipeline.Run{Request: pipeline.Request{ID: s.NewRunID(1), Repo: pipeline.Repo{ID: 1}}}
	other := int64(2)
	for s.repoShard(other) == s.repoShard(1) {
		other++
	}
	for name, c := range map[string]pipeline.Change{
		"job":         {Run: r, Jobs: []pipeline.Job{{ID: "a", Kind: "x", Repo: other}}},
		"environment": {Run: r, Environment: &pipeline.EnvironmentState{Repo: other, Name: "prod"}},
		"lease":       {Run: r, Finish: &pipeline.Lease{Shard: s.repoShard(other)}},
		"nothing":     {},
		"wrong id":    {Run: &pipeline.Run{Request: pipeline.Request{ID: s.NewRunID(other), Repo: pipeline.Repo{ID: 1}}}},
	} {
		if err := s.Commit(t.Context(), c); err == nil {
			t.Errorf("%s was committed", name)
		}
	}
}

func TestConsumersThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Config{URL: redistest.Start(t).URL(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, stream := t.Context(), s.keys[0].queue[2]
	for _, consumer := range []string{"gone", "holds a job"} {
		if err := s.redis.XGroupCreateConsumer(ctx, stream, group, consumer).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Enqueue(ctx, pipeline.Job{ID: "a", Kind: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := s.eval(ctx, s.script.take, []string{stream}, "holds a job", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	// A direct attempt on the one that holds a job is refused by the script.
	if removed, err := s.eval(ctx, s.script.forget, []string{stream}, "holds a job").Bool(); err != nil || removed {
		t.Errorf("removed %t, %v", removed, err)
	}
	s.forgetConsumers(ctx, stream, 0)
	left, err := s.redis.XInfoConsumers(ctx, stream, group).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range left {
		if c.Name == "gone" {
			t.Error("it is still there")
		}
	}
}
