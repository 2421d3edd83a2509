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
// that a job enqueued a second time is the same job.
func (m *move) stepJob(s *StepRun) Job {
	p := stepPayload{Step: s.Name, Attempt: s.Attempt, Call: s.Call + 1}
	if s.Calling {
		p.Call = s.Call // begun, its job is still out
	}
	return Job{ID: fmt.Sprintf("step:%s:%s:%d:%d", m.run.ID, s.Name, p.Attempt, p.Call), Kind: "step", Pool: Steps, Run: m.run.ID, Payload: payload(p)}
}

// jobsInFlight are the jobs that must be out for a run, with the ids they have.
func (e *Engine) jobsInFlight(r *Run) []Job {
	m := &move{e: e, run: r}
	var jobs []Job
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.State == Running || s.State == RollingBack && s.Due.IsZero() {
			jobs = append(jobs, m.stepJob(s))
		}
		if s.Stopping != "" && !s.State.Terminal() && s.State != Unknown {
			jobs = append(jobs, Job{ID: fmt.Sprintf("stop:%s:%s", r.ID, s.Name), Kind: "stop", Pool: Steps, Run: r.ID, Payload: payload(stepPayload{Step: s.Name})})
		}
	}
	if r.RedeployedBy != "" && r.State == RollingBack {
		jobs = append(jobs, advanceJob(r.RedeployedBy))
	}
	return jobs
}

// step makes one call of a runner between two commits: "call n begun", and its
// result. A call that was begun before, by a worker that is gone, is made again
// only as far as the runner's retry class allows.
func (e *Engine) step(ctx context.Context, l *Lease) error {
	var p stepPayload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("step payload: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.calls.add(l.Run, p.Step, cancel)()

	r, err := e.update(ctx, l.Run, func(m *move) error { return m.beginCall(p, l) })
	switch {
	case errors.Is(err, errStale):
		return nil
	case err != nil:
		return ignoreGone(err)
	case l.Done: // settled without a call
		return nil
	}
	res := e.call(ctx, r, p.Step, l)
	if cause := context.Cause(ctx); !res.Done && (errors.Is(cause, ErrHandedOver) || errors.Is(cause, ErrLeaseLost)) {
		return Temporary(cause) // whoever leases the job next goes on with the call
	}
	// The result is recorded even if ctx ended meanwhile: that it was stopped
	// is a result too. If the lease is lost, the commit is refused.
	_, err = e.updateFrom(context.WithoutCancel(ctx), r, l.Run, func(m *move) error { return m.endCall(p, l, res) })
	if errors.Is(err, errStale) {
		return nil
	}
	if err == nil && res.Done {
		e.forget(r, p)
	}
	return ignoreGone(err)
}

// forget has the runner clean up after an attempt whose result is safe.
func (e *Engine) forget(r *Run, p stepPayload) {
	def, _ := r.Pipeline.Step(p.Step)
	f, ok := e.Runners[def.Runner()].Runner.(Forgetter)
	if !ok {
		return
	}
	if err := f.Forget(r.ID, p.Step, p.Attempt); err != nil {
		e.Log.Warn("clean up after step", "run", string(r.ID), "step", p.Step, "err", err)
	}
}

// errStale: the job speaks of a call that is over.
var errStale = errors.New("stale step job")

func (m *move) beginCall(p stepPayload, l *Lease) error {
	s := m.run.Step(p.Step)
	if s == nil || s.Attempt != p.Attempt || s.State != Running && s.State != RollingBack {
		return errStale
	}
	if !s.Calling && p.Call != s.Call+1 || s.Calling && p.Call != s.Call {
		return errStale
	}
	def, _ := m.run.Pipeline.Step(p.Step)
	uses, known := m.e.Runners[def.Runner()]
	switch {
	case !known:
		m.end(s, Failed, "no_runner", fmt.Sprintf("This shipmate cannot run `%s`. Ask the operator which integrations are switched on.", def.Runner()))
		m.change.Finish = l
		return nil
	case s.Stopping != "" && !s.Calling && s.Call == 0:
		m.end(s, stopState(s.Stopping), s.Stopping, stopMessage(def, s.Stopping))
		m.change.Finish = l
		return nil
	case s.Calling && cmp.Or(uses.Class, Once) == Once:
		m.end(s, Unknown, "crashed", fmt.Sprintf("shipmate stopped while %s ran, and nobody saw how it ended.", s.Name))
		m.change.Finish = l
		return nil
	}
	s.Calling = true
	s.Call = p.Call
	m.run.Fence++
	m.touched = true
	m.change.Hold = l
	return nil
}

// call makes the call itself; whatever goes wrong becomes a result.
func (e *Engine) call(ctx context.Context, r *Run, step string, l *Lease) (res Result) {
	s := r.Step(step)
	def, _ := r.Pipeline.Step(step)
	runner := e.Runners[def.Runner()].Runner
	c, log, err := e.context(ctx, r, def, s, l)
	if err != nil {
		return failedCall(err)
	}
	defer func() {
		if p := recover(); p != nil {
			e.Log.Error("runner panicked", "run", r.ID, "step", step, "panic", p)
			res = Result{Done: true, State: Unknown, Code: "crashed", Message: fmt.Sprintf("shipmate met a fault of its own while %s ran.", step)}
		}
		if log != nil {
			res.Message, res.Summary = log.Mask(res.Message), log.Mask(res.Summary)
			for k, v := range res.Outputs {
				res.Outputs[k] = log.Mask(v)
			}
			if err := log.Close(context.WithoutCancel(ctx), res.Done); err != nil {
				e.Log.Error("close log", "run", r.ID, "step", step, "err", err)
			}
		}
	}()
	switch {
	case s.Stopping != "":
		res, err = stopped(ctx, runner, c, s)
	case s.Reverting:
		res, err = runner.(Reverter).Revert(ctx, c)
	default:
		res, err = runner.Run(ctx, c)
	}
	if err != nil {
		return failedCall(err)
	}
	return res
}

// stopped ends a step no call is in flight for.
func stopped(ctx context.Context, runner Runner, c *StepContext, s *StepRun) (Result, error) {
	if cn, ok := runner.(Canceller); ok {
		if err := cn.Cancel(ctx, c); err != nil {
			return Result{RetryAfter: 5 * time.Second}, nil
		}
	}
	return Result{Done: true, State: stopState(s.Stopping), Code: s.Stopping, Message: stopMessage(c.Step, s.Stopping)}, nil
}

func failedCall(err error) Result {
	if IsTemporary(err) {
		return Result{RetryAfter: 10 * time.Second, Message: Message(err)}
	}
	code := cmp.Or(Code(err), "runner_error")
	return Result{Done: true, State: Failed, Code: code, Message: Message(err)}
}

func (e *Engine) context(ctx context.Context, r *Run, def Step, s *StepRun, l *Lease) (*StepContext, LogWriter, error) {
	c := &StepContext{Run: r, Step: def, With: s.With, Attempt: s.Attempt, Call: s.Call, Fence: r.Fence, Checkpoint: s.Checkpoint, Outputs: r.outputs()}
	if len(def.Secrets) > 0 {
		var err error
		if c.Secrets, err = e.Secrets.Resolve(ctx, r, def.Secrets); err != nil {
			return nil, nil, err
		}
	}
	log, err := e.Logs.Open(ctx, r, def.Name, s.Attempt, c.Secrets)
	if err != nil {
		return nil, nil, Temporary(err)
	}
	c.Log = log
	c.Save = func(ctx context.Context, checkpoint json.RawMessage) error {
		_, err := e.update(ctx, r.ID, func(m *move) error {
			m.run.Step(def.Name).Checkpoint = checkpoint
			m.touched = true
			m.change.Hold = l
			return nil
		})
		return err
	}
	return c, log, nil
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
	if res.Checkpoint != nil {
		s.Checkpoint = res.Checkpoint
	}
	if len(res.Outputs) > 0 {
		if s.Outputs == nil {
			s.Outputs = map[string]string{}
		}
		maps.Copy(s.Outputs, res.Outputs)
	}
	s.Summary = cmp.Or(res.Summary, s.Summary)
	if res.Annotations != nil {
		s.Annotations = res.Annotations
	}
	if !res.Done {
		s.Message = res.Message
		s.Due = m.now.Add(max(res.RetryAfter, time.Millisecond))
		if !s.Reverting {
			s.State, s.Code = Waiting, "polling"
		}
		return nil
	}
	m.endAttempt(s, res)
	return nil
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

// stop ends a step that is to stop while no call is in flight. A call in
// flight is told by the signal, and one that was lost by its own job.
func (e *Engine) stop(ctx context.Context, l *Lease) error {
	var p stepPayload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("stop payload: %w", err)
	}
	_, err := e.update(ctx, l.Run, func(m *move) error {
		s := m.run.Step(p.Step)
		if s == nil || s.Stopping == "" || s.State != Waiting {
			return errStale
		}
		s.State, s.Due = Running, time.Time{} // one more call, which only cancels
		m.enqueue(m.stepJob(s))
		m.touched = true
		m.change.Finish = l
		return nil
	})
	if errors.Is(err, errStale) {
		return nil
	}
	return ignoreGone(err)
}

// outputs are those of all steps so far, as "step.name".
func (r *Run) outputs() map[string]string {
	out := map[string]string{}
	for _, s := range r.Steps {
		for k, v := range s.Outputs {
			out[s.Name+"."+k] = v
		}
	}
	return out
}

// vars are what expressions may speak of.
func (r *Run) vars(changed func() ([]string, error)) Vars {
	v := Vars{SHA: r.SHA, ShortSHA: r.ShortSHA(), Ref: r.Ref, PR: r.PR, Env: r.EnvironmentName(), Service: r.Service,
		Run: string(r.ID), Actor: r.Actor.Login, Params: r.Params, Steps: map[string]StepVars{}, Event: string(r.Trigger), Changed: changed}
	for _, s := range r.Steps {
		v.Steps[s.Name] = StepVars{Outputs: s.Outputs, State: string(s.State)}
	}
	return v
}

// StepApproval reads the policy of an approval step from its parameters.
func StepApproval(s Step) ApprovalPolicy {
	p := ApprovalPolicy{Count: 1}
	if n, ok := asInt(s.With["count"]); ok && n > 0 {
		p.Count = int(n)
	}
	if list, ok := s.With["by"].([]any); ok {
		for _, entry := range list {
			p.By = append(p.By, fmt.Sprint(entry))
		}
	}
	if d, err := time.ParseDuration(fmt.Sprint(s.With["expires"])); err == nil {
		p.Expires = Duration(d)
	}
	return p
}

func waitFor(s Step) time.Duration {
	d, err := time.ParseDuration(fmt.Sprint(s.With["for"]))
	if err != nil {
		return 0
	}
	return d
}

// asInt takes the number types that YAML, JSON and CEL bring.
func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}
