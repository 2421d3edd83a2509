package slack

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Block is a Block Kit object as it was posted. Blocks are never changed once
// stored; an update replaces them.
type Block = map[string]any

// Message is one message as people see it.
type Message struct {
	Channel     string     `json:"channel"`
	TS          string     `json:"ts"`
	ThreadTS    string     `json:"thread_ts,omitempty"` // of a reply: its parent
	User        string     `json:"user"`
	Name        string     `json:"name"` // of the author
	Bot         bool       `json:"bot,omitempty"`
	Text        string     `json:"text"`
	Blocks      []Block    `json:"blocks,omitempty"`
	Attachments []Block    `json:"attachments,omitempty"`
	Metadata    Block      `json:"metadata,omitempty"`
	VisibleTo   string     `json:"visible_to,omitempty"` // of an ephemeral message: its only reader
	Edited      bool       `json:"edited,omitempty"`
	Deleted     bool       `json:"deleted,omitempty"` // a parent that was deleted below its replies
	Unfurl      bool       `json:"unfurl,omitempty"`  // links in it would be expanded
	Plain       bool       `json:"plain,omitempty"`   // mrkdwn was switched off for Text
	Reactions   []Reaction `json:"reactions,omitempty"`
	Buttons     []Button   `json:"buttons,omitempty"`
	Replies     []Message  `json:"replies,omitempty"`
	Rendered    string     `json:"rendered"` // Text of the message

	editedTS string
}

// Reaction is an emoji under a message and who put it there.
type Reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
}

// Ephemeral says whether only one person sees the message.
func (m Message) Ephemeral() bool { return m.VisibleTo != "" }

// Button gives the button with this text or action_id.
func (m Message) Button(textOrActionID string) (Button, bool) {
	return findButton(m.Buttons, textOrActionID)
}

// maxText is where chat.postMessage cuts a text.
const maxText = 40_000

func truncate(text string) string {
	if utf8.RuneCountInString(text) <= maxText {
		return text
	}
	return string([]rune(text)[:maxText])
}

func (c *channel) find(ts string) *Message {
	for _, m := range c.messages {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// parent finds the top message of the thread that a timestamp names; a reply's own
// timestamp leads to its parent, as in Slack.
func (c *channel) parent(ts string) *Message {
	m := c.find(ts)
	if m != nil && m.ThreadTS != "" && !m.Ephemeral() {
		return c.find(m.ThreadTS)
	}
	return m
}

func (c *channel) replies(ts string) []*Message {
	var out []*Message
	for _, m := range c.messages {
		if m.ThreadTS == ts && !m.Ephemeral() {
			out = append(out, m)
		}
	}
	return out
}

func (c *channel) delete(ts string) {
	if len(c.replies(ts)) > 0 {
		m := c.find(ts)
		m.Text, m.Blocks, m.Attachments, m.Deleted = "This message was deleted.", nil, nil, true
		return
	}
	c.messages = slices.DeleteFunc(c.messages, func(m *Message) bool { return m.TS == ts })
}

// post stores a message. Live names in the text have been resolved before.
func (w *world) post(c *channel, m Message, now time.Time) *Message {
	m.Channel = c.ID
	m.TS = w.ts(now)
	m.Blocks = w.named(m.Blocks)
	if u := w.user(c.Team, m.User); u != nil {
		m.Name = u.Name
	}
	c.messages = append(c.messages, &m)
	return &m
}

// botMessage is the author part of what the app posts.
func botMessage() Message { return Message{User: BotUser, Name: BotName, Bot: true} }

// named gives blocks and their elements the ids that Slack makes up where there are none.
func (w *world) named(blocks []Block) []Block {
	out := make([]Block, len(blocks))
	for i, b := range blocks {
		b = maps.Clone(b)
		if text(b["block_id"]) == "" {
			b["block_id"] = strings.ToLower(w.id(""))[:5]
		}
		if elements, ok := b["elements"].([]any); ok && b["type"] == "actions" {
			named := make([]any, len(elements))
			for j, e := range elements {
				named[j] = w.namedElement(e)
			}
			b["elements"] = named
		}
		for _, key := range []string{"accessory", "element"} {
			if b[key] != nil {
				b[key] = w.namedElement(b[key])
			}
		}
		out[i] = b
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (w *world) namedElement(e any) any {
	element, ok := e.(Block)
	if !ok || element["type"] == "image" || text(element["action_id"]) != "" {
		return e
	}
	element = maps.Clone(element)
	element["action_id"] = strings.ToLower(w.id(""))[:5]
	return element
}

// text reads a string out of decoded JSON; anything else is "".
func text(v any) string {
	s, _ := v.(string)
	return s
}

// wire is the message as the Web API and payloads show it.
func (m *Message) wire(team string) Block {
	out := Block{"type": "message", "user": m.User, "text": m.Text, "ts": m.TS, "team": team}
	if m.Bot {
		out["bot_id"], out["app_id"] = BotID, AppID
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	if m.Blocks != nil {
		out["blocks"] = m.Blocks
	}
	if m.Attachments != nil {
		out["attachments"] = m.Attachments
	}
	if m.Metadata != nil {
		out["metadata"] = m.Metadata
	}
	if m.Edited {
		out["edited"] = Block{"user": m.User, "ts": m.editedTS}
	}
	if m.Deleted {
		out["subtype"] = "tombstone"
	}
	if len(m.Reactions) > 0 {
		reactions := make([]Block, len(m.Reactions))
		for i, r := range m.Reactions {
			reactions[i] = Block{"name": r.Name, "users": r.Users, "count": len(r.Users)}
		}
		out["reactions"] = reactions
	}
	return out
}

// wireTop is wire with what only a message that starts a thread has.
func (c *channel) wireTop(m *Message) Block {
	out := m.wire(c.Team)
	replies := c.replies(m.TS)
	if len(replies) == 0 {
		return out
	}
	users := []string{}
	for _, r := range replies {
		if !slices.Contains(users, r.User) {
			users = append(users, r.User)
		}
	}
	out["thread_ts"] = m.TS
	out["reply_count"] = len(replies)
	out["reply_users"] = users
	out["reply_users_count"] = len(users)
	out["latest_reply"] = replies[len(replies)-1].TS
	return out
}
