package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Facts are what Next and Gates are told besides the run itself.
type Facts struct {
	Environment *EnvironmentState   // nil: the run deploys nowhere
	Live        *Live               // what GitHub says now; nil: not asked yet
	Policy      *Environment        // of the environment in question
	Revertible  func(*StepRun) bool // whether a runner can undo the step; nil: none can
	Redeployed  *Run                // the run that brings the previous revision back, once it exists
}

// Decision is one thing a run should do now. Engine.apply carries it out.
type Decision interface{ decision() }

type (
	// AskLive: the rules need to know what GitHub says before they go on.
	AskLive struct{}
	// Hold: the run waits, until a time or until somebody moves it.
	Hold struct {
		Code, Message string
		Until         time.Time
		Enqueue       bool // for its environment, in order
	}
	// Admit: every gate passed; take the environment and go.
	Admit struct{}
	// Begin starts a step's next attempt.
	Begin struct{ Step string }
	// Call has the runner of a step called again.
	Call struct{ Step string }
	// Skip ends a step that never ran.
	Skip struct{ Step, Code, Message string }
	// Settle ends a step that needs no runner: an approval given, a wait over.
	Settle struct {
		Step          string
		State         State
		Code, Message string
	}
	// StopStep ends a step that has begun, from outside.
	StopStep struct{ Step, Why string }
	// CancelRun winds the run down.
	CancelRun struct{ Code, Message string }
	// Revert undoes a step.
	Revert struct{ Step string }
	// RollBack begins to undo the run: step by step, or by deploying To again.
	RollBack struct {
		To      *Deployment // nil: step by step
		Message string
	}
	// Block: nobody knows how a step ended; a person decides.
	Block struct{ Message string }
	// Finish ends the run.
	Finish struct {
		State         State
		Code, Message string
		Lock          string // why the environment is locked from now on; "" if it is not
	}
)

func (AskLive) decision()   {}
func (Hold) decision()      {}
func (Admit) decision()     {}
func (Begin) decision()     {}
func (Call) decision()      {}
func (Skip) decision()      {}
func (Settle) decision()    {}
func (StopStep) decision()  {}
func (CancelRun) decision() {}
func (Revert) decision()    {}
func (RollBack) decision()  {}
func (Block) decision()     {}
func (Finish) decision()    {}

// Next says what a run should do now: every rule is in here, and it is pure.
// It is asked again after its decisions have been applied, until it has none;
// a Hold that changes nothing is none. A run it has nothing for sleeps until
// its next timer (see [Run.NextTimer]) or until somebody moves it.
func Next(r *Run, f Facts, now time.Time) []Decision {
	switch {
	case r.State.Terminal():
		return nil
	case r.Cancel != nil && r.State != RollingBack:
		return windDown(r)
	case r.State != RollingBack && reached(r.Deadline, now):
		return []Decision{CancelRun{"deadline", "The run did not end in time."}}
	case !r.Admitted:
		return admission(r, f, now)
	case r.State == RollingBack:
		return nextRevert(r, f, now)
	}
	return nextSteps(r, f, now)
}

// admission decides whether a run may begin: all gates pass, or it waits, or
// it is refused.
func admission(r *Run, f Facts, now time.Time) []Decision {
	if now.Before(r.NotBefore) {
		return hold(r, Hold{Code: "scheduled", Message: "Starts at " + r.NotBefore.UTC().Format("2006-01-02 15:04 MST") + ".", Until: r.NotBefore})
	}
	if r.Environment == nil && r.PR == 0 {
		return []Decision{Admit{}}
	}
	if f.Live == nil {
		return []Decision{AskLive{}}
	}
	f.Policy = r.Environment
	wait := Gate{}
	for _, g := range Gates(QuestionOf(r), f, now) {
		switch {
		case g.State == Fails:
			return []Decision{Finish{State: Cancelled, Code: g.Code, Message: g.Sentence}}
		case g.State == Waits && wait.State == "":
			wait = g
		}
	}
	if wait.State == Waits {
		// Who waits for a person or a time does not stand in the queue yet:
		// the place would be kept from those who are ready.
		enqueue := wait.Name == GateConcurrency || wait.Name == GateLock
		return hold(r, Hold{Code: wait.Code, Message: wait.Sentence, Until: wait.Until, Enqueue: enqueue && !slices.Contains(f.Environment.Queue, r.ID)})
	}
	return []Decision{Admit{}}
}

// hold returns the decision unless it is what the run does already.
func hold(r *Run, h Hold) []Decision {
	if r.State == Waiting && r.Code == h.Code && r.Message == h.Message && !h.Enqueue {
		return nil
	}
	return []Decision{h}
}

// nextSteps moves an admitted run through its DAG.
func nextSteps(r *Run, f Facts, now time.Time) []Decision {
	var ds []Decision
	failed := firstFailure(r)
	active := false
	for i := range r.Steps {
		s := &r.Steps[i]
		d := nextStep(r, s, failed, now)
		if d != nil {
			ds = append(ds, d)
		}
		active = active || d != nil || s.State == Running || s.State == Waiting
	}
	if active {
		return ds
	}
	return conclude(r, f, failed)
}

// nextStep decides about one step; nil: nothing to do now.
func nextStep(r *Run, s *StepRun, failed *StepRun, now time.Time) Decision {
	def, _ := r.Pipeline.Step(s.Name)
	switch s.State {
	case Queued:
		return startOrSkip(r, def, failed)
	case Running:
		if s.Stopping == "" && reached(s.Deadline, now) {
			return StopStep{s.Name, "timeout"}
		}
	case Waiting:
		return nextWaiting(r, def, s, failed, now)
	}
	return nil
}

func startOrSkip(r *Run, def Step, failed *StepRun) Decision {
	if failed != nil {
		return Skip{def.Name, "run_failed", fmt.Sprintf("Not started, because %s failed.", failed.Name)}
	}
	for _, need := range def.Needs {
		switch n := r.Step(need); {
		case !n.State.Terminal():
			return nil
		case n.State == Skipped && n.Code != "condition":
			return Skip{def.Name, "need_skipped", fmt.Sprintf("Not started, because %s was skipped.", need)}
		}
	}
	return Begin{def.Name}
}

func nextWaiting(r *Run, def Step, s *StepRun, failed *StepRun, now time.Time) Decision {
	switch {
	case s.Stopping != "":
		return nil // its stop job is under way
	case failed != nil && s.Code == "retry":
		return Settle{s.Name, Failed, "run_failed", s.Message}
	case def.Uses == "approval":
		return nextApproval(r, def, s, now)
	case reached(s.Deadline, now) && s.Code != "retry":
		return StopStep{s.Name, "timeout"}
	case !reached(s.Due, now):
		return nil
	case def.Uses == "wait":
		return Settle{Step: s.Name, State: Succeeded}
	case s.Code == "retry":
		return Begin{s.Name}
	}
	return Call{s.Name}
}

// nextApproval settles an approval step once enough people said yes.
func nextApproval(r *Run, def Step, s *StepRun, now time.Time) Decision {
	p := StepApproval(def)
	got := r.Approved(def.Name)
	switch {
	case len(got) >= p.Count:
		return Settle{Step: s.Name, State: Succeeded, Message: "Approved by " + people(got) + "."}
	case reached(s.Deadline, now):
		return Settle{s.Name, Failed, "approval_expired", "Nobody approved in time."}
	}
	return nil
}

// conclude decides how a run ends in which no step moves any more.
func conclude(r *Run, f Facts, failed *StepRun) []Decision {
	for _, s := range r.Steps {
		if s.State == Unknown {
			msg := fmt.Sprintf("Nobody saw how %s ended. Look, then say `/resolve %s %s succeeded` or `failed`, with --reason.", s.Name, r.ID, s.Name)
			if r.State == Unknown && r.Message == msg {
				return nil
			}
			return []Decision{Block{msg}}
		}
	}
	if failed == nil {
		return []Decision{Finish{State: Succeeded, Lock: lockAfter(r)}}
	}
	if r.Pipeline.OnFailure != Rollback || r.Environment == nil || r.DryRun {
		return []Decision{Finish{State: Failed, Code: cmp.Or(failed.Code, "step_failed"), Message: failure(failed)}}
	}
	return []Decision{rollback(r, f, failed)}
}

// rollback chooses how to undo a failed run: revert its steps if every one of
// them can be, else deploy the previous good revision again, else stop and ask.
func rollback(r *Run, f Facts, failed *StepRun) Decision {
	var stuck []string
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.State == Succeeded && !builtIn(r, s) && !revertible(f, s) {
			stuck = append(stuck, s.Name)
		}
	}
	switch {
	case len(stuck) == 0:
		return RollBack{Message: failure(failed) + " Reverting what was done."}
	case f.Environment != nil && f.Environment.Current != nil && r.Restores == nil:
		to := f.Environment.Current
		return RollBack{To: to, Message: fmt.Sprintf("%s Deploying `%s` again, which ran before.", failure(failed), short(to.SHA))}
	}
	return Finish{State: Failed, Code: "cannot_roll_back",
		Message: fmt.Sprintf("%s It cannot be rolled back: %s cannot be undone and no earlier good deployment is recorded.", failure(failed), strings.Join(stuck, ", ")),
		Lock:    fmt.Sprintf("run %s failed and could not be rolled back", r.ID)}
}

// nextRevert moves a run that is rolling back: the steps, last first, or the
// run that deploys the previous revision.
func nextRevert(r *Run, f Facts, now time.Time) []Decision {
	if r.RedeployedBy != "" {
		return awaitRedeploy(r, f)
	}
	var left []*StepRun
	for i := range r.Steps {
		s := &r.Steps[i]
		switch s.State {
		case RollingBack:
			if s.Stopping == "" && reached(s.Deadline, now) {
				return []Decision{StopStep{s.Name, "timeout"}}
			}
			if s.Call > 0 && !s.Due.IsZero() && reached(s.Due, now) {
				return []Decision{Call{s.Name}}
			}
			return nil
		case Unknown:
			return nil
		case Succeeded, Failed:
			if s.Reverting { // the undoing itself failed
				return []Decision{Finish{State: Failed, Code: "rollback_failed",
					Message: fmt.Sprintf("The rollback stopped: %s could not be undone. %s", s.Name, s.Message), Lock: fmt.Sprintf("the rollback of run %s failed", r.ID)}}
			}
			if s.Attempt > 0 && !builtIn(r, s) && revertible(f, s) {
				left = append(left, s)
			}
		}
	}
	if len(left) == 0 {
		return []Decision{Finish{State: RolledBack, Code: "rolled_back", Message: r.Message, Lock: lockReason(r)}}
	}
	last := left[0]
	for _, s := range left[1:] {
		if !s.Ended.Before(last.Ended) {
			last = s
		}
	}
	return []Decision{Revert{last.Name}}
}

func awaitRedeploy(r *Run, f Facts) []Decision {
	switch c := f.Redeployed; {
	case c == nil || !c.State.Terminal():
		return nil
	case c.State == Succeeded:
		return []Decision{Finish{State: RolledBack, Code: "rolled_back",
			Message: fmt.Sprintf("Rolled back: `%s` runs again, by run %s.", c.ShortSHA(), c.ID), Lock: lockReason(r)}}
	default:
		return []Decision{Finish{State: Failed, Code: "rollback_failed",
			Message: fmt.Sprintf("The rollback failed as well, see run %s. %s", c.ID, c.Message), Lock: fmt.Sprintf("the rollback of run %s failed", r.ID)}}
	}
}

// lockAfter: every rollback leaves the environment locked. One that serves a
// failed run leaves that to the run.
func lockAfter(r *Run) string {
	if r.Trigger != ByRollback || r.Parent != "" {
		return ""
	}
	return lockReason(r)
}

func lockReason(r *Run) string {
	if r.Trigger == ByRollback {
		return fmt.Sprintf("rolled back by %s with run %s", r.Actor.Login, r.ID)
	}
	return fmt.Sprintf("run %s was rolled back", r.ID)
}

// windDown ends a cancelled run: what runs is stopped, what waits never starts.
func windDown(r *Run) []Decision {
	var ds []Decision
	for i := range r.Steps {
		switch s := &r.Steps[i]; {
		case s.State == Queued:
			ds = append(ds, Skip{s.Name, "cancelled", "Not started, because the run was cancelled."})
		case s.State == Waiting && (s.Call == 0 || s.Code == "retry"):
			ds = append(ds, Settle{s.Name, Cancelled, "cancelled", ""})
		case (s.State == Running || s.State == Waiting) && s.Stopping == "":
			ds = append(ds, StopStep{s.Name, "cancelled"})
		}
	}
	if len(ds) > 0 || slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.State == Running || s.State == Waiting }) {
		return ds
	}
	for _, s := range r.Steps {
		if s.State == Unknown {
			return conclude(r, Facts{}, nil)
		}
	}
	return []Decision{Finish{State: endOf(r.Cancel), Code: r.Cancel.Code, Message: cancelMessage(r)}}
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
		return strings.TrimSpace(fmt.Sprintf("Rejected by %s. %s", c.By.Login, c.Reason))
	case c.By.IsBot():
		return c.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("Cancelled by %s. %s", c.By.Login, c.Reason))
}

// firstFailure is the step that decides that the run has failed, or nil.
func firstFailure(r *Run) *StepRun {
	for i := range r.Steps {
		s := &r.Steps[i]
		def, _ := r.Pipeline.Step(s.Name)
		if (s.State == Failed || s.State == Cancelled) && !def.ContinueOnError {
			return s
		}
	}
	return nil
}

func failure(s *StepRun) string {
	return cmp.Or(s.Message, s.Name+" failed.")
}

func builtIn(r *Run, s *StepRun) bool {
	def, _ := r.Pipeline.Step(s.Name)
	return def.Uses == "approval" || def.Uses == "wait"
}

func revertible(f Facts, s *StepRun) bool { return f.Revertible != nil && f.Revertible(s) }

func reached(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func short(sha string) string { return sha[:min(7, len(sha))] }

func people(as []Approval) string {
	var names []string
	for _, a := range as {
		names = append(names, a.By.Login)
	}
	return strings.Join(names, ", ")
}
