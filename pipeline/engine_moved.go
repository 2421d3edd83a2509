package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
)

// KindMoved is the job of Moved.
const KindMoved = "moved"

// Moved says that something new is known of a commit or a pull request: a check
// ended, somebody reviewed it, it runs somewhere. Whoever waits for that looks again.
type Moved struct {
	Repo int64  `json:"repo"`
	SHA  string `json:"sha,omitempty"`
	PR   int    `json:"pr,omitempty"` // zero: only the commit
}

// Job is the same for everything that happens to one commit and pull request,
// so a burst of it is looked at once, and once more after it.
func (m Moved) Job() Job {
	return Job{ID: fmt.Sprintf("moved:%d:%s:%d", m.Repo, m.SHA, m.PR), Kind: KindMoved, Pool: Control, Repo: m.Repo, Payload: payload(m), Again: true}
}

// concerns: what has begun has passed its gates.
func (m Moved) concerns(r *Run) bool {
	return !r.Admitted && !r.State.Terminal() && (r.SHA == m.SHA || m.PR != 0 && r.PR == m.PR)
}

// mostOpen is how many open runs of a repository are looked at. Of those that
// are beyond it each looks at its next timer.
const mostOpen = 10_000

// moved has every run look again that it may concern.
func (e *Engine) moved(ctx context.Context, l *Lease) error {
	var m Moved
	if err := json.Unmarshal(l.Payload, &m); err != nil {
		return fmt.Errorf("decode moved: %w", err)
	}
	open, err := e.Store.Runs(ctx, RunQuery{Repo: m.Repo, Open: true, Limit: mostOpen})
	if err != nil {
		return err
	}
	var jobs []Job
	for _, r := range open {
		if m.concerns(r) {
			jobs = append(jobs, advanceJob(r.ID))
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return e.Queue.Enqueue(ctx, jobs...)
}
