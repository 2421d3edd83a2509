package shell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/needs"
)

// The test binary is also the shim, and a bot that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "shim":
			os.Exit(ShimMain(os.Args[2:]))
		case "bot":
			os.Exit(botMain(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

const testSHA = "0123456789abcdef0123456789abcdef01234567"

// sourceFunc is a Source without git.
type sourceFunc func(dir string) error

func (f sourceFunc) Checkout(_ context.Context, _ pipeline.Repo, _, dir string) error { return f(dir) }

func readme(dir string) error {
	return os.WriteFile(filepath.Join(dir, "README"), []byte("hello\n"), 0o644)
}

// memLog is a log whose readers can wait.
type memLog struct {
	mu   sync.Mutex
	cond *sync.Cond
	b    bytes.Buffer
	base int64
}

func newLog() *memLog {
	l := &memLog{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *memLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cond.Broadcast()
	return l.b.Write(b)
}

func (l *memLog) Offset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base + int64(l.b.Len())
}

func (l *memLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *memLog) await(want string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.b.String(), want) {
		l.cond.Wait()
	}
}

// bench is a runner and one step of one run on it.
type bench struct {
	*testing.T
	*Runner
	step  *pipeline.StepContext
	log   *memLog
	saved json.RawMessage
}

func newBench(t *testing.T, script string, change ...func(*Config)) *bench {
	t.Helper()
	needs.On(t, needs.Shell())
	cfg := Config{
		Dir: t.TempDir(), Source: sourceFunc(readme), Shim: []string{os.Args[0], "shim"},
		Host: "here", Path: os.Getenv("PATH"), Grace: 5 * time.Second,
	}
	for _, f := range change {
		f(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.slack = 0
	t.Cleanup(r.Close)
	b := &bench{T: t, Runner: r, log: newLog()}
	b.step = newStep(script)
	b.step.Log = b.log
	b.step.Save = func(_ context.Context, cp json.RawMessage) error { b.saved = cp; return nil }
	return b
}

func newStep(script string) *pipeline.StepContext {
	step := pipeline.Step{Name: "build", Run: script, Timeout: pipeline.Duration(time.Minute)}
	return &pipeline.StepContext{
		Run: &pipeline.Run{
			Request: pipeline.Request{
				ID: "r-1", Repo: pipeline.Repo{ID: 7, Owner: "octo", Name: "shop"}, Service: "shop", SHA: testSHA,
				Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{step}},
				Actor:    pipeline.Actor{ID: 1, Login: "mona"},
			},
			Progress: pipeline.Progress{Steps: []pipeline.StepRun{{Name: "build"}}},
		},
		Step: step, Attempt: 1, Call: 1, Fence: 1,
	}
}

func (b *bench) run() pipeline.Result {
	b.Helper()
	return b.must(b.Run(b.Context(), b.step))
}

// Run keeps testing.T.Run and Runner.Run apart.
func (b *bench) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return b.Runner.Run(ctx, c)
}

func (b *bench) must(res pipeline.Result, err error) pipeline.Result {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	return res
}

// want fails unless the result has this state and code.
func (b *bench) want(res pipeline.Result, state pipeline.State, code string) {
	b.Helper()
	if !res.Done && state != "" || res.State != state || res.Code != code {
		b.Fatalf("done %v, state %q, code %q, message %q; want %q %q\noutput:\n%s", res.Done, res.State, res.Code, res.Message, state, code, b.log)
	}
}

func (b *bench) dir() folder {
	return folder(filepath.Join(b.cfg.Dir, "work", "r-1", "build-1", "1"))
}

// signpost is a fifo a script writes to when it gets there.
func signpost(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signpost")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reached waits for somebody to write to the signpost, and returns what.
func reached(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestAScriptRunsInTheCheckout(t *testing.T) {
	b := newBench(t, "cat README\necho out; echo err >&2\necho 'version=1.2' >> $SHIPMATE_OUTPUT\necho '# done' > $SHIPMATE_SUMMARY\n")
	res := b.run()
	b.want(res, pipeline.Succeeded, "")
	if got := b.log.String(); got != "hello\nout\nerr\n" {
		t.Errorf("output %q", got)
	}
	if res.Outputs["version"] != "1.2" || res.Summary != "# done\n" {
		t.Errorf("outputs %v, summary %q", res.Outputs, res.Summary)
	}
	if err := b.Forget("r-1", "build", 1, math.MaxInt64); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(b.cfg.Dir, "work")); len(left) != 0 {
		t.Errorf("left after Forget: %v", left)
	}
}

func TestHowAScriptEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script, code, message string
	}{
		"its exit code is named":                   {"exit 2", "script_failed", "`build` exited with code 2. Its output: `/logs r-1 build`."},
		"the first failing command ends it":        {"false; echo no > /dev/stderr", "script_failed", "code 1"},
		"a missing command is explained":           {"no-such-command-anywhere", "script_failed", "code 127 (a command was not found)"},
		"a signal is named":                        {"kill -SEGV $$", "script_killed", "SIGSEGV"},
		"a child's signal is named":                {"sh -c 'kill -KILL $$'", "script_failed", "code 137 (SIGKILL)"},
		"a missing interpreter is explained":       {"#!/no/such/bash\n", "script_not_started", "does not exist"},
		"an interpreter without a path is refused": {"#!bash\n", "invalid_interpreter", "full path"},
		"an empty script is refused":               {" \n", "no_script", "no script"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.script)
			res, err := b.Runner.Run(t.Context(), b.step)
			code, message := res.Code, res.Message
			if err != nil {
				code, message = pipeline.Code(err), pipeline.Message(err)
			} else if res.State != pipeline.Failed {
				t.Errorf("state %s", res.State)
			}
			if code != c.code || !strings.Contains(message, c.message) {
				t.Errorf("code %q, message %q", code, message)
			}
			if strings.Contains(b.log.String(), "no\n") {
				t.Error("went on after a failure")
			}
		})
	}
}

func TestTheLogOfAPartIsThatOfItsStep(t *testing.T) {
	b := newBench(t, "exit 1")
	b.step.Within = "rollout"
	if res := b.run(); !strings.HasSuffix(res.Message, " Its output: `/logs r-1 rollout`.") {
		t.Error(res.Message)
	}
}

func TestTheInterpreterOfTheFirstLineIsUsed(t *testing.T) {
	b := newBench(t, "#!/usr/bin/env -S bash -u\necho ${BASH_VERSION:+bash} $0\n")
	b.want(b.run(), pipeline.Succeeded, "")
	if want := "bash " + b.dir().script() + "\n"; b.log.String() != want {
		t.Errorf("output %q, want %q", b.log, want)
	}
}

func TestTheEnvironmentIsExactlyWhatWasPromised(t *testing.T) {
	t.Setenv("BOT_OWN_SECRET", "must not be seen")
	b := newBench(t, "env -0 > $HOME/env", func(c *Config) { c.Path, c.BaseURL = "/usr/bin:/bin", "https://ship.example/" })
	b.step.Step.Environment = map[string]string{"LANG": "de_DE.UTF-8", "PROFILE": "prod\nline"}
	b.step.Step.Matrix = map[string]string{"java_version": "17"}
	b.step.Step.Secrets = []string{"DB_PASSWORD"}
	b.step.Secrets = map[string]pipeline.Secret{"DB_PASSWORD": pipeline.NewSecret("s3cr\xff t"), "OTHER": pipeline.NewSecret("not asked for")}
	b.step.Outputs = map[string]string{"image.digest-sha": "sha256:1"}
	b.step.Run.Params = map[string]any{"replicas": float64(3), "dry-run": true, "ratio": 0.5, "name": "a$(id)b"}
	b.step.Run.Ref, b.step.Run.PR = `zzz";echo${IFS}"hello";#`, 12
	b.step.Run.Environment = &pipeline.Environment{Name: "prod"}
	b.want(b.run(), pipeline.Succeeded, "")

	dump, err := os.ReadFile(filepath.Join(b.dir().home(), "env"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(dump), "\x00"), "\x00")
	got = slices.DeleteFunc(got, func(v string) bool { return strings.HasPrefix(v, "PWD=") || strings.HasPrefix(v, "_=") }) // the shell's own
	slices.Sort(got)
	want := []string{
		"CI=true", "DB_PASSWORD=s3cr\xff t", "HOME=" + b.dir().home(), "LANG=de_DE.UTF-8", "PATH=/usr/bin:/bin", "PROFILE=prod\nline",
		"SHIPMATE_ACTOR=mona", "SHIPMATE_ATTEMPT=1", "SHIPMATE_ENV=prod", "SHIPMATE_OUTPUT=" + b.dir().outputs(),
		"SHIPMATE_MATRIX_JAVA_VERSION=17", "SHIPMATE_OUTPUT_IMAGE_DIGEST_SHA=sha256:1",
		"SHIPMATE_PARAM_DRY_RUN=true", "SHIPMATE_PARAM_NAME=a$(id)b", "SHIPMATE_PARAM_RATIO=0.5", "SHIPMATE_PARAM_REPLICAS=3",
		"SHIPMATE_PR=12", `SHIPMATE_REF=zzz";echo${IFS}"hello";#`, "SHIPMATE_REPO=octo/shop", "SHIPMATE_RUN=r-1", "SHIPMATE_SERVICE=shop",
		"SHIPMATE_ANNOTATIONS=" + b.dir().annotations(), "SHIPMATE_SHA=" + testSHA, "SHIPMATE_SHORT_SHA=0123456", "SHIPMATE_STEP=build", "SHIPMATE_SUMMARY=" + b.dir().summary(),
		"SHIPMATE_URL=https://ship.example",
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("environment:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSecretsAreNeitherInArgvNorOnDisk(t *testing.T) {
	at, on := signpost(t), signpost(t)
	b := newBench(t, "echo here > "+at+"; read x < "+on)
	const canary = "canary-4711-secret"
	b.step.Step.Secrets = []string{"TOKEN"}
	b.step.Secrets = map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret(canary)}
	done := make(chan pipeline.Result)
	go func() { done <- b.run() }()
	reached(t, at)
	cmdlines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range cmdlines {
		if line, _ := os.ReadFile(path); bytes.Contains(line, []byte(canary)) {
			t.Errorf("%s: %q", path, line)
		}
	}
	search := func() {
		if err := filepath.WalkDir(b.cfg.Dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if content, _ := os.ReadFile(path); bytes.Contains(content, []byte(canary)) {
					t.Errorf("on disk: %s", path)
				}
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	search()
	if bytes.Contains(b.saved, []byte(canary)) {
		t.Error("in the checkpoint")
	}
	if err := os.WriteFile(on, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	b.want(<-done, pipeline.Succeeded, "")
	search()
}

func TestAnEnvironmentTooLargeIsExplained(t *testing.T) {
	b := newBench(t, "true")
	b.step.Step.Environment = map[string]string{"BIG": strings.Repeat("x", 200<<10)}
	res := b.run()
	b.want(res, pipeline.Failed, "script_not_started")
	if !strings.Contains(res.Message, "too large") {
		t.Error(res.Message)
	}
	b = newBench(t, "echo ${#BIG}")
	b.step.Step.Environment = map[string]string{"BIG": strings.Repeat("x", 100<<10)}
	b.want(b.run(), pipeline.Succeeded, "")
	if b.log.String() != "102400\n" {
		t.Errorf("output %q", b.log)
	}
}

func TestNamesThatWouldLeaveTheFolderAreRefused(t *testing.T) {
	for _, name := range []string{"../x", "..", "/etc", "a/b", `C:\x`, "a\x00b", "", ".hidden", "-rf", strings.Repeat("x", 200)} {
		b := newBench(t, "true")
		b.step.Step.Name = name
		if _, err := b.Runner.Run(t.Context(), b.step); pipeline.Code(err) != "invalid_name" {
			t.Errorf("step %q: %v", name, err)
		}
		if err := b.Forget(pipeline.RunID(name), "build", 1, 1); pipeline.Code(err) != "invalid_name" {
			t.Errorf("run %q: %v", name, err)
		}
	}
}

func TestNamesOfVariablesAreChecked(t *testing.T) {
	for _, name := range []string{"SHIPMATE_SHA", "A=B", "", "a-b", "1A"} {
		b := newBench(t, "true")
		b.step.Step.Environment = map[string]string{name: "x"}
		if _, err := b.Runner.Run(t.Context(), b.step); pipeline.Code(err) != "invalid_environment" {
			t.Errorf("%q: %v", name, err)
		}
	}
	b := newBench(t, "true")
	b.step.Step.Secrets = []string{"MISSING"}
	if _, err := b.Runner.Run(t.Context(), b.step); pipeline.Code(err) != "missing_secret" {
		t.Error(err)
	}
}

func TestOutputIsCappedHeadAndEnd(t *testing.T) {
	b := newBench(t, "echo first; yes | head -c 3000000; echo last", func(c *Config) { c.MaxLog = 64 << 10 })
	b.want(b.run(), pipeline.Succeeded, "")
	got := b.log.String()
	if len(got) > 64<<10+100 || !strings.HasPrefix(got, "first\ny\n") || !strings.HasSuffix(got, "y\nlast\n") {
		t.Errorf("%d bytes: %.20q ... %q", len(got), got, got[len(got)-20:])
	}
	marker := fmt.Sprintf("\n[shipmate: %d bytes of output are left out here]\n", 3000000+6+5-(64<<10))
	if strings.Count(got, marker) != 1 {
		t.Errorf("no %q", marker)
	}
}

func TestOutputOfAnyBytesIsPassedOnUnchanged(t *testing.T) {
	b := newBench(t, `printf '\377\000\200\033[31m\r[OK] approved'`)
	b.want(b.run(), pipeline.Succeeded, "")
	if got := b.log.String(); got != "\377\000\200\033[31m\r[OK] approved" {
		t.Errorf("output %q", got)
	}
}

func TestTheUndoRunsWithTheOutputsOfItsStep(t *testing.T) {
	b := newBench(t, "echo run")
	b.step.Step.Undo = "cat README; echo undo $SHIPMATE_OUTPUT_BUILD_VERSION"
	res := b.run()
	b.want(res, pipeline.Succeeded, "")
	b.step.Run.Step("build").Outputs = map[string]string{"version": "1.2"}
	b.step.Checkpoint, b.step.Call, b.step.Fence = res.Checkpoint, 2, 2
	if !b.CanRevert(b.step) {
		t.Error("cannot revert")
	}
	b.want(b.must(b.Revert(t.Context(), b.step)), pipeline.Succeeded, "")
	if got := b.log.String(); got != "run\nhello\nundo 1.2\n" {
		t.Errorf("output %q", got)
	}
	b.step.Step.Undo = ""
	if _, err := b.Revert(t.Context(), b.step); b.CanRevert(b.step) || pipeline.Code(err) != "cannot_revert" {
		t.Errorf("reverted nothing: %v", err)
	}
}

func TestAFailedCheckoutLeavesNothingBehind(t *testing.T) {
	b := newBench(t, "true", func(c *Config) {
		c.Source = sourceFunc(func(string) error { return pipeline.Refuse("commit_not_found", "No such commit.") })
	})
	if _, err := b.Runner.Run(t.Context(), b.step); pipeline.Code(err) != "commit_not_found" {
		t.Error(err)
	}
	if _, err := os.Stat(string(b.dir())); !os.IsNotExist(err) {
		t.Errorf("folder: %v", err)
	}
	if b.saved != nil {
		t.Error("saved a checkpoint")
	}
}

func TestCleanRemovesRunsThatAreOver(t *testing.T) {
	b := newBench(t, "mkdir -p $HOME/go/mod; touch $HOME/go/mod/x; chmod -R a-w $HOME/go")
	b.run()
	if err := b.Clean(t.Context(), func(pipeline.RunID) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(b.dir())); err != nil {
		t.Error(err)
	}
	if err := b.Clean(t.Context(), func(id pipeline.RunID) bool { return id != "r-1" }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.cfg.Dir, "work", "r-1")); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}
