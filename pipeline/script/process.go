package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a script to run and to watch over until it and everything it
// started is gone. It is run by a process of its own, a shim, after [Guard].
type Process struct {
	Argv    []string
	Env     []byte // as [Environ.Encode] makes it
	Dir     string
	Timeout time.Duration
	Grace   time.Duration // between SIGTERM and SIGKILL

	Stops  <-chan string // why to stop it
	Output func([]byte)  // gets what it prints, from one goroutine

	// Began is called when the script runs, or could not be started.
	Began func()
	// Killed counts what the kernel has killed so far for want of memory;
	// default on this machine since its boot.
	Killed func() int
}

// Guard makes the calling process fit to run a Process: what the script leaves
// behind becomes its child, and no core file holds the script's secrets. The
// kernel takes the death of the thread that started a script for that of its
// parent, so call runtime.LockOSThread first and Run on the same goroutine.
func Guard() error {
	noCoreFiles()
	syscall.Umask(0o022)
	return becomeReaper()
}

// Run runs the script and returns how it ended.
func (p *Process) Run() Exit {
	e := Exit{Started: time.Now()}
	killed := p.Killed
	if killed == nil {
		killed = memoryKills
	}
	before := killed()
	pid, output, err := p.spawn()
	p.Began()
	if err != nil {
		e.Error = err.Error()
	} else {
		copied := make(chan struct{})
		go func() {
			defer close(copied)
			p.copy(output)
		}()
		p.supervise(pid, &e)
		drain(output, copied)
	}
	e.Memory = killed() > before
	e.Ended = time.Now()
	return e
}

// spawn starts the script in a process group of its own and returns the end of
// the pipe it prints to.
func (p *Process) spawn() (int, *os.File, error) {
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
	env := strings.Split(strings.TrimSuffix(string(p.Env), "\x00"), "\x00")
	pid, err := syscall.ForkExec(p.Argv[0], p.Argv, &syscall.ProcAttr{
		Dir:   p.Dir,
		Env:   env,
		Files: []uintptr{null.Fd(), out, out},
		Sys:   childAttr(),
	})
	if err != nil {
		r.Close()
		return 0, nil, fmt.Errorf("%s: %w", filepath.Base(p.Argv[0]), err)
	}
	p.Env = nil
	return pid, r, nil
}

func (p *Process) copy(output *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := output.Read(buf)
		if n > 0 {
			p.Output(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// supervise returns when the script and everything it started is gone. The
// leftovers of a script that ended by itself are stopped like one that has to
// be: SIGTERM, and SIGKILL after the grace.
func (p *Process) supervise(pid int, e *Exit) {
	ended, none := reap(pid)
	timeout := time.After(p.Timeout)
	var kill <-chan time.Time
	terminate := func() {
		if kill == nil {
			signalAll(pid, syscall.SIGTERM)
			kill = time.After(p.Grace)
		}
	}
	stop := func(why string) {
		if e.Stopped == "" && ended != nil {
			e.Stopped = why
		}
		terminate()
	}
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
		case why := <-p.Stops:
			stop(why)
		case <-timeout:
			stop(StopTimeout)
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

// Quietly runs a command that tidies up after a script and gives it so long.
func Quietly(argv, env []string, patience time.Duration) {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: env, Sys: childAttr()})
	if err != nil {
		return
	}
	ended, _ := reap(pid)
	select {
	case <-ended:
	case <-time.After(patience):
		signalAll(pid, syscall.SIGKILL)
	}
}

// drain waits for the last output. Nobody is left who could print, so the pipe
// is at its end, unless a stranger was handed the other side.
func drain(output *os.File, copied <-chan struct{}) {
	select {
	case <-copied:
	case <-time.After(2 * time.Second):
	}
	output.Close()
	<-copied
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
