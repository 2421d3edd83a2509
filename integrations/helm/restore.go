package helm

import (
	"context"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// aside is a context to clean up in: the call's own while that lasts, so that it
// ends when the step is handed over; otherwise one that outlives it.
func aside(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	return context.WithTimeout(ctx, patience+time.Minute)
}

// giveBack ends a step that failed: what was there before is brought back.
func (j *job) giveBack(ctx context.Context) (pipeline.Result, error) {
	why := j.state.Failed
	j.progress.say("%s", why.Message)
	failed := pipeline.Result{Done: true, State: pipeline.Failed, Code: why.Code, Checkpoint: j.checkpoint()}
	if j.state.Before == 0 && !j.state.Fresh {
		failed.Message = why.Message + " No revision of it was ever good, so there is nothing to go back to."
		return failed, nil
	}
	err := j.restore(ctx)
	switch {
	case pipeline.HandedOver(ctx) != nil:
		return pipeline.Result{}, context.Cause(ctx)
	case pipeline.IsTemporary(err):
		return pipeline.Result{}, err
	case err != nil:
		failed.Code = "rollback_failed"
		failed.Message = fmt.Sprintf("%s And what was there before could not be brought back: %s", why.Message, pipeline.Message(err))
	case j.state.Before == 0:
		failed.Message = why.Message + " It was the first install, so it was uninstalled."
	default:
		failed.Message = fmt.Sprintf("%s Revision %d is back.", why.Message, j.state.Before)
	}
	return failed, nil
}

func (j *job) restore(ctx context.Context) error {
	ctx, cancel := aside(ctx, j.config.Restore)
	defer cancel()
	s, err := open(ctx, j.place, j.state.Release, j.mark, j.progress)
	if err != nil {
		return err
	}
	if j.state.Before == 0 {
		j.progress.say("Uninstalling %s.", j.state.Release)
	} else {
		j.progress.say("Rolling back to revision %d.", j.state.Before)
	}
	j.patience = j.config.Restore
	if err := s.restore(j.state.Before, j.patience); err != nil {
		return j.explain(ctx, s, "bring back "+j.state.Release, nil, err)
	}
	return nil
}

// Cancel brings back what was there before a step that no call works on.
func (r *Runner) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	j, err := r.job(ctx, c)
	if err != nil {
		return err
	}
	defer j.progress.close()
	if j.state.Began.IsZero() || j.state.Before == 0 && !j.state.Fresh {
		return nil
	}
	return j.restore(ctx)
}

// CanRevert reports whether the step knows what was there before.
func (r *Runner) CanRevert(c *pipeline.StepContext) bool {
	var at state
	err := c.Restore(&at)
	return err == nil && at.Revision != 0 && (at.Before != 0 || at.Fresh)
}

// Revert rolls back to the revision that was there before the step, or
// uninstalls what the step installed.
func (r *Runner) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	j, err := r.job(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	defer j.progress.close()
	_, h, err := j.look(ctx)
	if err != nil {
		return pipeline.Result{}, err
	}
	if err := j.revertible(h); err != nil {
		return pipeline.Result{}, err
	}
	err = j.restore(ctx)
	switch {
	case pipeline.HandedOver(ctx) != nil:
		return pipeline.Result{}, context.Cause(ctx)
	case err != nil:
		return pipeline.Result{}, err
	case j.state.Before == 0:
		return pipeline.Result{Done: true, Message: fmt.Sprintf("The release %s was uninstalled again.", j.state.Release)}, nil
	}
	return pipeline.Result{Done: true, Message: fmt.Sprintf("The release %s is back at revision %d.", j.state.Release, j.state.Before)}, nil
}

// revertible refuses, before anything is touched, where the step's own way back
// is gone. What ran before is then deployed again.
func (j *job) revertible(h history) error {
	last := h.last()
	later := last != nil && last.Version > j.state.Revision
	switch {
	case later && !j.mark.same(made(last)):
		return pipeline.Refuse("cannot_revert", "The release %s has moved on to revision %d since this step deployed revision %d, so it is not rolled back.", j.state.Release, last.Version, j.state.Revision)
	case !later && j.state.Before != 0 && h.revision(j.state.Before) == nil: // later: an earlier call has begun to go back
		return pipeline.Refuse("cannot_revert", "Revision %d of the release %s is not kept any more, so it cannot be brought back.", j.state.Before, j.state.Release)
	}
	return nil
}
