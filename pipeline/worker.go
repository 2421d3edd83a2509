package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Handler does a job. It returns nil when the job is done; the worker then
// finishes it unless a Commit did. A Temporary error has it tried again later,
// a *Refused one ever more slowly, any other error buries it.
type Handler func(ctx context.Context, l *Lease) error

// Worker leases jobs and runs their handlers until it is told to stop.
type Worker struct {
	Queue    Queue
	Handlers map[string]Handler // by Job.Kind
	Pools    map[Pool]int       // how many jobs of a pool run at once here
	TTL      time.Duration      // of leases; they are renewed at a third of it. Default 15 s
	// Telling are the kinds of jobs that nothing waits for: they have half the hands of a pool at
	// most, so that one that stands still, because a platform does, holds up no work.
	Telling map[string]bool
	Log     *slog.Logger
	Now     func() time.Time
	Observe func(l *Lease, took time.Duration, err error) // for metrics; may be nil

	refusals refusals
}

const (
	maxTries   = 1500 // with backoff to a minute: about a day of trying
	lagTries   = 7    // of what may only be late: half a minute
	maxPanics  = 3
	maxFence   = 5 // leases of one job that ended without a word: it kills its workers
	leaseTTL   = 15 * time.Second
	maxPause   = time.Minute
	firstPause = 50 * time.Millisecond // until the queue or the store is asked again that did not answer; doubled each time
	leaseSize  = 64                    // jobs fetched at once, at most
)

// Run works until ctx ends, then waits for the jobs in hand: their ctx stays
// alive until drain has passed as well. Cutting a step short would leave its
// outcome unknown; jobs still running after drain are left to their leases.
func (w *Worker) Run(ctx context.Context, drain time.Duration) {
	jobs, stop := context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), processKey{}, ctx))
	defer stop(nil)
	var wg sync.WaitGroup
	for pool, size := range w.Pools {
		wg.Go(func() { w.pull(ctx, jobs, pool, size) })
	}
	<-ctx.Done()
	drained := time.AfterFunc(drain, func() { stop(ErrHandedOver) })
	defer drained.Stop()
	wg.Wait()
}

// ErrHandedOver is the cause of the end of a job's context when this process
// stops: whoever leases the job next goes on with it.
var ErrHandedOver = errors.New("handed over to another worker")

// HandedOver is the cause of the end of a ctx if that is ErrHandedOver or
// ErrLeaseLost: another call takes the work up, or has already. A runner then
// leaves everything as it is.
func HandedOver(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrHandedOver) || errors.Is(cause, ErrLeaseLost) {
		return cause
	}
	return nil
}

// processKey leads from the ctx of a job, which outlives the order to stop, to
// the ctx of the process, which ends with it.
type processKey struct{}

// stopping reports whether the process was told to stop while the job goes on.
func stopping(job context.Context) bool {
	process, ok := job.Value(processKey{}).(context.Context)
	return ok && process.Err() != nil
}

// onStopping calls f when the process is told to stop, unless undone before.
func onStopping(job context.Context, f func()) (undo func() bool) {
	process, ok := job.Value(processKey{}).(context.Context)
	if !ok {
		return func() bool { return true }
	}
	return context.AfterFunc(process, f)
}

// pull leases jobs of one pool, never more than there are free hands.
func (w *Worker) pull(ctx, jobs context.Context, pool Pool, size int) {
	free := make(chan struct{}, size)
	for range size {
		free <- struct{}{}
	}
	telling := make(chan struct{}, max(1, size/2))
	var wg sync.WaitGroup
	defer wg.Wait()
	wait := firstPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-free:
		}
		hands := 1 + takeAll(free, leaseSize-1)
		leases, err := w.Queue.Lease(ctx, pool, hands, w.ttl())
		if err != nil && ctx.Err() == nil {
			w.Log.Error("lease jobs", "pool", string(pool), "in", wait, "err", err)
			pause(ctx, wait)
			wait = min(2*wait, time.Second)
		} else {
			wait = firstPause
		}
		for range hands - len(leases) {
			free <- struct{}{}
		}
		for _, l := range leases {
			wg.Go(func() {
				defer func() { free <- struct{}{} }()
				w.doInTurn(jobs, l, telling)
			})
		}
	}
}

func takeAll(free chan struct{}, limit int) int {
	for n := range limit {
		select {
		case <-free:
		default:
			return n
		}
	}
	return limit
}

// doInTurn does the job, or puts it back for a moment if it only tells of something
// and enough hands do that.
func (w *Worker) doInTurn(ctx context.Context, l *Lease, telling chan struct{}) {
	if !w.Telling[l.Kind] {
		w.do(ctx, l)
		return
	}
	select {
	case telling <- struct{}{}:
		defer func() { <-telling }()
		w.do(ctx, l)
	default:
		l.Tries-- // it was not tried
		w.conclude(l, Temporary(errHandsFull{}))
	}
}

// errHandsFull puts a job back that found no hand free for its kind.
type errHandsFull struct{}

func (errHandsFull) Error() string             { return "others tell of something already" }
func (errHandsFull) RetryAfter() time.Duration { return 200 * time.Millisecond }

// do runs one job under a heartbeat and sees to how it ends.
func (w *Worker) do(ctx context.Context, l *Lease) {
	began := w.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	beating := make(chan struct{})
	go func() { defer close(beating); w.heartbeat(ctx, l, cancel) }()
	err := w.handle(ctx, l)
	if cause := HandedOver(ctx); err != nil && cause != nil {
		err = Temporary(errors.Join(cause, err)) // it was cut short, whatever it says
	}
	cancel(nil)
	<-beating
	if w.Observe != nil {
		w.Observe(l, w.Now().Sub(began), err)
	}
	w.conclude(l, err)
}

func (w *Worker) handle(ctx context.Context, l *Lease) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	h, ok := w.Handlers[l.Kind]
	switch {
	case !ok:
		return fmt.Errorf("no handler for job kind %q", l.Kind)
	case l.Fence > maxFence && l.Kind != "step":
		return fmt.Errorf("handed out %d times without an end", l.Fence)
	}
	return h(ctx, l)
}

// heartbeat renews the lease until ctx ends, and ends ctx when it is lost.
func (w *Worker) heartbeat(ctx context.Context, l *Lease, cancel context.CancelCauseFunc) {
	t := time.NewTicker(w.ttl() / 3)
	defer t.Stop()
	lapse := time.Now().Add(w.ttl())
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		asked := time.Now()
		err := w.renew(ctx, l, lapse)
		switch {
		case err == nil:
			lapse = asked.Add(w.ttl())
		case errors.Is(err, ErrLeaseLost), !time.Now().Before(lapse):
			cancel(ErrLeaseLost)
			return
		}
	}
}

// renew waits for an answer no longer than the lease lasts.
func (w *Worker) renew(ctx context.Context, l *Lease, lapse time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, lapse)
	defer cancel()
	return w.Queue.Renew(ctx, l)
}

func (w *Worker) ttl() time.Duration {
	if w.TTL == 0 {
		return leaseTTL
	}
	return w.TTL
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
