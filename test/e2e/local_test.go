package e2e

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// worktree is a git repository with the file, committed.
func worktree(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".shipmate.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=mona", "-c", "user.email=mona@example.com", "commit", "-qm", "file"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// TestInterruptedOnTheTerminal: Ctrl-C stops the script, what is left is not
// started, and the program says so and ends.
func TestInterruptedOnTheTerminal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "run", "checks")
	cmd.Dir = worktree(t, `
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: long, run: "echo begun; exec sleep 600"}
      - {name: next, run: echo never}
`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.HasSuffix(lines.Text(), "begun") {
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	all := strings.Join(said, "\n")
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v:\n%s", err, all)
	}
	if !strings.Contains(all, "long cancelled") || !strings.Contains(all, "checks cancelled") || strings.Contains(all, "never") {
		t.Errorf("it said:\n%s", all)
	}
}
