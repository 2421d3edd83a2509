package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	retryFirst = 100 * time.Millisecond // after the server died, doubled each time it dies again at once
	retryLast  = 5 * time.Second
	endWait    = 10 * time.Second // for a server that was asked to end
	askEvery   = 10 * time.Millisecond
)

// child is a redis-server process, started again whenever it dies.
type child struct {
	program, dir, socket string
	log                  *slog.Logger

	mu      sync.Mutex
	process *os.Process
	ending  bool
	stopped chan struct{} // closed when the process has ended and will not be started again
}

// socketPath is in the folder, or, where that is too long for a unix socket,
// in a folder of our own among the temporary files.
func socketPath(dir string) string {
	if p := filepath.Join(dir, "redis.sock"); len(p) < 100 {
		return p
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("shipmate-%d-%x", os.Getuid(), sum[:6]), "redis.sock")
}

// URLOf is the URL of the server that another process runs in the folder.
func URLOf(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	socket := socketPath(dir)
	if !answers(socket) {
		return "", fmt.Errorf("no Redis answers at %s", socket)
	}
	return "unix://" + socket, nil
}

// start ends what an earlier bot left behind, starts the server, and goes on
// supervising it until stop.
func (c *child) start(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(c.socket), 0o700); err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	if err := c.endLeftover(ctx); err != nil {
		return err
	}
	cmd, err := c.launch()
	if err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	if err := c.ready(ctx, died); err != nil {
		_ = cmd.Process.Kill()
		return &pipeline.Error{Code: "redis_start", Err: err, Message: fmt.Sprintf(
			"The bot's own Redis did not start in %s. Its last words: %s", c.dir, c.lastWords())}
	}
	go c.supervise(died)
	return nil
}

func (c *child) launch() (*exec.Cmd, error) {
	cmd := exec.Command(c.program,
		"--port", "0", "--unixsocket", c.socket, "--unixsocketperm", "700", "--dir", c.dir, "--pidfile", c.pidFile(),
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
		"--daemonize", "no", "--logfile", c.logFile(), "--loglevel", "notice")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}       // none of the bot's secrets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the bot, which still needs it
	if info, err := os.Stat(c.logFile()); err == nil && info.Size() > 1<<20 {
		_ = os.Remove(c.logFile())
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.process = cmd.Process
	ending := c.ending
	c.mu.Unlock()
	if ending {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	return cmd, nil
}

func (c *child) pidFile() string { return filepath.Join(c.dir, "redis.pid") }
func (c *child) logFile() string { return filepath.Join(c.dir, "redis.log") }

// ready waits until the server has loaded its file and answers.
func (c *child) ready(ctx context.Context, died <-chan error) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for !answers(c.socket) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-died:
			return errors.Join(errors.New("it ended"), err)
		case <-tick.C:
		}
	}
	return nil
}

func answers(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 5)
	n, _ := conn.Read(answer)
	return string(answer[:n]) == "+PONG"
}

// supervise starts the server again when it dies, until stop.
func (c *child) supervise(died <-chan error) {
	defer close(c.stopped)
	for wait := retryFirst; ; {
		began := time.Now()
		err := <-died
		if c.isEnding() {
			return
		}
		c.log.Error("the bot's own redis died and is started again", "err", err)
		if time.Since(began) > time.Minute {
			wait = retryFirst
		}
		next := make(chan error, 1)
		cmd, err := c.launch()
		if err != nil {
			time.AfterFunc(wait, func() { next <- err })
		} else {
			go func(wait time.Duration) {
				err := cmd.Wait()
				if time.Since(began) < wait { // it dies at once: do not spin
					<-time.After(wait)
				}
				next <- err
			}(wait)
		}
		died = next
		wait = min(2*wait, retryLast)
	}
}

func (c *child) isEnding() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// stop asks the server to end, which closes its file, and waits for it.
func (c *child) stop(ctx context.Context) error {
	c.mu.Lock()
	c.ending = true
	process := c.process
	c.mu.Unlock()
	_ = process.Signal(syscall.SIGTERM)
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		_ = process.Kill()
		<-c.stopped
		return fmt.Errorf("embedded redis: killed: %w", ctx.Err())
	}
}

// endLeftover ends the server of a bot that was killed. We hold the folder's
// lock, so nobody else uses it; everything it answered for is on disk.
func (c *child) endLeftover(ctx context.Context) error {
	pid := c.leftover()
	if pid == 0 {
		return nil
	}
	c.log.Info("ending the redis an earlier bot left behind", "pid", pid)
	_ = syscall.Kill(pid, syscall.SIGTERM)
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	late := time.After(endWait)
	for c.leftover() == pid {
		select {
		case <-tick.C:
		case <-late:
			_ = syscall.Kill(pid, syscall.SIGKILL)
		case <-ctx.Done():
			return fmt.Errorf("embedded redis: an earlier one (pid %d) does not end: %w", pid, ctx.Err())
		}
	}
	return nil
}

// leftover is the process named in the pid file if it still is a redis-server
// on our socket: a number alone may be somebody else's by now.
func (c *child) leftover() int {
	text, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 || syscall.Kill(pid, 0) != nil {
		return 0
	}
	// Redis shows its socket in its title: "redis-server unixsocket:/path".
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if errors.Is(err, os.ErrNotExist) { // no /proc here: ps knows
		title, err = exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	}
	if err != nil || !bytes.Contains(title, []byte("redis")) || !bytes.Contains(title, []byte(c.socket)) {
		return 0
	}
	return pid
}

// lastWords are the last lines of the server's log.
func (c *child) lastWords() string {
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		return "(none)"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " / ")
}
