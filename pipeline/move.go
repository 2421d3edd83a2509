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

	everywhere *Lock // the lock of all environments, loaded with env

	live    *Live
	change  Change
	touched bool     // something is to be written
	envDone bool     // the environment is to be written
	observe []func() // told when it is written
}

func (m *move) event(ev Event) {
	ev.At = m.now
	m.change.Events = append(m.change.Events, ev)
	m.touched = true
}

func (m *move) enqueue(j Job) { m.change.Jobs = append(m.change.Jobs, j) }

// settle asks Next and applies what it says until it has nothing more to say.
// If GitHub is needed for that and does not answer, what has happened already
// is still saved, and the rest is left to a job: the result of a step must not
// be lost because GitHub is down.
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
			err := m.apply(ctx, d)
			if err != nil && m.touched {
				m.e.Log.Warn("rules could not be asked to the end", "run", string(m.run.ID), "err", err)
				later := advanceJob(m.run.ID)
				later.At = m.now.Add(retryAfter(err, 0))
				m.enqueue(later)
				m.behind(err)
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the rules never came to an end")
}

// behind says what a run waits for that has not been admitted: GitHub's limits
// leave no call that could decide about it.
func (m *move) behind(err error) {
	if wait := asksFor(err); wait > 0 && !m.run.Admitted {
		m.run.Code = "github_limit"
		m.run.Message = fmt.Sprintf("GitHub takes no more calls from here for now. This goes on by itself at %s.", m.now.Add(wait).UTC().Format("15:04:05 UTC"))
	}
}

func (m *move) facts(ctx context.Context) (Facts, error) {
	f := Facts{Live: m.live, Revertible: m.revertible, Plans: m.plans}
	if m.run.Environment != nil && m.env == nil {
		env, err := m.e.Store.Environment(ctx, m.run.Repo.ID, m.run.Environment.Name)
		if err != nil {
			return f, err
		}
		m.env = env
		if !m.run.Admitted {
			all, err := m.e.Store.Environment(ctx, m.run.Repo.ID, Everywhere)
			if err != nil {
				return f, err
			}
			m.everywhere = all.Lock
		}
	}
	f.Environment, f.Everywhere = m.env, m.everywhere
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
	return ok && rv.CanRevert(&StepContext{Run: m.run, Step: def, With: s.With, Attempt: s.Attempt, Checkpoint: s.Checkpoint, Now: m.now})
}

// apply carries one decision out on the run in memory.
func (m *move) apply(ctx context.Context, d Decision) error {
	switch d := d.(type) {
	case AskLive:
		return m.ask(ctx)
	case MakePlan:
		return m.makePlan(ctx, d.Gate)
	case Begin:
		return m.begin(ctx, d.Step)
	case Reuse:
		m.reuse(d.Step)
	case Hold:
		m.hold(d)
	case Admit:
		m.admit()
	case Call:
		m.call(d.Step)
	case Skip:
		m.end(m.run.Step(d.Step), Skipped, d.Code, d.Message)
	case Settle:
		m.end(m.run.Step(d.Step), d.State, d.Code, d.Message)
	case StopStep:
		m.stop(d)
	case CancelRun:
		m.run.Cancel = &Cancellation{By: Bot(), Code: d.Code, Reason: d.Message, At: m.now}
		m.event(Event{Kind: "cancel", Code: d.Code, Message: d.Message})
	case RollBack:
		m.rollBack(d)
	case Revert:
		m.revert(d.Step)
	case Block:
		m.run.State, m.run.Code, m.run.Message = Unknown, "unknown", d.Message
		m.event(Event{Kind: "run", State: Unknown, Message: d.Message})
	case Finish:
		m.finish(d)
	default:
		return fmt.Errorf("no such decision: %T", d)
	}
	m.touched = true
	return nil
}

const (
	defaultStepTimeout = time.Hour
	defaultRunTimeout  = 6 * time.Hour
	defaultBackoff     = 10 * time.Second
	stopPatience       = time.Hour // how long a step may take to be stopped
	idle               = time.Hour // a run that waits for no time is looked at this often
)

// ask has GitHub asked, once a move. A run that is under way waits until there
// is an answer; one that is not is refused by the gate.
func (m *move) ask(ctx context.Context) error {
	if m.live != nil {
		return nil
	}
	live := Live{Unverified: "this shipmate is not connected to it"}
	if m.e.GitHub != nil {
		var err error
		if live, err = m.e.GitHub.Live(ctx, m.run); err != nil {
			return err
		}
	}
	if live.Unverified != "" && m.run.Admitted {
		return Temporary(fmt.Errorf("ask GitHub: %s", live.Unverified))
	}
	m.live = &live
	return nil
}

func (m *move) rollBack(d RollBack) {
	r := m.run
	r.State, r.Code, r.Message = RollingBack, "rolling_back", d.Message
	m.event(Event{Kind: "run", State: RollingBack, Message: d.Message})
	if d.To != nil {
		r.RedeployedBy = m.e.Store.NewRunID(r.Repo.ID)
		m.enqueue(redeployJob(r.ID))
	}
}

// commit writes the move, if there is anything to write.
func (m *move) commit(ctx context.Context) error {
	c := &m.change
	if !m.touched && c.Finish == nil && len(c.Jobs) == 0 {
		return nil
	}
	m.run.Wake = m.wake()
	c.Run = m.run
	if m.envDone {
		c.Environment = m.env
	}
	// A step that is being stopped is signalled with every commit, so that a
	// lost signal is made up for by the next sweep.
	c.Signal = c.Signal || m.run.stopsACall()
	c.Jobs = append(c.Jobs, m.e.reports(m.run, m.now)...)
	if err := m.e.Store.Commit(ctx, *c); err != nil {
		return err
	}
	for _, tell := range m.observe {
		tell()
	}
	return nil
}

// wake is when the run is looked at again. Zero leaves it to the store's sweep,
// which asks soon after whether the job that is out was lost.
func (m *move) wake() time.Time {
	next := m.run.NextTimer()
	if next.IsZero() && !m.run.State.Terminal() && !m.run.InFlight() {
		return m.now.Add(idle)
	}
	return next
}

func advanceJob(id RunID) Job {
	return Job{ID: "advance:" + string(id), Kind: "advance", Pool: Control, Run: id, Again: true}
}

// redeployJob is the job that starts the run that brings the previous revision back.
func redeployJob(failed RunID) Job {
	return Job{ID: "redeploy:" + string(failed), Kind: "redeploy", Pool: Control, Run: failed}
}

func (r *Run) stopsACall() bool {
	return slices.ContainsFunc(r.Steps, func(s StepRun) bool { return s.Stopping != "" && s.Calling })
}

// payload encodes what can always be encoded: our own small structs.
func payload(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("payload: " + err.Error())
	}
	return b
}

// words is a state as people say it.
func words(s State) string { return strings.ReplaceAll(string(s), "_", " ") }
