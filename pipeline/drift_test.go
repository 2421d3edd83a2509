package pipeline_test

import (
	"context"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// drifting is a runner whose work somebody changed by hand.
type drifting struct{ said pipeline.Result }

func (drifting) Run(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{Done: true, Outputs: map[string]string{"colour": "blue"}}, nil
}

func (d drifting) Drift(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if c.Outputs["deploy.colour"] != "blue" {
		return pipeline.Result{}, pipeline.Refuse("no_outputs", "It does not know what the run made.")
	}
	return d.said, nil
}

func TestDriftIsAskedOfEveryStepThatSucceeded(t *testing.T) {
	s := newStage(t)
	said := pipeline.Result{Message: "Somebody changed it.", Summary: "-2\n+5"}
	s.engine.Runners["drifting"] = pipeline.Uses{Name: "drifting", Class: pipeline.Idempotent, Runner: drifting{said}}
	p := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}, {Name: "deploy", Uses: "drifting", Needs: []string{"build"}}, {Name: "never", Uses: "drifting", If: "false", Needs: []string{"deploy"}}}}
	r := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	found, err := s.engine.Drift(context.Background(), r.ID)
	if err != nil || len(found) != 1 || found[0] != (pipeline.Drift{Step: "deploy", Message: said.Message, Summary: said.Summary}) {
		t.Errorf("%v %v", found, err)
	}
	if found, err := s.engine.Drift(context.Background(), "r-00000000"); err != nil || found != nil {
		t.Error("of a run that was swept away:", found, err)
	}
}

// naming says which run it compares with.
type naming struct{ *scripted }

func (naming) Drift(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{Message: c.Step.Name + " of " + string(c.Run.ID)}, nil
}

func TestDriftIsAskedOfTheRunThatMadeWhatStands(t *testing.T) {
	s, good, bad, before := withTwo(t)
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: naming{s.runner}}
	undo := s.undo(bad, before)
	same := s.start(pipeline.Request{Pipeline: good.Pipeline, Environment: staging, SHA: good.SHA, Nothing: "The same files run already.", Same: undo.ID})
	if s.staging().Current.Run != same.ID {
		t.Fatalf("%+v", s.staging().Current)
	}
	for name, of := range map[string]pipeline.RunID{"a deploy": good.ID, "an undoing": undo.ID, "nothing to do": same.ID} {
		found, err := s.engine.Drift(context.Background(), of)
		if err != nil || len(found) != 2 || found[0].Message != "one of "+string(good.ID) {
			t.Errorf("%s: %v %v, want those of %s", name, found, err, good.ID)
		}
	}
}
