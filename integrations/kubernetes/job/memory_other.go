//go:build unix && !linux

package job

func containerMemoryKills() int { return 0 }
