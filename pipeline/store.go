package pipeline

import (
	"context"
	"time"
)

// Store keeps runs and environments. Everything it says is durable before it
// returns. Package pipelinetest holds the suite every Store must pass.
type Store interface {
	// NewRunID makes an unused id that leads to the repository's shard.
	NewRunID(repo int64) RunID
	// Load returns the run, or an error that wraps ErrNotFound.
	Load(ctx context.Context, id RunID) (*Run, error)
	// Runs returns the runs that match, newest first.
	Runs(ctx context.Context, q RunQuery) ([]*Run, error)
	// Environment returns an environment's state; one never used is empty, with Version zero.
	Environment(ctx context.Context, repo int64, name string) (*EnvironmentState, error)
	// Commit makes one transition, whole or not at all.
	// ErrConflict: a stored version differs from the one in the Change.
	// ErrLeaseLost: the lease in Finish or Hold is no longer ours.
	// On success it sets the versions in Change to the stored ones.
	Commit(ctx context.Context, c Change) error
	// Shown returns what is kept about a subject. A subject is a run
	// ("r-1234abcd") or something several runs share ("pr/12").
	Shown(ctx context.Context, repo int64, subject, sink string) (Shown, error)
}

// Change is one atomic transition. Zero fields do nothing.
type Change struct {
	Run         *Run              // written if the stored version is Run.Version (zero: if there is none)
	Environment *EnvironmentState // likewise
	Events      []Event           // appended to the run's history
	Deployment  *Deployment       // put in front of the environment's history
	Shown       *Shown            // saved, and its Doubt is over unless it is another by now; without Data: the Doubt arises
	Jobs        []Job             // enqueued after Finish, so that a job can enqueue itself again
	Finish      *Lease            // the job is done and leaves the queue
	Hold        *Lease            // the job is still ours and stays
	Signal      bool              // tell all replicas that work on the run that it changed
}

// RunQuery selects runs of one repository, newest first. Zero fields select all.
type RunQuery struct {
	Repo        int64
	PR          int
	Environment string
	Open        bool // only those that have not ended
	NoDryRuns   bool
	Limit       int // default 50
}

// Matches reports whether the query selects the run.
func (q RunQuery) Matches(r *Run) bool {
	return (q.Repo == 0 || r.Repo.ID == q.Repo) && (q.PR == 0 || r.PR == q.PR) &&
		(q.Environment == "" || r.EnvironmentName() == q.Environment) &&
		!(q.Open && r.State.Terminal()) && !(q.NoDryRuns && r.DryRun)
}

// Wakes reports when the stored run must be looked at again, and whether it must
// be at all. A run that waits sleeps until its Wake; one with work in flight is
// looked at after grace, so that a lost job is found and enqueued again.
func (r *Run) Wakes(now time.Time, grace time.Duration) (time.Time, bool) {
	soon := now.Add(grace)
	switch {
	case r.State.Terminal():
		return time.Time{}, false
	case r.Wake.IsZero(), r.InFlight() && soon.Before(r.Wake):
		return soon, true
	}
	return r.Wake, true
}
