package job

import (
	"bytes"
	"os"
	"strconv"
)

// containerMemoryKills counts what the kernel has killed in this container for
// want of memory. See "memory.events" in the kernel's cgroup-v2.rst, and
// "memory.oom_control" of the first version.
func containerMemoryKills() int {
	for _, file := range []string{"/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			if n, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
				count, _ := strconv.Atoi(string(bytes.TrimSpace(n))) // none is as good
				return count
			}
		}
	}
	return 0
}
