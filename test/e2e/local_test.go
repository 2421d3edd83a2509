package e2e

import (
	"bufio"
	"bytes"
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

// localRun is "shipmate run" in a folder, with temporary files of its own.
func localRun(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, temporary string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	temporary = t.TempDir()
	cmd = exec.CommandContext(ctx, binary, append([]string{"run"}, args...)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + temporary}
	return cmd, temporary
}

// ranLocally is localRun to its end, without a terminal.
func ranLocally(t *testing.T, dir string, args ...string) said {
	t.Helper()
	cmd, temporary := localRun(t, dir, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func wantSaid(t *testing.T, got said, code int, texts ...string) {
	t.Helper()
	s := &scene{t: t}
	s.want(got, code, texts...)
}

const askingFile = `
environments:
  prod: {approvals: {count: 2, by: ["team:release-leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: go, uses: approval, with: {count: 2, by: ["team:release-leads"]}}
      - {name: release, run: "echo released"}
`

// Without a terminal nobody can be asked: that is said at once, with a code of its own.
func TestAnApprovalWithoutATerminal(t *testing.T) {
	dir := worktree(t, askingFile)
	for _, where := range [][]string{{"deploy"}, {"deploy", "--environment", "prod"}} {
		got := ranLocally(t, dir, where...)
		wantSaid(t, got, 3, "deploy cancelled", "!go asks for approval, and standard input is no terminal", "!--yes")
		if strings.Contains(got.out, "released") {
			t.Errorf("it went on:\n%s", got.out)
		}
		wantSaid(t, ranLocally(t, dir, append(where, "--yes")...), 0, "released", "deploy succeeded")
	}
}

const tellingFile = `
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - name: lint
        run: |
          echo "src/main.go:12: warning: unused variable" >> "$SHIPMATE_ANNOTATIONS"
          echo "src/main.go:14:3: error: missing return" >> "$SHIPMATE_ANNOTATIONS"
          printf '## Coverage\n**91%%** of \033[31mlines\n' >> "$SHIPMATE_SUMMARY"
      - {name: broken, run: exit 7}
`

// What a step writes for people is shown, paths as they are typed from here.
func TestSummariesAndRemarksAreShown(t *testing.T) {
	dir := worktree(t, tellingFile)
	below := filepath.Join(dir, "src")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	got := ranLocally(t, below, "checks")
	wantSaid(t, got, 1, "\n  main.go:12: warning: unused variable\n", "\n  main.go:14: error: missing return\n", "lint ┃ ## Coverage", "lint ┃ 91% of [31mlines",
		"broken failed", "exited with code 7. Its output is above.")
	if strings.Contains(got.out+got.err, "/logs") || strings.Contains(got.out+got.err, "level=") {
		t.Errorf("it speaks of a bot, or a library speaks:\n%s%s", got.out, got.err)
	}
	asJSON := ranLocally(t, dir, "checks", "--output", "json")
	wantSaid(t, asJSON, 1, `"summary":"## Coverage`, `"annotations":[{`, "Its output is above.")
}

// Hints are of a place without a bot, whatever a step does.
func TestALocalRunSpeaksOfNoBot(t *testing.T) {
	dir := worktree(t, `
environments:
  prod: {secrets: {TOKEN: "env:NOT_THERE", OTHER: "vault:kv/a#b"}, kubernetes: {cluster: main, namespace: shop}}
pipelines:
  secret: {steps: [{name: a, run: "true", secrets: [TOKEN]}]}
  store: {steps: [{name: a, run: "true", secrets: [OTHER]}]}
  alone: {steps: [{name: a, run: "true", secrets: [TOKEN]}]}
  cluster: {steps: [{name: a, uses: kubernetes.apply, with: {manifests: ["k8s.yaml"]}}]}
`)
	for pipeline, says := range map[string]string{"secret": "SHIPMATE_SECRET_NOT_THERE", "store": "secret store", "cluster": "reaches no cluster", "alone": "secret"} {
		args := []string{pipeline, "--environment", "prod"}
		if pipeline == "alone" {
			args = args[:1]
		}
		got := ranLocally(t, dir, args...)
		wantSaid(t, got, 1, says)
		for _, wrong := range []string{"operator", "`/", "bot's log", "level="} {
			if strings.Contains(got.out+got.err, wrong) {
				t.Errorf("%s: it says %q:\n%s%s", pipeline, wrong, got.out, got.err)
			}
		}
	}
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
