package logstore

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"gocloud.dev/blob"

	"github.com/shipmate/shipmate/pipeline"
)

// blobText reads a piece of a log, or all of it, from the blob store.
type blobText struct {
	whole bool
	blob  *blob.Reader
	text  io.Reader
	buf   []byte
	held  int   // bytes of a rune at the start of buf
	place int64 // bytes of the blob's text returned so far
	at    func(place int64) int64
}

// openPart returns the text of a part from a place on.
func (s *Store) openPart(ctx context.Context, n name, p part, at int64) (*blobText, error) {
	t := &blobText{at: func(place int64) int64 { return p.from + place }}
	if err := t.open(ctx, s.Bucket, n.part(p), at-p.from); err != nil {
		return nil, err
	}
	return t, nil
}

// openWhole returns the text of an archived log from a place on.
func (s *Store) openWhole(ctx context.Context, n name, at int64) (*blobText, error) {
	a, err := s.Bucket.Attributes(ctx, n.whole())
	if isNotExist(err) {
		return nil, fmt.Errorf("%s: %w", n, pipeline.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n, err)
	}
	g := gapOf(a.Metadata)
	t := &blobText{whole: true, at: g.at}
	if err := t.open(ctx, s.Bucket, n.whole(), g.place(at)); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *blobText) open(ctx context.Context, b *blob.Bucket, key string, skip int64) error {
	r, err := b.NewReader(ctx, key, nil)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return errors.Join(fmt.Errorf("blob %s: %w", key, err), r.Close())
	}
	t.blob, t.text, t.buf, t.place = r, z, make([]byte, maxChunk), skip
	if _, err := io.CopyN(io.Discard, z, skip); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(fmt.Errorf("blob %s: %w", key, err), r.Close())
	}
	return nil
}

func (t *blobText) close() { _ = t.blob.Close() } // it was only read

func (t *blobText) next() (Chunk, error) {
	n, err := io.ReadFull(t.text, t.buf[t.held:])
	n += t.held
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Chunk{}, err
	}
	if n == 0 {
		return Chunk{}, io.EOF
	}
	end := n
	if err == nil {
		end = wholeRunes(t.buf[:n])
	}
	text := string(t.buf[:end])
	t.held = copy(t.buf, t.buf[end:n])
	t.place += int64(end)
	return Chunk{text, t.at(t.place)}, nil
}

// wholeRunes is the length of b without an unfinished rune at the end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b)
}

// gap translates between places in a log and in its archived text, where a line
// stands for what was left out.
type gap struct{ head, tail, line int64 }

func gapOf(metadata map[string]string) gap {
	var g gap
	g.head, _ = strconv.ParseInt(metadata["head"], 10, 64) // without them nothing was left out
	g.tail, _ = strconv.ParseInt(metadata["tail"], 10, 64)
	if g.head != g.tail {
		g.line = int64(len(leftOut(g.tail - g.head)))
	}
	return g
}

func (g gap) at(place int64) int64 {
	switch {
	case place <= g.head || g.line == 0:
		return place
	case place < g.head+g.line:
		return g.head
	}
	return place - g.head - g.line + g.tail
}

func (g gap) place(at int64) int64 {
	switch {
	case at <= g.head || g.line == 0:
		return at
	case at < g.tail:
		return g.head
	}
	return at - g.tail + g.head + g.line
}
