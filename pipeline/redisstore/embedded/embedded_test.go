package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
	"github.com/shipmate/shipmate/pipeline/redisstore/embedded"
	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

// TestMain also is the bot that TestKilledBot kills: it starts a server, says
// so, and waits.
func TestMain(m *testing.M) {
	dir := os.Getenv("EMBEDDED_TEST_DIR")
	if dir == "" {
		redisstore.LogTo(slog.New(slog.DiscardHandler))
		os.Exit(m.Run())
	}
	s, err := embedded.Start(context.Background(), embedded.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	println(s.URL())
	select {}
}

func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	redistest.Need(t, "redis-server")
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *embedded.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, s *embedded.Server, d redisstore.Durability) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(t.Context(), redisstore.Config{URL: s.URL(), Durability: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func put(t *testing.T, store *redisstore.Store, value string) {
	t.Helper()
	if err := store.Put(t.Context(), 1, "k", []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t *testing.T, store *redisstore.Store, want string) {
	t.Helper()
	redistest.Eventually(t, "the value is there", func() bool {
		got, err := store.Get(t.Context(), 1, "k")
		return err == nil && string(got) == want
	})
}

func pid(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "redis.pid"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKeepsDataOverARestart(t *testing.T) {
	for name, dir := range map[string]string{
		"short path": t.TempDir(),
		"long path":  filepath.Join(t.TempDir(), strings.Repeat("long/", 20)),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, dir)
			if !s.Durable() {
				t.Error("a server with an append-only file is durable")
			}
			put(t, open(t, s, redisstore.Strict), "old")
			stop(t, s)
			s = start(t, dir)
			wantValue(t, open(t, s, redisstore.Strict), "old")
			stop(t, s)
		})
	}
}

func TestStartsAgainWhenItDies(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	store := open(t, s, redisstore.Strict)
	put(t, store, "before")
	for range 2 {
		if err := syscall.Kill(pid(t, dir), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		wantValue(t, store, "before")
	}
	stop(t, s)
	if err := store.Ping(t.Context()); err == nil {
		t.Error("it still answers after Stop")
	}
}

func TestASecondBotIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	if pipeline.Code(err) != "redis_folder_in_use" {
		t.Errorf("got %v", err)
	}
	put(t, open(t, s, redisstore.Strict), "still here")
	stop(t, s)
}

func TestKilledBot(t *testing.T) {
	redistest.Need(t, "redis-server")
	dir := t.TempDir()
	bot := exec.Command(os.Args[0])
	bot.Env = append(os.Environ(), "EMBEDDED_TEST_DIR="+dir)
	out, err := bot.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), redisstore.Config{URL: strings.TrimSpace(line), Durability: redisstore.Strict})
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "accepted")
	left := pid(t, dir)
	_ = bot.Process.Kill()
	_ = bot.Wait()
	if err := store.Ping(t.Context()); err != nil {
		t.Fatalf("the server went with the bot: %v", err)
	}
	_ = store.Close()

	s := start(t, dir)
	defer stop(t, s)
	if syscall.Kill(left, 0) == nil && pid(t, dir) == left {
		t.Error("the old server still runs")
	}
	wantValue(t, open(t, s, redisstore.Strict), "accepted")
}

func TestASomebodyElsesPidIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "redis.pid"), []byte(strconv.Itoa(other.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, dir))
	if err := syscall.Kill(other.Process.Pid, 0); err != nil {
		t.Errorf("it was ended: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
}

func TestABrokenFileIsSaid(t *testing.T) {
	redistest.Need(t, "redis-server")
	dir := t.TempDir()
	s := start(t, dir)
	put(t, open(t, s, redisstore.Strict), "x")
	stop(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("this Redis names its file otherwise: %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("this is no append-only file, and it is long enough"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = embedded.Start(t.Context(), embedded.Config{Dir: dir})
	if pipeline.Code(err) != "redis_start" || !strings.Contains(err.Error(), "append only file") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutRedisServer(t *testing.T) {
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Program: "no-such-redis-server"})
	var refused *pipeline.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "apt-get install redis-server") {
		t.Fatalf("got %v", err)
	}
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Program: "no-such-redis-server", AllowMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if s.Durable() {
		t.Error("memory is not durable")
	}
	store := open(t, s, redisstore.Relaxed)
	if err := store.Put(t.Context(), 1, "short", []byte("x"), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "the key expires by itself", func() bool {
		_, err := store.Get(t.Context(), 1, "short")
		return errors.Is(err, pipeline.ErrNotFound)
	})
	if _, err := redisstore.Open(t.Context(), redisstore.Config{URL: s.URL()}); pipeline.Code(err) != "redis_info" {
		t.Errorf("only relaxed accepts memory, got %v", err)
	}
}
