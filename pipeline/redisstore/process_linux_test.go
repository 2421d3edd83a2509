package redisstore

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
)

func TestWhatTheKernelSays(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	pid := cmd.Process.Pid
	alive := lookAt(pid)
	if alive.gone || alive.dead || alive.started == "" {
		t.Errorf("while it runs: %+v", alive)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if got := lookAt(pid); got != alive {
		t.Errorf("while it stands still: %+v", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "it is seen to be dead, though nobody has asked how it ended", func() bool { return lookAt(pid).dead })
	_ = cmd.Wait()
	if got := lookAt(pid); !got.gone {
		t.Errorf("afterwards: %+v", got)
	}
	us := thisProcess()
	if us.world == "" || us.started == "" || us.isDead(us.consumer(), lookAt) {
		t.Errorf("we are %+v", us)
	}
}

func TestStatIsReadFromTheLastBracket(t *testing.T) {
	t.Parallel()
	rest := " 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 1 21 4711 23"
	for text, want := range map[string]seen{
		"7 (a) Z (b) S" + rest: {started: "4711"},
		"7 (a) Z" + rest:       {started: "4711", dead: true},
		"7 (a) Z 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 3 21 4711": {started: "4711"}, // others of its threads are still ending
		"7 (a) T" + rest: {started: "4711"},
		"7 (a":           {},
		"":               {},
	} {
		if got := parseStat(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}
