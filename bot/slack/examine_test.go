package slack_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// examined is what a client with these tokens finds at a Slack.
func examined(t *testing.T, s *sim.Server, bot, app string) []bot.Finding {
	t.Helper()
	c, err := slack.NewClient(slack.ClientConfig{BotToken: bot, AppToken: app, APIURL: s.APIURL()})
	if err != nil {
		t.Fatal(err)
	}
	return c.Examine(t.Context())
}

func simulated(t *testing.T, cfg sim.Config) *sim.Server {
	t.Helper()
	s := sim.New(cfg)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func wantFinding(t *testing.T, found []bot.Finding, kind string, gravity bot.Gravity, says ...string) {
	t.Helper()
	if len(found) != 1 || found[0].Kind != kind || found[0].Gravity != gravity {
		t.Fatalf("found %v, want one %s", found, kind)
	}
	for _, word := range says {
		if !strings.Contains(found[0].Text, word) {
			t.Errorf("does not say %q: %s", word, found[0].Text)
		}
	}
	if strings.Contains(found[0].Text, "verysecret") {
		t.Errorf("shows the token: %s", found[0].Text)
	}
}

// The scopes of the manifest are enough, and what is missing of them is said.
func TestExamineFindsMissingScopes(t *testing.T) {
	s := simulated(t, sim.Config{Scopes: slack.Scopes()})
	if found := examined(t, s, "xoxb-sim", "xapp-sim"); found != nil {
		t.Errorf("found %v", found)
	}
	s = simulated(t, sim.Config{Scopes: []string{"chat:write", "commands", "users:read", "channels:read", "channels:join", "channels:history", "app_mentions:read", "groups:read", "groups:history"}})
	wantFinding(t, examined(t, s, "xoxb-sim", ""), "slack_scopes", bot.Lacking, "im:history", "im:write", "nobody is written to", "shipmate slack-manifest", "Install App")
}

// Each error of Slack's about a token is told from one that is over soon.
func TestExamineSaysWhatIsWrongWithAToken(t *testing.T) {
	s := simulated(t, sim.Config{})
	wantFinding(t, examined(t, s, "xoxb-verysecret", ""), "slack_token", bot.Wrong, "SHIPMATE_SLACK_BOT_TOKEN", "invalid_auth", "OAuth & Permissions")
	wantFinding(t, examined(t, s, "xapp-verysecret", ""), "slack_token", bot.Wrong, "SHIPMATE_SLACK_BOT_TOKEN", "another kind")
	wantFinding(t, examined(t, s, "xoxb-sim", "xapp-verysecret"), "slack_token", bot.Wrong, "SHIPMATE_SLACK_APP_TOKEN", "connections:write")
	wantFinding(t, examined(t, s, "xoxb-sim", "xoxb-sim"), "slack_token", bot.Wrong, "SHIPMATE_SLACK_APP_TOKEN", "another kind")
	for code, c := range map[string]struct {
		kind    string
		gravity bot.Gravity
		says    string
	}{
		"account_inactive":       {"slack_token", bot.Wrong, "Install the app again"},
		"token_revoked":          {"slack_token", bot.Wrong, "Install the app again"},
		"token_expired":          {"slack_token", bot.Wrong, "token rotation off"},
		"not_allowed_token_type": {"slack_token", bot.Wrong, "another kind"},
		"access_denied":          {"slack_refused", bot.Lacking, "access_denied"},
		"internal_error":         {"slack_unreachable", bot.Unknown, "for now"},
		"ratelimited":            {"slack_unreachable", bot.Unknown, "for now"},
	} {
		s := simulated(t, sim.Config{})
		s.Inject(sim.Fault{Method: "auth.test", Error: code})
		wantFinding(t, examined(t, s, "xoxb-sim", ""), c.kind, c.gravity, c.says)
	}
	s.Close()
	wantFinding(t, examined(t, s, "xoxb-verysecret", ""), "slack_unreachable", bot.Unknown, "HTTPS_PROXY")
}
