package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// laterPatience is how long what was left for later is tried again that fails
// for the time being.
const laterPatience = 24 * time.Hour

// forgo says why what a step left for later must not be done any more, "" if it
// may be. Done once, it takes a way back, so it waits until the run cannot go
// back by itself, and is left where anybody may have begun to.
func forgo(r *Run, s *StepRun, env *EnvironmentState) string {
	switch {
	case r.State != Succeeded:
		return fmt.Sprintf("the run %s, and what stood there before may still be wanted", ended(r.State))
	case s.State != Succeeded:
		return "the step was undone"
	case env != nil && env.Fence != r.Fence>>callBits:
		return fmt.Sprintf("another run has taken %s since", env.Name)
	}
	return ""
}

func ended(s State) string {
	if s.Terminal() {
		return "has " + words(s)
	}
	return "is " + words(s)
}

// putOff remembers what the runner of a step that succeeded leaves for later.
func (m *move) putOff(s *StepRun, res Result) {
	def, _ := m.run.Pipeline.Step(s.Name)
	_, ok := m.e.Runners[def.Runner()].Runner.(Finisher)
	if ok && res.Later > 0 && s.State == Succeeded && !m.run.DryRun {
		s.Later = m.now.Add(res.Later)
	}
}

// leaveForLater has what steps put off done when its time has come, now that
// the run has ended; one that went wrong leaves everything as it is.
func (m *move) leaveForLater() {
	for i := range m.run.Steps {
		s := &m.run.Steps[i]
		switch {
		case s.Later.IsZero():
		case m.run.State == Succeeded && s.State == Succeeded:
			m.enqueue(laterJob(m.run, s))
		default:
			s.Later = time.Time{}
		}
	}
}

// givesUpLater is when what a step left for later has failed for good.
func (r *Run) givesUpLater(s *StepRun) time.Time {
	due := s.Later
	if r.Ended.After(due) {
		due = r.Ended
	}
	return due.Add(laterPatience)
}

func laterJob(r *Run, s *StepRun) Job {
	return Job{ID: fmt.Sprintf("later:%s:%s:%d", r.ID, s.Name, s.Attempt), Kind: "later", Pool: Steps, Run: r.ID, At: s.Later,
		Payload: payload(stepPayload{Step: s.Name, Attempt: s.Attempt})}
}

// later has a runner do what it left for later. It may be called again after a
// crash: until its end is recorded, it is not done.
func (e *Engine) later(job context.Context, l *Lease) error {
	var p stepPayload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("later payload: %w", err)
	}
	if stopping(job) {
		return Temporary(ErrHandedOver)
	}
	r, err := e.update(job, l.Run, func(m *move) error { return m.beginLater(job, p, l) })
	switch {
	case errors.Is(err, errStale):
		return nil
	case err != nil:
		return ignoreGone(err)
	case l.Done: // forgone
		return nil
	}
	def, _ := r.Pipeline.Step(p.Step)
	ctx, cancel := context.WithTimeout(job, def.Timeout.Or(defaultStepTimeout))
	defer cancel()
	ctx, hand := context.WithCancelCause(ctx)
	defer hand(nil)
	defer onStopping(job, func() { hand(ErrHandedOver) })()
	s := r.Step(p.Step)
	res, err := e.call(ctx, l, errand{run: r, step: s, log: s.laterLogName(), do: func(ctx context.Context, c *StepContext) (Result, error) {
		f, ok := e.Runners[def.Runner()].Runner.(Finisher)
		if !ok {
			return Result{}, Refuse("no_runner", "This shipmate cannot run `%s` any more.", def.Runner())
		}
		return f.Later(ctx, c)
	}})
	if cause := HandedOver(ctx); err != nil && cause != nil {
		return Temporary(cause)
	}
	if IsTemporary(err) && !reached(r.givesUpLater(s), e.Now()) {
		return err
	}
	_, err = e.update(context.WithoutCancel(job), l.Run, func(m *move) error { return m.endLater(p, l, res) })
	if errors.Is(err, errStale) {
		return nil
	}
	return ignoreGone(err)
}

// beginLater takes a fence of the run's own for the call: higher than those of
// its calls before, and lower than that of whoever takes the environment next.
func (m *move) beginLater(ctx context.Context, p stepPayload, l *Lease) error {
	s := m.run.Step(p.Step)
	if s == nil || s.Attempt != p.Attempt || s.Later.IsZero() {
		return errStale
	}
	var env *EnvironmentState
	if m.run.Environment != nil {
		var err error
		if env, err = m.e.Store.Environment(ctx, m.run.Repo.ID, m.run.Environment.Name); err != nil {
			return err
		}
	}
	if why := forgo(m.run, s, env); why != "" {
		s.Later = time.Time{}
		m.change.Finish = l
		m.event(Event{Kind: "later", Step: s.Name, Code: "later_forgone", Message: fmt.Sprintf("What %s had left for later is not done: %s.", s.Name, why)})
		return nil
	}
	m.run.Fence++
	m.touched = true
	m.change.Hold = l
	return nil
}

// endLater records what the call came to. It changes nothing about how the
// step and the run have ended.
func (m *move) endLater(p stepPayload, l *Lease, res Result) error {
	s := m.run.Step(p.Step)
	if s == nil || s.Attempt != p.Attempt || s.Later.IsZero() {
		return errStale
	}
	m.touched = true
	m.change.Finish = l
	if res.Checkpoint != nil {
		s.Checkpoint = res.Checkpoint
	}
	if !res.Done && !reached(m.run.givesUpLater(s), m.now) {
		again := laterJob(m.run, s)
		again.At = m.now.Add(max(res.RetryAfter, time.Millisecond))
		m.enqueue(again)
		return nil
	}
	s.Later = time.Time{}
	ev := Event{Kind: "later", Step: s.Name, State: cmp.Or(res.State, Succeeded), Code: res.Code, Message: res.Message}
	if !res.Done {
		ev.State, ev.Code = Failed, cmp.Or(ev.Code, "later_failed")
	}
	if ev.State != Succeeded {
		m.e.Log.Error("what a step left for later failed", "run", string(m.run.ID), "step", s.Name, "code", ev.Code, "err", ev.Message)
	}
	m.event(ev)
	return nil
}
