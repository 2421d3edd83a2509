package slack_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/slack"
)

// api calls a method with a form, or with JSON if body begins with {.
func api(t *testing.T, s *slack.Server, token, method, body string) (map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.APIURL()+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s answers %s", method, raw)
	}
	return out, resp.Header
}

func TestRefusals(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.EnforceLimits(false)
	open := s.AddChannel("open")
	locked := s.CreateChannel(slack.Channel{Name: "locked", Private: true, Members: []string{"U1"}})
	away := s.CreateChannel(slack.Channel{Name: "away", Members: []string{"U1"}})
	old := s.AddChannel("old")
	if err := s.Archive(old); err != nil {
		t.Fatal(err)
	}
	if err := s.Join(open, "U1"); err != nil {
		t.Fatal(err)
	}
	said, err := s.Say(slack.Post{User: "U1", Channel: open, Text: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	const bot = "xoxb-test"
	tests := []struct{ name, token, method, body, want string }{
		{"no token", "", "auth.test", "", "not_authed"},
		{"a wrong token", "xoxb-wrong", "auth.test", "", "invalid_auth"},
		{"the app token for a bot method", "xapp-test", "chat.postMessage", "", "not_allowed_token_type"},
		{"the bot token for Socket Mode", bot, "apps.connections.open", "", "not_allowed_token_type"},
		{"an unknown method", bot, "chat.shout", "", "unknown_method"},
		{"broken JSON", bot, "chat.postMessage", "{", "invalid_json"},
		{"no channel", bot, "chat.postMessage", form("text", "x"), "invalid_arguments"},
		{"an unknown channel", bot, "chat.postMessage", form("channel", "C0", "text", "x"), "channel_not_found"},
		{"a private channel without the app", bot, "chat.postMessage", form("channel", locked, "text", "x"), "channel_not_found"},
		{"a public channel without the app", bot, "chat.postMessage", form("channel", away, "text", "x"), "not_in_channel"},
		{"an archived channel", bot, "chat.postMessage", form("channel", old, "text", "x"), "is_archived"},
		{"nothing said", bot, "chat.postMessage", form("channel", open), "no_text"},
		{"blocks that are no list", bot, "chat.postMessage", form("channel", open, "blocks", "{}"), "invalid_blocks_format"},
		{"blocks that do not exist", bot, "chat.postMessage", form("channel", open, "blocks", `[{"type":"x"}]`), "invalid_blocks"},
		{"metadata without type", bot, "chat.postMessage", form("channel", open, "text", "x", "metadata", `{}`), "invalid_metadata_format"},
		{"a thread that is no timestamp", bot, "chat.postMessage", form("channel", open, "text", "x", "thread_ts", "now"), "invalid_thread_ts"},
		{"update by channel name", bot, "chat.update", form("channel", "#open", "ts", said.TS, "text", "x"), "channel_not_found"},
		{"update of nothing", bot, "chat.update", form("channel", open, "ts", "1.000001", "text", "x"), "message_not_found"},
		{"update of somebody's message", bot, "chat.update", form("channel", open, "ts", said.TS, "text", "x"), "cant_update_message"},
		{"delete of somebody's message", bot, "chat.delete", form("channel", open, "ts", said.TS), "cant_delete_message"},
		{"permalink to nothing", bot, "chat.getPermalink", form("channel", open, "message_ts", "1.000001"), "message_not_found"},
		{"history without membership", bot, "conversations.history", form("channel", away), "not_in_channel"},
		{"history with a JSON body, which is ignored", bot, "conversations.history", `{"channel":"` + open + `"}`, "invalid_arguments"},
		{"replies to nothing", bot, "conversations.replies", form("channel", open, "ts", "1.000001"), "thread_not_found"},
		{"join of an archived channel", bot, "conversations.join", form("channel", old), "is_archived"},
		{"a made-up cursor", bot, "conversations.list", form("cursor", "???"), "invalid_cursor"},
		{"an unknown person", bot, "users.info", form("user", "U0"), "user_not_found"},
		{"an emoji that is none", bot, "reactions.add", form("channel", open, "timestamp", said.TS, "name", ":x y:"), "invalid_name"},
		{"a reaction that is not there", bot, "reactions.remove", form("channel", open, "timestamp", said.TS, "name", "eyes"), "no_reaction"},
		{"a made-up trigger", bot, "views.open", form("trigger_id", "1.2.3", "view", modalJSON), "invalid_trigger_id"},
		{"a view without title", bot, "views.open", form("trigger_id", "1.2.3", "view", `{"type":"modal","blocks":[]}`), "invalid_arguments"},
		{"a view too large", bot, "views.open", form("trigger_id", "1.2.3", "view", `{"type":"modal","x":"`+strings.Repeat("x", 250_000)+`"}`), "view_too_large"},
		{"update of a view that is gone", bot, "views.update", form("view_id", "V0", "view", modalJSON), "not_found"},
		{"an unknown OAuth client", "", "oauth.v2.access", form("code", "x"), "invalid_client_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := api(t, s, tt.token, tt.method, tt.body)
			if got["ok"] != false || got["error"] != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestAMissingScopeIsNamed(t *testing.T) {
	s, _ := start(t, slack.Config{Scopes: []string{"chat:write"}})
	got, _ := api(t, s, "xoxb-test", "users.info", "user=U1")
	if got["error"] != "missing_scope" || got["needed"] != "users:read" || got["provided"] != "chat:write" {
		t.Errorf("got %v", got)
	}
	_, h := api(t, s, "xoxb-test", "auth.test", "")
	if h.Get("X-OAuth-Scopes") != "chat:write" {
		t.Errorf("X-OAuth-Scopes %q", h.Get("X-OAuth-Scopes"))
	}
}

func TestAMessageThatIsTooLongForAnUpdate(t *testing.T) {
	s, _ := start(t, slack.Config{})
	posted, _ := api(t, s, "xoxb-test", "chat.postMessage", "channel=deploys&text=x")
	body := url.Values{"channel": {posted["channel"].(string)}, "ts": {posted["ts"].(string)}, "text": {strings.Repeat("x", 4001)}}
	if got, _ := api(t, s, "xoxb-test", "chat.update", body.Encode()); got["error"] != "msg_too_long" {
		t.Errorf("got %v", got)
	}
}

func TestRecordedRequestsHaveNoTokens(t *testing.T) {
	s, _ := start(t, slack.Config{})
	api(t, s, "", "chat.postMessage", "token=xoxb-test&channel=deploys&text=x")
	api(t, s, "", "oauth.v2.access", "client_id=1&client_secret=hush&code=c")
	raw, err := json.Marshal(s.Requests())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "xoxb-test") || strings.Contains(string(raw), "hush") {
		t.Errorf("recorded %s", raw)
	}
	if len(s.Requests("chat.postMessage")) != 1 {
		t.Errorf("recorded %s", raw)
	}
}
