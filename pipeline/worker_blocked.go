package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// block has a job that a platform refuses wait. That is said once for all jobs
// that meet the same refusal at the same place.
func (w *Worker) block(ctx context.Context, l *Lease, err error) error {
	now, j := w.Now(), l.Job
	refused := AsRefused(err)
	if refused == nil { // blocked before, and now nobody answers: nothing is known to have changed
		j.Tries, j.At = l.Tries+1, now.Add(retryAfter(err, l.Tries))
		return w.Queue.Block(ctx, l, j)
	}
	var s stopped
	errors.As(err, &s)
	b := blockedBy(l.Blocked, refused, s.what, now)
	if l.Kind != "report" && now.Sub(b.Since) > longestBlocked {
		w.Log.Warn("given up: refused for too long", "job", l.ID, "run", string(l.Run), "code", b.Code, "since", b.Since, "err", err)
		return w.Queue.Finish(ctx, l)
	}
	j.Blocked, j.Tries, j.At = &b, 0, now.Add(b.wait())
	level := slog.LevelDebug
	if l.Blocked == nil && w.refusals.begins(&b) {
		level = slog.LevelWarn
	}
	w.Log.Log(ctx, level, "refused for now: waits until it is accepted", "job", l.ID, "run", string(l.Run), "code", b.Code, "reason", b.Message, "next", j.At, "err", err)
	return w.Queue.Block(ctx, l, j, s.tell...)
}

// refusals remembers what was said of refusals, in this process.
type refusals struct {
	mu   sync.Mutex
	said map[string]bool // by where
}

const maxRefusals = 10_000

// begins reports whether the refusal is new.
func (r *refusals) begins(b *Blocked) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil || len(r.said) >= maxRefusals {
		r.said = map[string]bool{}
	}
	known := r.said[b.where()]
	r.said[b.where()] = true
	return !known
}

// over reports whether the refusal was still thought to last.
func (r *refusals) over(b *Blocked) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.said[b.where()]
	delete(r.said, b.where())
	return was
}
