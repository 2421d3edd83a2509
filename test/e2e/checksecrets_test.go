package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline/redisstore/redistest"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const nexusToken = "nexus-7d793037a0760186"

// The script proves that it got the token: it can name the second half of it.
const checkSecretsFile = `
checks:
  secrets: {NEXUS_TOKEN: "env:SHOP_NEXUS"}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - name: build
        run: |
          echo ran >> "$PROOF/$SHIPMATE_REF"
          test "${NEXUS_TOKEN#nexus-7d793037}" = a0760186
          echo "the token is $NEXUS_TOKEN"
          printf %s "$NEXUS_TOKEN" | base64
          echo "token=$NEXUS_TOKEN" >> "$SHIPMATE_OUTPUT"
          echo "It is $NEXUS_TOKEN." >> "$SHIPMATE_SUMMARY"
          echo "README.md:1: warning: $NEXUS_TOKEN" >> "$SHIPMATE_ANNOTATIONS"
          echo "sha256 is $(printf %s "$NEXUS_TOKEN" | sha256sum)"
          false
        secrets: [NEXUS_TOKEN]
        environment: {PROOF: "FOLDER"}
`

// A branch's check has its secret, and nothing outside of the script shows it. A
// fork's, which a maintainer let run, does not even begin.
func TestSecretsOfChecks(t *testing.T) {
	proof := t.TempDir()
	redis := redistest.Start(t)
	s := open(t, world.Config{RedisURL: redis.URL(), Env: []string{"SHIPMATE_SECRET_SHOP_NEXUS=" + nexusToken, "SHIPMATE_LOG_LEVEL=debug"},
		Settings: "secrets: {checks: [{repo: acme/shop, refs: [\"env:SHOP_NEXUS\"]}]}\n"})
	s.shop(strings.ReplaceAll(checkSecretsFile, "FOLDER", proof))
	s.wantStatus("shipmate/checks", "failure")
	said := s.said()
	if !strings.Contains(said, fmt.Sprintf("sha256 is %x", sha256.Sum256([]byte(nexusToken)))) || !strings.Contains(said, "the token is ***") {
		t.Errorf("the script did not get the token, or did not say so:\n%s", said)
	}
	s.noToken(said, redis.URL())

	fork, err := s.w.GitHub.As("eve").ForkPR(github.NewPR{Repo: s.repo, Head: "lunch", Title: "Free lunch"}, map[string]string{"lunch.txt": "x"})
	if err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.pr = fork
	s.say("/ok-to-test " + fork.Head.SHA)
	s.settle()
	s.wantStatus("shipmate/checks", "failure")
	if said := s.said(); !strings.Contains(said, "The code of forks is never given secrets") {
		t.Errorf("it said\n%s", said)
	}
	ran, err := os.ReadDir(proof)
	if err != nil || len(ran) != 1 || ran[0].Name() != "sale" {
		t.Errorf("scripts that began: %v, %v", ran, err)
	}
}

// said is all that the pull request shows: comments, checks, annotations.
func (s *scene) said() string {
	s.t.Helper()
	var all strings.Builder
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		all.WriteString(c.Body + "\n")
	}
	for _, c := range s.w.GitHub.CheckRuns(s.repo, s.pr.Head.SHA) {
		for _, text := range []*string{c.Output.Title, c.Output.Summary, c.Output.Text} {
			if text != nil {
				all.WriteString(*text + "\n")
			}
		}
	}
	return all.String()
}

// noToken looks for the token, and for base64 of it, wherever the bot writes.
func (s *scene) noToken(said, redisURL string) {
	s.t.Helper()
	for _, r := range s.w.GitHub.Requests() {
		body, err := json.Marshal(r.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		said += string(body)
	}
	dump, err := exec.CommandContext(s.ctx, "sh", "-c", `redis-cli -u "$0" config set rdbcompression no >&2 && redis-cli -u "$0" --rdb -`, redisURL).Output()
	if err != nil {
		s.t.Logf("redis is not looked at: %v", err)
	}
	found := map[string][]byte{"GitHub": []byte(said), "Redis": dump}
	if found["the bot's log"], err = os.ReadFile(s.w.LogFile()); err != nil {
		s.t.Fatal(err)
	}
	err = filepath.WalkDir(s.w.DataDir(), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			found[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		s.t.Logf("the bot's folder: %v", err)
	}
	for where, text := range found {
		for _, token := range []string{nexusToken, "bmV4dXMtN2Q3OTMwMzdhMDc2MDE4Ng"} {
			if bytes.Contains(text, []byte(token)) {
				s.t.Errorf("the token is in %s", where)
			}
		}
	}
}

// On one's own machine a check has the secrets of one's own shell.
func TestSecretsOfChecksOnTheTerminal(t *testing.T) {
	proof := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, "run", "checks")
	cmd.Dir = worktree(t, strings.ReplaceAll(checkSecretsFile, "FOLDER", proof))
	cmd.Env = append(os.Environ(), "SHIPMATE_SECRET_SHOP_NEXUS="+nexusToken)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("the token is ***")) || bytes.Contains(out, []byte(nexusToken)) {
		t.Errorf("%v\n%s", err, out)
	}
}
