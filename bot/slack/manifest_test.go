package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
)

func TestManifest(t *testing.T) {
	var all []slack.SlashCommand
	for _, c := range commands.All(commands.Desk{}) {
		h := c.Help()
		all = append(all, slack.SlashCommand{Name: h.Name, Summary: h.Summary, Usage: strings.TrimSpace(strings.TrimPrefix(h.Usage(), h.Name))})
	}
	var m struct {
		Features struct {
			Commands []struct{ Command, URL, Description string } `json:"slash_commands"`
		}
		OAuth struct {
			Redirects []string `json:"redirect_urls"`
		} `json:"oauth_config"`
		Settings struct {
			Socket bool `json:"socket_mode_enabled"`
			Events struct {
				URL string `json:"request_url"`
			} `json:"event_subscriptions"`
		}
	}
	if err := json.Unmarshal(slack.Manifest(slack.Setup{BaseURL: "https://ship.example/", Commands: all}), &m); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range m.Features.Commands {
		names[c.Command] = true
		if c.URL != "https://ship.example/slack/commands" || c.Description == "" {
			t.Errorf("%+v", c)
		}
	}
	if !names["/deploy"] || !names["/shipmate"] || names["/status"] || names["/help"] {
		t.Errorf("commands: %v; Slack keeps /status for itself", names)
	}
	if len(m.OAuth.Redirects) != 1 || m.OAuth.Redirects[0] != "https://ship.example/link/slack" {
		t.Errorf("people sign in to %v", m.OAuth.Redirects)
	}
	if m.Settings.Socket || m.Settings.Events.URL != "https://ship.example/slack/events" {
		t.Errorf("%+v", m.Settings)
	}
	if over := string(slack.Manifest(slack.Setup{Socket: true, Commands: all})); strings.Contains(over, "url") {
		t.Errorf("Socket Mode needs no addresses:\n%s", over)
	}
}
