package shell

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ShimMain is the other side of a Runner: the hidden subcommand Config.Shim
// leads to. It reads an order from standard input, says it is ready, waits for
// the go for a while, runs the script and outlives whoever started it. It returns the exit
// code of the process.
func ShimMain(args []string) int {
	// A script is to die with its shim (Linux), and the kernel means the
	// thread that started it.
	runtime.LockOSThread()
	if len(args) != 0 {
		fmt.Fprintln(os.Stderr, "shim: started by shipmate itself, takes no arguments")
		return 2
	}
	var o order
	if err := readMessage(os.Stdin, &o); err != nil {
		return 1 // whoever started us is gone, or wants no script after all
	}
	s, err := prepare(o)
	if err != nil {
		_ = writeMessage(os.Stdout, ready{Error: err.Error()}) // if nobody reads it, nobody says go
		return 1
	}
	if err := writeMessage(os.Stdout, ready{PID: os.Getpid(), Started: startTime(os.Getpid())}); err != nil {
		return 1
	}
	// Whoever is to say go may stand still for as long as it likes, and another
	// may have taken the step over meanwhile: that one waits for our end.
	bored := time.AfterFunc(o.Patience, func() { os.Exit(1) })
	var b [1]byte
	if _, err := io.ReadFull(os.Stdin, b[:]); err != nil || b[0] != goByte || !bored.Stop() {
		return 1
	}
	return s.run()
}

// shim supervises one script.
type shim struct {
	order
	log     *cappedLog
	wake    int // file descriptor; os.File would wait for room in the fifo
	control *os.File
	stops   chan string // why to stop
}

// prepare does all that can fail before the go.
func prepare(o order) (*shim, error) {
	// Whatever hangs up on the bot is not meant for the script. Caught, not
	// ignored: the script must not inherit that.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGTERM)
	s := &shim{order: o, stops: make(chan string, 8)}
	go func() {
		for sig := range signals {
			if sig == syscall.SIGTERM {
				s.stops <- stopCancelled
			}
		}
	}()
	if err := becomeReaper(); err != nil {
		return nil, err
	}
	noCoreFiles() // they would hold the secrets
	syscall.Umask(0o022)
	for _, fifo := range []string{o.Dir.wake(), o.Dir.control()} {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			return nil, fmt.Errorf("mkfifo %s: %w", fifo, err)
		}
	}
	// Open for both ways: never waits, and a write without a reader is no error.
	wake, err := syscall.Open(o.Dir.wake(), syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Dir.wake(), err)
	}
	s.wake = wake
	if s.control, err = os.OpenFile(o.Dir.control(), os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(o.Dir.output(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s.log = newCappedLog(out, o.MaxLog)
	return s, nil
}

// run runs the script and writes how it ended.
func (s *shim) run() int {
	e := exit{Started: time.Now()}
	kills := memoryKills()
	if err := os.WriteFile(s.Dir.started(), nil, 0o600); err != nil {
		return 1 // nothing has begun, and without the file nobody thinks so
	}
	pid, output, err := s.spawn()
	closeBehind(os.Stdin, os.Stdout) // the bot sees that we took the go
	if err != nil {
		e.Error = err.Error()
	} else {
		go s.listen()
		copied := make(chan struct{})
		go func() {
			defer close(copied)
			s.copy(output)
		}()
		s.supervise(pid, &e)
		s.drain(output, copied)
	}
	e.Memory = memoryKills() > kills
	e.Dropped = s.log.finish()
	e.Ended = time.Now()
	if err := s.report(e); err != nil {
		return 1
	}
	_ = syscall.Close(s.wake) // who follows need not wait for the end of this process
	return 0
}

// spawn starts the script in a process group of its own and returns the end of
// the pipe it prints to.
func (s *shim) spawn() (int, *os.File, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer w.Close()
	out := w.Fd()
	if err := syscall.SetNonblock(int(out), false); err != nil { // programs expect to wait when they print
		return 0, nil, err
	}
	env := strings.Split(strings.TrimSuffix(string(s.Env), "\x00"), "\x00")
	pid, err := syscall.ForkExec(s.Argv[0], s.Argv, &syscall.ProcAttr{
		Dir:   s.Dir.src(),
		Env:   env,
		Files: []uintptr{null.Fd(), out, out},
		Sys:   childAttr(),
	})
	if err != nil {
		r.Close()
		return 0, nil, fmt.Errorf("%s: %w", filepath.Base(s.Argv[0]), err)
	}
	s.Env = nil
	return pid, r, nil
}

// listen takes stop requests from the control fifo for as long as we live.
func (s *shim) listen() {
	buf := make([]byte, 64)
	for {
		n, err := s.control.Read(buf)
		if err != nil {
			return
		}
		for why := range strings.FieldsSeq(string(buf[:n])) {
			s.stops <- why
		}
	}
}

// copy moves output from the pipe to the log, and tells who follows.
func (s *shim) copy(output *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := output.Read(buf)
		if n > 0 && s.log.write(buf[:n]) {
			_, _ = syscall.Write(s.wake, []byte{0}) // a full fifo wakes the reader as well
		}
		if err != nil {
			return
		}
	}
}

// supervise returns when the script and everything it started is gone. The
// leftovers of a script that ended by itself are stopped like one that has to
// be: SIGTERM, and SIGKILL after the grace.
func (s *shim) supervise(pid int, e *exit) {
	ended, none := reap(pid)
	timeout := time.After(s.Timeout)
	var kill <-chan time.Time
	terminate := func() {
		if kill == nil {
			signalAll(pid, syscall.SIGTERM)
			kill = time.After(s.Grace)
		}
	}
	stop := func(why string) {
		if e.Stopped == "" && ended != nil {
			e.Stopped = why
		}
		terminate()
	}
	defer s.after(e)
	defer killGroup(pid)
	for tries := 0; ; {
		select {
		case status := <-ended:
			e.Code, e.Signal = status.code()
			ended = nil
			terminate()
		case <-none:
			if ended != nil {
				e.Code, e.Signal = (<-ended).code()
			}
			return
		case why := <-s.stops:
			stop(why)
		case <-timeout:
			stop(stopTimeout)
		case <-kill:
			// Killed again and again, because what is killed may just have
			// started another; what the kernel cannot kill is given up on.
			signalAll(pid, syscall.SIGKILL)
			if tries++; tries > 500 {
				return
			}
			kill = time.After(20 * time.Millisecond)
		}
	}
}

// after ends what a stopped script left outside of its own processes: a container.
func (s *shim) after(e *exit) {
	if e.Stopped == "" || len(s.After) == 0 {
		return
	}
	pid, err := syscall.ForkExec(s.After[0], s.After, &syscall.ProcAttr{Env: s.AfterEnv, Sys: childAttr()})
	if err != nil {
		return
	}
	ended, _ := reap(pid)
	select {
	case <-ended:
	case <-time.After(s.Grace):
		signalAll(pid, syscall.SIGKILL)
	}
}

// drain waits for the last output. Nobody is left who could print, so the pipe
// is at its end, unless a stranger was handed the other side.
func (s *shim) drain(output *os.File, copied <-chan struct{}) {
	select {
	case <-copied:
	case <-time.After(2 * time.Second):
	}
	output.Close()
	<-copied
}

// report writes the exit file, whole or not at all. A power cut may take it
// away, then the script is lost; what it must not do is leave it alone, without
// the outputs.
func (s *shim) report(e exit) error {
	if f, err := openRegular(s.Dir.outputs()); err == nil { // the script may have removed it
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			_ = f.Sync()
		}
		f.Close()
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Dir.exit()+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.Dir.exit()+".new", s.Dir.exit())
}

func closeBehind(files ...*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// waitStatus is what the kernel says of a process that ended.
type waitStatus syscall.WaitStatus

func (w waitStatus) code() (int, string) {
	status := syscall.WaitStatus(w)
	if status.Signaled() {
		return 128 + int(status.Signal()), signalName(status.Signal())
	}
	return status.ExitStatus(), ""
}

// reap collects every child, also those we inherit. The first channel gets the
// status of pid, the second is closed when there is no child left: then
// nothing the script started is alive.
func reap(pid int) (<-chan waitStatus, <-chan struct{}) {
	ended, none := make(chan waitStatus, 1), make(chan struct{})
	go func() {
		defer close(none)
		for {
			var status syscall.WaitStatus
			got, err := syscall.Wait4(-1, &status, 0, nil)
			switch {
			case err == syscall.EINTR:
			case err != nil:
				return
			case got == pid:
				ended <- waitStatus(status)
			}
		}
	}()
	return ended, none
}
