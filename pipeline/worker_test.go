package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// crew is a worker on an in-memory queue, in a bubble of its own time. The
// bubble sees to it that no goroutine is left behind.
type crew struct {
	t      *testing.T
	clock  *pipelinetest.Clock
	store  *pipelinetest.Store
	worker *pipeline.Worker
	stop   context.CancelFunc
	ended  chan struct{}
}

func inBubble(t *testing.T, test func(t *testing.T, c *crew)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		clock := pipelinetest.NewClock(time.Now())
		store := pipelinetest.NewStore(clock)
		test(t, &crew{t: t, clock: clock, store: store, ended: make(chan struct{}), worker: &pipeline.Worker{
			Queue: store, Handlers: map[string]pipeline.Handler{}, Pools: map[pipeline.Pool]int{pipeline.Control: 2, pipeline.Steps: 2},
			Log: slog.New(slog.DiscardHandler), Now: clock.Now}})
	})
}

// run starts the worker; it is stopped when the test ends.
func (c *crew) run(drain time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() { defer close(c.ended); c.worker.Run(ctx, drain) }()
	c.t.Cleanup(func() { stop(); <-c.ended; c.store.Close() })
}

func (c *crew) enqueue(jobs ...pipeline.Job) {
	c.t.Helper()
	if err := c.store.Enqueue(context.Background(), jobs...); err != nil {
		c.t.Fatal(err)
	}
}

// pass lets time go by, for the worker and for the queue alike.
func (c *crew) pass(d time.Duration) {
	for range d / time.Second {
		<-time.After(time.Second)
		c.clock.Advance(time.Second)
		synctest.Wait()
	}
}

func (c *crew) dead() []pipeline.DeadJob {
	c.t.Helper()
	dead, err := c.store.Dead(context.Background(), 10)
	if err != nil {
		c.t.Fatal(err)
	}
	return dead
}

func (c *crew) gone(pool pipeline.Pool) bool {
	c.clock.Advance(time.Hour) // whatever is delayed or leased would come back
	return len(c.store.Poll(pool, 1, time.Second)) == 0
}

func TestALeaseIsRenewedWhileTheJobRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		var fences []int64
		c.worker.Handlers["long"] = func(ctx context.Context, l *pipeline.Lease) error {
			fences = append(fences, l.Fence)
			select {
			case <-time.After(90*time.Second - time.Millisecond):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "long"})
		c.run(time.Second)
		c.pass(100 * time.Second)
		c.stop()
		<-c.ended
		if len(fences) != 1 || !c.gone(pipeline.Control) || len(c.dead()) != 0 {
			t.Errorf("handed out with fences %v", fences)
		}
	})
}

func TestALostLeaseEndsTheJob(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		var cause error
		c.worker.Handlers["paused"] = func(ctx context.Context, _ *pipeline.Lease) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return errors.New("it says something else")
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "paused"})
		c.run(time.Second)
		synctest.Wait()
		c.clock.Advance(time.Minute)
		other := c.store.Poll(pipeline.Control, 1, 15*time.Second)
		if len(other) != 1 || other[0].Fence != 2 {
			t.Fatalf("somebody else gets %v", other)
		}
		c.pass(6 * time.Second) // the next heartbeat
		if !errors.Is(cause, pipeline.ErrLeaseLost) {
			t.Errorf("cause %v", cause)
		}
		if err := c.store.Renew(context.Background(), other[0]); err != nil || len(c.dead()) != 0 {
			t.Errorf("the other's lease was touched: %v", err)
		}
	})
}

// silent is a queue that does not answer when a lease is to be renewed.
type silent struct{ *pipelinetest.Store }

func (silent) Renew(ctx context.Context, _ *pipeline.Lease) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestALeaseIsLostWhenTheQueueDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		c.worker.Queue = silent{c.store}
		var cause error
		var took time.Duration
		c.worker.Handlers["cut off"] = func(ctx context.Context, _ *pipeline.Lease) error {
			began := time.Now()
			<-ctx.Done()
			cause, took = context.Cause(ctx), time.Since(began)
			return cause
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "cut off"})
		c.run(time.Second)
		<-time.After(20 * time.Second)
		synctest.Wait()
		if !errors.Is(cause, pipeline.ErrLeaseLost) || took > 15*time.Second {
			t.Errorf("cause %v after %s; the lease lasts 15s", cause, took)
		}
		c.clock.Advance(time.Minute)
	})
}

func TestAJobThatPanicsIsBuriedAfterThreeTries(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		tries := 0
		c.worker.Handlers["faulty"] = func(context.Context, *pipeline.Lease) error { tries++; panic("a fault") }
		c.enqueue(pipeline.Job{ID: "1", Kind: "faulty"})
		c.run(time.Second)
		c.pass(30 * time.Second)
		dead := c.dead()
		if tries != 3 || len(dead) != 1 || !strings.Contains(dead[0].Reason, "a fault") || !strings.Contains(dead[0].Reason, "worker_test.go") {
			t.Errorf("%d tries, then %+v", tries, dead)
		}
	})
}

func TestAFinalErrorIsBuriedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		c.enqueue(pipeline.Job{ID: "1", Kind: "nobody's"})
		c.run(time.Second)
		c.pass(2 * time.Second)
		if dead := c.dead(); len(dead) != 1 || dead[0].Reason != `no handler for job kind "nobody's"` {
			t.Errorf("dead: %+v", dead)
		}
	})
}

type busyFor time.Duration

func (busyFor) Error() string               { return "429" }
func (b busyFor) RetryAfter() time.Duration { return time.Duration(b) }

func TestATemporaryErrorIsTriedAgainWhenItAsksToBe(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		var at []time.Duration
		began := c.clock.Now()
		c.worker.Handlers["busy"] = func(_ context.Context, l *pipeline.Lease) error {
			at = append(at, c.clock.Now().Sub(began))
			if l.Tries < 2 {
				return pipeline.Temporary(busyFor(40 * time.Second))
			}
			return nil
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "busy"})
		c.run(time.Second)
		c.pass(100 * time.Second)
		if len(at) != 3 || at[1] != 40*time.Second || at[2] != 80*time.Second {
			t.Errorf("tried after %v", at)
		}
	})
}

// What may only be late is no reason to try for a day.
func TestWhatIsLateIsTriedForHalfAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		began := c.clock.Now()
		var last time.Duration
		c.worker.Handlers["late"] = func(context.Context, *pipeline.Lease) error {
			last = c.clock.Now().Sub(began)
			return errLate
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "late"})
		c.run(time.Second)
		c.pass(2 * time.Minute)
		if dead := c.dead(); len(dead) != 1 || last < 30*time.Second || last > 45*time.Second {
			t.Errorf("tried last after %s; buried %+v", last, dead)
		}
	})
}

func TestSlowStepsDoNotHoldUpControl(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		var slow, quick atomic.Int64
		c.worker.Handlers["slow"] = func(ctx context.Context, _ *pipeline.Lease) error {
			slow.Add(1)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		c.worker.Handlers["quick"] = func(context.Context, *pipeline.Lease) error { quick.Add(1); return nil }
		for _, id := range []string{"1", "2", "3", "4"} {
			c.enqueue(pipeline.Job{ID: id, Kind: "slow", Pool: pipeline.Steps})
		}
		c.run(time.Second)
		c.pass(5 * time.Second)
		c.enqueue(pipeline.Job{ID: "5", Kind: "quick"}, pipeline.Job{ID: "6", Kind: "quick"}, pipeline.Job{ID: "7", Kind: "quick"})
		synctest.Wait() // no time goes by
		if slow.Load() != 2 || quick.Load() != 3 {
			t.Errorf("%d slow and %d quick jobs were begun, want 2 and 3", slow.Load(), quick.Load())
		}
	})
}

func TestWhatTheDrainCutsShortIsHandedOver(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		cut := make(chan error, 1)
		c.worker.Handlers["report"] = func(ctx context.Context, _ *pipeline.Lease) error {
			<-ctx.Done()
			cut <- context.Cause(ctx)
			return errors.New("context canceled") // as a vendor's library might say
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "report"})
		c.run(20 * time.Second)
		synctest.Wait()
		c.stop()
		<-time.After(19 * time.Second)
		synctest.Wait()
		if len(cut) != 0 {
			t.Fatal("cut short before the drain was over")
		}
		<-c.ended
		if cause := <-cut; !errors.Is(cause, pipeline.ErrHandedOver) || len(c.dead()) != 0 || c.gone(pipeline.Control) {
			t.Errorf("cause %v, dead %v; the job is for somebody else now", cause, c.dead())
		}
	})
}

// slowStep is a runner that works until it is told to leave.
type slowStep struct{ left map[string]time.Duration }

func (s slowStep) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	began := time.Now()
	<-ctx.Done()
	s.left[c.Step.Name] = time.Since(began)
	return pipeline.Result{}, context.Cause(ctx)
}

func TestWhatOthersCanTakeUpIsHandedOverAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		runner := slowStep{map[string]time.Duration{}}
		e := &pipeline.Engine{Store: c.store, Queue: c.store, Logs: quiet{}, Now: c.clock.Now, Log: slog.New(slog.DiscardHandler), Runners: map[string]pipeline.Uses{
			"run": {Name: "run", Class: pipeline.Queryable, Runner: runner}, "once": {Name: "once", Runner: runner}}}
		c.worker.Handlers = e.Handlers()
		r, err := e.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Name: "p",
			Steps: []pipeline.Step{{Name: "script", Run: "make"}, {Name: "effect", Uses: "once"}}}})
		if err != nil {
			t.Fatal(err)
		}
		c.run(20 * time.Second)
		synctest.Wait()
		c.stop()
		<-c.ended
		if runner.left["script"] != 0 || runner.left["effect"] != 20*time.Second {
			t.Errorf("left after %v", runner.left)
		}
		c.clock.Advance(time.Second)
		s := &stage{t: t, clock: c.clock, store: c.store, engine: e, runner: &scripted{}}
		e.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: s.runner}
		s.work()
		s.want(s.load(r.ID), pipeline.Unknown, "script=succeeded effect=unknown")
		if got := strings.Join(s.runner.calls, " "); got != "script/1.1" {
			t.Errorf("the script is taken up as call %q, want the same one", got)
		}
	})
}

func TestAStoppedProcessBeginsNoCall(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		s := &stage{t: t, clock: c.clock, store: c.store, runner: &scripted{}}
		e := &pipeline.Engine{Store: c.store, Queue: c.store, Logs: quiet{}, Now: c.clock.Now, Log: slog.New(slog.DiscardHandler), Runners: map[string]pipeline.Uses{"once": {Name: "once", Runner: s.runner}}}
		step := e.Handlers()["step"]
		c.worker.Handlers["step"] = func(ctx context.Context, l *pipeline.Lease) error {
			c.stop() // the order comes while the job is being fetched
			return step(ctx, l)
		}
		if _, err := e.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Steps: []pipeline.Step{{Name: "effect", Uses: "once"}}}}); err != nil {
			t.Fatal(err)
		}
		c.run(20 * time.Second)
		<-c.ended
		if len(s.runner.calls) != 0 || c.gone(pipeline.Steps) {
			t.Errorf("calls %v", s.runner.calls)
		}
	})
}

// However many reports stand still, because a platform does, the other jobs have hands.
func TestWhatOnlyTellsLeavesHandsFree(t *testing.T) {
	inBubble(t, func(t *testing.T, c *crew) {
		release := make(chan struct{})
		var told, done atomic.Int32
		c.worker.Telling = map[string]bool{"report": true}
		c.worker.Handlers["report"] = func(_ context.Context, l *pipeline.Lease) error {
			if l.Tries != 0 {
				t.Errorf("%s counts %d tries", l.ID, l.Tries)
			}
			<-release
			told.Add(1)
			return nil
		}
		c.worker.Handlers["deploy"] = func(context.Context, *pipeline.Lease) error { done.Add(1); return nil }
		for i := range 10 {
			c.enqueue(pipeline.Job{ID: fmt.Sprintf("report %d", i), Kind: "report"})
		}
		c.enqueue(pipeline.Job{ID: "1", Kind: "deploy"})
		c.run(time.Second)
		c.pass(3 * time.Second)
		if done.Load() != 1 {
			t.Error("the deploy waits for reports")
		}
		close(release)
		c.pass(20 * time.Second)
		if n := told.Load(); n != 10 {
			t.Errorf("%d reports of 10", n)
		}
	})
}
