package pipeline

import (
	"context"
	"encoding/json"
	"time"
)

// Queue hands out jobs, each to one worker at a time.
type Queue interface {
	// Enqueue adds jobs. A job whose ID is already queued, delayed or leased is
	// not added a second time; with Again it runs once more after the lease it
	// is under has finished, and one that was put off comes forward to the new
	// time. A job that waits because it failed keeps its time.
	Enqueue(ctx context.Context, jobs ...Job) error
	// Accept enqueues the job unless one of the keys was seen within keep. It
	// remembers all keys and enqueues in one step, and reports whether it did.
	Accept(ctx context.Context, j Job, keep time.Duration, keys ...string) (bool, error)
	// Lease waits until there is at least one job for the pool and returns up to
	// limit of them, each ours for ttl from now on the queue's clock. A lapsed lease is
	// handed out again, with a higher Fence. It returns no jobs and no error
	// when a few seconds pass without any.
	Lease(ctx context.Context, pool Pool, limit int, ttl time.Duration) ([]*Lease, error)
	// Renew makes the lease last a full ttl again; ErrLeaseLost if it is not ours any more.
	Renew(ctx context.Context, l *Lease) error
	// Finish takes done jobs off the queue; those no longer ours are left alone.
	Finish(ctx context.Context, ls ...*Lease) error
	// Retry puts a leased job back, to be handed out at the given time, with Tries one higher.
	Retry(ctx context.Context, l *Lease, at time.Time) error
	// Block puts a leased job back as j, which has the same ID and says why and
	// until when it waits (Blocked, At), and enqueues tell. A mark to run it
	// again, set since it was leased, has it run at once.
	Block(ctx context.Context, l *Lease, j Job, tell ...Job) error
	// BlockedJobs lists the jobs that are blocked, of one repository or, with
	// zero, of all. At says when each is tried again.
	BlockedJobs(ctx context.Context, repo int64) ([]Job, error)
	// Lift makes blocked jobs due now, as they are given. One that is leased is
	// run once more after that; one that is not blocked any more is left alone.
	Lift(ctx context.Context, jobs ...Job) error
	// Bury moves a leased job to the dead letters with the reason.
	Bury(ctx context.Context, l *Lease, reason string) error
}

// Pool separates jobs that end at once from those that may take an hour, so
// that slow steps never hold up cancels, approvals and reports.
type Pool string

const (
	Control Pool = "control"
	Steps   Pool = "steps"
)

// Job is an item on the queue. Its ID says what it does; the same ID is queued once.
type Job struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // selects the handler
	Pool    Pool            `json:"pool,omitempty"`
	Repo    int64           `json:"repo,omitempty"` // decides the shard, unless Run does; zero: the ID decides
	Run     RunID           `json:"run,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Tries   int             `json:"tries,omitempty"`   // failed tries so far
	At      time.Time       `json:"at,omitzero"`       // not before; zero: now
	Blocked *Blocked        `json:"blocked,omitempty"` // why it waits, nil: it does not
	Again   bool            `json:"-"`
}

// Lease is the right to work on a job until it lapses.
type Lease struct {
	Job
	Fence int64         // 1 the first time the job is handed out, higher each time after
	Token string        // the queue's own handle
	Shard int           //
	TTL   time.Duration //
	Done  bool          // set by whoever finished it
}

// DeadJob is a job that was given up, and why.
type DeadJob struct {
	Handle string // names it for bringing it back
	Job    Job
	Reason string
	At     time.Time
}

// Soon is how far ahead work lies that is about to be done: what is tried
// again, or waits for a budget. What is further ahead waits for a date.
const Soon = 10 * time.Minute

// Stats is how much lies in a store.
type Stats struct {
	Queues  []QueueStats
	Delayed int64 // jobs whose time has not come
	Soon    int64 // those of them whose time comes within [Soon]
	Open    int64 // runs that have not ended
	Dead    int64 // jobs given up
	Blocked int64 // jobs that a platform refuses now; they are in Delayed, not in Soon
}

// QueueStats is the state of one pool in one shard.
type QueueStats struct {
	Shard  int
	Pool   Pool
	Ready  int64         // jobs nobody works on yet
	Leased int64         //
	Oldest time.Duration // age of the oldest ready job
}
