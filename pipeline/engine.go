package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Engine does what Next decides. It holds no state that matters: kill it at
// any moment and another one goes on from the Store.
type Engine struct {
	Store   Store
	Queue   queue
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

type queue interface {
	Enqueue(ctx context.Context, jobs ...Job) error
	BlockedJobs(ctx context.Context, repo int64) ([]Job, error)
	Lift(ctx context.Context, jobs ...Job) error
}

// inquirer answers the questions of the gates and of expressions.
type inquirer interface {
	// Live asks everything the gates of the run need. What cannot be asked is
	// said in Live.Unverified; an error means: try the job again.
	Live(ctx context.Context, r *Run) (Live, error)
	// Changed lists the files the run's commit changes against its base.
	Changed(ctx context.Context, r *Run) ([]string, error)
}

// secretResolver turns the names of a step's secrets into values, if the step may have them.
type secretResolver interface {
	Resolve(ctx context.Context, q SecretRequest) (map[string]Secret, error)
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
// The gates are asked when it is admitted, not here. req.ID may be chosen by the
// caller so that starting twice makes one run. With req.Once it may be another
// run, which does the same and was asked for before.
func (e *Engine) Start(ctx context.Context, req Request) (*Run, error) {
	const tries = 100
	if req.ID == "" {
		req.ID = e.Store.NewRunID(req.Repo.ID)
	}
	req.Created = e.Now()
	req.Origin.ReplyTo = "" // a key to somebody's screen for half an hour; nothing to keep
	for range tries {
		r, err := e.make(ctx, req)
		if err == nil {
			return r, nil
		}
		// It may be there all the same: made by an earlier call, or by this one,
		// whose answer was lost.
		if r, old := e.Store.Load(ctx, req.ID); old == nil {
			return r, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
	}
	return nil, Temporary(fmt.Errorf("start run %s: %w, %d times in a row", req.ID, ErrConflict, tries))
}

// Prepare has the runners make ready what the steps of a run will need that is
// about to begin if its gates let it. It returns at once.
func (e *Engine) Prepare(req Request) {
	if req.DryRun || req.SHA == "" || req.Reverts != "" || req.NotBefore.After(e.Now()) {
		return
	}
	asked := map[string]bool{}
	for i := range req.Pipeline.Steps {
		name := req.Pipeline.Steps[i].Runner()
		if p, ok := e.Runners[name].Runner.(Preparer); ok && !asked[name] {
			asked[name] = true
			p.Prepare(req.Repo, req.SHA)
		}
	}
}

func (e *Engine) make(ctx context.Context, req Request) (*Run, error) {
	now := e.Now()
	r := &Run{Request: req}
	r.State = Queued
	r.Deadline = admissionDeadline(&req, now)
	for _, s := range req.Pipeline.Steps {
		r.Steps = append(r.Steps, StepRun{Name: s.Name, State: Queued})
	}
	if req.Reverts != "" {
		undone, err := e.Store.Load(ctx, req.Reverts)
		if err != nil {
			return nil, fmt.Errorf("run to undo: %w", err)
		}
		r.Steps, r.Fence = undone.Steps, undone.Fence // its own as soon as it is admitted
		for i := range r.Steps {                      // what it said and left to do was of that run
			s := &r.Steps[i]
			s.Summary, s.Annotations, s.Later = "", nil, time.Time{}
		}
	}
	m := &move{e: e, run: r, now: now}
	if req.Once {
		if first, err := m.askedBefore(ctx); first != nil || err != nil {
			return first, err
		}
	}
	m.event(Event{Kind: "run", State: Queued, Actor: req.Actor.Login, Message: req.Reason})
	if err := m.settle(ctx); err != nil {
		return nil, err
	}
	return r, m.commit(ctx)
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

// changed lists the files the run's commit changes.
func (e *Engine) changed(ctx context.Context, r *Run) ([]string, error) {
	if e.GitHub == nil {
		return nil, Refuse("no_github", "This shipmate is not connected to GitHub, so that changed() cannot be evaluated.")
	}
	return e.GitHub.Changed(ctx, r)
}

// Handlers are the jobs of the engine, for a Worker.
func (e *Engine) Handlers() map[string]Handler {
	return map[string]Handler{
		"advance":  e.advance,
		"step":     e.step,
		"redeploy": e.redeploy,
		"later":    e.later,
		"plan":     e.plan,
		"report":   e.report,
		KindMoved:  e.moved,
		kindLifted: e.lifted,
	}
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

// ignoreGone: a job about a run that has been swept away has nothing to do.
func ignoreGone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
