package shell

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Checkouts made before their step is there: while it is asked whether a run may
// begin, its commit is fetched and checked out. Only a step of that very
// repository and commit takes one, so what is not allowed in the end is never
// used; it is removed after a moment.

const (
	keepAhead = 30 * time.Second // how long a checkout waits for its step
	maxAhead  = 8                // checkouts that wait at once
)

// commit is what a checkout is of.
type commit struct {
	repo int64
	sha  string
}

// early is one checkout that waits for its step, or is being made.
type early struct {
	dir   string
	done  chan struct{} // closed when it is made
	err   error         // after done
	stop  context.CancelFunc
	lapse *time.Timer
}

// aheads are the checkouts of a runner.
type aheads struct {
	source Source
	dir    string // for nothing but them
	keep   time.Duration
	log    *slog.Logger

	mu     sync.Mutex
	of     map[commit]*early
	closed bool
	work   sync.WaitGroup
}

func newAheads(cfg Config) *aheads {
	a := &aheads{source: cfg.Source, dir: filepath.Join(cfg.Dir, "ahead"), keep: keepAhead, log: cfg.Logger, of: map[commit]*early{}}
	a.remove(a.dir) // of a bot that was killed
	return a
}

// Prepare begins to check a commit out for the first step that needs it, and
// returns at once. What goes wrong is for that step to find.
func (r *Runner) Prepare(repo pipeline.Repo, sha string) { r.ahead.begin(repo, sha) }

func (a *aheads) begin(repo pipeline.Repo, sha string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := commit{repo.ID, sha}
	if a.closed || a.of[what] != nil || len(a.of) >= maxAhead {
		return
	}
	ctx, stop := context.WithCancel(context.Background()) // it outlives the command that asks for it
	e := &early{done: make(chan struct{}), stop: stop}
	e.lapse = time.AfterFunc(a.keep, func() { a.drop(what, e) })
	a.of[what] = e
	a.work.Go(func() {
		defer close(e.done)
		e.dir, e.err = a.checkout(ctx, repo, sha)
	})
}

func (a *aheads) checkout(ctx context.Context, repo pipeline.Repo, sha string) (string, error) {
	if err := makeShared(a.dir); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(a.dir, "src-")
	if err != nil {
		return "", err
	}
	return dir, a.source.Checkout(ctx, repo, sha, dir)
}

// take gives the checkout to a step by moving it to its folder, which is empty.
// false: there is none, and the step makes its own.
func (a *aheads) take(ctx context.Context, repo pipeline.Repo, sha, src string) bool {
	what := commit{repo.ID, sha}
	a.mu.Lock()
	e := a.of[what]
	if e == nil || !e.lapse.Stop() {
		a.mu.Unlock()
		return false
	}
	delete(a.of, what)
	a.mu.Unlock()
	defer e.stop()
	select {
	case <-e.done:
	case <-ctx.Done():
		a.discard(e)
		return false
	}
	if e.err == nil {
		e.err = replaceEmpty(src, e.dir)
	}
	if e.err != nil {
		a.log.Debug("a checkout made ahead is not used", "repo", repo.String(), "err", e.err)
		a.discard(e)
	}
	return e.err == nil
}

// replaceEmpty puts a folder in the place of an empty one, which stays if that
// does not work.
func replaceEmpty(empty, by string) error {
	if err := os.Remove(empty); err != nil {
		return err
	}
	if err := os.Rename(by, empty); err != nil {
		return errors.Join(err, os.Mkdir(empty, 0o700))
	}
	return nil
}

// drop removes a checkout that no step came for.
func (a *aheads) drop(what commit, e *early) {
	a.mu.Lock()
	if a.of[what] == e {
		delete(a.of, what)
	}
	a.mu.Unlock()
	a.discard(e)
}

// discard waits until nothing works in the checkout any more, and removes it.
func (a *aheads) discard(e *early) {
	e.stop()
	<-e.done
	if e.dir != "" {
		a.remove(e.dir)
	}
}

func (a *aheads) remove(dir string) {
	if err := removeAll(dir); err != nil {
		a.log.Warn("remove a checkout made ahead", "err", err)
	}
}

// close removes all of them.
func (a *aheads) close() {
	a.mu.Lock()
	a.closed = true
	all := a.of
	a.of = map[commit]*early{}
	a.mu.Unlock()
	for _, e := range all {
		e.lapse.Stop()
		a.discard(e)
	}
	a.work.Wait()
}
