package redisstore

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// Needed names the runs whose files may still be deployed: by a promotion of what
// stands in some environment, by a rollback to a deployment whose run is on
// record, or by a run that is on its way. A record that cannot be read is an error,
// for what it needs is not known.
func (s *Store) Needed(ctx context.Context) (map[pipeline.RunID]bool, error) {
	n := &needed{store: s, runs: map[pipeline.RunID]bool{}}
	if err := n.deployments(ctx); err != nil {
		return nil, wire("find what may be deployed again", err)
	}
	const all = 1 << 20
	open, err := s.Runs(ctx, pipeline.RunQuery{Open: true, Limit: all})
	if err != nil {
		return nil, err
	}
	for _, r := range open {
		n.runs[r.ID] = true
		n.add(r.Promotes)
		n.add(r.Restores)
	}
	return n.runs, nil
}

// needed collects; nodes of a cluster are asked at the same time.
type needed struct {
	store *Store
	mu    sync.Mutex
	runs  map[pipeline.RunID]bool
}

func (n *needed) add(d *pipeline.Deployment) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range d.Sources() {
		n.runs[id] = true
	}
}

func (n *needed) deployments(ctx context.Context) error {
	if cluster, ok := n.store.redis.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return n.ofNode(ctx, node) })
	}
	return n.ofNode(ctx, n.store.redis)
}

func (n *needed) ofNode(ctx context.Context, node redis.Cmdable) error {
	for kind, read := range map[string]func(context.Context, string) error{"env:": n.current, "deployments:": n.history} {
		const page = 1000
		keys := node.Scan(ctx, 0, "sm:{*}:"+kind+"*", page).Iterator()
		for keys.Next(ctx) {
			_, name, _ := strings.Cut(keys.Val(), "}:") // the pattern also finds the words later in a name
			if !strings.HasPrefix(name, kind) {
				continue
			}
			if err := read(ctx, keys.Val()); err != nil {
				return err
			}
		}
		if err := keys.Err(); err != nil {
			return err
		}
	}
	return nil
}

// current adds what stands in an environment.
func (n *needed) current(ctx context.Context, key string) error {
	text, err := n.store.redis.HGet(ctx, key, "d").Bytes()
	if err != nil {
		return err
	}
	var e pipeline.EnvironmentState
	if err := json.Unmarshal(text, &e); err != nil {
		return pipeline.Unreadable(key, err)
	}
	n.add(e.Current)
	return nil
}

// history adds the deployments that can be gone back to: without the record of
// its run there is no pipeline to deploy one by.
func (n *needed) history(ctx context.Context, key string) error {
	deployments, err := list[pipeline.Deployment](ctx, n.store, key, 0)
	if err != nil {
		return err
	}
	for i := range deployments {
		there, err := n.store.Has(ctx, deployments[i].Run)
		if err != nil {
			return err
		}
		if there {
			n.add(&deployments[i])
		}
	}
	return nil
}

// Has reports whether the run is on record.
func (s *Store) Has(ctx context.Context, id pipeline.RunID) (bool, error) {
	shard, err := s.runShard(id)
	if err != nil {
		return false, nil //nolint:nilerr // no id of ours, so there is no such run
	}
	there, err := s.redis.Exists(ctx, s.keys[shard].run(id)).Result()
	return there == 1, wire("look for run "+string(id), err)
}
