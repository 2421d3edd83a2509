package redisstore_test

import (
	"maps"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// What is needed may lie on any node.
func TestNeededOfAllNodes(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	s := open(t, redisstore.Config{URL: cluster.URL, Durability: redisstore.Strict})
	want := map[pipeline.RunID]bool{}
	for repo := range int64(16) {
		r := &pipeline.Run{}
		r.ID, r.Repo.ID, r.State = s.NewRunID(repo), repo, pipeline.Succeeded
		d := &pipeline.Deployment{Run: r.ID, Restores: s.NewRunID(repo), Made: map[string]pipeline.RunID{"build": s.NewRunID(repo)}}
		env := &pipeline.EnvironmentState{Repo: repo, Name: "prod"}
		if repo%2 == 0 {
			env.Current = d
		}
		if err := s.Commit(t.Context(), pipeline.Change{Run: r, Environment: env, Deployment: d}); err != nil {
			t.Fatal(err)
		}
		for _, id := range d.Sources() {
			want[id] = true
		}
	}
	if got, err := s.Needed(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v\n%v\nwant %v", err, got, want)
	}
}
