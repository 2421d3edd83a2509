package pipeline

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

// conclude finishes, retries or buries a job. It asks again at once if the queue
// does not answer; if that goes on, the lease lapses and somebody does the job
// again.
func (w *Worker) conclude(l *Lease, err error) {
	const patience = 5 * time.Second
	if err == nil && l.Blocked != nil && w.refusals.over(l.Blocked) {
		w.Log.Info("accepted again", "job", l.ID, "run", string(l.Run), "code", l.Blocked.Code, "since", l.Blocked.Since)
	}
	if l.Done || errors.Is(err, ErrLeaseLost) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conclusion := w.conclusion(ctx, l, err)
	for wait := firstPause; ; wait *= 2 {
		after := conclusion()
		if after == nil || errors.Is(after, ErrLeaseLost) {
			return
		}
		w.Log.Error("conclude job", "job", l.ID, "run", string(l.Run), "err", after)
		if !IsTemporary(after) {
			return
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return
		}
	}
}

// conclusion says what becomes of a job, in the log, and returns what has the
// queue do it. Done twice, because the first answer was lost, it finds the lease lost.
func (w *Worker) conclusion(ctx context.Context, l *Lease, err error) func() error {
	switch {
	case err == nil:
		return func() error { return w.Queue.Finish(ctx, l) }
	case AsRefused(err) != nil, l.Blocked != nil && IsTemporary(err):
		return func() error { return w.block(ctx, l, err) }
	case IsTemporary(err) && l.Tries < maxTries && (!IsLagging(err) || l.Tries < lagTries || l.Kind == "report"), errors.As(err, new(*panicError)) && l.Tries < maxPanics-1:
		level := slog.LevelWarn
		if errors.As(err, new(interface{ RetryAfter() time.Duration })) {
			level = slog.LevelDebug // it waits for its turn
		}
		w.Log.Log(ctx, level, "job is tried again", "job", l.ID, "run", string(l.Run), "tries", l.Tries+1, "err", err)
		return func() error { return w.Queue.Retry(ctx, l, w.Now().Add(retryAfter(err, l.Tries))) }
	}
	w.Log.Error("job buried", "job", l.ID, "run", string(l.Run), "err", err)
	return func() error { return w.Queue.Bury(ctx, l, err.Error()) }
}

// panicError is a fault in a handler: tried a few times, then buried with its stack.
type panicError struct{ text string }

func (p *panicError) Error() string { return p.text }

// retryAfter is what the error asks for, else 250 ms, doubled with every try up
// to a minute.
func retryAfter(err error, tries int) time.Duration {
	return cmp.Or(asksFor(err), min(maxPause, 250*time.Millisecond<<min(max(tries, 0), 10)))
}

// asksFor is how long the error says to wait, zero if it says nothing.
func asksFor(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if !errors.As(err, &asks) {
		return 0
	}
	return max(0, asks.RetryAfter())
}
