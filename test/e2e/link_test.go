package e2e

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/slack"
	"github.com/shipmate/shipmate/test/world"
)

// as says something on Slack and returns the newest word that only they see.
func (s *scene) as(user, name, text string) string {
	s.t.Helper()
	if _, err := s.w.Slack.SlashCommand(s.ctx, slack.Command{User: user, Channel: world.Channel, Name: name, Text: text}); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
	last := ""
	for _, m := range s.w.Slack.EphemeralsTo(user) {
		if !strings.HasPrefix(m.Rendered, "On it: ") { // which of the two is there first is a matter of luck
			last = m.Rendered
		}
	}
	return last
}

// People link themselves in a browser, and Slack knows at once; the log, at its
// most talkative, holds nothing that one could sign in with.
func TestLinkingAccounts(t *testing.T) {
	s := open(t, world.Config{Link: true, Env: []string{"SHIPMATE_LOG_LEVEL=debug"}})
	s.shop(file)
	for name, id := range map[string]string{"zoe": "U0ZOE", "ada": "U0ADA"} {
		s.w.Slack.AddUser(slack.User{ID: id, Name: name})
		if err := s.w.Slack.Join(world.Channel, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.w.GitHub.AddUser(github.NewUser{Login: "alice", ID: 14}); err != nil {
		t.Fatal(err)
	}
	if err := s.w.GitHub.SetCollaborator(s.repo, github.Collaborator{Login: "alice", Role: "write"}); err != nil {
		t.Fatal(err)
	}

	if said := s.as("zoe", "/deploy", "shop staging"); !strings.Contains(said, "Say `/link`") {
		t.Errorf("not linked: %q", said)
	}
	s.as("zoe", "/link", "")
	stolen := s.must(s.w.LinkTo("zoe"))
	if res, err := http.PostForm(s.w.URL+"/link", url.Values{"code": {"x"}}); err != nil || res.StatusCode != http.StatusForbidden || res.Body.Close() != nil {
		t.Errorf("a post without a code: %v, %v", res, err)
	}
	if status, page, err := s.w.Follow(s.ctx, stolen, world.Visitor{Slack: "ada", GitHub: "alice"}); err != nil || status != http.StatusForbidden || !strings.Contains(page, "link_not_yours") {
		t.Errorf("ada follows zoe's link: %d %s %v", status, page, err)
	}
	link := func(name string) {
		t.Helper()
		s.as(name, "/link", "")
		status, page, err := s.w.Follow(s.ctx, s.must(s.w.LinkTo(name)), world.Visitor{Slack: name, GitHub: "alice"})
		if err != nil || status != http.StatusOK || !strings.Contains(page, "now acts as GitHub user alice (14)") {
			t.Fatalf("%s links: %d %s %v", name, status, page, err)
		}
		s.settle()
	}
	link("zoe")
	if said := s.as("zoe", "/deploy", "shop staging"); !strings.Contains(said, "to *staging* as run") {
		t.Errorf("linked: %q", said)
	}
	s.wantDeployed("alice")

	link("ada") // the newest wins, and zoe is told
	if said := s.as("zoe", "/deploy", "shop staging"); !strings.Contains(said, "not_linked") {
		t.Errorf("linked before: %q", said)
	}
	told := s.w.Slack.Snapshot().Transcript()
	for _, want := range []string{"Your Slack account now acts as GitHub user `alice` (14)", "is now linked to Slack user `U0ADA`, so your Slack account is linked to nobody any more"} {
		if !strings.Contains(told, want) {
			t.Errorf("nobody is told %q:\n%s", want, told)
		}
	}
	s.as("ada", "/link", "--remove")
	if said := s.as("ada", "/deploy", "shop staging"); !strings.Contains(said, "not_linked") {
		t.Errorf("unlinked: %q", said)
	}
	s.linkLog(stolen)
}

func (s *scene) wantDeployed(login string) {
	s.t.Helper()
	if all := s.w.Slack.Snapshot().Transcript(); !strings.Contains(all, "by "+login) {
		s.t.Errorf("nothing was deployed by %s:\n%s", login, all)
	}
}

func (s *scene) linkLog(address string) {
	s.t.Helper()
	log, err := os.ReadFile(s.w.LogFile())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, secret := range []string{"ghu_", "ghr_", "xoxp-", "client-secret", "code=", "code_verifier", "eyJ", strings.Split(address, "code=")[1]} {
		if strings.Contains(string(log), secret) {
			s.t.Errorf("the log has %q", secret)
		}
	}
	for _, kept := range []string{`"kind":"identity"`, `"code":"linked"`, `"code":"unlinked"`, `"code":"link_not_yours"`} {
		if !strings.Contains(string(log), kept) {
			s.t.Errorf("the audit log has no %s", kept)
		}
	}
}

func TestLinkingThatIsNotConfigured(t *testing.T) {
	s := open(t, world.Config{Env: []string{"SHIPMATE_SLACK_CLIENT_ID=1.2"}})
	s.w.Slack.AddUser(slack.User{ID: "U0ZOE", Name: "zoe"})
	if err := s.w.Slack.Join(world.Channel, "zoe"); err != nil {
		t.Fatal(err)
	}
	if said := s.as("zoe", "/shipmate", "status"); !strings.Contains(said, "identities file") {
		t.Errorf("/status says %q", said)
	}
	said := s.as("zoe", "/link", "")
	for _, want := range []string{"link_not_configured", "SHIPMATE_GITHUB_CLIENT_ID, SHIPMATE_GITHUB_CLIENT_SECRET, SHIPMATE_SLACK_CLIENT_SECRET"} {
		if !strings.Contains(said, want) {
			t.Errorf("/link says %q", said)
		}
	}
	res, err := http.Get(s.w.URL + "/link?code=x")
	if err != nil || res.StatusCode != http.StatusNotFound || res.Body.Close() != nil {
		t.Errorf("GET /link: %v, %v", res, err)
	}
}
