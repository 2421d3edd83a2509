package pipeline

import (
	"fmt"
	"slices"
	"time"
)

// Facts are what Next and Gates are told besides the run itself.
type Facts struct {
	Environment *EnvironmentState   // nil: the run deploys nowhere
	Everywhere  *Lock               // the lock of all environments; may be nil
	Live        *Live               // what GitHub says now; nil: not asked yet
	Policy      *Environment        // of the environment in question
	Revertible  func(*StepRun) bool // whether a runner can undo the step; nil: none can
	Plans       func(*Step) bool    // whether a runner can plan the step; nil: none can
	Redeployed  *Run                // the run that brings the previous revision back, once it exists
}

// Next says what a run should do now: every rule is in here, and it is pure.
// It is asked again after its decisions have been applied, until it has none;
// a Hold that changes nothing is none. A run it has nothing for sleeps until
// its next timer (see [Run.NextTimer]) or until somebody moves it.
//
// The beginning of a run and its steps are in this file, how it waits in
// next_hold.go, its end and its undoing in next_end.go.
func Next(r *Run, f Facts, now time.Time) []Decision {
	switch {
	case r.State.Terminal():
		return nil
	case r.undoing():
		return nextRevert(r, f, now)
	case r.Cancel != nil:
		return windDown(r, f, now)
	case r.State != Unknown && reached(r.Deadline, now): // how long people take to look does not count
		return []Decision{CancelRun{"deadline", late(r)}}
	case !r.Admitted:
		return admission(r, f, now)
	}
	return nextSteps(r, f, now)
}

func late(r *Run) string {
	switch {
	case r.Admitted:
		return "The run did not end in time."
	case r.Code == "approval":
		return "Nobody approved in time."
	}
	return "The run could not start in time. " + r.Message
}

// admission decides whether a run may begin: all gates pass, or it waits, or
// it is refused.
func admission(r *Run, f Facts, now time.Time) []Decision {
	early := now.Before(r.NotBefore)
	switch {
	case r.Refused != "":
		return append(skipAll(r, "refused", "Not started."), Finish{State: Failed, Code: "cannot_start", Message: r.Refused})
	case overtaken(r, f):
		return []Decision{Finish{State: Cancelled, Code: "undo_overtaken",
			Message: fmt.Sprintf("Another run has taken %s since, so run %s is not undone. Look at what runs there, then say `/rollback %s` again.", r.Environment.Name, r.Reverts, r.Environment.Name)}}
	case nothingToDo(r, f):
		return adopt(r)
	case early && (r.Environment == nil || !asksApproval(r.Environment) || r.DryRun):
		return hold(r, f, scheduled(r))
	}
	if !asksGitHub(r) {
		f.Live = &Live{}
	}
	if h, queued := stillQueued(r, f, now); queued {
		return hold(r, f, h)
	}
	if f.Live == nil {
		return []Decision{AskLive{}}
	}
	f.Policy = r.Environment
	if early && f.Live.Unverified == "" { // what people are asked they can answer before; the rest must hold then
		h := scheduled(r)
		if g := approval(QuestionOf(r), f); g.State != Passes {
			if ds, ready := planFirst(r, f, h); !ready {
				return ds
			}
			h.Code, h.Message = g.Code, g.Sentence+" "+h.Message
		}
		return hold(r, f, h)
	}
	gates := Gates(QuestionOf(r), f, now)
	if refused, g := firstGate(gates, Fails); refused {
		return []Decision{Finish{State: Cancelled, Code: g.Code, Message: g.Sentence}}
	}
	if waits, g := firstGate(gates, Waits); waits && g.Name == GateVerify { // nothing is known, so nothing changes
		return hold(r, f, Hold{Code: g.Code, Message: g.Sentence, Until: heldUntil(r, g, now), Queue: inQueue(r, f)})
	}
	if by := supersededBy(r, f, gates); by != "" {
		return []Decision{Finish{State: Cancelled, Code: "superseded", Message: fmt.Sprintf("Run %s was asked for later and takes its place.", by)}}
	}
	if waits, g := firstWait(gates); waits {
		h := Hold{Code: g.Code, Message: g.Sentence, Until: heldUntil(r, g, now), Queue: queues(f.Policy, g)}
		if g.Name == GateApproval {
			if ds, ready := planFirst(r, f, h); !ready {
				return ds
			}
		}
		return hold(r, f, h)
	}
	return []Decision{Admit{}}
}

func scheduled(r *Run) Hold {
	return Hold{Code: "scheduled", Message: "Starts at " + r.NotBefore.UTC().Format("2006-01-02 15:04 MST") + ".", Until: r.NotBefore}
}

// nothingToDo: what was found when the run was asked for must still be so.
func nothingToDo(r *Run, f Facts) bool {
	if r.Nothing == "" || f.Environment == nil {
		return r.Nothing != ""
	}
	e := f.Environment
	now := e.Stands()
	return now != nil && now.Run == r.Same
}

// adopt ends a run that has nothing to do, so that whoever waits for its check
// is not kept waiting. What runs in its environment counts as its own.
func adopt(r *Run) []Decision {
	return append(skipAll(r, "nothing_to_do", "Not needed."), Finish{State: Succeeded, Code: "nothing_to_do", Message: r.Nothing, Adopts: r.Same != ""})
}

// asksGitHub: a run that deploys nowhere and belongs to no pull request has
// nothing to ask, and a redeploy that serves a failed run must work while
// GitHub does not.
func asksGitHub(r *Run) bool {
	return r.Parent == "" && (r.Environment != nil || r.PR != 0)
}

func firstGate(gates []Gate, state GateState) (bool, Gate) {
	i := slices.IndexFunc(gates, func(g Gate) bool { return g.State == state })
	if i < 0 {
		return false, Gate{}
	}
	return true, gates[i]
}

// firstWait is the gate that a run waits for. What GitHub will know in a moment
// is waited for last: a question to people is not closed and opened for it.
func firstWait(gates []Gate) (bool, Gate) {
	others := slices.DeleteFunc(slices.Clone(gates), func(g Gate) bool { return g.Name == GateConflict })
	if waits, g := firstGate(others, Waits); waits {
		return true, g
	}
	return firstGate(gates, Waits)
}

// nextSteps moves an admitted run through its DAG.
func nextSteps(r *Run, f Facts, now time.Time) []Decision {
	var ds []Decision
	failed := firstFailure(r)
	active := false
	for i := range r.Steps {
		s := &r.Steps[i]
		d := nextStep(r, i, failed, f, now)
		if d != nil {
			ds = append(ds, d)
		}
		active = active || d != nil || s.State == Running || s.State == Waiting
	}
	if active {
		return ds
	}
	return conclude(r, f)
}

// nextStep decides about the i-th step; nil: nothing to do now.
func nextStep(r *Run, i int, failed *StepRun, f Facts, now time.Time) Decision {
	s, def := &r.Steps[i], r.definition(i)
	switch {
	case s.State == Queued:
		return startOrSkip(r, def, failed)
	case s.State == Running && s.Stopping == "" && reached(s.Deadline, now):
		return StopStep{s.Name, "timeout"}
	case s.State == Waiting && failed != nil && s.Call == 0:
		return Skip{s.Name, "run_failed", fmt.Sprintf("Not needed any more, because %s failed.", failed.Name)}
	case s.State == Waiting && failed != nil && s.Code == "retry":
		return Settle{s.Name, Failed, "run_failed", s.Message}
	case s.State == Waiting && def.Uses == "approval":
		return nextApproval(r, def, s, f, now)
	case s.State == Waiting:
		return nextWaiting(def, s, now)
	}
	return nil
}

// startOrSkip: a step starts when all it needs has ended, however that ended.
// A failure that counts has ended the run by then, and a step that was skipped
// by its condition does not hold up the others.
func startOrSkip(r *Run, def *Step, failed *StepRun) Decision {
	if failed != nil {
		return Skip{def.Name, "run_failed", fmt.Sprintf("Not started, because %s failed.", failed.Name)}
	}
	for _, need := range def.Needs {
		if !r.Step(need).State.Terminal() {
			return nil
		}
	}
	switch {
	case r.DryRun && def.builtIn():
		return Skip{def.Name, "dry_run", "A dry run waits for nothing."}
	case r.Trigger == ByRollback && def.Uses == "approval":
		return Skip{def.Name, "rollback", "A rollback needs no approval."}
	}
	if r.taken(def) {
		return Reuse{def.Name}
	}
	return Begin{def.Name}
}

// nextWaiting moves a step on that waits for a time, at that time.
func nextWaiting(def *Step, s *StepRun, now time.Time) Decision {
	switch {
	case s.Stopping == "" && reached(s.Deadline, now):
		return StopStep{s.Name, "timeout"}
	case !reached(s.Due, now):
		return nil
	case def.Uses == "wait":
		return Settle{Step: s.Name, State: Succeeded}
	case s.Code == "retry", s.Attempt == 0:
		return Begin{s.Name}
	}
	return Call{s.Name}
}

// nextApproval settles an approval step once enough people said yes who still
// may, and the run is still what they said it to.
func nextApproval(r *Run, def *Step, s *StepRun, f Facts, now time.Time) Decision {
	p := StepApproval(*def)
	got := r.Approved(def.Name)
	switch {
	case reached(s.Deadline, now):
		return Settle{s.Name, Failed, "approval_expired", "Nobody approved in time."}
	}
	if d, ready := planStep(r, f, def.Name); !ready {
		return d
	}
	switch {
	case len(got) < p.Count:
		return nil
	case asksGitHub(r) && f.Live == nil:
		return AskLive{}
	}
	if asksGitHub(r) {
		f.Policy = r.Environment
		q := QuestionOf(r)
		if moved, g := firstGate([]Gate{role(q, f), fork(q, f), head(q, f)}, Fails); moved {
			return CancelRun{g.Code, g.Sentence}
		}
	}
	if r.Environment != nil { // GitHub says what people may only of runs that deploy
		got = mayStill(p, got, f.Live, r.Actor, r.Excluded)
	}
	if len(got) < p.Count {
		return nil
	}
	return Settle{Step: s.Name, State: Succeeded, Message: "Approved by " + people(got) + "."}
}

// firstFailure is the step that decides that the run has failed, or nil. One
// that only gave up because of it does not count.
func firstFailure(r *Run) *StepRun {
	for i := range r.Steps {
		s := &r.Steps[i]
		if (s.State == Failed || s.State == Cancelled) && s.Code != "run_failed" && !r.definition(i).ContinueOnError {
			return s
		}
	}
	return nil
}

// builtIn: no runner is behind the step; it waits for a person or a time.
func (s *Step) builtIn() bool { return s.Uses == "approval" || s.Uses == "wait" }

func reached(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func short(sha string) string { return sha[:min(7, len(sha))] }
