package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

func TestGitHubOnly(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_SLACK_BOT_TOKEN=", "SHIPMATE_SLACK_SIGNING_SECRET="}})
	s.shop(file)
	s.say("/deploy staging")
	s.settle()
	s.wantStatus("shipmate/checks", "success")
	s.wantStatus("shipmate/deploy/staging", "success")
	if calls := s.w.Slack.Requests(); len(calls) > 0 {
		t.Errorf("Slack was called: %v", calls)
	}
	if got := s.post("/slack/commands"); got != http.StatusNotFound {
		t.Errorf("/slack/commands answers %d, want 404", got)
	}
}

func TestSlackOnly(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_GITHUB_APP_ID=", "SHIPMATE_GITHUB_PRIVATE_KEY_FILE=", "SHIPMATE_GITHUB_WEBHOOK_SECRET="}})
	if text := s.command("/shipmate", "status"); !strings.Contains(text, "No repository") {
		t.Errorf("/status says %q", text)
	}
	if text := s.command("/shipmate", "help"); !strings.Contains(text, "What you can say here") {
		t.Errorf("/help says %q", text)
	}
	if got := s.post("/github/webhook"); got != http.StatusNotFound {
		t.Errorf("/github/webhook answers %d, want 404", got)
	}
	if calls := s.w.GitHub.Requests(); len(calls) > 0 {
		t.Errorf("GitHub was called: %v", calls)
	}
}

func (s *scene) post(path string) int {
	s.t.Helper()
	res, err := http.Post(s.w.URL+path, "application/json", strings.NewReader("{}"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode
}

func TestSocketMode(t *testing.T) {
	s := open(t, world.Config{SocketMode: true})
	s.shop(file)
	if err := s.w.Slack.WaitFor(s.ctx, func(st *slack.State) bool { return st.Sockets > 0 }); err != nil {
		t.Fatal(err)
	}
	if text := s.command("/deploy", "shop staging"); !strings.Contains(text, "to *staging* as run") {
		t.Errorf("/deploy says %q", text)
	}
	if _, err := s.w.Slack.Mention(s.ctx, slack.Post{User: "mona", Channel: world.Channel, Text: "status shop"}); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if all := s.w.Slack.Snapshot().Transcript(); !strings.Contains(all, "Environments of shop") {
		t.Errorf("the mention was not answered:\n%s", all)
	}
}
