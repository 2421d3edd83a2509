package shell

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bootID changes when the machine starts anew.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// becomeReaper makes what the script leaves behind our children, also what has
// forked twice or has taken a session of its own.
func becomeReaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signalAll sends the signal to every descendant of this process.
func signalAll(_ int, sig syscall.Signal) {
	children := map[int][]int{}
	for _, pid := range processes() {
		if parent, _, ok := stat(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	for next := children[os.Getpid()]; len(next) > 0; next = next[1:] {
		_ = syscall.Kill(next[0], sig) // gone already is as good
		next = append(next, children[next[0]]...)
	}
}

// killGroup has nothing to do: a reaper knows when nobody is left.
func killGroup(int) {}

// killRemains kills what a script left behind whose shim is gone. Its
// processes are known by the environment they were given.
func killRemains(dir folder) {
	mark := []byte("SHIPMATE_OUTPUT=" + dir.outputs() + "\x00")
	clean := 0 // looks in a row that found nothing: in the middle of an exec a process shows no environment
	for range 100 {
		found := false
		for _, pid := range processes() {
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err == nil && bytes.Contains(env, mark) && pid != os.Getpid() {
				found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
			}
		}
		if clean++; found {
			clean = 0
		}
		if clean == 2 {
			return
		}
		time.Sleep(5 * time.Millisecond) // the kernel's time to kill; there is no event for processes not our own
	}
}

// killShim kills a shim that does not listen any more, and only if it still is
// the process the checkpoint tells of.
func killShim(pid int, started string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if started != "" && startTime(pid) == started {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // gone already is as good
	}
}

// startTime is when a process began, in clock ticks since boot; "" if it is gone.
func startTime(pid int) string {
	_, started, _ := stat(pid)
	return started
}

// stat reads a process' parent and start time. See proc_pid_stat(5); the name
// in parentheses may itself hold anything.
func stat(pid int) (parent int, started string, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", false
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third on
	if len(fields) < 20 {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[19], err == nil
}

func processes() []int {
	names, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func noCoreFiles() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// memoryKills counts what the kernel has killed for want of memory since boot,
// in control groups too.
func memoryKills() int {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("\noom_kill "))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, _ := strconv.Atoi(string(line)) // older kernels do not count
	return n
}

func signalName(sig syscall.Signal) string { return unix.SignalName(sig) }
