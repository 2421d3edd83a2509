package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// move is one transition of a run in the making: the run as it will be, and
// what goes into the same Commit.
type move struct {
	e   *Engine
	run *Run
	env *EnvironmentState // loaded when first needed
	now time.Time

	live    *Live
	change  Change
	touched bool // something is to be written
	envDone bool // the environment is to be written
}

func (m *move) event(ev Event) {
	ev.At = m.now
	m.change.Events = append(m.change.Events, ev)
	m.touched = true
}

func (m *move) enqueue(j Job) { m.change.Jobs = append(m.change.Jobs, j) }

// settle asks Next and applies what it says until it has nothing more to say.
func (m *move) settle(ctx context.Context) error {
	const rounds = 1000 // every round ends or starts a step; a pipeline has at most 300
	for range rounds {
		f, err := m.facts(ctx)
		if err != nil {
			return err
		}
		ds := Next(m.run, f, m.now)
		if len(ds) == 0 {
			return nil
		}
		for _, d := range ds {
			if err := m.apply(ctx, d); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the rules never came to an end")
}

func (m *move) facts(ctx context.Context) (Facts, error) {
	f := Facts{Live: m.live, Revertible: m.revertible}
	if m.run.Environment != nil && m.env == nil {
		env, err := m.e.Store.Environment(ctx, m.run.Repo.ID, m.run.Environment.Name)
		if err != nil {
			return f, err
		}
		m.env = env
	}
	f.Environment = m.env
	if id := m.run.RedeployedBy; id != "" && m.run.State == RollingBack {
		r, err := m.e.Store.Load(ctx, id)
		if ignoreGone(err) != nil {
			return f, err
		}
		f.Redeployed = r
	}
	return f, nil
}

func (m *move) revertible(s *StepRun) bool {
	def, _ := m.run.Pipeline.Step(s.Name)
	rv, ok := m.e.Runners[def.Runner()].Runner.(Reverter)
	return ok && rv.CanRevert(&StepContext{Run: m.run, Step: def, With: s.With, Attempt: s.Attempt, Checkpoint: s.Checkpoint})
}

// apply carries one decision out on the run in memory.
func (m *move) apply(ctx context.Context, d Decision) error {
	m.touched = true
	switch d := d.(type) {
	case AskLive:
		live, err := m.e.GitHub.Live(ctx, m.run)
		m.live = &live
		return err
	case Hold:
		m.hold(d)
	case Admit:
		m.admit()
	case Begin:
		return m.begin(ctx, d.Step)
	case Call:
		s := m.run.Step(d.Step)
		if s.State == Waiting {
			s.State = Running
		}
		s.Due = time.Time{}
		m.enqueue(m.stepJob(s))
	case Skip:
		m.end(m.run.Step(d.Step), Skipped, d.Code, d.Message)
	case Settle:
		m.end(m.run.Step(d.Step), d.State, d.Code, d.Message)
	case StopStep:
		m.run.Step(d.Step).Stopping = d.Why
		m.change.Signal = true
		m.enqueue(Job{ID: fmt.Sprintf("stop:%s:%s", m.run.ID, d.Step), Kind: "stop", Pool: Steps, Run: m.run.ID, Payload: payload(stepPayload{Step: d.Step})})
	case CancelRun:
		m.run.Cancel = &Cancellation{By: Bot(), Code: d.Code, Reason: d.Message, At: m.now}
	case RollBack:
		m.rollBack(d)
	case Revert:
		s := m.run.Step(d.Step)
		def, _ := m.run.Pipeline.Step(d.Step)
		s.State, s.Reverting, s.Stopping, s.Code, s.Message = RollingBack, true, "", "", ""
		s.Deadline = m.now.Add(def.Timeout.Or(defaultStepTimeout))
		m.event(Event{Kind: "step", Step: s.Name, State: RollingBack})
		m.enqueue(m.stepJob(s))
	case Block:
		m.run.State, m.run.Code, m.run.Message = Unknown, "unknown", d.Message
		m.event(Event{Kind: "run", State: Unknown, Message: d.Message})
	case Finish:
		m.finish(d)
	default:
		return fmt.Errorf("no such decision: %T", d)
	}
	return nil
}

const (
	defaultStepTimeout = time.Hour
	defaultRunTimeout  = 6 * time.Hour
	defaultBackoff     = 10 * time.Second
)

func (m *move) hold(d Hold) {
	r := m.run
	if r.State != Waiting || r.Code != d.Code {
		m.event(Event{Kind: "run", State: Waiting, Code: d.Code, Message: d.Message})
	}
	r.State, r.Code, r.Message, r.HeldUntil = Waiting, d.Code, d.Message, d.Until
	if !d.Until.IsZero() && r.Deadline.Before(d.Until) {
		r.Deadline = d.Until.Add(24 * time.Hour)
	}
	if d.Enqueue && !slices.Contains(m.env.Queue, r.ID) {
		m.env.Queue = append(m.env.Queue, r.ID)
		m.envDone = true
	}
}

func (m *move) admit() {
	r := m.run
	r.Admitted, r.State, r.Code, r.Message, r.Started = true, Running, "", "", m.now
	r.HeldUntil = time.Time{}
	r.Deadline = m.now.Add(r.Pipeline.Timeout.Or(defaultRunTimeout))
	m.event(Event{Kind: "run", State: Running})
	if m.env != nil {
		m.env.Queue = slices.DeleteFunc(m.env.Queue, func(id RunID) bool { return id == r.ID })
		if r.Parent == "" {
			m.env.Active = r.ID
		}
		m.env.Fence++
		r.Fence = m.env.Fence << 20 // room for the calls of one run, and above all earlier runs
		m.envDone = true
		m.change.Jobs = append(m.change.Jobs, WakeQueue(m.env)...)
	}
	if r.Reverts != "" {
		r.State = RollingBack
	}
}

// begin starts a step's next attempt: its condition and parameters are
// evaluated now, once.
func (m *move) begin(ctx context.Context, name string) error {
	s := m.run.Step(name)
	def, _ := m.run.Pipeline.Step(name)
	vars := m.run.vars(func() ([]string, error) { return m.e.GitHub.Changed(ctx, m.run) })
	if def.If != "" && s.Attempt == 0 {
		yes, err := vars.Enabled(def.If)
		if err != nil {
			m.end(s, Failed, "bad_condition", "Its condition could not be evaluated: "+err.Error())
			return nil
		}
		if !yes {
			m.end(s, Skipped, "condition", "Skipped by its condition.")
			return nil
		}
	}
	with, err := vars.Interpolate(def.With)
	if err != nil {
		m.end(s, Failed, "bad_parameter", "Its parameters could not be evaluated: "+err.Error())
		return nil
	}
	*s = StepRun{Name: name, State: Running, Attempt: s.Attempt + 1, With: with, Started: m.now}
	s.Deadline = m.now.Add(def.Timeout.Or(defaultStepTimeout))
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
		s.Message = "Waiting until " + s.Due.UTC().Format("15:04:05 MST") + "."
		s.Deadline = time.Time{}
		return nil
	}
	m.enqueue(m.stepJob(s))
	return nil
}

// end is how every step ends.
func (m *move) end(s *StepRun, state State, code, message string) {
	s.State, s.Code, s.Message, s.Ended, s.Calling = state, code, message, m.now, false
	s.Due, s.Deadline = time.Time{}, time.Time{}
	m.event(Event{Kind: "step", Step: s.Name, State: state, Code: code, Message: message})
	if m.e.Observe.StepEnded != nil {
		m.e.Observe.StepEnded(m.run, s)
	}
}

func (m *move) rollBack(d RollBack) {
	r := m.run
	r.State, r.Code, r.Message = RollingBack, "rolling_back", d.Message
	m.event(Event{Kind: "run", State: RollingBack, Message: d.Message})
	if d.To != nil {
		r.RedeployedBy = m.e.Store.NewRunID(r.Repo.ID)
		m.enqueue(Job{ID: "redeploy:" + string(r.ID), Kind: "redeploy", Pool: Control, Run: r.ID, Payload: payload(d.To)})
	}
}

// finish ends the run, gives its environment back and wakes who waited for it.
func (m *move) finish(d Finish) {
	r := m.run
	r.State, r.Code, r.Message, r.Ended = d.State, d.Code, d.Message, m.now
	r.Wake, r.Deadline, r.HeldUntil = time.Time{}, time.Time{}, time.Time{}
	m.event(Event{Kind: "run", State: d.State, Code: d.Code, Message: d.Message})
	if m.env != nil {
		m.leave(d)
	}
	if r.Parent != "" {
		m.enqueue(advanceJob(r.Parent))
	}
	if m.e.Observe.RunEnded != nil {
		m.e.Observe.RunEnded(r)
	}
}

func (m *move) leave(d Finish) {
	r, env := m.run, m.env
	env.Queue = slices.DeleteFunc(env.Queue, func(id RunID) bool { return id == r.ID })
	if env.Active == r.ID {
		env.Active = ""
	}
	if d.Lock != "" {
		env.Lock = &Lock{By: r.Actor, Reason: d.Lock, Run: r.ID, At: m.now}
	}
	if r.Admitted && !r.DryRun {
		dep := deploymentOf(r, m.now)
		m.change.Deployment = &dep
		if d.State == Succeeded || d.State == RolledBack && r.Reverts != "" {
			env.Current = &dep
		}
	}
	m.envDone = true
	m.change.Jobs = append(m.change.Jobs, WakeQueue(env)...)
}

// deploymentOf is the line a run leaves in its environment's history.
func deploymentOf(r *Run, now time.Time) Deployment {
	d := Deployment{Run: r.ID, SHA: r.SHA, Ref: r.Ref, PR: r.PR, Pipeline: r.Pipeline.Name, By: r.Actor.Login, State: r.State, At: now, Artifacts: map[string]string{}}
	if r.Restores != nil {
		d.Restores = r.Restores.Run
	}
	for _, s := range r.Steps {
		for k, v := range s.Outputs {
			d.Artifacts[s.Name+"."+k] = v
		}
	}
	return d
}

// commit writes the move, if there is anything to write.
func (m *move) commit(ctx context.Context) error {
	c := &m.change
	if !m.touched && c.Finish == nil && len(c.Jobs) == 0 {
		return nil
	}
	if !m.run.State.Terminal() {
		m.run.Wake = m.run.NextTimer()
	}
	c.Run = m.run
	if m.envDone {
		c.Environment = m.env
	}
	// A step that is being stopped is signalled with every commit, so that a
	// lost signal is made up for by the next sweep.
	c.Signal = c.Signal || slices.ContainsFunc(m.run.Steps, func(s StepRun) bool { return s.Stopping != "" && s.Calling })
	for _, sink := range m.e.Sinks {
		if subject := sink.Subject(m.run); subject != "" {
			c.Jobs = append(c.Jobs, Job{ID: "report:" + sink.Name() + ":" + subject, Kind: "report", Pool: Control,
				Run: m.run.ID, Payload: payload(reportJob{sink.Name()}), Again: true})
		}
	}
	return m.e.Store.Commit(ctx, *c)
}

func advanceJob(id RunID) Job {
	return Job{ID: "advance:" + string(id), Kind: "advance", Pool: Control, Run: id, Again: true}
}

// payload encodes what can always be encoded: our own small structs.
func payload(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("payload: " + err.Error())
	}
	return b
}

// Asks reports whether the run waits for an answer to this gate.
func (r *Run) Asks(gate string) bool { return slices.Contains(r.OpenGates(), gate) }

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
		if def, _ := r.Pipeline.Step(s.Name); s.State == Waiting && def.Uses == "approval" {
			open = append(open, s.Name)
		}
	}
	return open
}

// ApprovalPolicy returns the policy behind one of the run's gates.
func (r *Run) ApprovalPolicy(gate string) ApprovalPolicy {
	if gate == EnvironmentGate && r.Environment != nil && r.Environment.Approvals != nil {
		return *r.Environment.Approvals
	}
	def, _ := r.Pipeline.Step(gate)
	return StepApproval(def)
}

// words is a state as people say it.
func words(s State) string { return strings.ReplaceAll(string(s), "_", " ") }

// WakeQueue are the jobs that have everybody who waits for an environment look again.
func WakeQueue(env *EnvironmentState) []Job {
	var jobs []Job
	for _, id := range env.Queue {
		jobs = append(jobs, advanceJob(id))
	}
	return jobs
}
