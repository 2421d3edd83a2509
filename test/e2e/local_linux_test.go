package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A question is answered on the terminal, with an environment and without.
func TestAnApprovalOnATerminal(t *testing.T) {
	dir := worktree(t, askingFile)
	for _, where := range [][]string{{"deploy"}, {"deploy", "--environment", "prod"}} {
		for typed, code := range map[string]int{"yes\n": 0, "y\n": 0, "Yes\n": 0, " YES \n": 0, "n\n": 1, "No\n": 1, "\n": 1, "\x04": 1} {
			cmd, _ := localRun(t, dir, where...)
			s := onTerminal(t, cmd)
			s.await("Go on? [y/N]", 1)
			s.types(typed)
			if got := s.end(); got != code || strings.Contains(s.shown(), "released") != (code == 0) {
				t.Errorf("%v, %q: exit code %d:\n%s", where, typed, got, s.shown())
			}
		}
	}
	cmd, _ := localRun(t, dir, "deploy")
	s := onTerminal(t, cmd)
	s.await("Go on? [y/N]", 1)
	s.types("perhaps\n")
	s.await("Go on? [y/N]", 2)
	s.types("yes\n")
	if got := s.end(); got != 0 {
		t.Errorf("asked again, exit code %d:\n%s", got, s.shown())
	}
}

func TestCtrlCWhileItAsks(t *testing.T) {
	cmd, temporary := localRun(t, worktree(t, askingFile), "deploy")
	s := onTerminal(t, cmd)
	s.await("Go on? [y/N]", 1)
	s.types("\x03")
	if got := s.end(); got != 1 || !strings.Contains(s.shown(), "deploy cancelled") {
		t.Errorf("exit code %d:\n%s", got, s.shown())
	}
	nothingLeft(t, temporary)
}

const longFile = `
pipelines:
  checks:
    steps:
      - {name: long, run: "sleep 600 & setsid sleep 600 & echo begun; wait"}
      - {name: next, run: "echo never"}
`

// begunRun is a run whose first script works.
func begunRun(t *testing.T) (cmd *exec.Cmd, temporary string, out *os.File) {
	t.Helper()
	cmd, temporary = localRun(t, worktree(t, longFile), "checks")
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	cmd.Stdout = w
	notIgnored()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "begun") {
			return cmd, temporary, out
		}
	}
	t.Fatal("the script did not begin")
	return nil, "", nil
}

// notIgnored: a test that runs under nohup hands that on to what it starts.
func notIgnored() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) }

// However a run is ended, its scripts end and its files go.
func TestNothingOfALocalRunIsLeft(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd, temporary, _ := begunRun(t)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if sig != syscall.SIGKILL && cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
			nothingLeft(t, temporary)
		})
	}
	t.Run("two interrupts", func(t *testing.T) {
		t.Parallel()
		cmd, temporary, _ := begunRun(t)
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		eventually(t, "it has ended", func() bool {
			_ = cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-ended:
				return true
			default:
				return false
			}
		})
		nothingLeft(t, temporary)
	})
	t.Run("nobody reads", func(t *testing.T) {
		t.Parallel()
		cmd, temporary := localRun(t, worktree(t, strings.Replace(longFile, "echo begun; wait", "while sleep 0.1; do echo begun; done", 1)), "checks")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // as "head -1" does
			t.Fatal(err)
		}
		_ = out.Close()
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("it ended with %v", cmd.ProcessState)
		}
		nothingLeft(t, temporary)
	})
}

// Where everything was killed at once, the next run removes what is left.
func TestTheNextRunRemovesWhatIsLeft(t *testing.T) {
	cmd, temporary, _ := begunRun(t)
	for _, pid := range of(temporary) {
		if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); path == binary && pid != cmd.Process.Pid { // its keeper first
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	left, err := filepath.Glob(filepath.Join(temporary, "shipmate-run-*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v are left (%v), so nothing is tried", left, err)
	}
	old := time.Now().Add(-2 * time.Minute)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	next, _ := localRun(t, worktree(t, "pipelines: {checks: {steps: [{name: a, run: \"true\"}]}}"), "checks")
	next.Env = append(next.Env, "TMPDIR="+temporary)
	if out, err := next.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	nothingLeft(t, temporary)
}

// nothingLeft waits until no file lies in the folder and no process knows of it.
func nothingLeft(t *testing.T, temporary string) {
	t.Helper()
	eventually(t, "nothing is left", func() bool {
		files, err := os.ReadDir(temporary)
		return err == nil && len(files) == 0 && len(of(temporary)) == 0
	})
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("not within a minute: ", what)
		}
	}
}

// of are the processes with the folder in their arguments or their environment.
func of(folder string) []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && strings.Contains(string(args)+"\x00"+string(env), folder) {
			pids = append(pids, pid)
		}
	}
	return pids
}
