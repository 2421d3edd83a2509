package redisstore

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// world tells this boot of this machine, and the namespaces in which process
// numbers and start times are counted, from all others. It is "" where /proc
// counts in other namespaces than we do.
func world() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	pids, _ := os.Readlink("/proc/self/ns/pid")
	times, err := os.Readlink("/proc/self/ns/time")
	if err != nil {
		times = "one" // before Linux 5.6
	}
	if self, _ := os.Readlink("/proc/self"); self != strconv.Itoa(os.Getpid()) {
		return ""
	}
	return digest(strings.TrimSpace(string(boot)), pids, times)
}

// lookAt asks the kernel. What /proc hides from us is there all the same, so
// whether there is a process is asked by a signal.
func lookAt(pid int) seen {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return seen{gone: true}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return seen{}
	}
	return parseStat(string(stat))
}

// parseStat reads proc(5)'s stat. The name in it may hold anything, so what
// follows is counted from its last bracket.
func parseStat(text string) seen {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const state, threads, started = 0, 17, 19 // fields 3, 20 and 22 there
	if len(fields) <= started {
		return seen{}
	}
	ended := (fields[state] == "Z" || fields[state] == "X") && (fields[threads] == "0" || fields[threads] == "1")
	return seen{started: fields[started], dead: ended}
}
