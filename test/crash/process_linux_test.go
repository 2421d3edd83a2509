//go:build crash

package crash

import "syscall"

// diesWithUs ends the bot even when the test binary is killed.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
