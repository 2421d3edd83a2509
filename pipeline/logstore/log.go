package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// errClosed answers writes after Close or Finish.
var errClosed = errors.New("log is closed")

const (
	maxPending = 256 << 10       // text that waits for Redis; then writers wait too
	maxEntry   = 32 << 10        // of one stream entry, and of what is filtered in one go
	patience   = 2 * time.Second // between tries while Redis is away, at most
	standing   = 5 * time.Second // a line without an end that has not changed for so long is shown
)

var _ pipeline.Log = (*Log)(nil)

// Log is a step's log, open for writing. It may be used by many goroutines.
type Log struct {
	store  *Store
	name   name
	caller func() error       // why the caller's context ended
	stop   context.CancelFunc // ends calls under way
	wake   chan struct{}      // something changed for the pump
	gone   chan struct{}      // closed when the pump has ended

	mu      sync.Mutex
	room    sync.Cond // somebody who waits for room should look again
	filter  *pipeline.LogFilter
	base    int64 // raw bytes of earlier calls
	taken   batch // not appended yet
	written time.Time
	durable int64
	closing bool
	err     error // final
	trouble error // of a try that will be repeated

	p pump // for the pump's goroutine only
}

// batch is text to be appended.
type batch struct {
	text  []byte
	line  bool      // text holds a line end
	since time.Time // text is waiting
	raw   int64     // raw bytes whose text is in here or appended before
	end   bool      // nothing follows
}

// Open makes the caller the log's only writer: an earlier one that still writes
// gets ErrLeaseLost. Writing goes on at Offset. The log outlives ctx until it is
// closed, so that what a cancelled step says last is kept; but with Redis away,
// writes fail once ctx has ended.
func (s *Store) Open(ctx context.Context, run pipeline.RunID, step string, attempt int, m *pipeline.Masker) (*Log, error) {
	n := name{run, step, attempt}
	if m == nil {
		return nil, fmt.Errorf("open %s: no masker", n)
	}
	known, err := s.seize(ctx, n, false)
	if err != nil {
		return nil, fmt.Errorf("open %w", err)
	}
	// Cut off from ctx: see above.
	pumping, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Log{
		store: s, name: n, caller: ctx.Err, stop: stop,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
		filter: m.Filter(), base: known.in, durable: known.in, taken: batch{raw: known.in},
		p: pump{meta: known},
	}
	l.room.L = &l.mu
	unwatch := context.AfterFunc(ctx, l.lookAgain)
	go func() {
		defer close(l.gone)
		defer unwatch()
		l.run(pumping)
	}()
	return l, nil
}

// seize shuts out all other writers of the log.
func (s *Store) seize(ctx context.Context, n name, mustExist bool) (meta, error) {
	k := s.keys(n)
	only := 0
	if mustExist {
		only = 1
	}
	epoch, err := openScript.Run(ctx, s.Redis, []string{k[0], k[2]}, n.field(), s.Keep.Milliseconds(), only).Int64()
	if err != nil {
		return meta{}, fmt.Errorf("%s: %w", n, err)
	}
	m, err := s.load(ctx, n)
	if err == nil && m.epoch != epoch {
		return meta{}, fmt.Errorf("%s: %w", n, pipeline.ErrLeaseLost)
	}
	return m, err
}

// Write takes raw output. It waits while Redis does not keep up.
func (l *Log) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(maxEntry, len(p)-done)
		if err := l.take(p[done : done+n]); err != nil {
			return done, fmt.Errorf("write %s: %w", l.name, err)
		}
		done += n
	}
	return len(p), nil
}

func (l *Log) take(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.err != nil:
			return l.err
		case l.closing:
			return errClosed
		case len(l.taken.text) < maxPending:
			l.written = time.Now()
			l.filtered(l.filter.Append(l.taken.text, p))
			return nil
		case l.trouble != nil && l.caller() != nil:
			return l.trouble
		}
		l.room.Wait()
	}
}

// filtered puts text that the filter has added to into the batch.
func (l *Log) filtered(text []byte) {
	b := &l.taken
	added := text[len(b.text):]
	if len(b.text) == 0 && len(added) > 0 {
		b.since = time.Now()
	}
	b.line = b.line || bytes.IndexByte(added, '\n') >= 0
	b.text = text
	b.raw = l.base + l.filter.Done()
	l.poke()
}

func (l *Log) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) lookAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room.Broadcast()
}

// Offset is the number of raw bytes, over all calls, whose text is durable.
// Bytes at the end that may still become a secret are not among them.
func (l *Log) Offset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Close makes everything that is certain durable and ends this call's writing;
// a next call may open the log again. What may still become a secret is left to
// that call, which finds it after Offset. If ctx ends first, Offset says how far
// the log has come.
func (l *Log) Close(ctx context.Context) error { return l.shut(ctx, false) }

// Finish is Close for a step that has ended: nothing is held back any more, and
// those who follow the log see its end.
func (l *Log) Finish(ctx context.Context) error { return l.shut(ctx, true) }

func (l *Log) shut(ctx context.Context, end bool) error {
	l.mu.Lock()
	if !l.closing {
		l.closing = true
		if end {
			l.filtered(l.filter.Finish(l.taken.text))
			l.taken.end = true
		}
	}
	l.room.Broadcast()
	l.poke()
	l.mu.Unlock()

	select {
	case <-l.gone:
	case <-ctx.Done():
	}
	l.stop()
	<-l.gone

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("close %s: %w", l.name, l.err)
	}
	return nil
}

// pieces cuts text into stream entries of at most a size, between runes.
func pieces(text []byte, size int) [][]byte {
	var list [][]byte
	for len(text) > size {
		n := size
		for n > size-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		list = append(list, text[:n])
		text = text[n:]
	}
	if len(text) > 0 {
		list = append(list, text)
	}
	return list
}
