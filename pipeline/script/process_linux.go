package script

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

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
	for _, pid := range Processes() {
		if parent, _, ok := Stat(pid); ok {
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

// Stat reads a process' parent and start time, in clock ticks since boot. See
// proc_pid_stat(5); the name in parentheses may itself hold anything.
func Stat(pid int) (parent int, started string, ok bool) {
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

// Processes are the ids of all that can be seen.
func Processes() []int {
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
