package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// cannotRevert is the code with which a runner refuses to undo a step.
const cannotRevert = "cannot_revert"

// Undoable reports whether a run that deployed can be undone step by step. If
// it cannot though some of it could, why says what is in the way, to follow
// "because".
func (e *Engine) Undoable(ctx context.Context, id RunID) (yes bool, why string, err error) {
	r, err := e.Store.Load(ctx, id)
	if err != nil || r.Environment == nil {
		return false, "", err
	}
	env, err := e.Store.Environment(ctx, r.Repo.ID, r.Environment.Name)
	if err != nil {
		return false, "", err
	}
	m := &move{e: e, run: r, now: e.Now()}
	yes, why = undoable(r, env, m.revertible)
	return yes, why, nil
}

// undoable: what was changed after the run would stand in the way of its
// undoing, so it must be the last that took its environment.
func undoable(r *Run, env *EnvironmentState, can func(*StepRun) bool) (yes bool, why string) {
	if r.State != Succeeded || r.Reverts != "" || r.DryRun || !r.Admitted || env.Active != "" || env.Fence != r.Fence>>callBits {
		return false, ""
	}
	some := false
	var stuck []string
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case !begun(r.definition(i), s):
		case can(s):
			some = true
		case s.State == Succeeded:
			stuck = append(stuck, s.Name)
		}
	}
	if some && len(stuck) > 0 {
		why = fmt.Sprintf("%s of run %s cannot be undone", strings.Join(stuck, ", "), r.ID)
	}
	return some && len(stuck) == 0, why
}

// overtaken: a run that is to undo another one comes too late.
func overtaken(r *Run, f Facts) bool {
	return r.Reverts != "" && f.Environment != nil && f.Environment.Fence != r.Fence>>callBits
}

// Undoes lists the steps that a run undoes of another one, the last first.
func (r *Run) Undoes() (names []string) {
	for i := range r.Steps {
		if s := &r.Steps[i]; r.Reverts != "" && (begun(r.definition(i), s) || s.Reverting) {
			names = append(names, s.Name)
		}
	}
	slices.Reverse(names)
	return names
}

// Brings is the commit that is deployed when the run has succeeded, and what
// people call it. A run that undoes another one brings back what stood before.
func (r *Request) Brings() (sha, ref string) {
	if r.Reverts != "" && r.Restores != nil {
		return r.Restores.SHA, r.Restores.Ref
	}
	return r.SHA, r.Ref
}

// undoingOf is what a run that undoes another one does, in a sentence.
func undoingOf(r *Run) string {
	return fmt.Sprintf("Undoing run %s: %s.", r.Reverts, strings.Join(r.Undoes(), ", "))
}

// undone is what a run that undid another one came to.
func undone(r *Run) string {
	text := fmt.Sprintf("Run %s was undone.", r.Reverts)
	if r.Restores != nil {
		text += fmt.Sprintf(" `%s` runs again.", short(r.Restores.SHA))
	}
	return text
}

// whatStands says what an undoing that stopped half-way leaves, and the way on.
func whatStands(r *Run) string {
	if r.Reverts == "" {
		return ""
	}
	var gone, left []string
	for i := range r.Steps {
		switch s := &r.Steps[i]; {
		case s.State == RolledBack:
			gone = append(gone, s.Name)
		case begun(r.definition(i), s):
			left = append(left, s.Name)
		}
	}
	text := fmt.Sprintf(" Not undone: %s.", strings.Join(left, ", "))
	if len(gone) > 0 {
		text = fmt.Sprintf(" Undone: %s.", strings.Join(gone, ", ")) + text
	}
	if r.Restores != nil {
		text += fmt.Sprintf(" To deploy `%s` again, which ran before: `/rollback %s`.", short(r.Restores.SHA), r.EnvironmentName())
	}
	return text
}

// rollbackFailed keeps why there was a rollback at all. One in which nothing has
// begun, not in the run that was to deploy again either, leaves its environment
// as it was: end says why then, and there is no lock.
func rollbackFailed(r, redeploy *Run, end Finish) Finish {
	end.State = Failed
	for _, next := range []string{deploying, reverting} {
		if why, _, is := strings.Cut(r.Message, next); is && r.Reverts == "" {
			end.Message = why + " " + end.Message
			break
		}
	}
	if !changed(r) && (redeploy == nil || !changed(redeploy)) {
		end.Message = asItWas(end.Message)
		return end
	}
	which := "of"
	if r.Reverts != "" {
		which = "with"
	}
	end.Code, end.Lock = "rollback_failed", fmt.Sprintf("the rollback %s run %s failed", which, r.ID)
	return end
}

// asItWas is the message of a rollback that has not begun.
func asItWas(message string) string {
	return strings.TrimSuffix(message, ".") + ". Nothing was changed, so what ran before still does, and the environment is not locked."
}

// instead is what is deployed again where steps cannot be undone: what ran
// before. nil: there is nothing, or deploying it again is what went wrong.
func instead(r *Run, f Facts) *Deployment {
	switch {
	case r.Reverts != "":
		return r.Restores
	case r.Restores == nil && f.Environment != nil:
		return f.Environment.Current
	}
	return nil
}

// deploying follows, in the message of a run, why what ran before is deployed again.
const deploying = " Deploying `"

// redeploying begins to deploy what ran before again.
func redeploying(to *Deployment, why string) RollBack {
	return RollBack{To: to, Message: fmt.Sprintf("%s%s%s` again, which ran before.", why, deploying, short(to.SHA))}
}

// Deployed loads the run that deployed what a deployment brought: of one that
// was there again because a later one was undone, the one it goes back to. The
// error wraps ErrNotFound if its record is gone.
func Deployed(ctx context.Context, from loader, d *Deployment) (*Run, error) {
	r, err := from.Load(ctx, d.Run)
	for err == nil && r.Reverts != "" {
		if r.Restores == nil {
			return nil, fmt.Errorf("what run %s left: %w", r.ID, ErrNotFound)
		}
		r, err = from.Load(ctx, r.Restores.Run)
	}
	return r, err
}

type loader interface {
	Load(ctx context.Context, id RunID) (*Run, error)
}
