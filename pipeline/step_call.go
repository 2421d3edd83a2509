package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Planner is a Runner that can say what a step would do, without changing
// anything. A dry run calls Plan instead of Run, and so it is called before
// people are asked to approve. What it says is in the Result's Message and
// Summary; Digest names what would be applied. An error that is not Temporary
// says that Run would be refused too. As nobody may have approved the commit
// yet, Plan reads its files and runs none of its code; of a step that declares
// secrets it is called only when the environment's approvals have been given.
type Planner interface {
	Plan(ctx context.Context, c *StepContext) (Result, error)
}

// plans reports whether a dry run has something to call.
func (e *Engine) plans(def Step) bool {
	_, ok := e.Runners[def.Runner()].Runner.(Planner)
	return ok
}

// errand is what one call of a runner is about.
type errand struct {
	run  *Run
	step *StepRun
	log  string // the name its output is kept under
	do   func(ctx context.Context, c *StepContext) (Result, error)

	asked bool         // the runner has been called
	saved *atomic.Bool // it has saved a checkpoint, or tried to
}

// untouched reports whether nothing has begun to change: not in an earlier call,
// and not in this one.
func (e *Engine) untouched(v *errand) bool {
	before := *v.step.untouched()
	return before && (!v.asked || e.savesFirst(v.run, v.step) && !v.saved.Load())
}

// call makes the call itself. Whatever goes wrong becomes a result; err is what
// the runner said.
func (e *Engine) call(ctx context.Context, l *Lease, v errand) (res Result, err error) {
	r, step := v.run, v.step.Name
	v.saved = &atomic.Bool{}
	var log LogWriter
	defer func() {
		if p := recover(); p != nil {
			e.Log.Error("runner panicked", "run", string(r.ID), "step", step, "panic", p)
			res, err = crashed(step, e.untouched(&v)), nil
		}
		res.untouched = e.untouched(&v)
		if log != nil {
			e.closeLog(ctx, r, step, log, &res)
		}
	}()
	c, log, err := e.context(ctx, l, v)
	if err != nil && mayBeAtWork(r, v.step) {
		err = untaken(err)
	}
	if err == nil {
		v.asked = true
		res, err = v.do(ctx, c)
	}
	if err != nil {
		res = e.failedCall(ctx, &v, err)
	}
	return res, err
}

// crashed is what a call comes to in which the runner met a fault of its own.
func crashed(step string, untouched bool) Result {
	if untouched {
		return Result{Done: true, State: Failed, Code: "crashed", Message: fmt.Sprintf("shipmate met a fault of its own before %s began.", step)}
	}
	return Result{Done: true, State: Unknown, Code: "crashed", Message: fmt.Sprintf("shipmate met a fault of its own while %s ran.", step)}
}

// mayBeAtWork reports whether an earlier call of the step may have left something
// that goes on by itself.
func mayBeAtWork(r *Run, s *StepRun) bool { return s.Calling && !r.DryRun && s.begun() }

// begun reports whether a call in this attempt, or of its undoing, has left
// something to come back to.
func (s *StepRun) begun() bool { return len(s.Checkpoint) > 0 && !*s.untouched() }

// untaken is why what an earlier call left could not be taken up. That says
// nothing about how it ends, so it is not the end of the step: it is tried again
// until the step is stopped.
func untaken(err error) error {
	return Temporary(&Error{Code: Code(err), Err: err, Message: Message(err) + " What the step began may go on meanwhile, so this is tried again."})
}

// closeLog ends the call's log, and hides secrets in what it came to.
func (e *Engine) closeLog(ctx context.Context, r *Run, step string, log LogWriter, res *Result) {
	res.Message, res.Summary = log.Mask(res.Message), log.Mask(res.Summary)
	for k, v := range res.Outputs {
		res.Outputs[k] = log.Mask(v)
	}
	for i, image := range res.Images {
		res.Images[i] = log.Mask(image)
	}
	for i := range res.Annotations {
		a := &res.Annotations[i]
		a.Path, a.Message = log.Mask(a.Path), log.Mask(a.Message)
	}
	if err := log.Close(context.WithoutCancel(ctx), res.Done); err != nil {
		e.Log.Error("close log", "run", string(r.ID), "step", step, "err", err)
	}
}

func (e *Engine) dispatch(ctx context.Context, c *StepContext, s *StepRun) (Result, error) {
	runner := e.Runners[c.Step.Runner()].Runner
	switch {
	case s.Stopping != "":
		return e.stopped(ctx, runner, c, s)
	case c.Run.DryRun:
		return runner.(Planner).Plan(ctx, c)
	case s.Reverting:
		return runner.(Reverter).Revert(ctx, c)
	}
	return runner.Run(ctx, c)
}

const stopPause = 5 * time.Second // between two tries to stop a step

// stopped ends a step no call is in flight for. One that cannot be stopped is
// unknown in the end: it may run on.
func (e *Engine) stopped(ctx context.Context, runner Runner, c *StepContext, s *StepRun) (Result, error) {
	var err error
	if cn, ok := runner.(Canceller); ok && !c.Run.DryRun {
		err = cn.Cancel(ctx, c)
	}
	switch {
	case err == nil:
		return Result{Done: true, State: stopState(s.Stopping), Code: s.Stopping, Message: stopMessage(c.Step, s.Stopping)}, nil
	case ctx.Err() != nil:
		return Result{}, err
	case IsTemporary(err) && !reached(s.Deadline, e.Now()):
		return Result{RetryAfter: stopPause, Message: "It is being stopped. " + Message(err)}, nil
	}
	e.Log.Error("stop step", "run", string(c.Run.ID), "step", c.Step.Name, "err", err)
	return Result{Done: true, State: Unknown, Code: "not_stopped", Message: fmt.Sprintf("%s could not be stopped and may still run. %s", c.Step.Name, Message(err))}, nil
}

// failedCall is what an error comes to. A call that ended because its ctx did
// says nothing about what it had done by then; if it cannot be made again,
// nobody knows.
func (e *Engine) failedCall(ctx context.Context, v *errand, err error) Result {
	cut := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
	switch {
	case IsLagging(err) && *v.step.untouched() && !v.saved.Load(): // one that has begun is not given up for that
		return lag(err, v.step.Lagging, e.Now())
	case IsTemporary(err):
		failures := v.step.Failures + 1
		return Result{RetryAfter: cmp.Or(asksFor(err), callPause(failures)), Message: Message(err), failures: failures}
	case cut && e.class(v.run, v.step.Name) == Once && !e.untouched(v):
		return Result{Done: true, State: Unknown, Code: "cut_short", Message: "It was stopped in the middle, and nobody saw how far it came."}
	}
	return Result{Done: true, State: Failed, Code: cmp.Or(Code(err), "runner_error"), Message: Message(err)}
}

// callPause is how long until a call is made again that has failed for the time
// being so often in a row: next to nothing at first, as most of what fails is
// over by then, and each time twice as long.
func callPause(failures int) time.Duration {
	const first, longest = 100 * time.Millisecond, 10 * time.Second
	return min(longest, first<<min(failures-1, 10))
}

// tellAgain has the operator know why a call is made again: the run's own
// message says that it is, and no more.
func (e *Engine) tellAgain(v *errand, res Result, err error) {
	level := slog.LevelWarn
	if asksFor(err) > 0 {
		level = slog.LevelDebug // it waits for its turn
	}
	e.Log.Log(context.Background(), level, "call of a runner failed and is made again", "run", string(v.run.ID), "step", v.step.Name,
		"failures", res.failures, "in", res.RetryAfter, "err", err)
}

func (e *Engine) context(ctx context.Context, l *Lease, v errand) (*StepContext, LogWriter, error) {
	r, s := v.run, v.step
	def, _ := r.Pipeline.Step(s.Name)
	c := &StepContext{Run: r, Step: def, Planned: r.plannedDigest(s.Name), With: s.With, Attempt: s.Attempt, Call: s.Call, Fence: r.Fence, Now: e.Now(), Checkpoint: s.Checkpoint, Outputs: r.outputs()}
	var err error
	ask := SecretRequest{Run: r, Names: def.Secrets, Begun: s.begun() || s.Stopping != ""}
	if c.Secrets, err = e.secrets(ctx, ask); err != nil && s.Stopping == "" { // a step is stopped without its secrets too
		return nil, nil, err
	}
	log, err := e.Logs.Open(ctx, r, v.log, s.Attempt, c.Secrets)
	if err != nil {
		if Code(err) == "" { // the store is away
			err = Temporary(err)
		}
		return nil, nil, err
	}
	c.Log = log
	c.Say = e.say(ctx, r.ID, def.Name, l, log)
	c.Save = func(ctx context.Context, checkpoint json.RawMessage) error {
		v.saved.Store(true)
		_, err := e.update(ctx, r.ID, func(m *move) error {
			s := m.run.Step(def.Name)
			s.Checkpoint = checkpoint
			*s.untouched() = false
			if !s.Lagging.IsZero() { // what was late is there
				s.Lagging, s.Message = time.Time{}, ""
			}
			m.touched = true
			m.change.Hold = l
			return nil
		})
		return err
	}
	return c, log, nil
}

// sayEvery is how often at most a step's message changes while a call goes on:
// every change goes to all sinks.
const sayEvery = 5 * time.Second

// say is for progress only: what does not arrive is said better a moment later.
func (e *Engine) say(ctx context.Context, id RunID, step string, l *Lease, log LogWriter) func(string) {
	var mu sync.Mutex
	var last time.Time
	return func(message string) {
		mu.Lock()
		defer mu.Unlock()
		now := e.Now()
		if !last.IsZero() && now.Sub(last) < sayEvery {
			return
		}
		last = now
		_, err := e.update(ctx, id, func(m *move) error {
			m.run.Step(step).Message = log.Mask(message)
			m.touched = true
			m.change.Hold = l
			return nil
		})
		if err != nil && ctx.Err() == nil {
			e.Log.Warn("progress of step", "run", string(id), "step", step, "err", err)
		}
	}
}

func (e *Engine) secrets(ctx context.Context, q SecretRequest) (map[string]Secret, error) {
	switch {
	case len(q.Names) == 0:
		return nil, nil
	case e.Secrets == nil:
		return nil, Refuse("no_secret_store", "This shipmate has no secret store, and the step declares secrets.")
	}
	return e.Secrets.Resolve(ctx, q)
}

// calls are the calls of runners in flight in this process.
type calls struct {
	mu  sync.Mutex
	out map[RunID]map[*flight]bool
}

// flight is one call. There may be two of a step: one whose lease was lost and
// that has not noticed yet, and the one that took over.
type flight struct {
	step   string
	cancel context.CancelCauseFunc
}

func (c *calls) add(id RunID, step string, cancel context.CancelCauseFunc) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		c.out = map[RunID]map[*flight]bool{}
	}
	if c.out[id] == nil {
		c.out[id] = map[*flight]bool{}
	}
	f := &flight{step, cancel}
	c.out[id][f] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.out[id], f)
		if len(c.out[id]) == 0 {
			delete(c.out, id)
		}
	}
}

func (c *calls) has(id RunID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out[id] != nil
}

// stop ends the calls of all steps of the run that are to stop.
func (c *calls) stop(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.out[r.ID] {
		if s := r.Step(f.step); s != nil && s.Stopping != "" {
			f.cancel(errors.New(s.Stopping))
		}
	}
}
