package slack_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/test/sim/slack"
)

const modalJSON = `{"type":"modal","title":{"type":"plain_text","text":"Deploy"},"submit":{"type":"plain_text","text":"Go"},
	"callback_id":"deploy","blocks":[
	{"type":"input","block_id":"reason","label":{"type":"plain_text","text":"Reason"},"element":{"type":"plain_text_input","action_id":"text","max_length":10}},
	{"type":"input","block_id":"env","label":{"type":"plain_text","text":"Environment"},"element":{"type":"static_select","action_id":"menu","options":[
		{"text":{"type":"plain_text","text":"staging"},"value":"s"},{"text":{"type":"plain_text","text":"prod"},"value":"p"}]}}]}`

func TestWhatBlockKitRefuses(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.EnforceLimits(false)
	long := func(n int) string { return strings.Repeat("x", n) }
	button := func(rest string) string {
		return `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"ok"}` + rest + `}]}]`
	}
	tests := []struct{ name, blocks, want string }{
		{"a section without text", `[{"type":"section"}]`, "must define either `text` or `fields` [json-pointer:/blocks/0]"},
		{"an empty text", `[{"type":"section","text":{"type":"mrkdwn","text":""}}]`, "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{"a text as string", `[{"type":"section","text":"x"}]`, "must be a valid value [json-pointer:/blocks/0/text]"},
		{"a key nobody knows", `[{"type":"divider","color":"red"}]`, "invalid additional property: color [json-pointer:/blocks/0]"},
		{"a header in mrkdwn", `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`, "must be a valid value [json-pointer:/blocks/0/text/type]"},
		{"an unknown element", `[{"type":"actions","elements":[{"type":"slider"}]}]`, "unsupported type [json-pointer:/blocks/0/elements/0]"},
		{"a button without text", `[{"type":"actions","elements":[{"type":"button"}]}]`, "missing required field: text [json-pointer:/blocks/0/elements/0]"},
		{"no type", `[{"text":"x"}]`, "missing required field: type [json-pointer:/blocks/0]"},
		{"the same block_id twice", `[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`, "`block_id` has to be unique [json-pointer:/blocks/1/block_id]"},
		{"a section too long", `[{"type":"section","text":{"type":"mrkdwn","text":"` + long(3001) + `"}}]`, "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{"a field too long", `[{"type":"section","fields":[{"type":"mrkdwn","text":"` + long(2001) + `"}]}]`, "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{"a header too long", `[{"type":"header","text":{"type":"plain_text","text":"` + long(151) + `"}}]`, "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{"a button value too long", button(`,"value":"` + long(2001) + `"`), "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"},
		{
			"a dialog too long", button(`,"confirm":{"title":{"type":"plain_text","text":"` + long(101) + `"},"text":{"type":"plain_text","text":"x"}}`),
			"must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
		},
		{
			"a dialog's button too long", button(`,"confirm":{"text":{"type":"plain_text","text":"x"},"deny":{"type":"plain_text","text":"` + long(31) + `"}}`),
			"must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/deny/text]",
		},
		{
			"26 buttons", `[{"type":"actions","elements":[` + repeat(26, `{"type":"button","text":{"type":"plain_text","text":"b"}}`) + `]}]`,
			"no more than 25 items allowed [json-pointer:/blocks/0/elements]",
		},
		{
			"11 context elements", `[{"type":"context","elements":[` + repeat(11, `{"type":"mrkdwn","text":"x"}`) + `]}]`,
			"no more than 10 items allowed [json-pointer:/blocks/0/elements]",
		},
		{"51 blocks", `[` + repeat(51, `{"type":"divider"}`) + `]`, "no more than 50 items allowed [json-pointer:/blocks]"},
		{
			"the same action_id twice", `[{"type":"actions","elements":[` + repeat(2, `{"type":"button","action_id":"a","text":{"type":"plain_text","text":"b"}}`) + `]}]`,
			"`action_id` `a` already exists for another element [json-pointer:/blocks/0/elements/1/action_id]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := api(t, s, "xoxb-test", "chat.postMessage", url.Values{"channel": {"deploys"}, "blocks": {tt.blocks}}.Encode())
			metadata, _ := got["response_metadata"].(map[string]any)
			messages := fmt.Sprint(metadata["messages"])
			if got["error"] != "invalid_blocks" || !strings.Contains(messages, "[ERROR] "+tt.want) {
				t.Errorf("got %v", got)
			}
		})
	}
	if len(s.Messages("deploys")) != 0 {
		t.Error("something was posted")
	}
}

func TestWhatBlockKitTakes(t *testing.T) {
	s, _ := start(t, slack.Config{})
	s.EnforceLimits(false)
	tests := []struct{ name, blocks, reads string }{
		{"an image", `[{"type":"image","image_url":"https://x.example/a.png","alt_text":"graph"}]`, "[image: graph]"},
		{"markdown", `[{"type":"markdown","text":"**hi**"}]`, "**hi**"},
		{"fields and a divider", `[{"type":"section","fields":[{"type":"mrkdwn","text":"*a*"},{"type":"plain_text","text":"b"}]},{"type":"divider"}]`, "*a*\nb\n---"},
		{"a section with a menu", `[{"type":"section","text":{"type":"plain_text","text":"where"},"accessory":{"type":"overflow","options":[{"text":{"type":"plain_text","text":"prod"},"value":"p"}]}}]`, "where\n[▾ prod]"},
		{"rich text", `[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"by "},{"type":"user","user_id":"U1"}]}]}]`, "by <@U1>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := api(t, s, "xoxb-test", "chat.postMessage", url.Values{"channel": {"deploys"}, "blocks": {tt.blocks}}.Encode())
			all := s.Messages("deploys")
			if got["ok"] != true || all[len(all)-1].Rendered != tt.reads {
				t.Errorf("got %v, read as %q", got, all[len(all)-1].Rendered)
			}
		})
	}
}

func TestAllTextOfAMessageIsBounded(t *testing.T) {
	s, _ := start(t, slack.Config{})
	one := `{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("x", 2900) + `"}}`
	got, _ := api(t, s, "xoxb-test", "chat.postMessage", url.Values{"channel": {"deploys"}, "blocks": {"[" + repeat(5, one) + "]"}}.Encode())
	if got["error"] != "msg_blocks_too_long" {
		t.Errorf("got %v", got)
	}
}

func TestWhatAViewIsRefusedFor(t *testing.T) {
	s, _ := start(t, slack.Config{})
	tests := []struct{ name, from, to, want string }{
		{"a title too long", `"Deploy"`, `"` + strings.Repeat("x", 25) + `"`, "must be less than 25 characters [json-pointer:/view/title/text]"},
		{"inputs without submit", `"submit":{"type":"plain_text","text":"Go"},`, ``, "must be present when there is an `input` block [json-pointer:/view/submit]"},
		{"a message block", `"blocks":[`, `"blocks":[{"type":"markdown","text":"x"},`, "unsupported type: markdown [json-pointer:/view/blocks/0]"},
		{"an unknown key", `"callback_id"`, `"callback"`, "invalid additional property: callback [json-pointer:/view]"},
		{"a menu without options", `"options":[`, `"choices":[`, "invalid additional property: choices [json-pointer:/view/blocks/1/element]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			view := strings.Replace(modalJSON, tt.from, tt.to, 1)
			got, _ := api(t, s, "xoxb-test", "views.open", url.Values{"trigger_id": {"x"}, "view": {view}}.Encode())
			if got["error"] != "invalid_arguments" || !strings.Contains(fmt.Sprint(got["response_metadata"]), tt.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func repeat(n int, item string) string {
	return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
}
