package pipeline_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// unready is a runner whose calls fail for the time being, so many of them.
type unready struct{ left, calls int }

func (u *unready) Run(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	if u.calls++; u.calls <= u.left {
		return pipeline.Result{}, pipeline.Temporary(errors.New("mkdir work: no such file"))
	}
	return pipeline.Result{Done: true}, nil
}

// await lets time pass until the run has ended, and returns how much did.
func (s *stage) await(id pipeline.RunID, most time.Duration) time.Duration {
	began := s.clock.Now()
	for s.clock.Now().Sub(began) < most && !s.load(id).State.Terminal() {
		s.store.Advance(50 * time.Millisecond)
		s.work()
	}
	return s.clock.Now().Sub(began)
}

func TestACallThatFailsForTheTimeBeingIsMadeAgainAtOnce(t *testing.T) {
	s := newStage(t)
	var said strings.Builder
	s.engine.Log = slog.New(slog.NewTextHandler(&said, nil))
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: &unready{left: 3}}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("one", "two")}})
	if took := s.await(r.ID, time.Minute); took > time.Second {
		t.Errorf("three failures took %s", took)
	}
	s.want(s.load(r.ID), pipeline.Succeeded, "one=succeeded two=succeeded")
	if got := said.String(); strings.Count(got, "mkdir work: no such file") != 3 || !strings.Contains(got, string(r.ID)) {
		t.Errorf("the operator's log does not say why: %s", got)
	}
	if s.load(r.ID).Steps[0].Failures != 0 {
		t.Error("its failures are not forgotten")
	}
}

func TestACallThatGoesOnFailingIsMadeEverMoreRarely(t *testing.T) {
	s := newStage(t)
	u := &unready{left: 1 << 20}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: u}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("one")}})
	s.await(r.ID, 5*time.Minute)
	if u.calls < 30 || u.calls > 40 {
		t.Errorf("%d calls in five minutes", u.calls)
	}
}

// breaking is a queue that loses its first answers.
type breaking struct {
	*pipelinetest.Store
	lost int
}

func (b *breaking) answer(err error) error {
	if b.lost == 0 {
		return err
	}
	b.lost--
	return pipeline.Temporary(errors.New("connection reset by peer"))
}

func (b *breaking) Finish(ctx context.Context, ls ...*pipeline.Lease) error {
	return b.answer(b.Store.Finish(ctx, ls...))
}

func (b *breaking) Retry(ctx context.Context, l *pipeline.Lease, at time.Time) error {
	if b.lost > 0 {
		return b.answer(nil) // it did not even arrive
	}
	return b.Store.Retry(ctx, l, at)
}

func TestAJobIsConcludedWithoutWaitingForItsLease(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		queue := &breaking{Store: c.store}
		c.worker.Queue = queue
		var fences []int64
		began := time.Now()
		var done time.Duration
		c.worker.Handlers["unlucky"] = func(_ context.Context, l *pipeline.Lease) error {
			queue.lost = 2
			done, fences = time.Since(began), append(fences, l.Fence)
			if len(fences) == 1 {
				return pipeline.Temporary(errors.New("try again"))
			}
			return nil
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "unlucky"})
		c.run(time.Second)
		c.pass(3 * time.Second)
		c.stop()
		<-c.ended
		synctest.Wait()
		if !slices.Equal(fences, []int64{1, 1}) || done > 2*time.Second {
			t.Errorf("handed out with fences %v, the last after %s", fences, done)
		}
		if !c.gone(pipeline.Control) {
			t.Error("the job is still there")
		}
	})
}
