package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startBound starts a process that ends with us, whatever becomes of us.
func startBound(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Start()
}

// tick is the unit of CPU time in /proc: USER_HZ, which is 100 on all that Go runs on.
const tick = 10 * time.Millisecond

// cpu is the CPU time processes have used, by /proc/<pid>/stat.
func cpu(pids ...int) (time.Duration, error) {
	total := time.Duration(0)
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name may hold spaces
		fields := strings.Fields(string(rest))
		for _, f := range fields[11:13] { // utime, stime; proc(5)
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}

// cpu is what this process, its ended children and Redis have used.
func (b *bench) cpu() (time.Duration, error) {
	total, err := cpu(b.redis.cmd.Process.Pid)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		err = errors.Join(err, syscall.Getrusage(who, &u))
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total, err
}

// rss is the memory of a process that is in RAM, in MiB.
func rss(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kib)[0], 64)
			return n / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}

// waitUntil asks every few milliseconds until the answer is yes.
func waitUntil(ctx context.Context, patience time.Duration, ok func() bool) error {
	late := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(late) {
			return fmt.Errorf("not ready within %s", patience)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// output runs a program and returns what it printed; an error holds what it complained.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(lastLines(complaint.String(), 5)))
	}
	return out, nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
