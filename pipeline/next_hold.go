package pipeline

import (
	"slices"
	"time"
)

// heldUntil is when a run that waits for the gate is looked at again. Where
// that is only to see whether it has opened, looking sooner, because somebody
// said so, puts nothing off, and the run's own time still ends.
func heldUntil(r *Run, g Gate, now time.Time) time.Time {
	switch {
	case !g.Polls:
		return g.Until
	case r.State == Waiting && r.Code == g.Code && now.Before(r.HeldUntil) && r.HeldUntil.Before(g.Until):
		return r.HeldUntil
	case !r.Deadline.IsZero() && r.Deadline.Before(g.Until):
		return r.Deadline
	}
	return g.Until
}

// queues: what holds everybody up is waited for in order. Who waits for a
// person does not stand in the queue: the place would be kept from those who
// are ready. Where newer runs take the place of older ones nobody is kept, and
// all stand in it, so that they see each other.
func queues(policy *Environment, g Gate) bool {
	return g.Name == GateFreeze || g.Name == GateLock || g.Name == GateConcurrency || policy != nil && policy.Concurrency == Supersede
}

// stillQueued is how a run goes on waiting for its turn. That it does not have
// it yet is known here; GitHub is asked when it has. So a long queue costs no
// calls whenever it moves.
func stillQueued(r *Run, f Facts, now time.Time) (Hold, bool) {
	if f.Live != nil || r.State != Waiting || r.Code != "queued" || r.Environment.Concurrency == Supersede || !inQueue(r, f) || len(r.overrides()) > 0 {
		return Hold{}, false
	}
	f.Policy, f.Live = r.Environment, &Live{}
	q := QuestionOf(r)
	turn := concurrency(q, f, now)
	if turn.State != Waits {
		return Hold{}, false
	}
	_, g := firstGate([]Gate{freeze(q, f, now), locked(q, f, now), turn}, Waits)
	return Hold{Code: g.Code, Message: g.Sentence, Until: heldUntil(r, g, now), Queue: queues(f.Policy, g)}, true
}

// supersededBy is the newest run in the queue, where the environment wants only
// that one and this one has not been approved by anybody yet.
func supersededBy(r *Run, f Facts, gates []Gate) RunID {
	if f.Policy == nil || f.Policy.Concurrency != Supersede || r.Trigger == ByRollback || r.DryRun {
		return ""
	}
	approved := slices.ContainsFunc(gates, func(g Gate) bool { return g.Name == GateApproval && g.State == Passes })
	queue := f.Environment.Queue
	place := slices.Index(queue, r.ID)
	if place < 0 || place == len(queue)-1 || approved && asksApproval(f.Policy) {
		return ""
	}
	return queue[len(queue)-1]
}

// hold returns the decision unless it is what the run does already.
func hold(r *Run, f Facts, h Hold) []Decision {
	if r.State == Waiting && r.Code == h.Code && r.Message == h.Message && r.HeldUntil.Equal(h.Until) && inQueue(r, f) == h.Queue {
		return nil
	}
	return []Decision{h}
}

func inQueue(r *Run, f Facts) bool {
	return f.Environment != nil && slices.Contains(f.Environment.Queue, r.ID)
}
