package slack

import (
	"encoding/json"
	"strings"
)

// Setup is what the app's manifest depends on.
type Setup struct {
	BaseURL  string // public address of the bot; not needed with Socket Mode
	Socket   bool
	Commands []SlashCommand
}

// SlashCommand is one command in Slack's list.
type SlashCommand struct {
	Name    string // with its slash
	Summary string
	Usage   string // the words after the name
}

// Manifest is the app's configuration as JSON, for "Create from manifest" on
// api.slack.com/apps.
func Manifest(s Setup) []byte {
	base := strings.TrimSuffix(s.BaseURL, "/")
	slash := []any{}
	command := func(name, summary, usage string) {
		c := map[string]any{"command": name, "description": short(summary, 140), "usage_hint": short(usage, 140), "should_escape": false}
		if usage == "" {
			delete(c, "usage_hint")
		}
		if !s.Socket {
			c["url"] = base + "/slack/commands"
		}
		slash = append(slash, c)
	}
	command("/"+botName, "All commands, also those whose names Slack keeps for itself", "status shop prod")
	for _, c := range s.Commands {
		if spelled(c.Name) == c.Name && c.Name != "/"+botName {
			command(c.Name, c.Summary, c.Usage)
		}
	}
	interactivity := map[string]any{"is_enabled": true}
	events := map[string]any{"bot_events": namesOf(Events())}
	if !s.Socket {
		interactivity["request_url"] = base + "/slack/interactions"
		events["request_url"] = base + "/slack/events"
	}
	oauth := map[string]any{"scopes": map[string]any{"bot": Scopes()}}
	if base != "" {
		oauth["redirect_urls"] = []string{base + "/link/slack"} // of "Sign in with Slack", see package link
	}
	manifest := map[string]any{
		"display_information": map[string]any{"name": botName, "description": "Deploys, approvals and rollbacks where the team talks", "background_color": "#1f2937"},
		"features": map[string]any{
			"bot_user":       map[string]any{"display_name": botName, "always_online": true},
			"slash_commands": slash,
			"shortcuts": []any{
				map[string]any{"name": "Deploy", "type": "global", "callback_id": deployForm, "description": "Deploy a service"},
				map[string]any{"name": "Roll this back", "type": "message", "callback_id": rollbackForm, "description": "Bring the previous good revision back"},
			},
			"app_home": map[string]any{"home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false},
		},
		"oauth_config": oauth,
		"settings": map[string]any{
			"event_subscriptions":    events,
			"interactivity":          interactivity,
			"org_deploy_enabled":     false,
			"socket_mode_enabled":    s.Socket,
			"token_rotation_enabled": false,
		},
	}
	out, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		panic(err) // it holds nothing that has no JSON
	}
	return append(out, '\n')
}
