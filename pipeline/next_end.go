package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// conclude decides how a run ends in which no step moves any more.
func conclude(r *Run, f Facts) []Decision {
	if blocked, ds := block(r); blocked {
		return ds
	}
	failed := firstFailure(r)
	switch {
	case failed == nil:
		return []Decision{Finish{State: Succeeded, Lock: lockAfter(r)}}
	case rollsBack(r):
		return []Decision{rollback(r, f, cmp.Or(failed.Code, "step_failed"), failure(failed))}
	}
	end := Finish{State: Failed, Code: cmp.Or(failed.Code, "step_failed"), Message: failure(failed)}
	switch {
	case lockAfter(r) == "":
	case changed(r):
		end.Lock = fmt.Sprintf("the rollback with run %s failed", r.ID)
	default:
		end.Message = asItWas(end.Message)
	}
	return []Decision{end}
}

// block: while nobody knows how a step ended, the run ends in no way and keeps
// its environment.
func block(r *Run) (bool, []Decision) {
	i := slices.IndexFunc(r.Steps, func(s StepRun) bool { return s.State == Unknown })
	if i < 0 {
		return false, nil
	}
	name := r.Steps[i].Name
	msg := fmt.Sprintf("Nobody saw how %s ended. Look, then say `/resolve %s %s succeeded` or `failed`, with --reason.", name, r.ID, name)
	if r.State == Unknown && r.Message == msg {
		return true, nil
	}
	return true, []Decision{Block{msg}}
}

// windDown ends a cancelled run: what runs is stopped, what waits never starts.
func windDown(r *Run, f Facts, now time.Time) []Decision {
	var ds []Decision
	active := false
	for i := range r.Steps {
		s := &r.Steps[i]
		if d := windDownStep(r, s, now); d != nil {
			ds = append(ds, d)
		}
		active = active || s.State == Running || s.State == Waiting
	}
	if active || len(ds) > 0 {
		return ds
	}
	return afterCancel(r, f)
}

func windDownStep(r *Run, s *StepRun, now time.Time) Decision {
	switch {
	case s.State == Queued:
		why := "the run was cancelled"
		if r.Cancel.Code == "deadline" {
			why = "the run took too long"
		}
		return Skip{s.Name, "cancelled", "Not started, because " + why + "."}
	case s.State == Waiting && (s.Call == 0 || s.Code == "retry"), s.State == Running && s.Call == 0 && !s.Calling:
		return Settle{s.Name, Cancelled, "cancelled", ""} // no call was made: its job, if there is one, is out of date
	case (s.State == Running || s.State == Waiting) && s.Stopping == "":
		return StopStep{s.Name, "cancelled"}
	case s.State == Waiting && reached(s.Due, now):
		return Call{s.Name} // it could not be stopped yet
	}
	return nil
}

// afterCancel decides how a cancelled run ends in which no step moves any
// more. One that had done all it was to do was not cancelled: it is there.
func afterCancel(r *Run, f Facts) []Decision {
	cut := slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.State == Cancelled || s.Code == "cancelled" })
	blocked, ds := block(r)
	switch {
	case blocked:
		return ds
	case r.Admitted && !cut && firstFailure(r) == nil:
		return []Decision{Finish{State: Succeeded, Message: "The cancellation came too late: every step had ended.", Lock: lockAfter(r)}}
	case r.Cancel.Code == "deadline" && r.Admitted && rollsBack(r):
		return []Decision{rollback(r, f, "deadline", cancelMessage(r))}
	}
	message := cancelMessage(r)
	if left := leftBehind(r); left != "" {
		message = strings.TrimSuffix(message, ".") + ". " + left
	}
	return []Decision{Finish{State: endOf(r.Cancel), Code: r.Cancel.Code, Message: message}}
}

// leftBehind says what a deploy that was cut short leaves where it is.
func leftBehind(r *Run) string {
	var done []string
	for i := range r.Steps {
		if s := &r.Steps[i]; begun(r.definition(i), s) && s.State == Succeeded {
			done = append(done, s.Name)
		}
	}
	if len(done) == 0 || !r.Deploys() || r.Reverts != "" {
		return ""
	}
	return fmt.Sprintf("Done before and left as it is: %s. To bring the last good revision back: `/rollback %s`.", strings.Join(done, ", "), r.Environment.Name)
}

// endOf: people cancel; a deadline is a failure.
func endOf(c *Cancellation) State {
	if c.Code == "deadline" {
		return Failed
	}
	return Cancelled
}

func cancelMessage(r *Run) string {
	c := r.Cancel
	switch {
	case c.Code == "rejected":
		return strings.TrimSuffix(fmt.Sprintf("Rejected by %s: %s", c.By.Login, c.Reason), ": ")
	case c.By.IsBot():
		return c.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("Cancelled by %s. %s", c.By.Login, c.Reason))
}

// rollsBack: only what deploys has something to go back to.
func rollsBack(r *Run) bool {
	return r.Pipeline.OnFailure == Rollback && r.Deploys()
}

// rollback chooses how to undo a failed run: revert its steps, if every one
// that succeeded can be, else deploy the previous good revision again, else
// stop and ask. A step that failed may have done half its work, or may have
// done nothing but look. So it is reverted if it can be; where it cannot be it
// is named, and only if there is nothing else to revert it asks for a redeploy.
func rollback(r *Run, f Facts, code, why string) Decision {
	var stuck, half []string
	some := false
	for i := range r.Steps {
		switch s := &r.Steps[i]; {
		case !begun(r.definition(i), s):
		case revertible(f, s):
			some = true
		case s.State == Succeeded:
			stuck = append(stuck, s.Name)
		default:
			half = append(half, s.Name)
		}
	}
	all := strings.Join(slices.Concat(stuck, half), ", ")
	switch {
	case !some && all == "":
		if slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.Untouched }) {
			why = strings.TrimSuffix(why, ".") + ". Nothing was changed, so nothing is rolled back."
		}
		return Finish{State: Failed, Code: code, Message: why}
	case some && all == "":
		return RollBack{Message: why + reverting + "."}
	case some && len(stuck) == 0:
		return RollBack{Message: fmt.Sprintf("%s%s before; %s itself cannot be undone.", why, reverting, all)}
	case instead(r, f) != nil:
		return redeploying(instead(r, f), why)
	case len(stuck) == 0: // the first step of a first deploy: there is nothing to go back to
		return Finish{State: Failed, Code: code, Message: why}
	}
	return Finish{State: Failed, Code: "cannot_roll_back",
		Message: fmt.Sprintf("%s It cannot be rolled back: %s cannot be undone and no earlier good deployment is recorded.", why, all),
		Lock:    fmt.Sprintf("run %s failed and could not be rolled back", r.ID)}
}

// begun reports whether the step has ended and may have changed something, so
// that there may be something to undo.
func begun(def *Step, s *StepRun) bool {
	ended := s.State == Succeeded || s.State == Failed || s.State == Cancelled
	return ended && !def.builtIn() && (s.Call > 0 || s.Attempt > 1) && !s.Untouched
}

func revertible(f Facts, s *StepRun) bool { return f.Revertible != nil && f.Revertible(s) }

// undoing reports whether the run is on its way back, also while nobody knows
// how the undoing of a step ended.
func (r *Run) undoing() bool {
	return r.State == RollingBack || r.State == Unknown && slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.Reverting && s.State == Unknown })
}

// nextRevert moves a run that is rolling back: the steps, last first, or the
// run that deploys the previous revision.
func nextRevert(r *Run, f Facts, now time.Time) []Decision {
	if r.RedeployedBy != "" {
		return awaitRedeploy(r, f)
	}
	if blocked, ds := block(r); blocked {
		return ds
	}
	var last *StepRun
	var stuck []string
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.State == RollingBack:
			return undoingStep(s, now)
		case !begun(r.definition(i), s):
		case s.Reverting && s.Code == cannotRevert: // it refused, and touched nothing
			stuck = append(stuck, s.Name)
		case s.Reverting: // the undoing itself failed
			return []Decision{rollbackFailed(r, nil, Finish{Code: s.Code, Message: fmt.Sprintf("The rollback stopped: %s could not be undone. %s%s", s.Name, s.Message, whatStands(r))})}
		case !revertible(f, s) && s.State == Succeeded:
			stuck = append(stuck, s.Name)
		case !revertible(f, s): // it failed, and was named when the rollback began
		case last == nil || !s.Ended.Before(last.Ended):
			last = s
		}
	}
	all := strings.Join(stuck, ", ")
	switch to := instead(r, f); {
	case len(stuck) > 0 && to != nil:
		why, _, _ := strings.Cut(r.Message, reverting)
		return []Decision{redeploying(to, fmt.Sprintf("%s But %s cannot be undone any more.", why, all))}
	case last != nil:
		return []Decision{Revert{last.Name}}
	case len(stuck) > 0:
		return []Decision{rollbackFailed(r, nil, Finish{Code: cannotRevert, Message: fmt.Sprintf("The rollback stopped: %s cannot be undone any more.%s", all, whatStands(r))})}
	case r.Reverts != "": // to undo was all it was asked for
		return []Decision{Finish{State: Succeeded, Message: undone(r), Lock: lockReason(r)}}
	}
	return []Decision{Finish{State: RolledBack, Code: "rolled_back", Message: reverted(r.Message), Lock: lockReason(r)}}
}

const reverting = " Reverting what was done"

// reverted turns the message of a rollback that went on into that of one that ended.
func reverted(message string) string {
	why, rest, ok := strings.Cut(message, reverting)
	end := strings.IndexAny(rest, ".;")
	if !ok || end < 0 {
		return message
	}
	return why + " What was done" + rest[:end] + " is undone" + rest[end:]
}

func undoingStep(s *StepRun, now time.Time) []Decision {
	switch {
	case s.Stopping == "" && reached(s.Deadline, now):
		return []Decision{StopStep{s.Name, "timeout"}}
	case reached(s.Due, now):
		return []Decision{Call{s.Name}}
	}
	return nil
}

func awaitRedeploy(r *Run, f Facts) []Decision {
	switch c := f.Redeployed; {
	case c == nil || !c.State.Terminal():
		return nil
	case c.State == Succeeded:
		why, _, _ := strings.Cut(r.Message, deploying)
		return []Decision{Finish{State: RolledBack, Code: "rolled_back",
			Message: fmt.Sprintf("%s Rolled back: `%s` runs again, by run %s.", why, c.ShortSHA(), c.ID), Lock: lockReason(r)}}
	default:
		return []Decision{rollbackFailed(r, c, Finish{Code: c.Code, Message: fmt.Sprintf("The rollback failed as well, see run %s. %s", c.ID, c.Message)})}
	}
}

// lockAfter: every rollback leaves the environment locked. One that serves a
// failed run leaves that to the run.
func lockAfter(r *Run) string {
	if r.Trigger != ByRollback || r.Parent != "" || r.DryRun {
		return ""
	}
	return lockReason(r)
}

// Locks reports whether the run leaves its environment locked when it ends: a
// rollback that somebody asked for.
func (r *Run) Locks() bool { return lockAfter(r) != "" }

func lockReason(r *Run) string {
	if r.Trigger == ByRollback {
		return fmt.Sprintf("rolled back by %s with run %s", r.Actor.Login, r.ID)
	}
	return fmt.Sprintf("run %s was rolled back", r.ID)
}

func failure(s *StepRun) string {
	return cmp.Or(s.Message, s.Name+" failed.")
}

// skipAll ends the steps of a run that is not to begin.
func skipAll(r *Run, code, message string) (ds []Decision) {
	for i := range r.Steps {
		if r.Steps[i].State == Queued {
			ds = append(ds, Skip{r.Steps[i].Name, code, message})
		}
	}
	return ds
}
