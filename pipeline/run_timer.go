package pipeline

import (
	"slices"
	"time"
)

// NextTimer is the earliest time at which Next may have something new to say,
// zero if there is none.
func (r *Run) NextTimer() time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if r.State != RollingBack && r.State != Unknown && r.Cancel == nil {
		consider(r.Deadline)
	}
	if !r.Admitted {
		consider(r.HeldUntil)
	}
	for _, s := range r.Steps {
		if s.State != Running && s.State != RollingBack && s.State != Waiting {
			continue
		}
		consider(s.Due)
		if s.Stopping == "" {
			consider(s.Deadline)
		}
	}
	return next
}

// InFlight reports whether a job or a lease must be out that moves the run.
func (r *Run) InFlight() bool {
	return r.awaitsRedeploy() || r.PlanPending() != nil || slices.ContainsFunc(r.Steps, StepRun.inFlight)
}

// inFlight: a call is being made or about to be. An undoing between two calls
// is not; it has a time it waits for.
func (s StepRun) inFlight() bool {
	return s.State == Running || s.State == RollingBack && s.Due.IsZero()
}

func (r *Run) awaitsRedeploy() bool { return r.State == RollingBack && r.RedeployedBy != "" }

// Wait is how long a run was held up by one gate, over all times together.
type Wait struct {
	Code string   `json:"code"`
	For  Duration `json:"for"`
}
