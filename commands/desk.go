package commands

import (
	"context"
	"errors"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Desk is everything commands work with. Each command takes the parts it needs.
type Desk struct {
	Runs    Runs
	Store   Store
	GitHub  GitHub
	Logs    Tailer
	Records Records
	Links   Links
	Secrets Secrets // nil: nothing is said about them
}

// Secrets knows which secrets a run may be given; pipeline.Vault does.
type Secrets interface {
	// Withheld is why a step of the run would not be given them now; nil: it would be.
	Withheld(ctx context.Context, r *pipeline.Run, names []string) error
}

// Runs changes runs; pipeline.Engine does it.
type Runs interface {
	Start(ctx context.Context, req pipeline.Request) (*pipeline.Run, error)
	// Prepare makes ready what the run needs if it begins soon. It returns at once.
	Prepare(req pipeline.Request)
	Approve(ctx context.Context, id pipeline.RunID, a pipeline.Approval) (*pipeline.Run, error)
	Cancel(ctx context.Context, id pipeline.RunID, c pipeline.Cancellation) (*pipeline.Run, error)
	// Undoable: why not, to follow "because", is "" where nobody would expect it.
	Undoable(ctx context.Context, id pipeline.RunID) (yes bool, why string, err error)
	// Drift compares what a run deployed with what stands there now.
	Drift(ctx context.Context, id pipeline.RunID) ([]pipeline.Drift, error)
	Resolve(ctx context.Context, id pipeline.RunID, step string, succeeded bool, by pipeline.Actor, reason string) (*pipeline.Run, error)
}

// Store reads what there is, and locks.
type Store interface {
	NewRunID(repo int64) pipeline.RunID
	Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error)
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
	Deployments(ctx context.Context, repo int64, environment string, limit int) ([]pipeline.Deployment, error)
	Commit(ctx context.Context, c pipeline.Change) error
}

// GitHub answers what only GitHub knows.
type GitHub interface {
	Commit(ctx context.Context, repo pipeline.Repo, ref string) (pipeline.Commit, error)
	PullRequest(ctx context.Context, repo pipeline.Repo, number int) (pipeline.PullRequest, error)
	Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error)
	WasHead(ctx context.Context, repo pipeline.Repo, pr int, sha string, before time.Time) (bool, error)
	// CameAfter reports whether it is known that a branch was elsewhere at a time.
	CameAfter(ctx context.Context, repo pipeline.Repo, head Head, at time.Time) (bool, error)
	Contributors(ctx context.Context, repo pipeline.Repo, base, sha string, pr int, branch string) ([]int64, error)
	Live(ctx context.Context, r *pipeline.Run) (pipeline.Live, error)
	Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error)
}

// Head is where a branch is, and the pull request it belongs to, if any.
type Head struct {
	PR     int
	Branch string
	SHA    string
}

// Tailer reads the end of a step's log.
type Tailer interface {
	Tail(ctx context.Context, run pipeline.RunID, step string, attempt, lines int) ([]string, error)
}

// Records keep a small value under a key.
type Records interface {
	// PutNew stores the value unless there is one, and reports whether it did.
	PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error)
	Get(ctx context.Context, repo int64, key string) ([]byte, error)
}

// about returns what a command is about: what find says when it is first
// tried, and the same ever after. Tried again, after half of it was done, it
// must not mean something else.
func about(ctx context.Context, records Records, c *Call, find func() (string, error)) (string, error) {
	const keep = 7 * 24 * time.Hour
	key := aboutKey(c.Key)
	old, err := records.Get(ctx, c.Repo.ID, key)
	if err == nil && old != nil {
		return string(old), nil
	}
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return "", err
	}
	what, err := find()
	if err != nil {
		return "", err
	}
	if fresh, err := records.PutNew(ctx, c.Repo.ID, key, []byte(what), keep); fresh || err != nil {
		return what, err
	}
	old, err = records.Get(ctx, c.Repo.ID, key)
	return string(old), err
}

func aboutKey(key string) string { return "about:" + key }

// RunKey is the key under which the run of a command is remembered.
func RunKey(key string) string { return "run-of:" + key }

// ChooseRunID returns the id of the run that a key stands for: a new one the
// first time, the same one ever after. So a command that is tried again starts
// the run it has started already.
func ChooseRunID(ctx context.Context, records Records, store Store, repo int64, key string) (pipeline.RunID, error) {
	const keep = 7 * 24 * time.Hour
	id := store.NewRunID(repo)
	key = RunKey(key)
	fresh, err := records.PutNew(ctx, repo, key, []byte(id), keep)
	if fresh || err != nil {
		return id, err
	}
	old, err := records.Get(ctx, repo, key)
	return pipeline.RunID(old), err
}
