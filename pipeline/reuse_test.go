package pipeline_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// A step that leaves files and no outputs is as little run again as any other.
func TestWhatWasTestedIsDeployedWithoutBuildingItAgain(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: steps("build", "apply")}
	p.Steps[0].Reuse, p.Steps[0].Artifacts, p.Steps[0].Undo, p.Steps[1].Undo = true, []string{"dist"}, "true", "true"
	request := func() pipeline.Request { return pipeline.Request{Pipeline: p, Environment: staging} }
	built := s.start(request())
	s.runner.calls = nil

	promotes := func(d *pipeline.Deployment) pipeline.Request {
		req := request()
		req.Promotes = d
		return req
	}
	again := func(name string, req pipeline.Request) {
		t.Helper()
		r := s.start(req)
		s.want(r, pipeline.Succeeded, "build=succeeded apply=succeeded")
		if build := r.Step("build"); build.Code != "reused" || build.Message != "Taken over from run "+string(built.ID)+"." {
			t.Errorf("%s: build is %s: %s", name, build.Code, build.Message)
		}
		if d := s.staging().Current; d.Made["build"] != built.ID || d.Made["apply"] != r.ID {
			t.Errorf("%s: recorded as made: %v", name, d.Made)
		}
	}
	again("promoted", promotes(s.staging().Current))
	again("promoted once more", promotes(s.staging().Current))
	back := request()
	back.Restores = s.staging().Current
	again("brought back", back)

	before := s.staging().Current
	same := request()
	same.Nothing, same.Same = "The same runs there.", before.Run
	s.start(same)
	if d := s.staging().Current; d.Run == before.Run || !maps.Equal(d.Made, before.Made) {
		t.Errorf("what runs there already is recorded as %+v", d)
	}
	before = s.staging().Current
	bad := s.start(request())
	s.want(s.undo(bad, before), pipeline.Succeeded, "build=rolled_back apply=rolled_back")
	if d := s.staging().Current; !maps.Equal(d.Made, before.Made) {
		t.Errorf("what an undoing left is recorded as %+v", d)
	}
	if n := len(slices.DeleteFunc(slices.Clone(s.runner.calls), func(c string) bool { return c != "build/1.1" })); n != 1 {
		t.Errorf("built %d times, of which only the bad one should: %v", n, s.runner.calls)
	}
}
