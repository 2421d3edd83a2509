package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Engine does what Next decides. It holds no state that matters: kill it at
// any moment and another one goes on from the Store.
type Engine struct {
	Store   Store
	Queue   enqueuer
	Runners map[string]Uses // by the name "uses" gives; "run" is the script runner
	Sinks   []Sink
	GitHub  inquirer // nil: no gate needs GitHub (a run without environment and pull request)
	Secrets secretResolver
	Logs    logOpener
	Now     func() time.Time
	Log     *slog.Logger
	Observe Observer // may be zero

	calls calls
}

type enqueuer interface {
	Enqueue(ctx context.Context, jobs ...Job) error
}

// inquirer answers the questions of the gates and of expressions.
type inquirer interface {
	// Live asks everything the gates of the run need. What cannot be asked is
	// said in Live.Unverified; an error means: try the job again.
	Live(ctx context.Context, r *Run) (Live, error)
	// Changed lists the files the run's commit changes against its base.
	Changed(ctx context.Context, r *Run) ([]string, error)
}

// secretResolver turns a run's secret names into values, if the operator allows it.
type secretResolver interface {
	Resolve(ctx context.Context, r *Run, names []string) (map[string]Secret, error)
}

// logOpener opens the log of one attempt, masked with the secrets.
type logOpener interface {
	Open(ctx context.Context, r *Run, step string, attempt int, secrets map[string]Secret) (LogWriter, error)
}

// LogWriter is a Log that must be closed when the call is over. ended says
// that nothing more will come in this attempt.
type LogWriter interface {
	Log
	Mask(text string) string
	Close(ctx context.Context, ended bool) error
}

// Observer is told what happened, for metrics. Nil funcs are skipped.
type Observer struct {
	RunEnded  func(r *Run)
	StepEnded func(r *Run, s *StepRun)
}

// Start makes the run the request asks for and returns it as stored.
// The gates are asked when it is admitted, not here. r.ID may be chosen by the
// caller so that starting twice makes one run.
func (e *Engine) Start(ctx context.Context, req Request) (*Run, error) {
	now := e.Now()
	if req.ID == "" {
		req.ID = e.Store.NewRunID(req.Repo.ID)
	}
	req.Created = now
	r := &Run{Request: req}
	r.State = Queued
	r.Deadline = admissionDeadline(&req, now)
	for _, s := range req.Pipeline.Steps {
		r.Steps = append(r.Steps, StepRun{Name: s.Name, State: Queued})
	}
	m := &move{e: e, run: r, now: now}
	m.event(Event{Kind: "run", State: Queued, Actor: req.Actor.Login, Message: req.Reason})
	if err := m.settle(ctx); err != nil {
		return nil, err
	}
	err := m.commit(ctx)
	if errors.Is(err, ErrConflict) {
		return e.Store.Load(ctx, req.ID)
	}
	return r, err
}

// admissionDeadline is how long a run may wait for its gates: as long as its
// approval may be asked for, a day otherwise.
func admissionDeadline(req *Request, now time.Time) time.Time {
	from := now
	if req.NotBefore.After(from) {
		from = req.NotBefore
	}
	wait := 24 * time.Hour
	if req.Environment != nil && req.Environment.Approvals != nil {
		wait = req.Environment.Approvals.Expires.Or(wait)
	}
	return from.Add(wait)
}

// Handlers are the jobs of the engine, for a Worker.
func (e *Engine) Handlers() map[string]Handler {
	return map[string]Handler{
		"advance":  e.advance,
		"step":     e.step,
		"stop":     e.stop,
		"redeploy": e.redeploy,
		"report":   e.report,
	}
}

// advance asks Next about a run. It is what a timer, the sweep and everybody
// who changed something around the run enqueue.
func (e *Engine) advance(ctx context.Context, l *Lease) error {
	r, err := e.update(ctx, l.Run, func(*move) error { return nil })
	if err != nil {
		return ignoreGone(err)
	}
	// What was lost with a crash of Redis is enqueued again; what was not has
	// the same job id and is left alone.
	if jobs := e.jobsInFlight(r); len(jobs) > 0 {
		return e.Queue.Enqueue(ctx, jobs...)
	}
	return nil
}

// update is the one way an existing run changes: load, change, ask Next until
// it has nothing to say, commit; from the start if somebody was faster.
// change returns an error to leave everything as it was.
func (e *Engine) update(ctx context.Context, id RunID, change func(*move) error) (*Run, error) {
	return e.updateFrom(ctx, nil, id, change)
}

func (e *Engine) updateFrom(ctx context.Context, r *Run, id RunID, change func(*move) error) (*Run, error) {
	const tries = 100
	for range tries {
		if r == nil {
			var err error
			if r, err = e.Store.Load(ctx, id); err != nil {
				return nil, err
			}
		}
		m := &move{e: e, run: r, now: e.Now()}
		if err := change(m); err != nil {
			return r, err
		}
		if err := m.settle(ctx); err != nil {
			return nil, fmt.Errorf("run %s: %w", id, err)
		}
		err := m.commit(ctx)
		if !errors.Is(err, ErrConflict) {
			return r, err
		}
		r = nil
	}
	return nil, Temporary(fmt.Errorf("run %s: %w, %d times in a row", id, ErrConflict, tries))
}

// Approve records somebody's yes or no. Who may was asked before; whether it
// still counts is asked again when the gate opens.
func (e *Engine) Approve(ctx context.Context, id RunID, a Approval) (*Run, error) {
	return e.update(ctx, id, func(m *move) error {
		r := m.run
		if !r.Asks(a.Gate) {
			return Refuse("already_decided", "Run %s is not waiting for approval any more: it is %s.", id, words(r.State))
		}
		for _, old := range r.Approvals {
			if old.By.ID == a.By.ID && old.Gate == a.Gate {
				return Refuse("already_answered", "You have already answered for run %s.", id)
			}
		}
		a.SHA, a.At = r.SHA, m.now
		r.Approvals = append(r.Approvals, a)
		kind := "approved"
		if !a.Yes {
			kind = "rejected"
			r.Cancel = &Cancellation{By: a.By, Code: "rejected", Reason: a.Reason, At: m.now}
		}
		m.event(Event{Kind: "approval", Step: a.Gate, Actor: a.By.Login, Code: kind, Message: a.Reason})
		return nil
	})
}

// Cancel winds a run down: what runs is stopped, what waits never starts.
func (e *Engine) Cancel(ctx context.Context, id RunID, c Cancellation) (*Run, error) {
	return e.update(ctx, id, func(m *move) error {
		switch r := m.run; {
		case r.State.Terminal():
			return Refuse("already_ended", "Run %s has already ended: it is %s.", id, words(r.State))
		case r.State == RollingBack:
			return Refuse("rolling_back", "Run %s is rolling back, and a rollback is not cut short. Wait for its end.", id)
		case r.Cancel != nil:
			return Refuse("already_cancelled", "Run %s is already being cancelled.", id)
		default:
			c.At = m.now
			r.Cancel = &c
			m.event(Event{Kind: "cancel", Actor: c.By.Login, Code: c.Code, Message: c.Reason})
			return nil
		}
	})
}

// Resolve says how a step ended whose end nobody saw.
func (e *Engine) Resolve(ctx context.Context, id RunID, step string, succeeded bool, by Actor, reason string) (*Run, error) {
	return e.update(ctx, id, func(m *move) error {
		s := m.run.Step(step)
		if s == nil || s.State != Unknown {
			return Refuse("not_unknown", "Step %s of run %s is not waiting to be resolved.", step, id)
		}
		s.State, s.Code, s.Message = Failed, "resolved", fmt.Sprintf("%s says it failed: %s", by.Login, reason)
		if succeeded {
			s.State, s.Code, s.Message = Succeeded, "resolved", fmt.Sprintf("%s says it succeeded: %s", by.Login, reason)
		}
		if m.run.State == Unknown {
			m.run.State, m.run.Code, m.run.Message = Running, "", ""
			if s.Reverting {
				m.run.State = RollingBack
				if succeeded {
					s.State = RolledBack
				}
			}
		}
		m.event(Event{Kind: "step", Step: step, State: s.State, Actor: by.Login, Code: "resolved", Message: reason})
		return nil
	})
}

// Watch stops calls in flight on this machine when a signal says that their
// run changed. It returns when signals is closed.
func (e *Engine) Watch(ctx context.Context, signals <-chan RunID) {
	for id := range signals {
		if !e.calls.has(id) {
			continue
		}
		r, err := e.Store.Load(ctx, id)
		if err != nil {
			e.Log.Error("load signalled run", "run", id, "err", err)
			continue
		}
		e.calls.stop(r)
	}
}

// redeploy makes the run that brings the previous revision back for a failed one.
func (e *Engine) redeploy(ctx context.Context, l *Lease) error {
	failed, err := e.Store.Load(ctx, l.Run)
	if err != nil {
		return ignoreGone(err)
	}
	var to Deployment
	if err := json.Unmarshal(l.Payload, &to); err != nil {
		return fmt.Errorf("redeploy payload: %w", err)
	}
	req := failed.Request
	req.ID, req.Parent, req.Restores = failed.RedeployedBy, failed.ID, &to
	req.SHA, req.Ref, req.Trigger, req.Actor = to.SHA, to.Ref, ByRollback, Bot()
	req.Pipeline.OnFailure = Stop
	req.Reason = fmt.Sprintf("run %s failed", failed.ID)
	req.NotBefore = time.Time{}
	_, err = e.Start(ctx, req)
	return err
}

// report brings one sink to the state of the run.
func (e *Engine) report(ctx context.Context, l *Lease) error {
	var job reportJob
	if err := json.Unmarshal(l.Payload, &job); err != nil {
		return fmt.Errorf("report payload: %w", err)
	}
	for _, sink := range e.Sinks {
		if sink.Name() == job.Sink {
			return e.show(ctx, sink, l.Run)
		}
	}
	return fmt.Errorf("no sink %q", job.Sink)
}

type reportJob struct {
	Sink string `json:"sink"`
}

func (e *Engine) show(ctx context.Context, sink Sink, id RunID) error {
	r, err := e.Store.Load(ctx, id)
	if err != nil {
		return ignoreGone(err)
	}
	subject := sink.Subject(r)
	shown, err := e.Store.Shown(ctx, r.Repo.ID, subject, sink.Name())
	if err != nil {
		return err
	}
	now, err := sink.Show(ctx, r, shown)
	if now != nil && string(now) != string(shown) {
		// Saved even if Show failed half-way: an id it got must not be lost.
		err = errors.Join(err, e.Store.SaveShown(context.WithoutCancel(ctx), r.Repo.ID, subject, sink.Name(), now))
	}
	return err
}

// ignoreGone: a job about a run that has been swept away has nothing to do.
func ignoreGone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// calls are the calls of runners in flight in this process.
type calls struct {
	mu     sync.Mutex
	cancel map[RunID]map[string]context.CancelCauseFunc
}

func (c *calls) add(id RunID, step string, cancel context.CancelCauseFunc) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		c.cancel = map[RunID]map[string]context.CancelCauseFunc{}
	}
	if c.cancel[id] == nil {
		c.cancel[id] = map[string]context.CancelCauseFunc{}
	}
	c.cancel[id][step] = cancel
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.cancel[id], step)
		if len(c.cancel[id]) == 0 {
			delete(c.cancel, id)
		}
	}
}

func (c *calls) has(id RunID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancel[id] != nil
}

// stop ends the calls of all steps of the run that are to stop.
func (c *calls) stop(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for step, cancel := range c.cancel[r.ID] {
		if s := r.Step(step); s != nil && s.Stopping != "" {
			cancel(errors.New(s.Stopping))
		}
	}
}
