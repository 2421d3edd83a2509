package pipeline_test

import (
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestStands(t *testing.T) {
	now := &pipeline.Deployment{Run: "r-1", SHA: "5a5a5a5a"}
	for _, row := range []struct {
		name  string
		state pipeline.EnvironmentState
		want  *pipeline.Deployment
	}{
		{"nothing was deployed", pipeline.EnvironmentState{}, nil},
		{"the last one succeeded", pipeline.EnvironmentState{Current: now}, now},
		{"the last one went wrong", pipeline.EnvironmentState{Current: now, Unsettled: "r-2"}, nil},
		{"a run works on it", pipeline.EnvironmentState{Current: now, Active: "r-3"}, nil},
	} {
		if got := row.state.Stands(); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}
