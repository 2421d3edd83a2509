package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// TestCancelRacesWithTheEnd cancels a run at every moment around the end of
// its only step: it is cancelled exactly if the work was not done.
func TestCancelRacesWithTheEnd(t *testing.T) {
	const moments = 5
	outcomes := map[string]int{}
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 21))
		s, moment := newStage(t), rng.IntN(moments)
		uses, stops := []string{"once", ""}[rng.IntN(2)], rng.IntN(2) == 0
		var id pipeline.RunID
		var refused error
		asked, worked := false, false
		at := func(m int) {
			if m == moment && !asked {
				asked = true
				_, refused = s.engine.Cancel(context.Background(), id, pipeline.Cancellation{By: pipeline.Actor{ID: 1, Login: "mona"}, Code: "cancelled"})
			}
		}
		s.runner.do["effect"] = func(c *pipeline.StepContext) pipeline.Result {
			at(1)
			if stops && s.load(id).Steps[0].Stopping != "" {
				return pipeline.Result{Done: true, State: pipeline.Cancelled}
			}
			worked = true
			at(2)
			return pipeline.Result{Done: true}
		}
		w := s.cut()
		r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Steps: []pipeline.Step{{Name: "effect", Uses: uses, Run: "make"}}}})
		if err != nil {
			t.Fatal(err)
		}
		id = r.ID
		w.meanwhile = func() {
			at(0)
			w.meanwhile = func() { at(3) }
		}
		s.work()
		at(4)
		s.work()
		r = s.load(id)
		want := pipeline.Cancelled
		if worked {
			want = pipeline.Succeeded
		}
		if r.State != want || refused != nil && !worked {
			t.Fatalf("seed %d, cancelled at moment %d (%v), worked %t: the run is %s with step %s", seed, moment, refused, worked, r.State, r.Steps[0].State)
		}
		outcomes[string(r.State)]++
	}
	if len(outcomes) != 2 {
		t.Errorf("outcomes %v", outcomes)
	}
}

func TestAStepThatPollsIsStoppedByOneMoreCall(t *testing.T) {
	s := newStage(t)
	stops := stoppable{scripted: s.runner}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: &stops}
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Hour} }
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("poll")}})
	stops.busy = 2
	if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1}, Code: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	quick := s.store.Poll(pipeline.Control, 10, time.Minute)
	if len(quick) != 1 || quick[0].Kind != "step" {
		t.Fatalf("the call that stops waits behind those that work: %v", quick)
	}
	s.do(quick[0])
	for range 2 {
		s.want(s.load(r.ID), pipeline.Running, "poll=waiting")
		s.store.Advance(5 * time.Second)
		s.work()
	}
	s.want(s.load(r.ID), pipeline.Cancelled, "poll=cancelled")
}

// The wish to stop a step is told to every call of it in flight, again and
// again. The call that stops it goes on.
func TestTheCallThatStopsAStepIsNotStopped(t *testing.T) {
	s := newStage(t)
	told := func(id pipeline.RunID) {
		signals := make(chan pipeline.RunID, 1)
		signals <- id
		close(signals)
		s.engine.Watch(context.Background(), signals)
	}
	stops := &attentive{scripted: s.runner, told: told}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: stops}
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Minute} }
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("poll")}})
	cancel := func() {
		if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1}, Code: "cancelled"}); err != nil {
			t.Error(err)
		}
	}
	// It is wished while the next call begins: that call becomes the one that stops.
	s.store.Advance(time.Minute)
	for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
		s.do(l)
	}
	w := s.cut()
	w.meanwhile = func() {
		cancel()
		told(r.ID)
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Cancelled, "poll=cancelled")
	if stops.calls != 1 || stops.cause != nil {
		t.Errorf("%d calls, the last was ended: %v", stops.calls, stops.cause)
	}
}

// attentive is a scripted runner that is told that the run changed while it
// stops a step, and notes what became of its call.
type attentive struct {
	*scripted
	told  func(pipeline.RunID)
	calls int
	cause error
}

func (r *attentive) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	r.told(c.Run.ID)
	r.calls, r.cause = r.calls+1, context.Cause(ctx)
	return r.cause
}

func TestAStepThatCannotBeStoppedIsUnknownInTheEnd(t *testing.T) {
	s := newStage(t)
	stops := stoppable{scripted: s.runner, busy: 1 << 30}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: &stops}
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Hour} }
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("poll")}})
	if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1}, Code: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.store.Advance(2 * time.Hour)
	s.work()
	s.want(s.load(r.ID), pipeline.Unknown, "poll=unknown")
}

// stoppable is a scripted runner whose steps take a few tries to be stopped.
type stoppable struct {
	*scripted
	busy int
}

func (r *stoppable) Cancel(context.Context, *pipeline.StepContext) error {
	if r.busy--; r.busy >= 0 {
		return pipeline.Temporary(errors.New("still shutting down"))
	}
	return nil
}
