package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// PlanChanged is the code with which a runner refuses to apply what is not what
// people approved, see StepContext.Planned.
const PlanChanged = "plan_changed"

type planPayload struct {
	Gate string `json:"gate"`
}

// planJob is the one job that makes all plans for a question, one by one.
func planJob(id RunID, gate string) Job {
	return Job{ID: fmt.Sprintf("plan:%s:%s", id, gate), Kind: "plan", Pool: Steps, Run: id, Payload: payload(planPayload{gate})}
}

// makePlan begins to plan what a question is about.
func (m *move) makePlan(ctx context.Context, gate string) error {
	p := Planning{Gate: gate, State: Running}
	for _, def := range toPlan(m.run, Facts{Plans: m.plans}, gate) {
		if err := m.addPlan(ctx, &p, def); err != nil {
			return err
		}
	}
	p.settle()
	m.run.Plans = append(m.run.Plans, p)
	if p.State == Running {
		m.enqueue(planJob(m.run.ID, gate))
	}
	m.planned(gate)
	return nil
}

// addPlan evaluates what a step would be called with.
func (m *move) addPlan(ctx context.Context, p *Planning, def *Step) error {
	if p.Gate == EnvironmentGate && len(def.Secrets) > 0 { // nobody has said yes to this commit yet
		p.Steps = append(p.Steps, StepPlan{Step: def.Name, State: Skipped, Message: "It is given secrets, so it is not planned before people said yes. An `approval` step before it shows its plan."})
		return nil
	}
	with, refused, err := m.evaluate(ctx, *def, true, m.run.known)
	switch {
	case IsLagging(err) && m.now.Sub(m.run.Created) >= lagPatience:
		p.Steps = append(p.Steps, unplanned(m.run, def))
	case err != nil:
		return err
	case refused.Code == "bad_condition", refused.Code == "bad_parameter":
		p.Steps = append(p.Steps, unplanned(m.run, def))
	case refused.State == Failed:
		p.fail(def.Name, refused.Code, refused.Message)
	case refused.State == Skipped:
		p.Steps = append(p.Steps, StepPlan{Step: def.Name, State: Skipped, Message: refused.Message})
	default:
		p.Steps = append(p.Steps, StepPlan{Step: def.Name, State: Queued, With: with})
	}
	return nil
}

func (m *move) plans(def *Step) bool { return m.e.plans(*def) }

// planned says in the step that asks, and in the history, how the planning stands.
func (m *move) planned(gate string) {
	p := m.run.Planning(gate)
	m.touched = true
	if s := m.run.Step(gate); s != nil && p.State != Failed {
		s.Message = cmp.Or(p.Message, asking(m.run, gate))
	}
	if p.State != Running {
		m.event(Event{Kind: "plan", Step: gate, State: p.State, Code: p.Code, Message: p.Message})
	}
}

func asking(r *Run, gate string) string {
	return fmt.Sprintf("Waiting for %s.", count(r.ApprovalPolicy(gate).Count, "approval"))
}

// plan makes the plans a question waits for. It changes nothing outside, so
// after a crash what was not saved is made once more.
func (e *Engine) plan(job context.Context, l *Lease) error {
	var p planPayload
	if err := json.Unmarshal(l.Payload, &p); err != nil {
		return fmt.Errorf("plan payload: %w", err)
	}
	for !l.Done {
		if stopping(job) {
			return Temporary(ErrHandedOver)
		}
		r, err := e.Store.Load(job, l.Run)
		if err != nil {
			return ignoreGone(err)
		}
		now := r.PlanPending()
		if now == nil || now.Gate != p.Gate || now.next() == nil {
			return nil
		}
		if err := e.planOne(job, l, r, now.next(), p.Gate); err != nil {
			if errors.Is(err, errStale) {
				return nil
			}
			return ignoreGone(err)
		}
	}
	return nil
}

// planOne calls one planner and saves what it said.
func (e *Engine) planOne(job context.Context, l *Lease, r *Run, s *StepPlan, gate string) error {
	def, _ := r.Pipeline.Step(s.Step)
	ctx, cancel := context.WithTimeout(job, def.Timeout.Or(defaultStepTimeout))
	defer cancel()
	ctx, hand := context.WithCancelCause(ctx)
	defer hand(nil)
	defer onStopping(job, func() { hand(ErrHandedOver) })()
	as := &StepRun{Name: s.Step, With: s.With, Attempt: 1, Call: s.Call + 1, Checkpoint: s.Checkpoint, Lagging: s.Lagging, Untouched: true}
	res, err := e.call(ctx, l, errand{run: r, step: as, log: s.Step + ":plan:" + gate, do: func(ctx context.Context, c *StepContext) (Result, error) {
		planner, ok := e.Runners[def.Runner()].Runner.(Planner)
		if !ok {
			return Result{}, Refuse("no_runner", "This shipmate cannot run `%s` any more.", def.Runner())
		}
		c.Save = func(context.Context, json.RawMessage) error { return nil } // there is nothing to find again
		return planner.Plan(ctx, c)
	}})
	if cause := HandedOver(ctx); err != nil && cause != nil {
		return Temporary(cause)
	}
	_, saved := e.update(context.WithoutCancel(job), l.Run, func(m *move) error { return m.endPlan(l, gate, s.Step, res) })
	switch {
	case saved != nil:
		return saved
	case IsTemporary(err) && res.lagging.IsZero() && !res.Done:
		return err
	case !res.Done:
		return Temporary(comeBack(res.RetryAfter))
	}
	return nil
}

// endPlan records what a planner said. The job is done with the last.
func (m *move) endPlan(l *Lease, gate, step string, res Result) error {
	p := m.run.PlanPending()
	if p == nil || p.Gate != gate || p.next() == nil || p.next().Step != step {
		return errStale
	}
	s := p.next()
	s.Lagging = res.lagging
	m.touched = true
	switch state := cmp.Or(res.State, Succeeded); {
	case !res.Done:
		s.Call++
		if res.Checkpoint != nil {
			s.Checkpoint = res.Checkpoint
		}
		if res.Message != "" {
			p.Message = fmt.Sprintf("Planning %s before people are asked. %s", step, strings.TrimSpace(res.Message))
		}
	case state != Succeeded:
		p.fail(step, cmp.Or(res.Code, "plan_failed"), res.Message)
	default:
		p.keep(s, res)
		p.settle()
	}
	if m.change.Hold = l; p.State != Running {
		m.change.Hold, m.change.Finish = nil, l
	}
	m.planned(gate)
	return nil
}
