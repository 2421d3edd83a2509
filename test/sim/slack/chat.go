package slack

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Limits on the text of a message. The one of chat.update is counted in bytes after
// escaping; beyond it the original answers msg_too_long
// (gitlab.com/gitlab-org/gitlab/-/merge_requests/258898).
const (
	maxUpdateText    = 4_000
	maxEphemeralText = maxText
	maxMetadata      = 16_384
)

func chatPostMessage(c *call) (reply, error) {
	ch, err := c.postable()
	if err != nil {
		return nil, err
	}
	m, err := c.content(ch)
	if err != nil {
		return nil, err
	}
	if m.ThreadTS, err = c.thread(ch); err != nil {
		return nil, err
	}
	m.Text = truncate(m.Text)
	posted := c.post(ch, m, c.now)
	return reply{"channel": ch.ID, "ts": posted.TS, "message": posted.wire(ch.Team)}, nil
}

func chatPostEphemeral(c *call) (reply, error) {
	ch, err := c.postable()
	if err != nil {
		return nil, err
	}
	u := c.user(ch.Team, c.str("user"))
	if u == nil || !ch.has(u.ID) {
		return nil, refuse("user_not_in_channel")
	}
	m, err := c.content(ch)
	if err != nil {
		return nil, err
	}
	if len(m.Text) > maxEphemeralText {
		return nil, refuse("msg_too_long")
	}
	if m.ThreadTS, err = c.thread(ch); err != nil {
		return nil, err
	}
	m.VisibleTo = u.ID
	return reply{"message_ts": c.post(ch, m, c.now).TS}, nil
}

func chatUpdate(c *call) (reply, error) {
	ch, m, err := c.ownMessage("cant_update_message")
	if err != nil {
		return nil, err
	}
	if len(c.str("text")) > maxUpdateText {
		return nil, refuse("msg_too_long")
	}
	next, err := c.content(ch)
	if err != nil {
		return nil, err
	}
	// Blocks that are not named stay; an empty list removes them.
	if c.has("blocks") {
		m.Blocks = c.named(next.Blocks)
	}
	if c.has("attachments") {
		m.Attachments = next.Attachments
	}
	if c.has("metadata") {
		m.Metadata = next.Metadata
	}
	m.Text, m.Edited, m.editedTS = next.Text, true, c.ts(c.now)
	return reply{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": m.wire(ch.Team)}, nil
}

func chatDelete(c *call) (reply, error) {
	ch, m, err := c.ownMessage("cant_delete_message")
	if err != nil {
		return nil, err
	}
	ch.delete(m.TS)
	return reply{"channel": ch.ID, "ts": m.TS}, nil
}

func chatPermalink(c *call) (reply, error) {
	if err := c.need("channel", "message_ts"); err != nil {
		return nil, err
	}
	ch, err := c.visibleChannel()
	if err != nil {
		return nil, err
	}
	m := ch.find(c.str("message_ts"))
	if m == nil || m.Ephemeral() {
		return nil, refuse("message_not_found")
	}
	link := fmt.Sprintf("https://%s.slack.com/archives/%s/p%s", c.team.Domain, ch.ID, strings.Replace(m.TS, ".", "", 1))
	if m.ThreadTS != "" {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + ch.ID
	}
	return reply{"channel": ch.ID, "permalink": link}, nil
}

// postable finds the channel of a new message: an id, a name, or a person's id for a
// direct message.
func (c *call) postable() (*channel, error) {
	if err := c.need("channel"); err != nil {
		return nil, err
	}
	if u := c.user(c.team.ID, c.str("channel")); u != nil && u.ID == c.str("channel") && u.Team == c.team.ID {
		if u.Deleted {
			return nil, refuse("channel_not_found")
		}
		return c.direct(u), nil
	}
	ch := c.channelIn(c.team.ID, c.str("channel"))
	switch {
	case ch == nil:
		return nil, refuse("channel_not_found")
	case !ch.has(BotUser) && (ch.Private || ch.Direct):
		return nil, refuse("channel_not_found")
	case ch.Archived:
		return nil, refuse("is_archived")
	case !ch.has(BotUser) && c.needScope("chat:write.public") != nil:
		return nil, refuse("not_in_channel")
	}
	return ch, nil
}

// ownMessage finds the message of chat.update and chat.delete, which take ids only and
// cannot reach ephemeral messages.
func (c *call) ownMessage(notOurs string) (*channel, *Message, error) {
	if err := c.need("channel", "ts"); err != nil {
		return nil, nil, err
	}
	ch := c.channel(c.str("channel"))
	if ch == nil || ch.ID != c.str("channel") || ch.Team != c.team.ID || (!ch.has(BotUser) && ch.Private) {
		return nil, nil, refuse("channel_not_found")
	}
	if ch.Archived {
		return nil, nil, refuse("is_archived")
	}
	m := ch.find(c.str("ts"))
	if m == nil || m.Ephemeral() || m.Deleted {
		return nil, nil, refuse("message_not_found")
	}
	if m.User != BotUser {
		return nil, nil, refuse(notOurs)
	}
	return ch, m, nil
}

var timestamp = regexp.MustCompile(`^\d{1,10}\.\d{6}$`)

// thread is the thread that a new message goes to. A reply to what is deleted, or
// never was, becomes a message of the channel: the original says nothing about it.
func (c *call) thread(ch *channel) (string, error) {
	ts := c.str("thread_ts")
	switch {
	case ts == "":
		return "", nil
	case !timestamp.MatchString(ts):
		return "", refuse("invalid_thread_ts")
	}
	parent := ch.parent(ts)
	if parent == nil || parent.Ephemeral() || parent.Deleted {
		return "", nil
	}
	return parent.TS, nil
}

// content reads and checks what a message says.
func (c *call) content(ch *channel) (Message, error) {
	m := botMessage()
	var err error
	if m.Blocks, err = c.blocks("blocks", c.args); err != nil {
		return m, err
	}
	if m.Attachments, err = c.attachments(); err != nil {
		return m, err
	}
	if m.Metadata, err = c.metadata(); err != nil {
		return m, err
	}
	m.Text = c.text(ch, c.str("text"))
	m.Plain = !c.yes("mrkdwn", true)
	m.Unfurl = c.yes("unfurl_links", false) || c.yes("unfurl_media", true)
	if m.Text == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 {
		return m, refuse("no_text")
	}
	return m, nil
}

func (c *call) blocks(key string, a args) ([]Block, error) {
	if !a.has(key) || a.str(key) == "" && !isStructured(a[key]) {
		return nil, nil
	}
	var blocks []Block
	if err := a.decode(key, &blocks); err != nil {
		return nil, refuse("invalid_blocks_format")
	}
	return blocks, checkMessageBlocks(blocks)
}

func (c *call) attachments() ([]Block, error) {
	if !c.has("attachments") || c.str("attachments") == "" && !isStructured(c.args["attachments"]) {
		return nil, nil
	}
	var attachments []Block
	if err := c.decode("attachments", &attachments); err != nil {
		return nil, refuse("invalid_attachments")
	}
	if len(attachments) > 100 {
		return nil, refuse("too_many_attachments")
	}
	for i, a := range attachments {
		blocks, err := c.blocks("blocks", args(a))
		if err != nil {
			return nil, err
		}
		attachments[i] = maps.Clone(a)
		if blocks != nil {
			attachments[i]["blocks"] = blocks
		}
	}
	return attachments, nil
}

func (c *call) metadata() (Block, error) {
	if !c.has("metadata") || c.str("metadata") == "" && !isStructured(c.args["metadata"]) {
		return nil, nil
	}
	var m struct {
		Type    string `json:"event_type"`
		Payload Block  `json:"event_payload"`
	}
	if err := c.decode("metadata", &m); err != nil || m.Type == "" || m.Payload == nil {
		return nil, refuse("invalid_metadata_format")
	}
	if raw, _ := json.Marshal(m.Payload); len(raw) > maxMetadata {
		return nil, refuse("metadata_too_large")
	}
	return Block{"event_type": m.Type, "event_payload": m.Payload}, nil
}

var (
	typedUser    = regexp.MustCompile(`(^|[\s*_~\x{feff}])@(\w(?:[\w.-]*\w)?)`)
	typedChannel = regexp.MustCompile(`(^|\s)#([\w-]+)`)
)

// text makes names live where the caller asked for it with link_names or parse=full,
// so that a bot that forgets to switch these off is found out.
func (c *call) text(ch *channel, text string) string {
	if !c.yes("link_names", false) && c.str("parse") != "full" {
		return text
	}
	return c.linkNames(ch.Team, text)
}

func (w *world) linkNames(team, text string) string {
	text = typedUser.ReplaceAllStringFunc(text, func(found string) string {
		space, name, _ := strings.Cut(found, "@")
		switch name {
		case "channel", "here", "everyone":
			return space + "<!" + name + ">"
		}
		if u := w.user(team, name); u != nil {
			return space + "<@" + u.ID + ">"
		}
		return found
	})
	return typedChannel.ReplaceAllStringFunc(text, func(found string) string {
		space, name, _ := strings.Cut(found, "#")
		if ch := w.channel(name); ch != nil {
			return space + "<#" + ch.ID + "|" + ch.Name + ">"
		}
		return found
	})
}
