//go:build crash && !linux

package crash

import "syscall"

func diesWithUs() *syscall.SysProcAttr { return nil }
