package pipeline

import (
	"slices"
	"time"
)

func (m *move) hold(d Hold) {
	r := m.run
	if r.State != Waiting || r.Code != d.Code {
		m.waited()
		r.HeldSince = m.now
		m.event(Event{Kind: "run", State: Waiting, Code: d.Code, Message: d.Message})
	}
	r.State, r.Code, r.Message, r.HeldUntil = Waiting, d.Code, d.Message, d.Until
	if !d.Until.IsZero() && r.Deadline.Before(d.Until) {
		r.Deadline = d.Until.Add(24 * time.Hour)
	}
	queued := m.env != nil && slices.Contains(m.env.Queue, r.ID)
	switch {
	case d.Queue && !queued:
		m.joinQueue()
	case !d.Queue && queued:
		m.leaveQueue()
	}
}

// waited keeps how long the run was held up by what it waits for no longer.
func (m *move) waited() {
	r := m.run
	if r.HeldSince.IsZero() {
		return
	}
	spent := Duration(m.now.Sub(r.HeldSince))
	if i := slices.IndexFunc(r.Waited, func(w Wait) bool { return w.Code == r.Code }); i >= 0 {
		r.Waited[i].For += spent
	} else {
		r.Waited = append(r.Waited, Wait{r.Code, spent})
	}
	r.HeldSince = time.Time{}
}

// joinQueue puts the run at the end of its environment's queue, a rollback at
// the front. Where newer runs take the place of older ones, those look again.
func (m *move) joinQueue() {
	at := len(m.env.Queue)
	if m.run.Trigger == ByRollback {
		at = 0
	}
	if m.run.Environment.Concurrency == Supersede || at < len(m.env.Queue) {
		m.change.Jobs = append(m.change.Jobs, WakeQueue(m.env)...)
	}
	m.env.Queue = slices.Insert(m.env.Queue, at, m.run.ID)
	m.envDone = true
}

// leaveQueue takes the run out of its environment's queue, and the others move up.
func (m *move) leaveQueue() {
	if i := slices.Index(m.env.Queue, m.run.ID); i >= 0 {
		m.env.Queue = slices.Delete(m.env.Queue, i, i+1)
		m.envDone = true
		m.change.Jobs = append(m.change.Jobs, WakeQueue(m.env)...)
	}
}

func (m *move) admit() {
	r := m.run
	m.waited()
	r.Admitted, r.State, r.Code, r.Message, r.Started = true, Running, "", "", m.now
	r.HeldUntil = time.Time{}
	r.Deadline = m.now.Add(r.Pipeline.Timeout.Or(defaultRunTimeout))
	if r.Reverts != "" {
		r.State, r.Message = RollingBack, undoingOf(r)
	}
	m.event(Event{Kind: "run", State: r.State, Message: r.Message})
	if r.Deploys() {
		m.takeEnvironment()
	}
}

// takeEnvironment: the run holds the environment from now on, or works on it
// for the run that does.
func (m *move) takeEnvironment() {
	m.leaveQueue()
	if m.run.Parent == "" {
		m.env.Active = m.run.ID
		m.change.Jobs = append(m.change.Jobs, WakeQueue(m.env)...)
	}
	m.env.Fence++
	m.run.Fence = m.env.Fence << callBits
	m.envDone = true
}

// callBits leave room for the calls of one run, so that all of a later run's
// fences are above all of an earlier one's.
const callBits = 20

// WakeQueue are the jobs that have everybody who waits for an environment look again.
func WakeQueue(env *EnvironmentState) []Job {
	var jobs []Job
	for _, id := range env.Queue {
		jobs = append(jobs, advanceJob(id))
	}
	return jobs
}
