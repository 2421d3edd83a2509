package pipeline_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// A dry run leaves its environment as it was, says so, and takes nobody's place:
// not even where newer runs supersede older ones that wait.
func TestADryRunCountsForNothing(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "prod", Concurrency: pipeline.Supersede, Approvals: &pipeline.ApprovalPolicy{Count: 1}}
	p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: []pipeline.Step{{Name: "build", Run: "make"}}}
	deploy := s.start(pipeline.Request{Environment: env, Pipeline: p, Actor: pipeline.Actor{ID: 1, Login: "mona"}})
	before, err := s.store.Environment(t.Context(), 7, "prod")
	if err != nil {
		t.Fatal(err)
	}
	dry := s.start(pipeline.Request{Environment: env, Pipeline: p, DryRun: true, Once: true})
	if dry.State != pipeline.Succeeded || !strings.HasSuffix(dry.Message, pipeline.NothingChanged) {
		t.Errorf("the dry run is %s: %s", dry.State, dry.Message)
	}
	if r := s.load(deploy.ID); r.State != pipeline.Waiting || r.Code != "approval" {
		t.Errorf("the deploy that waits is %s (%s)", r.State, r.Code)
	}
	after, err := s.store.Environment(t.Context(), 7, "prod")
	if err != nil || after.Active != "" || after.Current != nil || after.Unsettled != "" || after.Fence != before.Fence || len(after.Queue) != len(before.Queue) {
		t.Errorf("the environment was %+v and is %+v, %v", before, after, err)
	}
	if list, err := s.store.Deployments(t.Context(), 7, "prod", 0); err != nil || len(list) != 0 {
		t.Errorf("its history: %+v, %v", list, err)
	}
}

func TestADryRunThatFailsChangedNothing(t *testing.T) {
	s := newStage(t)
	dry := s.start(pipeline.Request{Environment: &pipeline.Environment{Name: "prod"}, DryRun: true, Refused: "It cannot be.",
		Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}}}})
	if want := "It cannot be. " + pipeline.NothingChanged; dry.State != pipeline.Failed || dry.Message != want {
		t.Errorf("it is %s: %q, want %q", dry.State, dry.Message, want)
	}
}
