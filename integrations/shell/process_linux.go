package shell

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shipmate/shipmate/pipeline/script"
)

// bootID changes when the machine starts anew.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// killRemains kills what a script left behind whose shim is gone. Its
// processes are known by the environment they were given.
func killRemains(dir folder) {
	mark := []byte("SHIPMATE_OUTPUT=" + dir.outputs() + "\x00")
	clean := 0 // looks in a row that found nothing: in the middle of an exec a process shows no environment
	for range 100 {
		found := false
		for _, pid := range script.Processes() {
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
	_, started, _ := script.Stat(pid)
	return started
}
