package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
)

type stepPayload struct {
	Step    string `json:"step"`
	Attempt int    `json:"attempt,omitempty"`
	Call    int    `json:"call,omitempty"` // the call this job is to make
}

// stepJob is the job that makes the step's next call. Its id names the call, so
// that a job enqueued a second time is the same job. A call that only stops a
// step does not wait behind those that run for an hour.
func stepJob(r *Run, s *StepRun) Job {
	p := stepPayload{Step: s.Name, Attempt: s.Attempt, Call: s.nextCall()}
	pool := Steps
	if s.Stopping != "" {
		pool = Control
	}
	return Job{ID: fmt.Sprintf("step:%s:%s:%d:%d", r.ID, s.Name, p.Attempt, p.Call), Kind: "step", Pool: pool, Run: r.ID, Payload: payload(p)}
}

// nextCall is the number of the call whose job is out, or has to be.
func (s *StepRun) nextCall() int {
	if s.Calling {
		return s.Call
	}
	return s.Call + 1
}

// step makes one call of a runner between two commits: "call n begun", and its
// result. A call that was begun before, by a worker that is gone, is made again
// only as far as the runner's retry class allows.
func (e *Engine) step(job context.Context, l *Lease) error {
	var p stepPayload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("step payload: %w", err)
	}
	if stopping(job) {
		return Temporary(ErrHandedOver) // nothing is begun any more
	}
	flight, stop := context.WithCancelCause(job)
	defer stop(nil)
	defer e.calls.add(l.Run, p.Step, stop)() // before it begins, so that no wish to stop is missed

	begun := false
	r, err := e.update(job, l.Run, func(m *move) error { return m.beginCall(p, l, &begun) })
	switch {
	case errors.Is(err, errStale):
		return nil
	case err != nil:
		return ignoreGone(err)
	case l.Done: // settled without a call
		return nil
	}
	s := r.Step(p.Step)
	if s.Stopping != "" {
		flight = job // this call is the one that stops the step
	}
	ctx, cancel := context.WithCancelCause(flight)
	defer cancel(nil)
	if e.class(r, p.Step) != Once {
		// Another process takes the call up where this one leaves it, so it is
		// left at once. A call that nobody can take up has until the drain ends.
		defer onStopping(job, func() { cancel(ErrHandedOver) })()
	}
	v := errand{run: r, step: s, log: s.LogName(s.Reverting), do: func(ctx context.Context, c *StepContext) (Result, error) { return e.dispatch(ctx, c, s) }}
	res, err := e.call(ctx, l, v)
	if cause := context.Cause(ctx); errors.Is(cause, ErrHandedOver) && err != nil || errors.Is(cause, ErrLeaseLost) && !res.Done {
		return Temporary(cause) // whoever leases the job next goes on with the call
	}
	if err != nil && !res.Done {
		e.tellAgain(&v, res, err)
	}
	return e.record(job, r, p, l, res)
}

// class is what may be done with a call of the step that was cut short.
func (e *Engine) class(r *Run, step string) RetryClass {
	def, _ := r.Pipeline.Step(step)
	if r.DryRun {
		return Idempotent
	}
	return cmp.Or(e.Runners[def.Runner()].Class, Once)
}

// savesFirst reports whether the step's runner says when it begins.
func (e *Engine) savesFirst(r *Run, s *StepRun) bool {
	def, _ := r.Pipeline.Step(s.Name)
	u := e.Runners[def.Runner()]
	if s.Reverting {
		return u.UndoSavesFirst
	}
	return u.SavesFirst
}

// untouched is whether the step, or its undoing if it is being undone, has not
// begun to change anything.
func (s *StepRun) untouched() *bool {
	if s.Reverting {
		return &s.UndoUntouched
	}
	return &s.Untouched
}

// record saves the result of a call, even if its ctx ended meanwhile: that it
// was stopped is a result too. While the store does not answer it keeps trying
// for as long as the lease lasts, because a result that is lost leaves a step
// unknown. If the lease is lost the commit is refused.
func (e *Engine) record(job context.Context, r *Run, p stepPayload, l *Lease, res Result) error {
	fence := r.Fence // of this call
	for now, wait := r, firstPause; ; now, wait = nil, min(2*wait, time.Second) {
		_, err := e.updateFrom(context.WithoutCancel(job), now, l.Run, func(m *move) error { return m.endCall(p, l, res) })
		switch {
		case err == nil && res.Done:
			e.forget(r, p, fence)
			return nil
		case errors.Is(err, errStale): // recorded, and only the answer was lost
			return nil
		case !IsTemporary(err) || job.Err() != nil:
			return ignoreGone(err)
		}
		e.Log.Warn("result of a call is recorded again", "run", string(l.Run), "step", p.Step, "in", wait, "err", err)
		pause(job, wait)
	}
}

// forget has the runner clean up after an attempt whose result is safe.
func (e *Engine) forget(r *Run, p stepPayload, fence int64) {
	def, _ := r.Pipeline.Step(p.Step)
	f, ok := e.Runners[def.Runner()].Runner.(Forgetter)
	if !ok {
		return
	}
	if err := f.Forget(r.ID, p.Step, p.Attempt, fence); err != nil {
		e.Log.Warn("clean up after step", "run", string(r.ID), "step", p.Step, "err", err)
	}
}

// errStale: the job speaks of a call that is over.
var errStale = errors.New("stale step job")

// beginCall commits to a call, or ends the step without one. begun says that
// this worker has tried to already: if the call is then found begun, that was
// this worker's own commit, whose answer was lost. Were it another's, the lease
// would be lost, and the commit refused.
func (m *move) beginCall(p stepPayload, l *Lease, begun *bool) error {
	s := m.run.Step(p.Step)
	if s == nil || s.Attempt != p.Attempt || p.Call != s.nextCall() || !s.inFlight() {
		return errStale
	}
	def, _ := m.run.Pipeline.Step(p.Step)
	_, known := m.e.Runners[def.Runner()]
	cut := s.Calling && !*begun // by the end of another worker
	if cut && !m.e.savesFirst(m.run, s) {
		*s.untouched() = false
	}
	switch {
	case !known:
		m.end(s, Failed, "no_runner", fmt.Sprintf("This shipmate cannot run `%s`. Ask the operator which integrations are switched on.", def.Runner()))
		m.change.Finish = l
		return nil
	case s.Stopping != "" && !s.Calling && s.Call == 0:
		m.end(s, stopState(s.Stopping), s.Stopping, stopMessage(def, s.Stopping))
		m.change.Finish = l
		return nil
	case cut && m.e.class(m.run, p.Step) == Once && !*s.untouched():
		m.end(s, Unknown, "crashed", fmt.Sprintf("shipmate stopped while %s ran, and nobody saw how it ended.", s.Name))
		m.change.Finish = l
		return nil
	}
	*begun = true
	s.Calling, s.Call = true, p.Call
	if s.Deadline.IsZero() { // the time it stood in line is not its own
		s.Deadline = m.now.Add(def.Timeout.Or(defaultStepTimeout))
	}
	m.run.Fence++
	m.touched = true
	m.change.Hold = l
	return nil
}

// endCall records what a call came to.
func (m *move) endCall(p stepPayload, l *Lease, res Result) error {
	s := m.run.Step(p.Step)
	if s == nil || s.Attempt != p.Attempt || s.Call != p.Call || !s.Calling {
		return errStale
	}
	m.change.Finish = l
	m.touched = true
	s.Calling = false
	s.Lagging, s.Failures = res.lagging, res.failures
	if !res.untouched {
		*s.untouched() = false
	}
	if res.Checkpoint != nil {
		s.Checkpoint = res.Checkpoint
	}
	if len(res.Outputs) > 0 {
		if s.Outputs == nil {
			s.Outputs = map[string]string{}
		}
		maps.Copy(s.Outputs, res.Outputs)
	}
	if res.Images != nil && !s.Reverting && !m.run.DryRun {
		s.Images = cleanImages(res.Images)
	}
	s.Summary = cmp.Or(res.Summary, s.Summary)
	if res.Annotations != nil {
		s.Annotations = res.Annotations
	}
	if res.Done {
		m.endAttempt(s, res)
		return nil
	}
	m.waitForNextCall(s, res)
	return nil
}

func (m *move) waitForNextCall(s *StepRun, res Result) {
	wait := max(res.RetryAfter, time.Millisecond)
	if s.Stopping != "" {
		wait = min(wait, stopPause)
	}
	s.Message = res.Message
	s.Due = m.now.Add(wait)
	if !res.lagging.IsZero() && *s.untouched() {
		s.Deadline = time.Time{} // what has not begun has used up none of its time
	}
	if !s.Reverting {
		s.State, s.Code = Waiting, "polling"
	}
}

// endAttempt ends a step, or has a failed one tried again.
func (m *move) endAttempt(s *StepRun, res Result) {
	def, _ := m.run.Pipeline.Step(s.Name)
	state := cmp.Or(res.State, Succeeded)
	switch {
	case s.Reverting && state == Succeeded:
		m.end(s, RolledBack, "", res.Message)
	case s.Reverting && state == Unknown:
		m.end(s, Unknown, res.Code, res.Message)
	case s.Reverting && res.Code == cannotRevert:
		m.end(s, Failed, cannotRevert, res.Message)
	case s.Reverting && s.UndoUntouched:
		m.end(s, Failed, cmp.Or(res.Code, "rollback_failed"), res.Message)
	case s.Reverting:
		m.end(s, Failed, "rollback_failed", res.Message)
	case s.Stopping != "" && state != Succeeded && state != Unknown:
		m.end(s, stopState(s.Stopping), s.Stopping, stopMessage(def, s.Stopping))
	case state == Failed && s.Attempt < def.Retry.Attempts && s.Stopping == "":
		pause := def.Retry.Backoff.Or(defaultBackoff) << (s.Attempt - 1)
		s.State, s.Code = Waiting, "retry"
		s.Message = fmt.Sprintf("%s Attempt %d of %d follows.", res.Message, s.Attempt+1, def.Retry.Attempts)
		s.Due, s.Deadline = m.now.Add(pause), time.Time{}
		m.event(Event{Kind: "step", Step: s.Name, State: Failed, Code: res.Code, Message: s.Message})
	default:
		m.end(s, state, res.Code, res.Message)
		m.putOff(s, res)
	}
}

func stopState(why string) State {
	if why == "timeout" {
		return Failed
	}
	return Cancelled
}

func stopMessage(def Step, why string) string {
	if why == "timeout" {
		return fmt.Sprintf("%s did not end within %s.", def.Name, def.Timeout.Or(defaultStepTimeout))
	}
	return def.Name + " was cancelled."
}
