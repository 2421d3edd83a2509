package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What people say is stamped with one time, however often it must be tried to
// save it: what stands there under that stamp after a try is our own.

// Approve records somebody's yes or no. Who may was asked before; whether it
// still counts is asked again when the gate opens.
func (e *Engine) Approve(ctx context.Context, id RunID, a Approval) (*Run, error) {
	a.At = e.Now()
	tried := false
	return e.update(ctx, id, func(m *move) error {
		r := m.run
		answered := slices.IndexFunc(r.Approvals, func(old Approval) bool {
			return old.By.ID == a.By.ID && old.Gate == a.Gate && !old.over(a.At) && old.Plan == r.planDigest(a.Gate)
		})
		switch {
		case answered >= 0 && (tried && r.Approvals[answered].At.Equal(a.At) || a.Key != "" && r.Approvals[answered].Key == a.Key):
			return nil
		case r.PlanPending() != nil && r.PlanPending().Gate == a.Gate:
			return Refuse("planning", "What run %s would do is still being planned. Wait: you are asked when that is done.", id)
		case !r.Asks(a.Gate):
			return Refuse("already_decided", "Run %s is not waiting for approval any more: it is %s. What came of it says `/status %s`.", id, words(r.State), id)
		case answered >= 0:
			return Refuse("already_answered", "You have already answered for run %s. What it still waits for says `/why %s`.", id, id)
		}
		tried = true
		a.SHA, a.Plan = r.SHA, r.planDigest(a.Gate)
		r.Approvals = append(r.Approvals, a)
		kind := "approved"
		if !a.Yes {
			kind = "rejected"
			r.Cancel = &Cancellation{By: a.By, Code: "rejected", Reason: a.Reason, At: a.At}
		}
		m.event(Event{Kind: "approval", Step: a.Gate, Actor: a.By.Login, Code: kind, Message: a.Reason})
		return nil
	})
}

// Cancel winds a run down: what runs is stopped, what waits never starts.
func (e *Engine) Cancel(ctx context.Context, id RunID, c Cancellation) (*Run, error) {
	c.At = e.Now()
	tried := false
	return e.update(ctx, id, func(m *move) error {
		switch r := m.run; {
		case tried && r.Cancel != nil && r.Cancel.By.ID == c.By.ID && r.Cancel.At.Equal(c.At), c.Key != "" && r.Cancel != nil && r.Cancel.Key == c.Key:
			return nil
		case r.State.Terminal():
			return Refuse("already_ended", "Run %s has already ended: it is %s. What came of it says `/status %s`.", id, words(r.State), id)
		case r.undoing():
			return Refuse("rolling_back", "Run %s is rolling back, and a rollback is not cut short. Wait for its end.", id)
		case r.Cancel != nil:
			return Refuse("already_cancelled", "Run %s is already being cancelled. How far that is says `/status %s`.", id, id)
		default:
			tried = true
			r.Cancel = &c
			m.event(Event{Kind: "cancel", Actor: c.By.Login, Code: c.Code, Message: c.Reason})
			return nil
		}
	})
}

// Resolve says how a step ended whose end nobody saw.
func (e *Engine) Resolve(ctx context.Context, id RunID, step string, succeeded bool, by Actor, reason string) (*Run, error) {
	at := e.Now()
	tried := false
	return e.update(ctx, id, func(m *move) error {
		s := m.run.Step(step)
		switch {
		case tried && s != nil && s.Code == "resolved" && s.Ended.Equal(at):
			return nil
		case s == nil || s.State != Unknown:
			return Refuse("not_unknown", "Step %s of run %s is not waiting to be resolved. How its steps stand says `/status %s`.", step, id, id)
		}
		tried = true
		m.unblock(s)
		s.State, s.Message = resolution(s, succeeded, by, reason)
		s.Code, s.Ended = "resolved", at
		m.event(Event{Kind: "step", Step: step, State: s.State, Actor: by.Login, Code: "resolved", Message: reason})
		return nil
	})
}

// unblock has a run go on that waited for somebody to say how the step ended.
// The time until somebody did is not the run's.
func (m *move) unblock(s *StepRun) {
	r := m.run
	if r.State != Unknown {
		return
	}
	r.State, r.Code, r.Message = Running, "", ""
	if s.Reverting {
		r.State = RollingBack
	}
	r.Deadline = m.now.Add(r.Pipeline.Timeout.Or(defaultRunTimeout))
}

func resolution(s *StepRun, succeeded bool, by Actor, reason string) (State, string) {
	if !strings.HasSuffix(reason, ".") {
		reason += "." // more sentences may follow
	}
	switch {
	case !succeeded:
		return Failed, fmt.Sprintf("%s says it failed: %s", by.Login, reason)
	case s.Reverting:
		return RolledBack, fmt.Sprintf("%s says it was undone: %s", by.Login, reason)
	}
	return Succeeded, fmt.Sprintf("%s says it succeeded: %s", by.Login, reason)
}

// over: an override counts for a while and can then be given again.
func (a Approval) over(now time.Time) bool {
	return strings.HasPrefix(a.Gate, overridePrefix) && !now.Before(a.At.Add(OverrideLasts))
}

// Asks reports whether the run waits for an answer to this gate.
func (r *Run) Asks(gate string) bool {
	return slices.Contains(r.OpenGates(), gate) || r.mayOverride(gate) || gate == GateFork && r.WaitsForFork()
}

// WaitsForFork: the code is a fork's and nobody has allowed it yet. It is no
// open gate: no button answers it, only the commit's whole id.
func (r *Run) WaitsForFork() bool {
	return !r.State.Terminal() && r.Cancel == nil && !r.Admitted && r.Code == GateFork
}

// OpenGates lists the approvals the run waits for.
func (r *Run) OpenGates() []string {
	if r.State.Terminal() || r.Cancel != nil {
		return nil
	}
	if !r.Admitted {
		if r.Code == "approval" {
			return []string{EnvironmentGate}
		}
		return nil
	}
	var open []string
	for _, s := range r.Steps {
		if def, _ := r.Pipeline.Step(s.Name); s.State == Waiting && def.Uses == "approval" && !r.planning(s.Name) {
			open = append(open, s.Name)
		}
	}
	return open
}

// planning: what people would be asked about is not planned yet.
func (r *Run) planning(gate string) bool {
	p := r.Planning(gate)
	return p != nil && p.State != Succeeded
}

// ApprovalPolicy returns the policy behind one of the run's gates.
func (r *Run) ApprovalPolicy(gate string) ApprovalPolicy {
	if gate == EnvironmentGate && r.Environment != nil && r.Environment.Approvals != nil {
		return *r.Environment.Approvals
	}
	def, _ := r.Pipeline.Step(gate)
	return StepApproval(def)
}
