// Package embedded runs a Redis of the bot's own, so that the bot works where
// nobody has set one up: a redis-server child on a unix socket that has every
// write on disk before it answers, or, where redis-server is not installed and
// forgetting is allowed, one in memory.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/shipmate/shipmate/pipeline"
)

// Config says where the data lies and what may be done without redis-server.
type Config struct {
	Dir         string // made if missing; holds the append-only file, its lock and a log
	AllowMemory bool   // without redis-server, keep everything in memory and lose it at the end
	Program     string // default "redis-server"
	Logger      *slog.Logger
}

// Server is the running Redis.
type Server struct {
	url     string
	durable bool
	stop    func(ctx context.Context) error
}

// URL is what redisstore.Open wants.
func (s *Server) URL() string { return s.url }

// Durable reports whether what was written survives a restart.
func (s *Server) Durable() bool { return s.durable }

// Stop ends the server; call it after everybody who uses it is done. When ctx
// ends first the server is killed, which loses nothing it has answered for.
func (s *Server) Stop(ctx context.Context) error { return s.stop(ctx) }

const howToInstall = "Install it (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis; " +
	"Alpine: apk add redis), or set SHIPMATE_REDIS_URL to a Redis that runs elsewhere"

// Start starts the server and returns when it answers. A server that an
// earlier bot left behind in the same folder is ended first.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Program == "" {
		cfg.Program = "redis-server"
	}
	program, err := exec.LookPath(cfg.Program)
	if err == nil {
		return startServer(ctx, cfg, program)
	}
	if !cfg.AllowMemory {
		return nil, pipeline.Refuse("redis_missing", "No Redis is configured and %s is not installed. %s, "+
			"or say durability relaxed to keep everything in memory and lose it at every restart.", cfg.Program, howToInstall)
	}
	cfg.Logger.Warn("no redis-server is installed: runs, locks and history are kept in memory and are lost when the bot stops. " + howToInstall + ".")
	return StartInMemory()
}

func startServer(ctx context.Context, cfg Config, program string) (*Server, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	c := &child{program: program, dir: dir, socket: socketPath(dir), log: cfg.Logger, stopped: make(chan struct{})}
	if err := c.start(ctx); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &Server{url: "unix://" + c.socket, durable: true, stop: func(ctx context.Context) error {
		return errors.Join(c.stop(ctx), lock.Close())
	}}, nil
}

// lockFolder keeps a second bot away from the folder. The lock ends with this
// process, however it ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, &pipeline.Error{Code: "redis_folder_in_use", Err: err, Message: fmt.Sprintf(
			"Another shipmate uses the data folder %s. Stop it, or give this one a folder of its own (SHIPMATE_DATA_DIR).", dir)}
	}
	return f, nil
}
