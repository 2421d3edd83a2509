package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// withTwo has deployed twice, good and then bad, by steps that can be undone.
func withTwo(t *testing.T) (s *stage, good, bad *pipeline.Run, before *pipeline.Deployment) {
	s = newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: steps("one", "two")}
	p.Steps[0].Undo, p.Steps[1].Undo = "true", "true"
	s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Outputs: map[string]string{"image": c.Run.SHA[:1]}}
	}
	good = s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	before = s.staging().Current
	bad = s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
	s.runner.calls = nil
	return s, good, bad, before
}

func (s *stage) staging() *pipeline.EnvironmentState {
	s.t.Helper()
	env, err := s.store.Environment(context.Background(), 7, "staging")
	if err != nil {
		s.t.Fatal(err)
	}
	return env
}

func (s *stage) undo(bad *pipeline.Run, to *pipeline.Deployment) *pipeline.Run {
	s.t.Helper()
	return s.start(pipeline.Request{Pipeline: bad.Pipeline, Environment: staging, SHA: bad.SHA, Trigger: pipeline.ByRollback, Reverts: bad.ID, Restores: to})
}

func refusing(*pipeline.StepContext) pipeline.Result {
	return pipeline.Result{Done: true, State: pipeline.Failed, Code: "cannot_revert", Message: "The old colour is gone."}
}

func TestAnUndoingThatIsRefusedDeploysWhatRanBeforeAgain(t *testing.T) {
	for name, step := range map[string]string{"by the first step": "two", "by a later one": "one"} {
		t.Run(name, func(t *testing.T) {
			s, good, bad, before := withTwo(t)
			s.runner.do["undo "+step] = refusing
			undo := s.undo(bad, before)
			again := s.load(undo.RedeployedBy)
			if undo.State != pipeline.RolledBack || again.SHA != good.SHA || again.State != pipeline.Succeeded || again.Restores.Run != good.ID {
				t.Errorf("undo is %s (%s), again %s of %s", undo.State, undo.Message, again.State, again.SHA)
			}
			want := "Undoing run " + string(bad.ID) + ": two, one. But " + step + " cannot be undone any more. Rolled back: `1111111` runs again, by run " + string(again.ID) + "."
			if undo.Message != want {
				t.Errorf("says %q\nwant %q", undo.Message, want)
			}
			env := s.staging()
			if c := env.Current; c.Run != again.ID || c.SHA != good.SHA || c.Artifacts["one.image"] != "1" || env.Lock == nil || env.Active != "" || env.Unsettled != "" {
				t.Errorf("afterwards %+v runs: %+v", c, env)
			}
		})
	}
}

func TestADeployThatCannotBeUndoneAfterAllIsFollowedByARedeploy(t *testing.T) {
	s, good, _, _ := withTwo(t)
	p := good.Pipeline
	p.OnFailure = pipeline.Rollback
	p.Steps = append(p.Steps, pipeline.Step{Name: "smoke", Run: "false", Needs: []string{"two"}, Undo: "true"})
	s.runner.fails("smoke")
	s.runner.do["undo two"] = refusing
	failed := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("3", 40)})
	s.want(failed, pipeline.RolledBack, "one=succeeded two=failed smoke=rolled_back")
	if env := s.staging(); env.Current.Run != failed.RedeployedBy || env.Current.SHA[0] != '2' {
		t.Errorf("%+v runs", env.Current)
	}
}

func TestAnUndoingThatFailsHalfwaySaysWhatStands(t *testing.T) {
	s, _, bad, before := withTwo(t)
	s.runner.fails("undo one")
	undo := s.undo(bad, before)
	s.want(undo, pipeline.Failed, "one=failed two=rolled_back")
	want := "The rollback stopped: one could not be undone. undo one exited with code 1. Undone: two. Not undone: one. To deploy `1111111` again, which ran before: `/rollback staging`."
	if undo.Message != want {
		t.Errorf("says %q\nwant %q", undo.Message, want)
	}
	if env := s.staging(); env.Unsettled != undo.ID || env.Lock == nil || env.Current.Run != bad.ID {
		t.Errorf("afterwards %+v", env)
	}
}

func TestWhatCanBeUndone(t *testing.T) {
	s, good, bad, before := withTwo(t)
	ask := func(id pipeline.RunID) (bool, string) {
		yes, why, err := s.engine.Undoable(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return yes, why
	}
	if yes, why := ask(bad.ID); !yes || why != "" {
		t.Errorf("the last one: %t %s", yes, why)
	}
	if yes, _ := ask(good.ID); yes {
		t.Error("one that another was deployed over can be undone")
	}
	undo := s.undo(bad, before)
	if yes, _ := ask(bad.ID); yes {
		t.Error("one that was undone can be undone again")
	}
	if yes, _ := ask(undo.ID); yes {
		t.Error("an undoing can be undone")
	}
	s, _, bad, _ = withTwo(t)
	p := bad.Pipeline
	p.Steps[1].Undo = ""
	if yes, why := ask(s.start(pipeline.Request{Pipeline: p, Environment: staging}).ID); yes || !strings.HasPrefix(why, "two of run ") {
		t.Errorf("a step without a way back: %t %s", yes, why)
	}
	if yes, why := ask(s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("a", "b")}, Environment: staging}).ID); yes || why != "" {
		t.Errorf("nothing can be undone: %t %s", yes, why)
	}
}

// keeping can undo a step for half an hour after it ended.
type keeping struct{ *scripted }

func (k keeping) CanRevert(c *pipeline.StepContext) bool {
	return c.Now.Before(c.Run.Step(c.Step.Name).Ended.Add(30 * time.Minute))
}

func TestTheWayBackClosesWithTime(t *testing.T) {
	s, _, bad, before := withTwo(t)
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: keeping{s.runner}}
	if yes, _, _ := s.engine.Undoable(context.Background(), bad.ID); !yes {
		t.Error("it is closed from the beginning")
	}
	s.store.Advance(time.Hour)
	if yes, _, _ := s.engine.Undoable(context.Background(), bad.ID); yes {
		t.Error("it is still open")
	}
	if undo := s.undo(bad, before); undo.State != pipeline.RolledBack || undo.RedeployedBy == "" || strings.Contains(strings.Join(s.runner.calls, " "), "undo") {
		t.Errorf("it is %s: %s; calls %v", undo.State, undo.Message, s.runner.calls)
	}
}

func TestAnUndoingThatComesTooLateTouchesNothing(t *testing.T) {
	s, _, bad, before := withTwo(t)
	s.cut().meanwhile = func() {
		s.engine.Store = s.store
		s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("other")}, Environment: staging})
	}
	undo := s.undo(bad, before)
	if undo.State != pipeline.Cancelled || undo.Code != "undo_overtaken" || strings.Contains(strings.Join(s.runner.calls, " "), "undo") {
		t.Errorf("it is %s %s: %s; calls %v", undo.State, undo.Code, undo.Message, s.runner.calls)
	}
	if env := s.staging(); env.Lock != nil || env.Unsettled != "" {
		t.Errorf("afterwards %+v", env)
	}
}

func TestARollbackThatFailsKeepsWhyThereWasOne(t *testing.T) {
	t.Run("undone", func(t *testing.T) {
		s, good, _, _ := withTwo(t)
		p := good.Pipeline
		p.OnFailure = pipeline.Rollback
		s.runner.fails("two")
		s.runner.fails("undo one")
		r := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("3", 40)})
		if want := "two exited with code 1. The rollback stopped: one could not be undone. undo one exited with code 1."; r.State != pipeline.Failed || r.Message != want {
			t.Errorf("%s: %q\nwant %q", r.State, r.Message, want)
		}
	})
	t.Run("deployed again", func(t *testing.T) {
		s := newStage(t)
		p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps("one")}
		s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
		s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
			return pipeline.Result{Done: true, State: pipeline.Failed, Message: c.Run.SHA[:1] + " broke."}
		}
		r := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
		if want := "2 broke. The rollback failed as well, see run " + string(r.RedeployedBy) + ". 1 broke. "; r.State != pipeline.Failed || !strings.HasPrefix(r.Message+" ", want) {
			t.Errorf("%s: %q\nwant %q", r.State, r.Message, want)
		}
	})
}

func TestAStepThatIsBeingUndoneHasNotEnded(t *testing.T) {
	s, _, bad, before := withTwo(t)
	var at pipeline.StepRun
	s.runner.do["undo one"] = func(c *pipeline.StepContext) pipeline.Result {
		at = *c.Run.Step("one")
		return pipeline.Result{Done: true}
	}
	if undo := s.undo(bad, before); undo.Step("one").Ended.IsZero() || at.State != pipeline.RollingBack || !at.Ended.IsZero() {
		t.Errorf("while it was undone %+v, then %+v", at, undo.Step("one"))
	}
}
