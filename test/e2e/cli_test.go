package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const cliFile = `
service: shop
environments:
  staging: {}
  prod: {approvals: {count: 1, by: ["team:release-leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: "test ! -e broken; test ! -e slow || exec sleep 300"}
      - {name: release, run: "echo releasing to $SHIPMATE_ENV"}
`

// said is what came of a command line.
type said struct {
	out, err string
	code     int
}

// prepared is the program with the settings of this world and nothing else.
func (s *scene) prepared(dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SHIPMATE_URL=" + s.w.URL, "SHIPMATE_API_TOKEN=" + world.APIToken, "SHIPMATE_GITHUB_CLONE_URL=" + s.w.GitHub.URL()}
	return cmd
}

func (s *scene) ran(cmd *exec.Cmd) said {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if strings.Contains(out.String()+errs.String(), world.APIToken) {
		s.t.Errorf("%v shows the token:\n%s%s", cmd.Args, &out, &errs)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func (s *scene) cli(args ...string) said {
	s.t.Helper()
	return s.ran(s.prepared(s.t.TempDir(), args...))
}

// want checks the exit code and that all these are said, "!" before those on stderr.
func (s *scene) want(got said, code int, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		on, where := got.out, "stdout"
		if rest, stderr := strings.CutPrefix(text, "!"); stderr {
			text, on, where = rest, got.err, "stderr"
		}
		if !strings.Contains(on, text) {
			s.t.Errorf("%s does not say %q", where, text)
		}
	}
	if got.code != code || s.t.Failed() {
		s.t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got.code, code, got.out, got.err)
	}
}

func TestTheCommandLineSpeaksToTheBot(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(cliFile)

	s.want(s.cli("status", "shop"), 0, "Environments of shop:\n- staging: nothing deployed yet.")
	done := s.cli("deploy", "shop", "staging", "--reason", "the \"big\" sale\n/lock shop staging")
	s.want(done, 0, "Deploying `", " to staging as run r-", "✔ build succeeded", "✔ release succeeded", "✔ deploy succeeded after")
	if done.err != "" || strings.Contains(done.out, "\x1b") {
		t.Errorf("stderr %q, stdout %q", done.err, done.out)
	}
	env := s.cli("status", "shop", "staging")
	s.want(env, 0, "since", "by mona")
	if strings.Contains(env.out, "Locked") {
		t.Errorf("a line of the reason became a command: %s", env.out)
	}

	s.want(s.cli("deploy", "shop", "prdo"), 1, "!shipmate: There is no environment `prdo`. Did you mean `shipmate deploy prod`? (`unknown_environment`)")
	s.want(s.cli("--pr", "1", "--repo", "acme/shop", "deploy", "prod", s.pr.Head.SHA), 0, "• deploy waiting: Waiting for 1 approval (release-leads).", "waits for a person:\n  shipmate approve r-")
	s.want(s.cli("approve", "--service", "shop"), 1, "!unknown_flag")
	s.want(s.cli("--repo", "acme/shop", "approve"), 1, "!(`may_not_approve`)")
	s.want(s.cli("--no-follow", "deploy", "shop", "staging"), 0, "Deploying")
	s.want(s.cli("--repo", "acme/nothing", "status"), 1, "!(unknown_repo)")
	s.settle()

	push := github.Push{Repo: s.repo, Branch: "bad", Files: map[string]string{"broken": "x"}, Message: "Break it"}
	s.must(s.w.GitHub.As("mona").Push(push))
	failed := s.cli("deploy", "shop", "staging", "bad")
	s.want(failed, 1, "✘ build failed", "✘ deploy failed", "!shipmate: run r-", "!failed")
	if log, err := os.ReadFile(s.w.LogFile()); err != nil || bytes.Contains(log, []byte(world.APIToken)) {
		t.Errorf("the bot's log holds the token, or cannot be read: %v", err)
	}
}

func TestTheCommandLineAsJSON(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(cliFile)
	var doc struct {
		ID, Outcome, Code, Text, Run string
		Followed                     *struct{ State string }
	}
	read := func(got said, code int) {
		t.Helper()
		doc.Followed, doc.Code = nil, ""
		if err := json.Unmarshal([]byte(got.out), &doc); err != nil || got.code != code {
			t.Fatalf("exit code %d, %v\n%s%s", got.code, err, got.out, got.err)
		}
	}
	read(s.cli("--output", "json", "deploy", "shop", "staging"), 0)
	if doc.Outcome != "done" || doc.ID == "" || doc.Run == "" || doc.Followed == nil || doc.Followed.State != "succeeded" {
		t.Errorf("%+v", doc)
	}
	read(s.cli("--output=json", "status", doc.Run), 0)
	if doc.Outcome != "done" || doc.Followed != nil || !strings.Contains(doc.Text, "has succeeded") {
		t.Errorf("%+v", doc)
	}
	read(s.cli("--output=json", "deploy", "shop", "nowhere"), 1)
	if doc.Outcome != "refused" || doc.Code != "unknown_environment" {
		t.Errorf("%+v", doc)
	}
	wrong := s.prepared(t.TempDir(), "--output=json", "status")
	wrong.Env = append(wrong.Env, "SHIPMATE_API_TOKEN=wrong")
	read(s.ran(wrong), 1)
	if doc.Outcome != "failed" || doc.Code != "unauthorized" {
		t.Errorf("%+v", doc)
	}
}

// In a clone its repository is meant, unless the words name another service.
func TestTheCommandLineInAClone(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(cliFile)
	s.must(s.w.AddRepo("cart", map[string]string{".shipmate.yaml": strings.Replace(cliFile, "service: shop", "service: cart", 1)}))
	s.settle()
	s.want(s.cli("status"), 1, "!(`which_service`)")

	dir := worktree(t, cliFile)
	origin := exec.CommandContext(s.ctx, "git", "-C", dir, "remote", "add", "origin", s.w.GitHub.URL()+"/acme/shop.git")
	if out, err := origin.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.want(s.ran(s.prepared(dir, "status")), 0, "Environments of shop")
	s.want(s.ran(s.prepared(dir, "deploy", "staging")), 0, "✔ deploy succeeded")
	s.want(s.ran(s.prepared(dir, "status", "cart")), 0, "Environments of cart")
	s.want(s.ran(s.prepared(dir, "--repo", "acme/cart", "status")), 0, "Environments of cart")

	elsewhere := s.prepared(dir, "status")
	elsewhere.Env = append(elsewhere.Env, "SHIPMATE_GITHUB_CLONE_URL=https://github.example")
	s.want(s.ran(elsewhere), 1, "!(`which_service`)")
}

func TestCtrlCStopsFollowingOnly(t *testing.T) {
	s := open(t, world.Config{})
	s.shop(cliFile)
	s.must(s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "slow", Files: map[string]string{"slow": "x"}, Message: "Take long"}))
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	cmd := s.prepared(t.TempDir(), "deploy", "shop", "staging", "slow")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	var all bytes.Buffer
	for buf := make([]byte, 1024); !strings.Contains(all.String(), "▶ build running"); {
		n, err := out.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v\n%s%s", err, &all, &errs)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	_, line, found := strings.Cut(errs.String(), "goes on; to cancel it: shipmate ")
	if code := cmd.ProcessState.ExitCode(); code != 1 || !found {
		t.Fatalf("exit code %d\n%s", code, &errs)
	}
	words := strings.Fields(line)
	s.want(s.cli("status", words[1]), 0, "is running")
	s.want(s.cli(words...), 0, words[1])
	s.settle()
	s.want(s.cli("status", words[1]), 0, "was cancelled")
}

// Who waits for an answer does not keep the bot from stopping.
func TestTheBotStopsWhileSomebodyWaits(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_ROLES=web"}}) // nobody works, so nothing is answered
	client := &http.Client{Timeout: 40 * time.Second}
	call := func(ctx context.Context, method, path, body string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, method, s.w.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+world.APIToken)
		req.Header.Set("Content-Type", "application/json")
		return client.Do(req)
	}
	res, err := call(s.ctx, http.MethodPost, "/api/v1/commands", `{"text": "/help"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var accepted struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&accepted); err != nil || accepted.ID == "" {
		t.Fatalf("%+v %v", accepted, err)
	}
	asked, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		trace := httptrace.WithClientTrace(s.ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) }})
		if res, err := call(trace, http.MethodGet, "/api/v1/commands/"+accepted.ID+"?wait=30s", ""); err == nil {
			res.Body.Close()
		}
	}()
	<-asked
	if got := s.post("/github/webhook"); got != http.StatusNotFound { // the bot has had time to read the request
		t.Errorf("the role web takes webhooks: %d", got)
	}
	if err := s.w.StopBot(); err != nil {
		t.Errorf("it does not stop in order: %v", err)
	}
	<-ended
}

func TestTheCommandLineSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "SHIPMATE_URL=http://127.0.0.1:1"
	for _, test := range []struct {
		env  []string
		args string
		says string
	}{
		{nil, "status", "SHIPMATE_URL"},
		{[]string{"SHIPMATE_BASE_URL=shipmate"}, "status", "SHIPMATE_BASE_URL"},
		{[]string{url}, "status", "SHIPMATE_API_TOKEN"},
		{[]string{url, "SHIPMATE_API_TOKEN_FILE=" + file}, "status", "SHIPMATE_API_TOKEN"},
		{[]string{url, "SHIPMATE_API_TOKEN_FILE=/no/such/file"}, "status", "SHIPMATE_API_TOKEN_FILE"},
		{[]string{url}, "--output xml status", "--output"},
		{[]string{url}, "status --output json", "--output stands before the verb"},
		{[]string{url}, "--output json validate", "--output stands before verbs"},
		{[]string{url}, "--bogus status", "--bogus"},
		{[]string{url}, "stauts", `did you mean "status"`},
		{[]string{url}, "run", "arg"},
	} {
		cmd := exec.CommandContext(t.Context(), binary, strings.Fields(test.args)...)
		cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, test.env...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), test.says) {
			t.Errorf("%s with %v: %v, want exit code 2 and %q\n%s", test.args, test.env, err, test.says, out)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, err := exec.CommandContext(t.Context(), binary, "completion", shell).Output(); err != nil || !strings.Contains(string(out), "shipmate") {
			t.Errorf("%s: %v", shell, err)
		}
	}
	for line, want := range map[string]string{"ro": "rollback", "deploy --re": "--reason", "--output json ro": "rollback"} {
		args := append([]string{"__complete"}, strings.Fields(line)...)
		if out, err := exec.CommandContext(t.Context(), binary, args...).Output(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %s %v", line, out, err)
		}
	}
}
