package slack

import (
	"regexp"
	"strings"
)

// Markup is a piece of a text that Slack makes live.
type Markup struct {
	Kind  string // user, group, channel, broadcast, date, link
	To    string // user id, group id, channel id, "channel"/"here"/"everyone", or the URL
	Label string // what is shown instead, if given
}

var angled = regexp.MustCompile(`<([^<>\n]+)>`)

// ActiveMarkup lists what is live in a mrkdwn text. Escaped text (&lt;!channel&gt;) is
// not live. A test that no typed text became markup asserts on this list.
func ActiveMarkup(mrkdwn string) []Markup {
	var out []Markup
	for _, found := range angled.FindAllStringSubmatch(mrkdwn, -1) {
		target, label, _ := strings.Cut(found[1], "|")
		if m, ok := markup(target); ok {
			m.Label = label
			out = append(out, m)
		}
	}
	return out
}

func markup(target string) (Markup, bool) {
	switch {
	case strings.HasPrefix(target, "@"):
		return Markup{Kind: "user", To: target[1:]}, true
	case strings.HasPrefix(target, "#"):
		return Markup{Kind: "channel", To: target[1:]}, true
	case strings.HasPrefix(target, "!subteam^"):
		return Markup{Kind: "group", To: strings.TrimPrefix(target, "!subteam^")}, true
	case strings.HasPrefix(target, "!date^"):
		return Markup{Kind: "date", To: target}, true
	case strings.HasPrefix(target, "!"):
		return Markup{Kind: "broadcast", To: target[1:]}, true
	case strings.Contains(target, ":"): // any scheme makes a link
		return Markup{Kind: "link", To: target}, true
	}
	return Markup{}, false
}

// Live lists what is live anywhere in a message: in its text unless mrkdwn was off,
// in the mrkdwn and rich text of its blocks, and in its attachments. plain_text is never live.
func (m Message) Live() []Markup {
	var out []Markup
	if !m.Plain {
		out = ActiveMarkup(m.Text)
	}
	for _, b := range m.Blocks {
		out = append(out, liveIn(b)...)
	}
	for _, a := range m.Attachments {
		for _, key := range []string{"pretext", "text", "fallback"} {
			out = append(out, ActiveMarkup(text(a[key]))...)
		}
		out = append(out, liveIn(a)...)
	}
	return out
}

func liveIn(v any) []Markup {
	switch v := v.(type) {
	case []any:
		var out []Markup
		for _, item := range v {
			out = append(out, liveIn(item)...)
		}
		return out
	case []Block:
		var out []Markup
		for _, item := range v {
			out = append(out, liveIn(item)...)
		}
		return out
	case Block:
		return liveInObject(v)
	}
	return nil
}

func liveInObject(object Block) []Markup {
	switch object["type"] {
	case "mrkdwn", "markdown":
		return ActiveMarkup(text(object["text"]))
	case "plain_text":
		return nil
	case "user", "channel", "broadcast", "usergroup", "link":
		return ActiveMarkup(renderElement(object))
	}
	var out []Markup
	for _, key := range []string{"text", "fields", "elements", "accessory", "blocks", "confirm", "title"} {
		out = append(out, liveIn(object[key])...)
	}
	return out
}
