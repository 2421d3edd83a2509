package shell

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// TestAFolderIsMadeWhileTheRunsEmptyOneIsRemoved has several calls of one run
// make their folders while the ends of others remove the run's, which is empty
// again and again.
func TestAFolderIsMadeWhileTheRunsEmptyOneIsRemoved(t *testing.T) {
	b := newBench(t, "true")
	var all sync.WaitGroup
	for caller := range 4 {
		all.Go(func() {
			for i := range 500 {
				j := job{StepContext: newStep("true")}
				j.Step.Name, j.Attempt = fmt.Sprintf("step-%d", caller), i+1
				dir, err := b.folder(j, 1)
				if err == nil {
					err = dir.make()
				}
				if err != nil {
					t.Errorf("folder %d of %s: %v", i, j.Step.Name, err)
					return
				}
				if err := b.Forget(j.Run.ID, j.Step.Name, j.Attempt, 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if left, _ := os.ReadDir(filepath.Join(b.cfg.Dir, "work")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestAShimThatDiedWaitingIsReplacedAtOnce: the one kept ready for the next
// script may be killed while nobody looks.
func TestAShimThatDiedWaitingIsReplacedAtOnce(t *testing.T) {
	var said strings.Builder
	b := newBench(t, "echo ran", func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	if err := b.Warm(); err != nil {
		t.Fatal(err)
	}
	s := <-b.spare
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	b.spare <- s
	b.want(b.run(), pipeline.Succeeded, "")
	if got := b.log.String(); got != "ran\n" {
		t.Errorf("output %q", got)
	}
	if !strings.Contains(said.String(), "tried again at once") || !strings.Contains(said.String(), "err=") {
		t.Errorf("the operator's log does not say why: %s", &said)
	}
}

// folders is the runner without the processes, which would take the most of
// the time: its folders are made, and removed when the result is safe. Both
// meet, as on a busy machine: what a step left is removed when the next begins.
type folders struct {
	*Runner
	last  string   // step
	begun sync.Map // run and step -> chan struct{}, closed when it begins
}

func (f *folders) begins(run pipeline.RunID, step string) chan struct{} {
	c, _ := f.begun.LoadOrStore(string(run)+"/"+step, make(chan struct{}))
	return c.(chan struct{})
}

func (f *folders) Run(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	dir, err := f.folder(job{StepContext: c}, c.Fence)
	if c.Call == 1 {
		close(f.begins(c.Run.ID, c.Step.Name))
	}
	if err == nil {
		err = dir.make()
	}
	if err != nil {
		return pipeline.Result{}, noWorkspace(f.cfg.Host, err)
	}
	return pipeline.Result{Done: true}, nil
}

func (f *folders) Forget(run pipeline.RunID, step string, attempt int, fence int64) error {
	if step != f.last {
		var n int
		if _, err := fmt.Sscanf(step, "s%d", &n); err != nil {
			return err
		}
		<-f.begins(run, fmt.Sprintf("s%d", n+1))
	}
	return f.Runner.Forget(run, step, attempt, fence)
}

// TestNoStepStalls makes 2,000 steps, many at once, and some more with real
// scripts. That a machine is slow says nothing here: what counts is that no
// call was made twice and no job handed out twice, as every wait follows from
// one of these.
func TestNoStepStalls(t *testing.T) {
	b := newBench(t, "true")
	for name, c := range map[string]struct {
		runner      pipeline.Runner
		runs, steps int
	}{
		"folders": {&folders{Runner: b.Runner, last: "s19"}, 100, 20},
		"scripts": {b.Runner, 5, 6},
	} {
		t.Run(name, func(t *testing.T) {
			y := startYard(t, c.runner)
			var all sync.WaitGroup
			for range c.runs {
				all.Go(func() { y.through(t, c.steps) })
			}
			all.Wait()
			if said := y.said.String(); said != "" {
				t.Errorf("something was tried again: %s", said)
			}
			if n := y.again.Load(); n != 0 {
				t.Errorf("%d jobs were handed out or tried a second time", n)
			}
		})
	}
}

// yard is an engine and a worker on a clock that goes as ours does.
type yard struct {
	engine *pipeline.Engine
	again  atomic.Int64 // jobs that were not done at the first try
	said   *locked      // warnings

	mu    sync.Mutex
	ended map[pipeline.RunID]chan *pipeline.Run
}

func startYard(t *testing.T, runner pipeline.Runner) *yard {
	clock := pipelinetest.NewClock(time.Now())
	store := pipelinetest.NewStore(clock)
	y := &yard{said: &locked{}, ended: map[pipeline.RunID]chan *pipeline.Run{}}
	log := slog.New(slog.NewTextHandler(y.said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	uses := pipeline.Uses{Name: "run", Class: pipeline.Queryable, SavesFirst: true, Runner: runner}
	y.engine = &pipeline.Engine{Store: store, Queue: store, Runners: map[string]pipeline.Uses{"run": uses}, Logs: noLogs{}, Now: clock.Now, Log: log,
		Observe: pipeline.Observer{RunEnded: y.tell}}
	w := &pipeline.Worker{Queue: store, Handlers: y.engine.Handlers(), Pools: map[pipeline.Pool]int{pipeline.Control: 8, pipeline.Steps: 256}, Now: clock.Now, Log: log,
		Observe: func(l *pipeline.Lease, _ time.Duration, _ error) {
			if l.Fence > 1 || l.Tries > 0 {
				y.again.Add(1)
			}
		}}
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { w.Run(ctx, time.Minute) })
	work.Go(func() { keepTime(ctx, clock) })
	t.Cleanup(func() { stop(); work.Wait(); store.Close() })
	return y
}

// keepTime moves the clock as time goes by. It goes no faster than a worker can
// renew its leases, so that none lapses because the machine stood still.
func keepTime(ctx context.Context, clock *pipelinetest.Clock) {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			clock.Advance(step)
		}
	}
}

func (y *yard) tell(r *pipeline.Run) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.ended[r.ID] <- r
}

// through makes a run of so many steps, one after the other.
func (y *yard) through(t *testing.T, steps int) {
	p := pipeline.Pipeline{Name: "deploy"}
	for i := range steps {
		s := pipeline.Step{Name: fmt.Sprintf("s%d", i), Run: "true", Timeout: pipeline.Duration(time.Hour)}
		if i > 0 {
			s.Needs = []string{p.Steps[i-1].Name}
		}
		p.Steps = append(p.Steps, s)
	}
	id := y.engine.Store.NewRunID(7)
	ended := make(chan *pipeline.Run, 1)
	y.mu.Lock()
	y.ended[id] = ended
	y.mu.Unlock()
	_, err := y.engine.Start(t.Context(), pipeline.Request{ID: id, Repo: pipeline.Repo{ID: 7, Owner: "octo", Name: "shop"}, Service: "shop", SHA: testSHA,
		Pipeline: p, Trigger: pipeline.ByCommand, Actor: pipeline.Actor{ID: 1, Login: "mona"}})
	if err != nil {
		t.Error(err)
		return
	}
	select {
	case r := <-ended:
		y.check(t, r)
	case <-time.After(2 * time.Minute):
		t.Errorf("run %s did not end within two minutes", id)
	}
}

func (y *yard) check(t *testing.T, r *pipeline.Run) {
	if r.State != pipeline.Succeeded {
		t.Errorf("run %s %s: %s", r.ID, r.State, r.Message)
	}
	for _, s := range r.Steps {
		if s.Call != 1 || s.Attempt != 1 {
			t.Errorf("%s of run %s took %d calls and %d attempts", s.Name, r.ID, s.Call, s.Attempt)
		}
	}
}

// locked is a text that many write to.
type locked struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// noLogs throws the output of steps away.
type noLogs struct{}

func (noLogs) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return noLog{io.Discard}, nil
}

type noLog struct{ io.Writer }

func (noLog) Offset() int64                     { return 0 }
func (noLog) Mask(text string) string           { return text }
func (noLog) Close(context.Context, bool) error { return nil }
