package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// advance asks Next about a run. It is what a timer, the sweep and everybody
// who changed something around the run enqueue.
func (e *Engine) advance(ctx context.Context, l *Lease) error {
	r, err := e.update(ctx, l.Run, func(m *move) error {
		m.touched = m.run.stopsACall() // signalled again with the commit, in case that was lost
		return nil
	})
	if err != nil {
		return ignoreGone(err)
	}
	// What was lost with a crash of Redis is enqueued again; what was not has
	// the same job id and is left alone.
	if jobs := jobsInFlight(r); len(jobs) > 0 {
		return e.Queue.Enqueue(ctx, jobs...)
	}
	return nil
}

// jobsInFlight are the jobs that must be out for a run, with the ids they have.
func jobsInFlight(r *Run) []Job {
	var jobs []Job
	for i := range r.Steps {
		if r.Steps[i].inFlight() {
			jobs = append(jobs, stepJob(r, &r.Steps[i]))
		}
	}
	if p := r.PlanPending(); p != nil {
		jobs = append(jobs, planJob(r.ID, p.Gate))
	}
	if r.awaitsRedeploy() {
		jobs = append(jobs, redeployJob(r.ID))
	}
	return jobs
}

// update is the one way an existing run changes: load, change, ask Next until
// it has nothing to say, commit; from the start if somebody was faster.
// change returns an error to leave everything as it was.
//
// It is also done again if nobody knows whether the commit was made, because
// its answer was lost. So change must know its own work when it meets it, and
// leave it alone.
func (e *Engine) update(ctx context.Context, id RunID, change func(*move) error) (*Run, error) {
	return e.updateFrom(ctx, nil, id, change)
}

func (e *Engine) updateFrom(ctx context.Context, r *Run, id RunID, change func(*move) error) (*Run, error) {
	const tries, unanswered = 100, 3
	lost := 0
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
		if err == nil || errors.Is(err, ErrLeaseLost) || ctx.Err() != nil {
			return r, err
		}
		if !errors.Is(err, ErrConflict) {
			if lost++; lost == unanswered {
				return nil, err
			}
		}
		r = nil
	}
	return nil, Temporary(fmt.Errorf("run %s: %w, %d times in a row", id, ErrConflict, tries))
}

// redeploy makes the run that brings the previous revision back for a failed one.
func (e *Engine) redeploy(ctx context.Context, l *Lease) error {
	failed, err := e.Store.Load(ctx, l.Run)
	if err != nil {
		return ignoreGone(err)
	}
	if !failed.awaitsRedeploy() {
		return nil
	}
	if _, err := e.Store.Load(ctx, failed.RedeployedBy); !errors.Is(err, ErrNotFound) {
		return err
	}
	// The failed run holds the environment, so what ran before it still stands there.
	env, err := e.Store.Environment(ctx, failed.Repo.ID, failed.Environment.Name)
	if err != nil {
		return err
	}
	to := instead(failed, Facts{Environment: env})
	if to == nil {
		return fmt.Errorf("redeploy for run %s: nothing is recorded to go back to", failed.ID)
	}
	req, err := e.restoring(ctx, failed, to)
	if err != nil {
		return err
	}
	_, err = e.Start(ctx, req)
	return err
}

// restoring asks for an earlier deployment once more, with the pipeline and the
// parameters it had then, as far as its record is still there.
func (e *Engine) restoring(ctx context.Context, failed *Run, to *Deployment) (Request, error) {
	req := failed.Request
	switch good, err := Deployed(ctx, e.Store, to); {
	case err == nil:
		req.Pipeline, req.Params, req.ConfigSHA, req.Title = good.Pipeline, good.Params, good.ConfigSHA, good.Title
	case ignoreGone(err) != nil:
		return req, err
	}
	req.ID, req.Parent, req.Restores, req.Reverts = failed.RedeployedBy, failed.ID, to, ""
	req.SHA, req.Ref, req.Trigger, req.Actor = to.SHA, to.Ref, ByRollback, Bot()
	req.Pipeline.OnFailure = Stop
	req.Reason = fmt.Sprintf("run %s failed", failed.ID)
	if failed.Reverts != "" {
		req.Reason = fmt.Sprintf("run %s could not be undone", failed.Reverts)
	}
	req.NotBefore, req.Promotes, req.Nothing, req.Same = time.Time{}, nil, "", ""
	return req, nil
}
