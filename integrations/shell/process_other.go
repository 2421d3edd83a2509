//go:build unix && !linux

package shell

func bootID() string       { return "" }
func killRemains(folder)   {}
func killShim(int, string) {}
func startTime(int) string { return "" }
