package logstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	block    = 500 * time.Millisecond // a follower waits in Redis; its context is looked at in between
	maxChunk = 64 << 10
	maxTries = 20 // to find text that is being moved just now
)

// Chunk is a piece of a log's text: whole runes, not whole lines.
type Chunk struct {
	Text string
	Next int64 // the place to go on from
}

// Follow yields the text from a place on, and what is added while it waits. It
// ends when the log has ended or is archived, when the caller stops, and after
// an error; ErrNotFound: there is no such log (yet). A place is 0 or a Chunk's Next.
func (s *Store) Follow(ctx context.Context, run pipeline.RunID, step string, attempt int, from int64) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		c := &cursor{store: s, name: name{run, step, attempt}, at: from}
		defer c.close()
		for {
			chunk, err := c.next(ctx, true)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(chunk, err) || err != nil {
				return
			}
		}
	}
}

// Read returns the text there is now. ErrNotFound: there is no such log.
func (s *Store) Read(ctx context.Context, run pipeline.RunID, step string, attempt int) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, cursor: cursor{store: s, name: name{run, step, attempt}}}
	if err := r.fill(); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// reader is a cursor as an io.Reader, which has no place for a context.
type reader struct {
	ctx    context.Context
	cursor cursor
	rest   string
}

func (r *reader) Read(p []byte) (int, error) {
	if r.rest == "" {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) fill() error {
	chunk, err := r.cursor.next(r.ctx, false)
	r.rest = chunk.Text
	return err
}

func (r *reader) Close() error {
	r.cursor.close()
	return nil
}

// cursor walks through a log, wherever its pieces are, while they are being moved.
type cursor struct {
	store *Store
	name  name
	at    int64
	blob  *blobText // being read, or nil
	over  bool
	tries int
}

func (c *cursor) close() {
	if c.blob != nil {
		c.blob.close()
		c.blob = nil
	}
}

// next returns the next chunk, io.EOF at the end. With wait the end is that of
// the log, else that of what there is now.
func (c *cursor) next(ctx context.Context, wait bool) (Chunk, error) {
	for c.tries = 0; c.tries < maxTries; c.tries++ {
		if err := ctx.Err(); err != nil {
			return Chunk{}, err
		}
		if c.over {
			return Chunk{}, io.EOF
		}
		chunk, err := c.step(ctx, wait)
		if err != nil || chunk.Text != "" {
			c.at = max(c.at, chunk.Next)
			return chunk, err
		}
	}
	return Chunk{}, fmt.Errorf("%s: text from %d on is missing", c.name, c.at)
}

// step returns text if there is some at once. Otherwise it opens the next piece,
// or waits, and returns an empty chunk.
func (c *cursor) step(ctx context.Context, wait bool) (Chunk, error) {
	if c.blob != nil {
		return c.fromBlob()
	}
	m, err := c.store.load(ctx, c.name)
	if errors.Is(err, pipeline.ErrNotFound) {
		c.blob, err = c.store.openWhole(ctx, c.name, c.at)
		return Chunk{}, err
	}
	if err != nil {
		return Chunk{}, err
	}
	if c.at >= m.head && c.at < m.tail {
		return Chunk{leftOut(m.tail - c.at), m.tail}, nil
	}
	if p, ok := m.part(c.at); ok {
		c.blob, err = c.store.openPart(ctx, c.name, p, c.at)
		if isNotExist(err) {
			return Chunk{}, nil // left out or archived just now
		}
		return Chunk{}, err
	}
	if c.at >= m.out {
		return Chunk{}, c.atEnd(ctx, m, wait)
	}
	return c.fromStream(ctx)
}

func (c *cursor) fromBlob() (Chunk, error) {
	chunk, err := c.blob.next()
	if errors.Is(err, io.EOF) {
		c.over = c.blob.whole
		c.close()
		c.tries = 0
		return Chunk{}, nil
	}
	return chunk, err
}

// atEnd waits for more text, a moment at a time.
func (c *cursor) atEnd(ctx context.Context, m meta, wait bool) error {
	if m.ended || !wait {
		return io.EOF
	}
	c.tries = 0
	after := fmt.Sprintf("%d-0", c.at)
	err := c.store.Redis.XRead(ctx, &redis.XReadArgs{Streams: []string{c.store.keys(c.name)[1], after}, Count: 1, Block: block}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// fromStream reads what is at the cursor, nothing if it has been moved away.
func (c *cursor) fromStream(ctx context.Context) (Chunk, error) {
	var b strings.Builder
	at := c.at
	err := c.store.each(ctx, c.name, at, func(e entry) (bool, error) {
		if e.at != at {
			return false, nil
		}
		b.WriteString(e.text)
		at += int64(len(e.text))
		return b.Len() < maxChunk, nil
	})
	if err != nil || b.Len() > 0 {
		return Chunk{b.String(), at}, err
	}
	return c.insideEntry(ctx)
}

// insideEntry is for a place that no chunk ended at.
func (c *cursor) insideEntry(ctx context.Context) (Chunk, error) {
	messages, err := c.store.Redis.XRevRangeN(ctx, c.store.keys(c.name)[1], fmt.Sprintf("%d-0", c.at), "-", 1).Result()
	if err != nil || len(messages) == 0 {
		return Chunk{}, err
	}
	e, err := parseEntry(messages[0])
	end := e.at + int64(len(e.text))
	if err != nil || end <= c.at {
		return Chunk{}, err
	}
	return Chunk{e.text[c.at-e.at:], end}, nil
}
