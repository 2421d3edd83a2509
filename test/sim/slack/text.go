package slack

import (
	"fmt"
	"strings"
)

// Text flattens a message to what a person reads: its blocks, or its text where it has
// none, then its attachments. mrkdwn is left as it is; buttons are in brackets.
func Text(m Message) string {
	lines := renderBlocks(m.Blocks)
	if len(m.Blocks) == 0 && m.Text != "" {
		lines = []string{m.Text}
	}
	for _, a := range m.Attachments {
		lines = append(lines, renderAttachment(a)...)
	}
	return strings.Join(lines, "\n")
}

func renderAttachment(a Block) []string {
	lines := renderBlocks(blockList(a["blocks"]))
	for _, key := range []string{"pretext", "title", "text", "footer"} {
		if words := text(a[key]); words != "" {
			lines = append(lines, words)
		}
	}
	if len(lines) == 0 && text(a["fallback"]) != "" {
		lines = append(lines, text(a["fallback"]))
	}
	return lines
}

func renderView(v *View) string {
	lines := renderBlocks(v.Blocks)
	if v.Title != "" {
		lines = append([]string{"# " + v.Title}, lines...)
	}
	if v.Submit != "" {
		lines = append(lines, "["+v.Submit+"]")
	}
	return strings.Join(lines, "\n")
}

func renderBlocks(blocks []Block) []string {
	var lines []string
	for _, b := range blocks {
		if line := renderBlock(b); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func renderBlock(b Block) string {
	switch b["type"] {
	case "header", "markdown":
		return plain(b["text"])
	case "section":
		return renderSection(b)
	case "context", "actions", "context_actions":
		return renderElements(b["elements"], " ")
	case "divider":
		return "---"
	case "image":
		return renderElement(b)
	case "input":
		return renderInput(b)
	case "rich_text":
		return renderElements(b["elements"], "\n")
	}
	return fmt.Sprintf("[%s]", b["type"])
}

func renderSection(b Block) string {
	var lines []string
	if words := plain(b["text"]); words != "" {
		lines = append(lines, words)
	}
	for _, field := range blockList(b["fields"]) {
		lines = append(lines, plain(field))
	}
	if accessory, ok := b["accessory"].(Block); ok {
		lines = append(lines, renderElement(accessory))
	}
	return strings.Join(lines, "\n")
}

func renderInput(b Block) string {
	element, _ := b["element"].(Block)
	value := strings.Join(typed(initial(element)), ", ")
	line := fmt.Sprintf("%s: [%s]", plain(b["label"]), value)
	var choices []string
	for _, o := range options(element) {
		choices = append(choices, plain(o["text"]))
	}
	if len(choices) > 0 {
		line += " ▾ " + strings.Join(choices, " | ")
	}
	return line
}

func renderElements(v any, separator string) string {
	var parts []string
	for _, e := range blockList(v) {
		parts = append(parts, renderElement(e))
	}
	return strings.Join(parts, separator)
}

func renderElement(e Block) string {
	switch e["type"] {
	case "mrkdwn", "plain_text", "text":
		return text(e["text"])
	case "image":
		return "[image: " + text(e["alt_text"]) + "]"
	case "rich_text_section", "rich_text_preformatted", "rich_text_quote":
		return renderElements(e["elements"], "")
	case "rich_text_list":
		return "• " + renderElements(e["elements"], "\n• ")
	case "link":
		return "<" + text(e["url"]) + "|" + text(e["text"]) + ">"
	case "user":
		return "<@" + text(e["user_id"]) + ">"
	case "channel":
		return "<#" + text(e["channel_id"]) + ">"
	case "broadcast":
		return "<!" + text(e["range"]) + ">"
	case "usergroup":
		return "<!subteam^" + text(e["usergroup_id"]) + ">"
	case "emoji":
		return ":" + text(e["name"]) + ":"
	}
	b := button("", e)
	if len(b.Options) > 0 {
		return "[" + strings.TrimSpace(b.Text+" ▾ "+strings.Join(b.Options, " | ")) + "]"
	}
	return "[" + b.Text + "]"
}
