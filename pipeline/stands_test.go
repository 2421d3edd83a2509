package pipeline_test

import (
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestStands(t *testing.T) {
	now := &pipeline.Deployment{Run: "r-1", SHA: "5a5a5a5a"}
	ended := func(s pipeline.State) *pipeline.Deployment { return &pipeline.Deployment{Run: "r-2", State: s} }
	for _, row := range []struct {
		name   string
		state  pipeline.EnvironmentState
		newest *pipeline.Deployment
		want   *pipeline.Deployment
	}{
		{"nothing was deployed", pipeline.EnvironmentState{}, nil, nil},
		{"the last one succeeded", pipeline.EnvironmentState{Current: now}, ended(pipeline.Succeeded), now},
		{"the last one was rolled back", pipeline.EnvironmentState{Current: now}, ended(pipeline.RolledBack), now},
		{"the last one failed", pipeline.EnvironmentState{Current: now}, ended(pipeline.Failed), nil},
		{"the last one was cancelled half-way", pipeline.EnvironmentState{Current: now}, ended(pipeline.Cancelled), nil},
		{"a run works on it", pipeline.EnvironmentState{Current: now, Active: "r-3"}, ended(pipeline.Succeeded), nil},
		{"the history is gone", pipeline.EnvironmentState{Current: now}, nil, now},
	} {
		if got := row.state.Stands(row.newest); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}
