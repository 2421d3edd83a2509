package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is a terminal with a program on it.
type screen struct {
	t      *testing.T
	keys   *os.File // what is typed, and where the output comes from
	cmd    *exec.Cmd
	ended  chan error
	read   chan struct{} // closed when all that was written has been read
	mu     sync.Mutex
	text   strings.Builder
	change chan struct{}
}

// onTerminal starts the program with a new terminal as its own.
func onTerminal(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(keys.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, keys: keys, cmd: cmd, ended: make(chan error, 1), read: make(chan struct{}), change: make(chan struct{}, 1)}
	go s.follow()
	go func() { s.ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = keys.Close() })
	return s
}

// follow reads until nobody has the terminal open any more.
func (s *screen) follow() {
	defer close(s.read)
	buf := make([]byte, 4096)
	for {
		n, err := s.keys.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		select {
		case s.change <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the text stands there for the nth time.
func (s *screen) await(text string, n int) {
	s.t.Helper()
	late := time.After(time.Minute)
	for strings.Count(s.shown(), text) < n {
		select {
		case <-s.change:
		case err := <-s.ended:
			s.t.Fatalf("it ended (%v) before %q stood there %d times:\n%s", err, text, n, s.shown())
		case <-late:
			s.t.Fatalf("%q does not stand there %d times:\n%s", text, n, s.shown())
		}
	}
}

func (s *screen) types(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, text); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the program and for all that it wrote, and returns its exit code.
func (s *screen) end() int {
	s.t.Helper()
	late := time.After(time.Minute)
	select {
	case <-s.ended:
	case <-late:
		s.t.Fatalf("it does not end:\n%s", s.shown())
	}
	select {
	case <-s.read:
	case <-late:
		s.t.Fatalf("it has ended, and something it began still holds the terminal:\n%s", s.shown())
	}
	return s.cmd.ProcessState.ExitCode()
}
