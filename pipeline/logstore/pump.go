package logstore

import (
	"context"
	"errors"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// pump is what the goroutine that appends knows.
type pump struct {
	meta    meta
	batch   int64
	wrote   time.Time // the last append
	runKept int64     // text bytes kept of all logs of the run
	blobs   time.Time // the blob store is left alone until then
}

// run appends batches when they are due, until the log is closed.
func (l *Log) run(ctx context.Context) {
	for {
		b, ok := l.await(ctx)
		if !ok {
			return
		}
		if err := l.append(ctx, b); err != nil {
			l.fail(err)
			return
		}
		l.shrink(ctx)
	}
}

func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.room.Broadcast()
}

// await waits for a batch. It returns false when the log is closed and all is appended.
func (l *Log) await(ctx context.Context) (batch, bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b, due, ok := l.next(time.Now())
		if ok || due < 0 {
			return b, ok
		}
		timer.Reset(due)
		select {
		case <-l.wake:
		case <-timer.C:
		case <-ctx.Done():
			l.fail(context.Cause(ctx))
			return batch{}, false
		}
	}
}

// next hands out the batch if it is due, else when it will be; negative: never.
func (l *Log) next(now time.Time) (batch, time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := time.Hour // woken before
	if l.filter.Holds() && !l.closing {
		if due = l.written.Add(standing).Sub(now); due <= 0 {
			l.filtered(l.filter.Show(l.taken.text))
			due = time.Hour
		}
	}
	b := l.taken
	switch {
	case l.closing && len(b.text) == 0 && b.raw == l.durable && !b.end:
		return batch{}, -1, false
	case l.closing || len(b.text) >= l.store.Batch:
		due = 0
	case len(b.text) > 0 && b.line:
		due = l.p.wrote.Add(l.store.Interval).Sub(now)
	case len(b.text) > 0:
		due = b.since.Add(l.store.Interval).Sub(now)
	}
	if due > 0 {
		return batch{}, due, false
	}
	l.taken = batch{raw: b.raw}
	l.room.Broadcast()
	return b, 0, true
}

// append writes the batch, and tries again while Redis is away.
func (l *Log) append(ctx context.Context, b batch) error {
	l.p.batch++
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, patience) {
		err := l.appendOnce(ctx, b)
		if err == nil || errors.Is(err, pipeline.ErrLeaseLost) {
			return err
		}
		l.store.Log.WarnContext(ctx, "log not written, trying again", "run", l.name.run, "step", l.name.step, "err", err)
		l.troubled(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func (l *Log) troubled(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = err
	l.room.Broadcast()
}

func (l *Log) appendOnce(ctx context.Context, b batch) error {
	end := 0
	if b.end {
		end = 1
	}
	args := []any{l.p.meta.epoch, l.p.batch, b.raw, l.store.Keep.Milliseconds(), end}
	for _, p := range pieces(b.text, int(min(maxEntry, l.store.LiveCap/8))) {
		args = append(args, p)
	}
	answer, err := appendScript.Run(ctx, l.store.Redis, l.store.keys(l.name), args...).Int64Slice()
	if err != nil {
		return err
	}
	if len(answer) != 3 {
		return pipeline.ErrLeaseLost
	}
	l.p.meta.out, l.p.runKept, l.p.wrote = answer[1], answer[2], time.Now()

	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable, l.trouble = b.raw, nil
	return nil
}
