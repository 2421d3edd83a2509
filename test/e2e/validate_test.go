package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// typed is a command line in a folder, with no settings.
func typed(t *testing.T, dir, args string) said {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, strings.Fields(args)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

const doubtfulFile = `environments:
  prod: {secrets: {TOKEN: "vault:kv/shop#token"}}
pipelines:
  checks:
    on: {pull_request: {paths: ["dosc/**"]}}
    steps: [{name: build, run: make, image: maven}]
  deploy:
    on: {command: deploy}
    on_failure: rollback
    params: {version: {type: string}}
    steps: [{name: build, run: make}, {name: release, uses: kubernetes.apply, with: {manifests: [".shipmate.yaml"]}}]
`

func TestValidateWarns(t *testing.T) {
	dir := worktree(t, doubtfulFile)
	below := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	wantSaid(t, typed(t, below, "validate"), 0,
		`../../.shipmate.yaml:2:27: warning: shipmate has no secret store "vault"`,
		`../../.shipmate.yaml:5:33: warning: The pattern "dosc/**" matches no file of this repository.`,
		`../../.shipmate.yaml:6:45: warning: The image "maven" has no version`,
		`../../.shipmate.yaml:11:20: warning: on_failure: rollback cannot undo build.`,
		"../../.shipmate.yaml is valid, with 4 warnings: 1 environment, 2 pipelines.")

	var found []struct {
		Severity, File, Path, Message string
		Line                          int
	}
	asJSON := typed(t, dir, "validate --output json")
	if err := json.Unmarshal([]byte(asJSON.out), &found); err != nil || asJSON.code != 0 || len(found) != 4 || found[0].Severity != "warning" || found[0].Line != 2 ||
		found[0].Path != "environments.prod.secrets.TOKEN" {
		t.Errorf("%v %+v\n%s%s", err, found, asJSON.out, asJSON.err)
	}
	wantSaid(t, typed(t, worktree(t, "pipelines: {a: {steps: [{name: b, run: c}]}}"), "validate --output=json"), 0, "[]\n")
	wrong := typed(t, worktree(t, "pipelines: {a: {steps: [{name: b}]}}"), "validate --output=json")
	wantSaid(t, wrong, 1, `"severity": "error"`)
}

func TestCompletionKnowsTheFile(t *testing.T) {
	dir := worktree(t, doubtfulFile)
	below := filepath.Join(dir, "a")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"run |":                    "checks deploy",
		"run de|":                  "deploy",
		"run deploy |":             "",
		"run deploy --param |":     "version=",
		"run --environment |":      "prod",
		"run --output j|":          "json",
		"validate --output |":      "text json",
		"doctor --output |":        "text json",
		"--output |":               "text json",
		"deploy p|":                "prod",
		"rollback |":               "prod",
		"promote prod to |":        "prod",
		"why |":                    "prod",
		"audit |":                  "export verify",
		"deploy prod --dry|":       "--dry-run",
		"--output json history p|": "prod",
	} {
		cmd := exec.CommandContext(t.Context(), binary, "__complete")
		before := strings.TrimSuffix(line, "|")
		fields := strings.Fields(before)
		if strings.HasSuffix(before, " ") {
			fields = append(fields, "")
		}
		cmd.Args = append(cmd.Args, fields...)
		cmd.Dir = below
		out, err := cmd.Output()
		var got []string
		for l := range strings.SplitSeq(string(out), "\n") {
			if l != "" && !strings.HasPrefix(l, ":") {
				got = append(got, strings.Split(l, "\t")[0])
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q (%v)", line, got, want, err)
		}
	}
}

// Without a Redis, and none to start, settings are what is wrong.
func TestNoRedisIsAWrongSetting(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, "serve")
	cmd.Env = []string{"PATH=" + dir, "HOME=" + dir, "SHIPMATE_ADDR=127.0.0.1:0", "SHIPMATE_METRICS_ADDR=127.0.0.1:0"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "SHIPMATE_REDIS_URL") {
		t.Errorf("%v, want exit code 2\n%s", err, out)
	}
}

// The exit codes are those of the table in docs/api.md.
func TestExitCodes(t *testing.T) {
	dir := worktree(t, "pipelines: {checks: {steps: [{name: a, run: \"true\"}]}, bad: {steps: [{name: a, run: \"false\"}]}}")
	empty := t.TempDir()
	for _, test := range []struct {
		dir, args string
		code      int
		says      string // on either
	}{
		{dir, "version", 0, "shipmate"},
		{dir, "", 0, "Exit codes:"},
		{dir, "help run", 0, "--yes"},
		{dir, "run checks", 0, "checks succeeded"},
		{dir, "run bad", 1, "bad failed"},
		{empty, "run checks", 2, "not a git repository"},
		{dir, "run cheks", 2, `did you mean "checks"`},
		{dir, "run checks --environment prod", 2, "--environment"},
		{dir, "run checks --param x", 2, "name=value"},
		{dir, "run checks --param x=1", 2, "x"},
		{dir, "run checks extra", 2, "arg"},
		{dir, "run checks --output jsn", 2, `did you mean "json"`},
		{dir, "run checks --bogus", 2, "--bogus"},
		{dir, "validate --output jsn", 2, `did you mean "json"`},
		{dir, "doctor --output jsn", 2, `did you mean "json"`},
		{dir, "doctor --config nothing.yaml", 2, "nothing.yaml"},
		{dir, "serve --config nothing.yaml", 2, "nothing.yaml"},
		{dir, "serve --durability strct", 2, `did you mean "strict"`},
		{dir, "validate nothing.yaml", 2, "there is no file nothing.yaml"},
		{empty, "validate", 2, "there is no file .shipmate.yaml"},
		{dir, "validat", 2, `did you mean "validate"`},
		{dir, "help validat", 2, `did you mean "validate"`},
		{dir, "audit verfy", 2, `did you mean "verify"`},
		{dir, "audit verify --file nothing", 2, "nothing"},
		{dir, "completion bsh", 2, "bsh"},
		{dir, "version now", 2, "now"},
		{dir, "schema now", 2, "now"},
	} {
		got := typed(t, test.dir, test.args)
		if got.code != test.code || !strings.Contains(got.out+got.err, test.says) {
			t.Errorf("shipmate %s: exit code %d, want %d and %q\n%s%s", test.args, got.code, test.code, test.says, got.out, got.err)
		}
	}
}
