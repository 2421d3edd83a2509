package pipeline

import (
	"strings"
	"time"
)

// finish ends the run, gives its environment back and wakes who waited for it.
func (m *move) finish(d Finish) {
	r := m.run
	r.State, r.Code, r.Message, r.Ended = d.State, d.Code, endMessage(r, d.Message), m.now
	r.Wake, r.Deadline, r.HeldUntil, r.HeldSince = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	m.event(Event{Kind: "run", State: d.State, Code: d.Code, Message: r.Message})
	m.leaveForLater()
	if m.env != nil {
		m.leave(d)
	} else { // it may be what a deploy of the commit requires
		m.enqueue(Moved{Repo: r.Repo.ID, SHA: r.SHA}.Job())
	}
	if r.Parent != "" {
		m.enqueue(advanceJob(r.Parent))
	}
	if told := m.e.Observe.RunEnded; told != nil {
		m.observe = append(m.observe, func() { told(r) })
	}
}

// NothingChanged is the last sentence of every dry run that has ended.
const NothingChanged = "This was a dry run: nothing was changed."

func endMessage(r *Run, message string) string {
	if !r.DryRun {
		return message
	}
	return strings.TrimSpace(message + " " + NothingChanged)
}

// leave gives the environment back, with what is to be said about it.
func (m *move) leave(d Finish) {
	r, env := m.run, m.env
	m.leaveQueue()
	if env.Active == r.ID {
		env.Active = ""
		m.envDone = true
		m.change.Jobs = append(m.change.Jobs, WakeQueue(env)...)
	}
	r.Locked = d.Lock != ""
	// A person's own lock says more than a rollback's, and not every deployer
	// may take it off.
	if l := env.Lock; d.Lock != "" && (l == nil || l.Run != "" || reached(l.Expires, m.now)) {
		by := r.Actor
		if r.Trigger != ByRollback {
			by = Bot() // nobody asked for it
		}
		env.Lock = &Lock{By: by, Reason: d.Lock, Run: r.ID, At: m.now}
		m.envDone = true
		m.announceLock()
	}
	if r.DryRun || !r.Admitted && !d.Adopts {
		return
	}
	dep := deploymentOf(r, m.now)
	if d.Adopts {
		dep.Restores, dep.Artifacts, dep.Made, dep.Images = r.Same, env.Current.Artifacts, env.Current.Made, env.Current.Images
	}
	dep.Untouched = d.State != Succeeded && d.State != RolledBack && !changed(r)
	m.change.Deployment = &dep
	m.envDone = true
	switch {
	case d.State == Succeeded, d.State == RolledBack:
		env.Unsettled = ""
	case !dep.Untouched:
		env.Unsettled = r.ID
	}
	switch {
	case d.State != Succeeded: // what ran before still does, or a redeploy has said so already
	case r.Reverts != "" && r.Restores == nil:
		env.Current = nil // the first deployment was undone
	default:
		env.Current = &dep
		m.enqueue(Moved{Repo: r.Repo.ID, SHA: dep.SHA}.Job()) // other environments may come after this one
	}
}

// changed reports whether a run whose steps have ended may have changed its
// environment. What a run that undoes another one is to undo was that one's.
func changed(r *Run) bool {
	for i := range r.Steps {
		s := &r.Steps[i]
		undone := s.State == RolledBack || s.Reverting && !s.UndoUntouched && s.Code != cannotRevert
		if undone || r.Reverts == "" && begun(r.definition(i), s) {
			return true
		}
	}
	return false
}

// deploymentOf is the line a run leaves in its environment's history: what runs
// there if it succeeded. A run that undid another one leaves what ran before that.
func deploymentOf(r *Run, now time.Time) Deployment {
	d := Deployment{Run: r.ID, SHA: r.SHA, Ref: r.Ref, PR: r.PR, Pipeline: r.Pipeline.Name, By: r.Actor.Login, State: r.State, At: now,
		Trigger: r.Trigger, Reverts: r.Reverts, Parent: r.Parent, Artifacts: r.outputs(), Made: r.made(), Images: r.Images()}
	if r.Restores != nil {
		d.Restores = r.Restores.Run
	}
	if r.Reverts != "" && r.Restores != nil {
		to := r.Restores
		d.SHA, d.Ref, d.PR, d.Pipeline, d.Artifacts, d.Made, d.Images = to.SHA, to.Ref, to.PR, to.Pipeline, to.Artifacts, to.Made, to.Images
	}
	return d
}
