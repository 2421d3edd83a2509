package logstore

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/shipmate/shipmate/pipeline"
)

const blobPause = 5 * time.Second // after the blob store failed

// shrink keeps the log within its bounds: the oldest text in Redis becomes a
// part in the blob store, and in a log that is too long the middle is left out.
// A blob store that is away does not stop the step.
func (l *Log) shrink(ctx context.Context) {
	m := &l.p.meta
	for m.out-m.live > l.store.LiveCap && time.Now().After(l.p.blobs) {
		if err := l.spill(ctx); err != nil {
			l.warn(ctx, "log not moved to the blob store", err)
			l.p.blobs = time.Now().Add(blobPause)
		}
	}
	for m.out-m.live > 4*l.store.LiveCap || l.tooLong() {
		ok, err := l.leaveOut(ctx)
		if err != nil {
			l.warn(ctx, "log not shortened", err)
		}
		if !ok || err != nil {
			return
		}
	}
}

func (l *Log) warn(ctx context.Context, message string, err error) {
	l.store.Log.WarnContext(ctx, message, "run", l.name.run, "step", l.name.step, "err", err)
}

func (l *Log) tooLong() bool {
	m := &l.p.meta
	return m.out-(m.tail-m.head) > l.store.TotalCap || l.p.runKept > l.store.RunCap
}

// spill makes a part of the older half of what is in Redis. The blob comes
// first: a crash in between leaves a blob that nobody refers to.
func (l *Log) spill(ctx context.Context) error {
	p := part{from: l.p.meta.live, to: l.p.meta.live, epoch: l.p.meta.epoch}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	err := l.store.each(ctx, l.name, p.from, func(e entry) (bool, error) {
		p.to = e.at + int64(len(e.text))
		_, err := z.Write([]byte(e.text))
		return p.to-p.from < l.store.LiveCap/2, err
	})
	if err != nil {
		return err
	}
	if p.to == p.from {
		return fmt.Errorf("%s: no text from %d on", l.name, p.from)
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := l.store.Bucket.WriteAll(ctx, l.name.part(p), b.Bytes(), gzipped()); err != nil {
		return err
	}
	after := l.p.meta
	after.live = p.to
	after.parts = append(after.parts, p)
	return l.move(ctx, after, p.field(), p.value(), "")
}

func gzipped() *blob.WriterOptions { return &blob.WriterOptions{ContentType: "application/gzip"} }

// leaveOut gives up the oldest text after the beginning: a part, or if there is
// none, because the blob store is away, the older half of what is in Redis.
// It reports false if there is nothing to give up.
func (l *Log) leaveOut(ctx context.Context) (bool, error) {
	after := l.p.meta
	i := l.expendable()
	if i < 0 {
		return l.leaveOutLive(ctx)
	}
	p := after.parts[i]
	if after.head == after.tail {
		after.head = p.from
	}
	after.tail = p.to
	after.parts = append(append([]part(nil), after.parts[:i]...), after.parts[i+1:]...)
	if err := l.move(ctx, after, "", "", p.field()); err != nil {
		return false, err
	}
	if err := l.store.Bucket.Delete(ctx, l.name.part(p)); err != nil && !isNotExist(err) {
		l.warn(ctx, "part of a log not deleted", err) // Archive tries again
	}
	return true, nil
}

// expendable is the part to leave out next: the oldest that does not belong to
// the first half of what may be kept; if the run is too long, the oldest but one.
func (l *Log) expendable() int {
	m := &l.p.meta
	for i, p := range m.parts {
		switch {
		case m.head != m.tail:
			if p.from >= m.tail {
				return i
			}
		case p.to > l.store.TotalCap/2, i > 0 && l.p.runKept > l.store.RunCap:
			return i
		}
	}
	return -1
}

func (l *Log) leaveOutLive(ctx context.Context) (bool, error) {
	after := l.p.meta
	if after.out-after.live <= 4*l.store.LiveCap {
		return false, nil
	}
	err := l.store.each(ctx, l.name, after.out-2*l.store.LiveCap, func(e entry) (bool, error) {
		after.live = e.at
		return false, nil
	})
	if err != nil || after.live == l.p.meta.live {
		return false, err
	}
	if after.head == after.tail {
		after.head = l.p.meta.live
	}
	after.tail = after.live
	return true, l.move(ctx, after, "", "", "")
}

// move makes the change of places durable.
func (l *Log) move(ctx context.Context, after meta, newPart, value, oldPart string) error {
	ok, err := moveScript.Run(ctx, l.store.Redis, l.store.keys(l.name),
		after.epoch, after.live, after.head, after.tail, newPart, value, oldPart).Bool()
	if err != nil {
		return err
	}
	if !ok {
		return pipeline.ErrLeaseLost
	}
	l.p.runKept -= (after.tail - after.head) - (l.p.meta.tail - l.p.meta.head)
	l.p.meta = after
	return nil
}

// entry is a piece of text in Redis and its place.
type entry struct {
	at   int64
	text string
}

func parseEntry(m redis.XMessage) (entry, error) {
	at, err := strconv.ParseInt(strings.TrimSuffix(m.ID, "-1"), 10, 64)
	text, ok := m.Values["t"].(string)
	if err != nil || !ok {
		return entry{}, fmt.Errorf("unknown log entry %s", m.ID)
	}
	return entry{at, text}, nil
}

// each calls f with the entries that start at the place or later, until f says stop.
func (s *Store) each(ctx context.Context, n name, from int64, f func(entry) (more bool, err error)) error {
	const page = 64
	for {
		messages, err := s.Redis.XRangeN(ctx, s.keys(n)[1], fmt.Sprintf("%d-0", from), "+", page).Result()
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		for _, m := range messages {
			e, err := parseEntry(m)
			if err != nil {
				return fmt.Errorf("%s: %w", n, err)
			}
			if more, err := f(e); err != nil || !more {
				return err
			}
			from = e.at + int64(len(e.text))
		}
		if len(messages) < page {
			return nil
		}
	}
}

func isNotExist(err error) bool { return gcerrors.Code(err) == gcerrors.NotFound }
