// Package logstore keeps the output of steps: in Redis and parts in a blob store
// while a step runs, then as one compressed blob.
//
// Start reading at [Store.Open] and [Log]: what a runner writes is cleaned,
// masked and then appended in batches. [Store.Archive] moves a log whose step
// has ended to the blob store. [Store.Read], [Store.Tail] and [Store.Follow]
// find the text wherever it is.
//
// A place in a log is a number of bytes of its text from the start. The text
// lies in up to four pieces, in this order; all but the last may be missing:
//
//	[0, head)     the beginning, in parts in the blob store
//	[head, tail)  left out, because the log was too long
//	[tail, live)  more parts in the blob store
//	[live, out)   a Redis stream; an entry's id is the place of its first byte
package logstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob"

	"github.com/shipmate/shipmate/pipeline"
)

// Config says where logs are kept and how much of them.
type Config struct {
	Redis redis.UniversalClient
	// KeyPrefix begins the Redis keys of a run: "sm:{3}:". It holds the hash
	// tag, because one script touches several keys.
	KeyPrefix func(pipeline.RunID) string
	Bucket    *blob.Bucket
	Log       *slog.Logger // default: none

	LiveCap  int64         // bytes of one log in Redis; default 4 MiB
	TotalCap int64         // bytes kept of one log, the middle is left out; default 50 MiB
	RunCap   int64         // bytes kept of all logs of a run, about; default 200 MiB
	Batch    int           // bytes that are written without waiting for more; default 32 KiB
	Interval time.Duration // between writes of less than Batch; default 100 ms
	Keep     time.Duration // of a log in Redis that nobody archives; default 90 days
}

// Store keeps the logs of all runs.
type Store struct {
	Config
}

// New returns a Store. The blob store's driver is the caller's choice.
func New(c Config) (*Store, error) {
	if c.Redis == nil || c.KeyPrefix == nil || c.Bucket == nil {
		return nil, errors.New("log store: Redis, KeyPrefix and Bucket are required")
	}
	setDefault(&c.LiveCap, 4<<20)
	setDefault(&c.TotalCap, 50<<20)
	setDefault(&c.RunCap, 200<<20)
	setDefault(&c.Batch, 32<<10)
	setDefault(&c.Interval, 100*time.Millisecond)
	setDefault(&c.Keep, 90*24*time.Hour)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.LiveCap < 1<<10 || c.TotalCap < 2*c.LiveCap {
		return nil, fmt.Errorf("log store: LiveCap must be from 1 KiB to half of TotalCap (%d), not %d", c.TotalCap, c.LiveCap)
	}
	return &Store{c}, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

var (
	//go:embed open.lua
	openLua string
	//go:embed append.lua
	appendLua string
	//go:embed move.lua
	moveLua string
	//go:embed remove.lua
	removeLua string

	openScript   = redis.NewScript(openLua)
	appendScript = redis.NewScript(appendLua)
	moveScript   = redis.NewScript(moveLua)
	removeScript = redis.NewScript(removeLua)
)

// name says which log.
type name struct {
	run     pipeline.RunID
	step    string
	attempt int
}

func (n name) String() string { return fmt.Sprintf("log of %s %s #%d", n.run, n.step, n.attempt) }

func (n name) field() string { return fmt.Sprintf("%s:%d", url.PathEscape(n.step), n.attempt) }

// The names of blobs.
func (n name) dir() string   { return fmt.Sprintf("%s/%s/%d/", n.run, url.PathEscape(n.step), n.attempt) }
func (n name) whole() string { return strings.TrimSuffix(n.dir(), "/") + ".log.gz" }
func (n name) part(p part) string {
	return fmt.Sprintf("%s%012d-%d.gz", n.dir(), p.from, p.epoch)
}

// keys returns the meta hash, the text stream and the run's index.
func (s *Store) keys(n name) []string {
	index := s.index(n.run)
	meta := index + ":" + n.field()
	return []string{meta, meta + ":text", index}
}

func (s *Store) index(run pipeline.RunID) string { return s.KeyPrefix(run) + "log:" + string(run) }

// meta is what is known about a log that is not archived.
type meta struct {
	epoch      int64 // of the writer; a higher one shuts the others out
	in         int64 // raw bytes whose text is all there
	out        int64
	live       int64
	head, tail int64 // nothing is left out if they are the same
	parts      []part
	ended      bool
}

// part is a piece of text in the blob store.
type part struct{ from, to, epoch int64 }

func (p part) field() string { return fmt.Sprintf("part:%d", p.from) }
func (p part) value() string { return fmt.Sprintf("%d:%d", p.to, p.epoch) }

// load returns an error that wraps ErrNotFound if the log is not in Redis.
func (s *Store) load(ctx context.Context, n name) (meta, error) {
	fields, err := s.Redis.HGetAll(ctx, s.keys(n)[0]).Result()
	if err != nil {
		return meta{}, fmt.Errorf("%s: %w", n, err)
	}
	if len(fields) == 0 {
		return meta{}, fmt.Errorf("%s: %w", n, pipeline.ErrNotFound)
	}
	var m meta
	for f, v := range fields {
		if err := m.set(f, v); err != nil {
			return meta{}, fmt.Errorf("%s: field %s: %w", n, f, err)
		}
	}
	slices.SortFunc(m.parts, func(a, b part) int { return int(a.from - b.from) })
	return m, nil
}

func (m *meta) set(field, value string) (err error) {
	if from, ok := strings.CutPrefix(field, "part:"); ok {
		var p part
		if _, err := fmt.Sscanf(from+":"+value, "%d:%d:%d", &p.from, &p.to, &p.epoch); err != nil {
			return err
		}
		m.parts = append(m.parts, p)
		return nil
	}
	numbers := map[string]*int64{"epoch": &m.epoch, "in": &m.in, "out": &m.out, "live": &m.live, "head": &m.head, "tail": &m.tail}
	if n := numbers[field]; n != nil {
		*n, err = strconv.ParseInt(value, 10, 64)
	}
	m.ended = m.ended || field == "ended"
	return err
}

// part returns the part that holds the place.
func (m *meta) part(at int64) (part, bool) {
	i := slices.IndexFunc(m.parts, func(p part) bool { return p.from <= at && at < p.to })
	if i < 0 {
		return part{}, false
	}
	return m.parts[i], true
}

// Delete removes everything that is kept of a run's logs.
func (s *Store) Delete(ctx context.Context, run pipeline.RunID) error {
	fields, err := s.Redis.HKeys(ctx, s.index(run)).Result()
	if err != nil {
		return fmt.Errorf("logs of %s: %w", run, err)
	}
	keys := []string{s.index(run)}
	for _, f := range fields {
		meta := s.index(run) + ":" + f
		keys = append(keys, meta, meta+":text")
	}
	if err := s.Redis.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("logs of %s: %w", run, err)
	}
	return s.deleteBlobs(ctx, string(run)+"/")
}

func (s *Store) deleteBlobs(ctx context.Context, prefix string) error {
	list := s.Bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list blobs %s: %w", prefix, err)
		}
		if err := s.Bucket.Delete(ctx, o.Key); err != nil && !isNotExist(err) {
			return fmt.Errorf("delete blob %s: %w", o.Key, err)
		}
	}
}
