package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/world"
)

const auditKey = "an audit key that is long enough to be one"

// What was said, decided and refused is in the audit log, and a change of the
// log is found, also after it was exported.
func TestAudit(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_AUDIT_KEY=" + auditKey, "SHIPMATE_AUDIT_CHANNEL=#" + world.Channel}})
	s.shop(`service: shop
environments:
  staging: {freeze: [{cron: "0 0 1 * *", for: 745h, reason: stocktaking}]}
  prod: {approvals: {count: 1, by: ["team:release-leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: release, run: echo released}
`)
	s.say("/deploy staging")
	s.settle()
	s.sayAs("eve", "/deploy staging")
	s.settle()
	run := regexp.MustCompile(`run (r-\w{8})`).FindStringSubmatch(s.command("/shipmate", "status shop staging"))[1]
	s.sayAs("octavia", "/override "+run+` freeze --reason "the <site> is *down*"`)
	s.settle()
	s.say("/deploy prod")
	s.settle()
	s.sayAs("octavia", "/approve")
	s.settle()
	s.command("/deploy", "shop nowhere")

	exported, code := s.audit("export")
	if code != 0 {
		t.Fatalf("export ended with %d:\n%s", code, exported)
	}
	var all strings.Builder
	for _, line := range bytes.Split(bytes.TrimSpace(exported), []byte("\n")) {
		var e pipeline.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all.WriteString(strings.Join([]string{e.Kind, e.Actor, e.Via, e.Environment, e.Code, e.Text}, "|") + "\n")
	}
	for _, want := range []string{
		"started||operator||",
		"config||||read|",
		"command|mona|github||done|/deploy staging\n",
		"refused|eve|github||not_allowed|/deploy staging: ",
		"command|octavia|github||done|/override " + run + " freeze",
		"approval|octavia|github|staging|approved|override:freeze: the <site> is *down*\n",
		"run|mona|github|staging|queued|",
		"run||github|staging|frozen|",
		"run||github|staging|succeeded|",
		"approval|octavia|github|prod|approved|environment: \n",
		"refused|mona|slack||unknown_environment|",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the audit log lacks %q:\n%s", want, all.String())
		}
	}

	if out, code := s.audit("verify"); code != 0 || !strings.Contains(string(out), "none of them changed") {
		t.Errorf("verify ended with %d: %s", code, out)
	}
	if out, code := s.audit("verify", "--seen", "100000"); code != 1 || !strings.Contains(string(out), "cut off") {
		t.Errorf("a log that is cut off: verify ended with %d: %s", code, out)
	}
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	for name, text := range map[string]string{
		"none of them changed": string(exported),
		"was changed":          strings.Replace(string(exported), `"actor":"octavia"`, `"actor":"mona"`, 1),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, _ := s.audit("verify", "--file", file); !strings.Contains(string(out), name) {
			t.Errorf("verify of an exported file says %s, want %q", out, name)
		}
	}

	// The operator's channel is told of the override, and nothing in it is markup.
	loud := ""
	for _, m := range s.w.Slack.Messages(world.Channel) {
		if strings.Contains(m.Rendered, "overrides freeze") {
			loud = m.Rendered
		}
	}
	if !strings.Contains(loud, "octavia overrides freeze for run "+run) || !strings.Contains(loud, "`the <site> is *down*`") && !strings.Contains(loud, "`the &lt;site&gt; is *down*`") {
		t.Errorf("the audit channel was told %q", loud)
	}
	if b, err := os.ReadFile(s.w.LogFile()); err != nil || strings.Contains(string(b), auditKey) {
		t.Errorf("the key is in the bot's log, or there is none: %v", err)
	}
}

// audit runs the command beside the bot, with the bot's own settings.
func (s *scene) audit(args ...string) ([]byte, int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, binary, append([]string{"audit"}, args...)...)
	cmd.Dir = s.t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "SHIPMATE_DATA_DIR=" + s.w.DataDir(), "SHIPMATE_AUDIT_KEY=" + auditKey}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, exit.ExitCode()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return out, 0
}
