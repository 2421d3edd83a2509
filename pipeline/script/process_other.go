//go:build unix && !linux

package script

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Where there is no /proc a script is its process group: what leaves the group
// is not found again.

func becomeReaper() error                     { return nil }
func childAttr() *syscall.SysProcAttr         { return &syscall.SysProcAttr{Setpgid: true} }
func signalAll(group int, sig syscall.Signal) { _ = syscall.Kill(-group, sig) }
func killGroup(group int)                     { _ = syscall.Kill(-group, syscall.SIGKILL) }
func noCoreFiles()                            { _ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
func memoryKills() int                        { return 0 }
func signalName(sig syscall.Signal) string    { return unix.SignalName(sig) }
