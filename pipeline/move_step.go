package pipeline

import (
	"context"
	"fmt"
	"time"
)

// begin starts a step's next attempt: its condition and parameters are
// evaluated now, once. An error leaves the step as it was.
func (m *move) begin(ctx context.Context, name string) error {
	s := m.run.Step(name)
	def, _ := m.run.Pipeline.Step(name)
	with, refused, err := m.evaluate(ctx, def, s.Attempt == 0, func(*Vars) {})
	switch {
	case IsLagging(err):
		m.waitToBegin(s, err)
		return nil
	case err != nil:
		return err
	case m.run.DryRun && (refused.State == Failed || refused.State == "" && !m.e.plans(def)):
		m.end(s, Skipped, "dry_run", "It would run; more cannot be said beforehand.")
		return nil
	case refused.State != "":
		m.end(s, refused.State, refused.Code, refused.Message)
		return nil
	}
	m.touched = true
	*s = StepRun{Name: name, State: Running, Attempt: s.Attempt + 1, Untouched: s.Attempt == 0 || s.Untouched, With: with, Started: m.now}
	m.event(Event{Kind: "step", Step: name, State: Running})
	switch def.Uses {
	case "approval":
		p := StepApproval(def)
		s.State, s.Code = Waiting, "approval"
		s.Message = fmt.Sprintf("Waiting for %s.", count(p.Count, "approval"))
		s.Deadline = m.now.Add(p.Expires.Or(24 * time.Hour))
		return nil
	case "wait":
		s.State, s.Code = Waiting, "wait"
		s.Due = m.now.Add(waitFor(def))
		layout := "15:04:05 MST"
		if s.Due.Sub(m.now) > 12*time.Hour {
			layout = "2006-01-02 15:04 MST"
		}
		s.Message = "Waiting until " + s.Due.UTC().Format(layout) + "."
		s.Deadline = time.Time{}
		return nil
	}
	m.enqueue(stepJob(m.run, s))
	return nil
}

// evaluate returns the parameters of an attempt, or with what the step ends
// without one; known takes out of the variables what is not to be seen. Only if GitHub does not answer is there an error.
func (m *move) evaluate(ctx context.Context, def Step, first bool, known func(*Vars)) (map[string]any, Settle, error) {
	var asked error
	vars := m.run.vars(func() (files []string, err error) {
		files, err = m.e.changed(ctx, m.run)
		asked = err
		return files, err
	})
	vars.Matrix = def.Matrix
	known(&vars)
	if first {
		yes, err := vars.Enabled(def.If)
		switch {
		case IsTemporary(asked):
			return nil, Settle{}, asked
		case err != nil:
			return nil, Settle{State: Failed, Code: "bad_condition", Message: "Its condition could not be evaluated: " + err.Error()}, nil
		case !yes:
			return nil, Settle{State: Skipped, Code: "condition", Message: "Skipped by its condition."}, nil
		}
	}
	with, err := vars.Interpolate(def.With)
	switch {
	case IsTemporary(asked):
		return nil, Settle{}, asked
	case err != nil:
		return nil, Settle{State: Failed, Code: "bad_parameter", Message: "Its parameters could not be evaluated: " + err.Error()}, nil
	}
	if u, ok := m.e.Runners[def.Uses]; ok {
		if with, err = u.checkEvaluated(with); err != nil {
			return nil, Settle{State: Failed, Code: Code(err), Message: Message(err)}, nil
		}
	}
	return with, Settle{}, nil
}

// call has the step's runner called again now.
func (m *move) call(name string) {
	s := m.run.Step(name)
	if s.State == Waiting {
		s.State = Running
	}
	s.Due = time.Time{}
	m.enqueue(stepJob(m.run, s))
}

// stop tells a step to end. A call in flight is told by the signal; a step
// that waits between two calls is called once more, and that call only stops.
func (m *move) stop(d StopStep) {
	s := m.run.Step(d.Step)
	s.Stopping = d.Why
	s.Deadline = m.now.Add(stopPatience)
	if !s.inFlight() {
		s.Due = m.now
	}
	m.change.Signal = true
}

// revert has what a step did undone.
func (m *move) revert(name string) {
	s := m.run.Step(name)
	def, _ := m.run.Pipeline.Step(name)
	s.State, s.Reverting, s.Stopping, s.Code, s.Message = RollingBack, true, "", "", ""
	s.Ended, s.Lagging, s.UndoUntouched = time.Time{}, time.Time{}, true
	if m.run.Reverts != "" {
		s.Started = m.now // of the undoing; what it undoes was another run's
	}
	s.Deadline = m.now.Add(def.Timeout.Or(defaultStepTimeout))
	m.event(Event{Kind: "step", Step: name, State: RollingBack})
	m.enqueue(stepJob(m.run, s))
}

// end is how every step ends.
func (m *move) end(s *StepRun, state State, code, message string) {
	s.State, s.Code, s.Message, s.Ended, s.Calling = state, code, message, m.now, false
	s.Due, s.Deadline, s.Lagging = time.Time{}, time.Time{}, time.Time{}
	s.Untouched = s.Untouched && (state == Failed || state == Cancelled)
	m.event(Event{Kind: "step", Step: s.Name, State: state, Code: code, Message: message})
	if told := m.e.Observe.StepEnded; told != nil {
		m.observe = append(m.observe, func() { told(m.run, m.run.Step(s.Name)) })
	}
}
