package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestADeploymentKnowsItsImages(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: steps("one", "two")}
	p.Steps[0].Undo, p.Steps[1].Undo = "true", "true"
	for _, step := range []string{"one", "two"} {
		s.runner.do[step] = func(c *pipeline.StepContext) pipeline.Result {
			return pipeline.Result{Done: true, Images: []string{"shop:" + c.Run.SHA[:1], "cache:7", "", "evil\nline"}}
		}
	}
	s.runner.do["undo one"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Images: []string{"undone"}}
	}
	has := func(want string) {
		t.Helper()
		if got := strings.Join(s.staging().Current.Images, " "); got != want {
			t.Errorf("images %q, want %q", got, want)
		}
	}
	s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	before := s.staging().Current
	has("cache:7 shop:1")
	bad := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
	has("cache:7 shop:2")
	undo := s.undo(bad, before)
	has("cache:7 shop:1")
	if got := strings.Join(undo.Images(), " "); got != "cache:7 shop:1" {
		t.Errorf("the undoing brought %q", got)
	}
}

func TestAStepNamesOnlySoManyImages(t *testing.T) {
	s := newStage(t)
	s.runner.do["one"] = func(*pipeline.StepContext) pipeline.Result {
		var many []string
		for i := range 80 {
			many = append(many, fmt.Sprintf("shop:%02d", i))
		}
		return pipeline.Result{Done: true, Images: many}
	}
	if r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("one")}}); len(r.Steps[0].Images) != 50 {
		t.Errorf("%d images are kept", len(r.Steps[0].Images))
	}
}
