package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Runs returns the runs that match, newest first.
func (s *Store) Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	shards := []int{s.repoShard(q.Repo)}
	if q.Repo == 0 {
		shards = shards[:0]
		for i := range s.shards {
			shards = append(shards, i)
		}
	}
	var found []scored
	for _, shard := range shards {
		some, err := s.runsIn(ctx, shard, q)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.made, a.made) })
	runs := make([]*pipeline.Run, 0, min(q.Limit, len(found)))
	for _, f := range found[:min(q.Limit, len(found))] {
		runs = append(runs, f.run)
	}
	return runs, nil
}

type scored struct {
	run  *pipeline.Run
	made float64
}

// runsIn pages through the shard's best index until enough runs match.
func (s *Store) runsIn(ctx context.Context, shard int, q pipeline.RunQuery) ([]scored, error) {
	index := s.index(shard, q)
	var found []scored
	const page = 100
	for offset := 0; len(found) < q.Limit; {
		ids, err := s.redis.ZRevRangeWithScores(ctx, index, int64(offset), int64(offset+page-1)).Result()
		if err != nil {
			return nil, wire("list runs", err)
		}
		runs, gone, err := s.loadAll(ctx, shard, index, ids)
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if q.Matches(r.run) && len(found) < q.Limit {
				found = append(found, r)
			}
		}
		if len(ids) < page {
			break
		}
		offset += page - gone
	}
	return found, nil
}

func (s *Store) index(shard int, q pipeline.RunQuery) string {
	k := s.keys[shard]
	switch {
	case q.Open && q.Repo == 0:
		return k.open
	case q.Open:
		return k.openOf(q.Repo)
	case q.Repo == 0:
		return k.runs
	case q.PR != 0:
		return k.runsOfPR(q.Repo, q.PR)
	case q.Environment != "":
		return k.runsOfEnv(q.Repo, q.Environment)
	}
	return k.runsOf(q.Repo)
}

// loadAll loads the runs of a page and takes those that expired off the index.
func (s *Store) loadAll(ctx context.Context, shard int, index string, ids []redis.Z) (runs []scored, gone int, err error) {
	if len(ids) == 0 {
		return nil, 0, nil
	}
	pipe := s.redis.Pipeline()
	loads := make([]*redis.SliceCmd, len(ids))
	for i, z := range ids {
		loads[i] = pipe.HMGet(ctx, s.keys[shard].run(pipeline.RunID(z.Member.(string))), runFields...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, wire("load runs", err)
	}
	var expired []any
	for i, load := range loads {
		r, err := decodeRun(load.Val())
		switch {
		case errors.Is(err, pipeline.ErrNotFound):
			expired = append(expired, ids[i].Member)
		case err != nil: // one bad record must not hide all others
			s.log.Error("unreadable run", "run", ids[i].Member, "err", err)
		default:
			runs = append(runs, scored{r, ids[i].Score})
		}
	}
	if len(expired) > 0 {
		err = wire("trim index", s.redis.ZRem(ctx, index, expired...).Err())
	}
	return runs, len(expired), err
}

// History returns all events of a run, oldest first.
func (s *Store) History(ctx context.Context, id pipeline.RunID) ([]pipeline.Event, error) {
	shard, err := s.runShard(id)
	if err != nil {
		return nil, err
	}
	return list[pipeline.Event](ctx, s, s.keys[shard].history(id), 0)
}

// Deployments returns the newest deployments of an environment, newest first;
// the last 200 are kept. A limit of zero or less returns them all.
func (s *Store) Deployments(ctx context.Context, repo int64, env string, limit int) ([]pipeline.Deployment, error) {
	return list[pipeline.Deployment](ctx, s, s.keys[s.repoShard(repo)].deployments(repo, env), limit)
}

func list[T any](ctx context.Context, s *Store, key string, limit int) ([]T, error) {
	texts, err := s.redis.LRange(ctx, key, 0, int64(max(limit, 0)-1)).Result()
	if err != nil {
		return nil, wire("read "+key, err)
	}
	items := make([]T, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &items[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
	}
	return items, nil
}

// Shown returns what is kept about a subject.
func (s *Store) Shown(ctx context.Context, repo int64, subject, sink string) (pipeline.Shown, error) {
	sh := pipeline.Shown{Repo: repo, Subject: subject, Sink: sink}
	fields, err := s.redis.HMGet(ctx, s.keys[s.repoShard(repo)].shown(repo, subject), sink, sink+"?").Result()
	if err != nil {
		return sh, wire("read what "+sink+" shows", err)
	}
	if data, ok := fields[0].(string); ok {
		sh.Data = json.RawMessage(data)
	}
	sh.Doubt, _ = fields[1].(string)
	return sh, nil
}
