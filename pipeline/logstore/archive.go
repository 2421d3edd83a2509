package logstore

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gocloud.dev/blob"

	"github.com/shipmate/shipmate/pipeline"
)

// Archive moves a log to the blob store for good and takes it out of Redis. It
// shuts out a writer that is still there. Called again it goes on where it was
// cut short; an archived log stays as it is. ErrNotFound: there is no such log.
func (s *Store) Archive(ctx context.Context, run pipeline.RunID, step string, attempt int) error {
	n := name{run, step, attempt}
	m, err := s.seize(ctx, n, true)
	if errors.Is(err, pipeline.ErrNotFound) {
		return s.archived(ctx, n)
	}
	if err != nil {
		return fmt.Errorf("archive %w", err)
	}
	if err := s.writeWhole(ctx, n, m); err != nil {
		return fmt.Errorf("archive %s: %w", n, err)
	}
	ok, err := removeScript.Run(ctx, s.Redis, s.keys(n), m.epoch, n.field()).Bool()
	if err != nil {
		return fmt.Errorf("archive %s: %w", n, err)
	}
	if !ok {
		return fmt.Errorf("archive %s: %w", n, pipeline.ErrLeaseLost)
	}
	return s.deleteBlobs(ctx, n.dir())
}

// archived ends an Archive that was cut short after the log had left Redis.
func (s *Store) archived(ctx context.Context, n name) error {
	there, err := s.Bucket.Exists(ctx, n.whole())
	if err != nil {
		return fmt.Errorf("archive %s: %w", n, err)
	}
	if !there {
		return fmt.Errorf("archive %s: %w", n, pipeline.ErrNotFound)
	}
	return s.deleteBlobs(ctx, n.dir())
}

// writeWhole makes one blob of all pieces. Gzip files may simply be joined.
func (s *Store) writeWhole(ctx context.Context, n name, m meta) error {
	ctx, abort := context.WithCancel(ctx)
	defer abort()
	options := gzipped()
	options.Metadata = map[string]string{"head": strconv.FormatInt(m.head, 10), "tail": strconv.FormatInt(m.tail, 10)}
	w, err := s.Bucket.NewWriter(ctx, n.whole(), options)
	if err != nil {
		return err
	}
	if err := s.join(ctx, w, n, m); err != nil {
		abort() // a blob writer closed now writes nothing
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

func (s *Store) join(ctx context.Context, w *blob.Writer, n name, m meta) error {
	at := int64(0)
	for {
		if m.head != m.tail && at == m.head {
			if err := zip(w, leftOut(m.tail-m.head)); err != nil {
				return err
			}
			at = m.tail
		}
		p, ok := m.part(at)
		if !ok {
			break
		}
		if err := s.copyPart(ctx, w, n, p); err != nil {
			return err
		}
		at = p.to
	}
	z := gzip.NewWriter(w)
	err := s.each(ctx, n, at, func(e entry) (bool, error) {
		if e.at != at {
			return false, fmt.Errorf("text from %d to %d is missing", at, e.at)
		}
		at += int64(len(e.text))
		_, err := io.WriteString(z, e.text)
		return true, err
	})
	if err != nil {
		return err
	}
	if at != m.out {
		return fmt.Errorf("text from %d to %d is missing", at, m.out)
	}
	return z.Close()
}

func zip(w io.Writer, text string) error {
	z := gzip.NewWriter(w)
	if _, err := io.WriteString(z, text); err != nil {
		return err
	}
	return z.Close()
}

func (s *Store) copyPart(ctx context.Context, w io.Writer, n name, p part) error {
	r, err := s.Bucket.NewReader(ctx, n.part(p), nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return errors.Join(err, r.Close())
	}
	return r.Close()
}

// leftOut is the line that stands for text that was not kept.
func leftOut(bytes int64) string {
	size := fmt.Sprintf("%d bytes", bytes)
	if bytes >= 1<<20 {
		size = fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return "\n[shipmate left out " + size + " here: the log is too long]\n"
}
