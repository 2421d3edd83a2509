package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/needs"
)

const (
	run  = pipeline.RunID("r-0a1b2c3d")
	step = "build (go 1.26/linux)"
)

var servers struct {
	once    sync.Once
	address string
	err     error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "logstore")
	if err != nil {
		panic(err)
	}
	var server *exec.Cmd
	if needs.Check(needs.Redis()) == nil {
		server, servers.err = startRedis("redis-server", dir)
	}
	code := m.Run()
	if server != nil {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// startRedis starts a server on a socket in dir and waits until it answers.
func startRedis(path, dir string) (*exec.Cmd, error) {
	socket := filepath.Join(dir, "redis.sock")
	c := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	if err := c.Start(); err != nil {
		return nil, err
	}
	servers.address = socket
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: 100, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond})
	defer client.Close()
	return c, client.Ping(context.Background()).Err()
}

// onEach runs a test on miniredis and on a real server.
func onEach(t *testing.T, test func(t *testing.T, client *redis.Client)) {
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		needs.On(t, needs.Redis())
		if servers.err != nil {
			t.Fatalf("redis-server: %v", servers.err)
		}
		client := redis.NewClient(&redis.Options{Network: "unix", Addr: servers.address})
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
}

// newStore gives every test keys of its own on the shared server.
func newStore(t testing.TB, client redis.UniversalClient, change func(*Config)) *Store {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { _ = bucket.Close() })
	prefix := fmt.Sprintf("sm:{%x}:", rand.Uint64())
	c := Config{Redis: client, Bucket: bucket, KeyPrefix: func(pipeline.RunID) string { return prefix }}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func small(c *Config) { c.LiveCap, c.TotalCap = 4<<10, 32<<10 }

func open(t testing.TB, s *Store, secrets ...string) *Log {
	t.Helper()
	var values []pipeline.Secret
	for _, v := range secrets {
		values = append(values, pipeline.NewSecret(v))
	}
	m, err := pipeline.NewMasker(values...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Open(t.Context(), run, step, 1, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func write(t testing.TB, l *Log, text string) {
	t.Helper()
	if n, err := io.WriteString(l, text); err != nil || n != len(text) {
		t.Fatalf("wrote %d: %v", n, err)
	}
}

func closed(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func finish(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func archive(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Archive(t.Context(), run, step, 1); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s *Store) string {
	t.Helper()
	r, err := s.Read(t.Context(), run, step, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func follow(t testing.TB, s *Store, from int64) string {
	t.Helper()
	var b strings.Builder
	for chunk, err := range s.Follow(t.Context(), run, step, 1, from) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(chunk.Text)
	}
	return b.String()
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %06d ✓ of the build\n", i)
	}
	return b.String()
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d bytes %.200q, want %d bytes %.200q", what, len(got), got, len(want), want)
	}
}

func TestLogIsReadLiveAndArchived(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s, "hunter2hunter2")
		write(t, l, "a\x1b[31mb\r\npassword hunter2")
		write(t, l, "hunter2\nlast")
		finish(t, l)
		const want = "ab\npassword ***\nlast"
		same(t, "live", read(t, s), want)
		same(t, "live followed", follow(t, s, 0), want)
		archive(t, s)
		archive(t, s) // again: no harm
		same(t, "archived", read(t, s), want)
		same(t, "archived from 3", follow(t, s, 3), want[3:])
		if keys := client.Keys(t.Context(), s.index(run)+":*").Val(); len(keys) > 0 {
			t.Errorf("left in Redis: %v", keys)
		}
		if _, err := l.Write([]byte("x")); !errors.Is(err, errClosed) {
			t.Errorf("write after the end: %v", err)
		}
	})
}

func TestLogThatIsNotThere(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		if _, err := s.Read(t.Context(), run, step, 1); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("read: %v", err)
		}
		if _, err := s.Tail(t.Context(), run, step, 1, 5); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("tail: %v", err)
		}
		if err := s.Archive(t.Context(), run, step, 1); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("archive: %v", err)
		}
		for _, err := range s.Follow(t.Context(), run, step, 1, 0) {
			if !errors.Is(err, pipeline.ErrNotFound) {
				t.Errorf("follow: %v", err)
			}
		}
		finish(t, open(t, s))
		same(t, "empty", read(t, s), "")
		archive(t, s)
		same(t, "empty, archived", read(t, s), "")
	})
}

func TestFollowSeesTextWhileItIsWritten(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s)
		write(t, l, "one\n")
		var seen strings.Builder
		for chunk, err := range s.Follow(t.Context(), run, step, 1, 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen.WriteString(chunk.Text)
			switch seen.String() {
			case "one\n":
				write(t, l, "two without a line end")
			case "one\ntwo without a line end":
				finish(t, l)
			}
		}
		same(t, "seen", seen.String(), "one\ntwo without a line end")
	})
}

func TestFollowGoesOnAcrossSpillAndArchive(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, func(c *Config) { c.LiveCap, c.TotalCap, c.Batch = 4<<10, 1<<20, 512 })
		l := open(t, s)
		write(t, l, "begin\n")
		text := "begin\n" + numbered(0, 3000)
		var seen strings.Builder
		writer := make(chan error, 1)
		for chunk, err := range s.Follow(t.Context(), run, step, 1, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if seen.Len() == 0 {
				go func() {
					_, err := io.WriteString(l, numbered(0, 3000))
					err = errors.Join(err, l.Finish(t.Context()))
					writer <- errors.Join(err, s.Archive(t.Context(), run, step, 1))
				}()
			}
			if seen.WriteString(chunk.Text); int64(seen.Len()) != chunk.Next {
				t.Fatalf("next is %d after %d bytes", chunk.Next, seen.Len())
			}
		}
		if err := <-writer; err != nil {
			t.Fatal(err)
		}
		same(t, "followed", seen.String(), text)
		same(t, "read", read(t, s), text)
	})
}

func TestLongLogKeepsHeadAndTail(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, small)
		l := open(t, s)
		text := numbered(0, 10000)
		write(t, l, text)
		finish(t, l)
		check := func(when string) string {
			got := read(t, s)
			head, rest, ok := strings.Cut(got, "\n[shipmate left out ")
			_, tail, _ := strings.Cut(rest, "]\n")
			if !ok || !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tail) {
				t.Fatalf("%s: not head and tail: %.300q", when, got)
			}
			if len(head) < 8<<10 || len(tail) < 8<<10 || len(got) > 40<<10 {
				t.Errorf("%s: head %d, tail %d, all %d", when, len(head), len(tail), len(got))
			}
			if want := fmt.Sprintf("%d bytes here", len(text)-len(head)-len(tail)); !strings.HasPrefix(rest, want) {
				t.Errorf("%s: the line says %.40q, want %q", when, rest, want)
			}
			return got
		}
		live := check("live")
		if n := client.XLen(t.Context(), s.keys(name{run, step, 1})[1]).Val(); n > 100 {
			t.Errorf("%d entries in Redis", n)
		}
		last, err := s.Tail(t.Context(), run, step, 1, 200)
		if err != nil || strings.Join(last, "\n")+"\n" != numbered(9800, 10000) {
			t.Errorf("tail: %d lines, %v", len(last), err)
		}
		archive(t, s)
		same(t, "archived", check("archived"), live)
		same(t, "followed from the tail", follow(t, s, int64(len(text)-100)), text[len(text)-100:])
		same(t, "followed from the gap", follow(t, s, 30<<10), live[strings.Index(live, "\n[shipmate"):])
		if blobs := listBlobs(t, s); len(blobs) != 1 {
			t.Errorf("blobs left: %v", blobs)
		}
		if kept := client.HGet(t.Context(), s.index(run), "kept").Val(); kept == "0" || len(kept) > 5 {
			t.Errorf("kept of the run: %s", kept)
		}
	})
}

func listBlobs(t testing.TB, s *Store) (keys []string) {
	t.Helper()
	list := s.Bucket.List(nil)
	for {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
}

func TestRunCapShortensWhatIsWrittenLast(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, func(c *Config) { small(c); c.RunCap = 40 << 10 })
		m, _ := pipeline.NewMasker()
		for i := range 4 {
			l, err := s.Open(t.Context(), run, fmt.Sprint("step", i), 1, m)
			if err != nil {
				t.Fatal(err)
			}
			write(t, l, numbered(0, 1000))
			finish(t, l)
		}
		kept, _ := client.HGet(t.Context(), s.index(run), "kept").Int64()
		if kept > 80<<10 {
			t.Errorf("the run keeps %d bytes", kept)
		}
		if err := s.Delete(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if keys, blobs := client.Keys(t.Context(), s.index(run)+"*").Val(), listBlobs(t, s); len(keys)+len(blobs) > 0 {
			t.Errorf("after Delete: %v %v", keys, blobs)
		}
	})
}

// A writer dies at any moment; the next one goes on at Offset. The text must
// come out as if there had been one writer.
func TestCrashNeitherDoublesNorLoses(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		const secret = "hunter2\nhunter2 é"
		raw := strings.Repeat("\x1b[1mx\x1b[0m a hunter2\nhunter2 é b\r\nhunter2\n50%\r60% ✓ hunter", 60)
		m, err := pipeline.NewMasker(pipeline.NewSecret(secret))
		if err != nil {
			t.Fatal(err)
		}
		f := m.Filter()
		want := strings.ReplaceAll(string(f.Finish(f.Append(nil, []byte(raw)))), "******", "***")

		s := newStore(t, client, func(c *Config) { small(c); c.TotalCap = 1 << 20; c.LiveCap = 1 << 10 })
		random := rand.New(rand.NewPCG(1, 1))
		for {
			l := open(t, s, secret)
			at := l.Offset()
			end := min(len(raw), int(at)+100+random.IntN(200))
			for at := int(at); at < end; {
				n := min(1+random.IntN(40), end-at)
				write(t, l, raw[at:at+n])
				at += n
			}
			if end == len(raw) {
				finish(t, l)
				break
			}
			switch random.IntN(3) {
			case 0:
				closed(t, l)
			case 1: // killed in the middle of whatever it was doing
				l.stop()
				<-l.gone
			}
			// Else it goes on, and is shut out by the next one.
		}
		same(t, "text", strings.ReplaceAll(read(t, s), "******", "***"), want)
		archive(t, s)
		same(t, "archived", strings.ReplaceAll(read(t, s), "******", "***"), want)
	})
}

func TestSecondWriterShutsOutTheFirst(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		first := open(t, s)
		write(t, first, "first\n")
		closedAt := waitFor(t, s, "first\n")
		second := open(t, s)
		if second.Offset() != closedAt {
			t.Errorf("offset %d, want %d", second.Offset(), closedAt)
		}
		write(t, first, "late\n")
		if err := first.Close(t.Context()); !errors.Is(err, pipeline.ErrLeaseLost) {
			t.Errorf("close of the first: %v", err)
		}
		write(t, second, "second\n")
		finish(t, second)
		same(t, "text", read(t, s), "first\nsecond\n")
	})
}

// waitFor follows the log until it reads text.
func waitFor(t testing.TB, s *Store, text string) int64 {
	t.Helper()
	var seen strings.Builder
	for chunk, err := range s.Follow(t.Context(), run, step, 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen.WriteString(chunk.Text)
		if seen.String() == text {
			break
		}
	}
	return int64(len(text))
}

func TestCloseHoldsBackHalfASecret(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s, "correct horse battery")
		write(t, l, "x\ncorrect horse")
		closed(t, l)
		if l.Offset() != 2 {
			t.Errorf("offset %d, want 2", l.Offset())
		}
		same(t, "between the calls", read(t, s), "x\n")
		l = open(t, s, "correct horse battery")
		write(t, l, "correct horse battery y\n")
		finish(t, l)
		same(t, "text", read(t, s), "x\n*** y\n")
	})
}

// A bar that is drawn a thousand times is one line, so what was said before it is
// among the last lines, live, followed and archived, whoever takes the log up in its middle.
func TestAProgressBarIsOneLine(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s, "correct horse battery")
		raw := "error: disk full\r\n"
		for i := range 1000 {
			raw += fmt.Sprintf("\rcopied %d%% correct horse battery", i/10)
		}
		raw += "\rcopied all\nfailed\n"
		half := len(raw) / 2
		write(t, l, raw[:half])
		closed(t, l)
		rest := raw[l.Offset():]
		l = open(t, s, "correct horse battery")
		write(t, l, rest)
		finish(t, l)
		last, err := s.Tail(t.Context(), run, step, 1, 3)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "tail", strings.Join(last, "|"), "error: disk full|copied all|failed")
		same(t, "read", read(t, s), "error: disk full\ncopied all\nfailed\n")
		archive(t, s)
		same(t, "archived", read(t, s), "error: disk full\ncopied all\nfailed\n")
	})
}

func TestSecretsNeverReachRedisOrBlobs(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, small)
		const secret = "canary-5f3a9c"
		l := open(t, s, secret)
		for i := range 2000 {
			write(t, l, fmt.Sprintf("%d canary", i))
			write(t, l, "-5f3a9c Y2FuYXJ5LTVmM2E5Yw==\n")
		}
		finish(t, l)
		for _, e := range client.XRange(t.Context(), s.keys(name{run, step, 1})[1], "-", "+").Val() {
			if text := fmt.Sprint(e.Values); strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") {
				t.Fatalf("in Redis: %.200s", text)
			}
		}
		archive(t, s)
		if text := read(t, s); strings.Contains(text, "canary") || !strings.Contains(text, "***") {
			t.Errorf("archived: %.200q", text)
		}
	})
}

func TestTail(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s)
		long := strings.Repeat("🚀", 5000)
		write(t, l, "one\n\n"+long+"\nlast")
		finish(t, l)
		for _, when := range []string{"live", "archived"} {
			all, err := s.Tail(t.Context(), run, step, 1, 10)
			if err != nil || len(all) != 4 || all[0] != "one" || all[1] != "" || all[3] != "last" {
				t.Fatalf("%s: %d lines %v", when, len(all), err)
			}
			if cut, ok := strings.CutSuffix(all[2], "…"); !ok || len(cut) > maxLine || strings.Trim(cut, "🚀") != "" {
				t.Errorf("%s: long line %d %q", when, len(cut), strings.Trim(cut, "🚀"))
			}
			if two, _ := s.Tail(t.Context(), run, step, 1, 2); len(two) != 2 || two[1] != "last" {
				t.Errorf("%s: two lines: %d", when, len(two))
			}
			if when == "live" {
				archive(t, s)
			}
		}
	})
}

func TestBlobStoreAwayCostsTextNotTheStep(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		dir := t.TempDir()
		bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bucket.Close() })
		s := newStore(t, client, func(c *Config) { small(c); c.Bucket = bucket })
		if err := os.WriteFile(filepath.Join(dir, string(run)), nil, 0o600); err != nil { // a file where a folder should be
			t.Fatal(err)
		}
		l := open(t, s)
		text := numbered(0, 3000)
		write(t, l, text)
		finish(t, l)
		if got := read(t, s); !strings.HasPrefix(got, "\n[shipmate left out") || !strings.HasSuffix(got, text[len(text)-4000:]) || len(got) > 20<<10+maxPending {
			t.Errorf("%d bytes: %.100q", len(got), got)
		}
		if err := s.Archive(t.Context(), run, step, 1); err == nil {
			t.Error("archived into nothing")
		}
		if err := os.Remove(filepath.Join(dir, string(run))); err != nil {
			t.Fatal(err)
		}
		live := read(t, s)
		archive(t, s)
		same(t, "archived", read(t, s), live)
	})
}

func TestRedisComesBack(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	retried := make(chan struct{}, 100)
	s := newStore(t, client, func(c *Config) { c.Log = notify(retried) })
	l := open(t, s)
	server.SetError("LOADING the dataset")
	write(t, l, "kept\n")
	<-retried
	server.SetError("")
	finish(t, l)
	same(t, "text", read(t, s), "kept\n")
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	retried := make(chan struct{}, 100)
	s := newStore(t, client, func(c *Config) { c.Log = notify(retried) })
	ctx, cancel := context.WithCancel(t.Context())
	m, _ := pipeline.NewMasker()
	l, err := s.Open(ctx, run, step, 1, m)
	if err != nil {
		t.Fatal(err)
	}
	server.SetError("LOADING the dataset")
	write(t, l, "lost\n")
	<-retried
	cancel()
	if _, err := l.Write(bytes.Repeat([]byte("x\n"), maxPending)); err == nil {
		t.Error("a write waited for a Redis that is away, though the step was cancelled")
	}
	if err := l.Close(ctx); err == nil || l.Offset() != 0 {
		t.Errorf("close: %v, offset %d", err, l.Offset())
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s)
		var g sync.WaitGroup
		for i := range 8 {
			g.Go(func() {
				for j := range 200 {
					write(t, l, fmt.Sprintf("%d:%d\n", i, j))
				}
			})
		}
		g.Wait()
		finish(t, l)
		text := read(t, s)
		if n := strings.Count(text, "\n"); n != 1600 || l.Offset() != int64(len(text)) {
			t.Errorf("%d lines, %d bytes, offset %d", n, len(text), l.Offset())
		}
	})
}

func TestKeysExpire(t *testing.T) {
	onEach(t, func(t *testing.T, client *redis.Client) {
		s := newStore(t, client, nil)
		l := open(t, s)
		write(t, l, "x\n")
		closed(t, l)
		for _, k := range s.keys(name{run, step, 1}) {
			if ttl := client.TTL(t.Context(), k).Val(); ttl < 89*24*time.Hour || ttl > 90*24*time.Hour {
				t.Errorf("%s: %v", k, ttl)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	needs.On(b, needs.Redis())
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: servers.address})
	defer client.Close()
	s := newStore(b, client, nil)
	l := open(b, s, "hunter2hunter2")
	line := []byte(numbered(0, 100))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		_, _ = l.Write(line)
	}
	closed(b, l)
}
