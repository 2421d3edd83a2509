package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// finisher is a scripted runner that can be called later: "later <name>".
type finisher struct {
	*scripted
	err error
}

func (f *finisher) Later(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if f.err != nil {
		f.calls = append(f.calls, "later "+c.Step.Name+" fails")
		return pipeline.Result{}, f.err
	}
	return f.act(c, "later "+c.Step.Name)
}

// newKeeper is a stage whose steps "swap" leave something for half an hour later.
func newKeeper(t *testing.T) (*stage, *finisher) {
	s := newStage(t)
	f := &finisher{scripted: s.runner}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: f}
	s.runner.do["swap"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Later: 30 * time.Minute, Checkpoint: []byte(`{"old":"blue"}`)}
	}
	return s, f
}

func swap(after ...pipeline.Step) pipeline.Pipeline {
	return pipeline.Pipeline{Name: "deploy", Steps: append([]pipeline.Step{{Name: "swap", Run: "true", Undo: "true"}}, after...)}
}

func (s *stage) happened(id pipeline.RunID, kind string) (out []pipeline.Event) {
	s.t.Helper()
	all, err := s.store.History(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, ev := range all {
		if ev.Kind == kind {
			out = append(out, ev)
		}
	}
	return out
}

func TestWhatAStepLeftForLaterIsDoneOnceTheTimeIsOver(t *testing.T) {
	s, _ := newKeeper(t)
	var fence, runs int64
	var saw string
	s.runner.do["later swap"] = func(c *pipeline.StepContext) pipeline.Result {
		fence, saw, runs = c.Fence, string(c.Checkpoint), runs+1
		return pipeline.Result{Done: true, Message: "blue is scaled down.", Checkpoint: []byte(`{}`)}
	}
	r := s.start(pipeline.Request{Pipeline: swap(), Environment: staging})
	s.want(r, pipeline.Succeeded, "swap=succeeded")
	s.store.Advance(29 * time.Minute)
	s.work()
	if runs != 0 {
		t.Fatal("it was done too early")
	}
	s.store.Advance(2 * time.Minute)
	s.work()
	s.store.Advance(24 * time.Hour)
	s.work()
	after := s.load(r.ID)
	if runs != 1 || saw != `{"old":"blue"}` || string(after.Steps[0].Checkpoint) != `{}` || !after.Steps[0].Later.IsZero() {
		t.Errorf("called %d times with %s, then %+v", runs, saw, after.Steps[0])
	}
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	if fence <= r.Fence || fence >= (env.Fence+1)<<20 {
		t.Errorf("fence %d: above the run's %d, and below that of the next run", fence, r.Fence)
	}
	s.want(after, pipeline.Succeeded, "swap=succeeded")
	if evs := s.happened(r.ID, "later"); len(evs) != 1 || evs[0].State != pipeline.Succeeded || evs[0].Message != "blue is scaled down." {
		t.Errorf("history %+v", evs)
	}
}

func TestWhatIsLeftForLaterWaitsForTheEndOfTheRun(t *testing.T) {
	s, _ := newKeeper(t)
	r := s.start(pipeline.Request{Pipeline: swap(pipeline.Step{Name: "watch", Uses: "wait", With: map[string]any{"for": "2h"}, Needs: []string{"swap"}}), Environment: staging})
	s.store.Advance(time.Hour)
	s.work()
	if got := strings.Join(s.runner.calls, " "); got != "swap/1.1" {
		t.Errorf("calls %s while the run may still go back", got)
	}
	s.store.Advance(time.Hour)
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "swap=succeeded watch=succeeded")
	if got := strings.Join(s.runner.calls, " "); got != "swap/1.1 later swap/1.1" {
		t.Errorf("calls %s", got)
	}
}

func TestWhatIsLeftForLaterIsForgone(t *testing.T) {
	for name, c := range map[string]struct {
		pipeline pipeline.Pipeline
		then     func(*stage, *pipeline.Run)
		said     string // in the history of the run
	}{
		"when the run failed": {pipeline: swap(pipeline.Step{Name: "smoke", Run: "false", Needs: []string{"swap"}})},
		"when the run was rolled back": {pipeline: func() pipeline.Pipeline {
			p := swap(pipeline.Step{Name: "smoke", Run: "false", Needs: []string{"swap"}})
			p.OnFailure = pipeline.Rollback
			return p
		}()},
		"when a later run has taken the environment": {pipeline: swap(), said: "another run has taken staging since", then: func(s *stage, _ *pipeline.Run) {
			s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("other")}, Environment: staging})
		}},
		"when the run was undone by another one": {pipeline: swap(), said: "another run has taken staging since", then: func(s *stage, r *pipeline.Run) {
			s.start(pipeline.Request{Pipeline: r.Pipeline, Environment: staging, SHA: r.SHA, Trigger: pipeline.ByRollback, Reverts: r.ID})
		}},
		"in a dry run": {pipeline: pipeline.Pipeline{Steps: []pipeline.Step{{Name: "swap", Uses: "once"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newKeeper(t)
			s.runner.fails("smoke")
			s.engine.Runners["once"] = pipeline.Uses{Name: "once", Runner: planner{s.runner}}
			s.runner.do["plan swap"] = s.runner.do["swap"]
			r := s.start(pipeline.Request{Pipeline: c.pipeline, Environment: staging, DryRun: name == "in a dry run"})
			if c.then != nil {
				c.then(s, r)
			}
			s.store.Advance(time.Hour)
			s.work()
			if got := strings.Join(s.runner.calls, " "); strings.Contains(got, "later") {
				t.Errorf("calls %s", got)
			}
			said := ""
			for _, ev := range s.happened(r.ID, "later") {
				said += ev.Message
			}
			if !strings.Contains(said, c.said) || c.said == "" && said != "" {
				t.Errorf("history says %q, want %q", said, c.said)
			}
			for _, st := range s.load(r.ID).Steps {
				if !st.Later.IsZero() {
					t.Errorf("%s is still left for %s", st.Name, st.Later)
				}
			}
		})
	}
}

func TestWhatIsLeftForLaterFails(t *testing.T) {
	s, f := newKeeper(t)
	r := s.start(pipeline.Request{Pipeline: swap(), Environment: staging})
	f.err = pipeline.Temporary(pipeline.Refuse("no_answer", "The cluster does not answer."))
	s.store.Advance(31 * time.Minute)
	s.work()
	if evs := s.happened(r.ID, "later"); len(evs) != 0 {
		t.Fatalf("given up at once: %+v", evs)
	}
	f.err = pipeline.Refuse("gone", "The namespace is gone.")
	s.store.Advance(2 * time.Minute) // the lease of the try lapses
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "swap=succeeded")
	evs := s.happened(r.ID, "later")
	if len(evs) != 1 || evs[0].State != pipeline.Failed || evs[0].Message != "The namespace is gone." {
		t.Errorf("history %+v", evs)
	}
}

func TestAWorkerDiesWhileItDoesWhatWasLeftForLater(t *testing.T) {
	s, _ := newKeeper(t)
	r := s.start(pipeline.Request{Pipeline: swap(), Environment: staging})
	s.store.Advance(31 * time.Minute)
	var fences []int64
	cut, kill := context.WithCancelCause(context.Background())
	s.runner.do["later swap"] = func(c *pipeline.StepContext) pipeline.Result {
		fences = append(fences, c.Fence)
		if len(fences) == 1 {
			s.cut().dies = true // its result is never saved
			kill(pipeline.ErrLeaseLost)
		}
		return pipeline.Result{Done: true}
	}
	if err := s.engine.Handlers()["later"](cut, s.store.Poll(pipeline.Steps, 1, time.Minute)[0]); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	s.engine.Store = s.store
	s.store.Advance(2 * time.Minute)
	s.work()
	if len(fences) != 2 || fences[0] >= fences[1] {
		t.Errorf("called with fences %v, want two, the second higher", fences)
	}
	if evs := s.happened(r.ID, "later"); len(evs) != 1 {
		t.Errorf("history %+v", evs)
	}
}
