package slack

import (
	"slices"
	"strings"
)

// Button is something to click: a button, or a menu with options.
type Button struct {
	Text     string   `json:"text"`
	ActionID string   `json:"action_id"`
	BlockID  string   `json:"block_id"`
	Type     string   `json:"type"`
	Value    string   `json:"value,omitempty"`
	Style    string   `json:"style,omitempty"`
	URL      string   `json:"url,omitempty"`
	Confirm  *Dialog  `json:"confirm,omitempty"`
	Options  []string `json:"options,omitempty"`

	element Block
}

// Dialog is the question that some buttons ask before they act.
type Dialog struct {
	Title   string `json:"title"`
	Text    string `json:"text"`
	Confirm string `json:"confirm"`
	Deny    string `json:"deny"`
	Style   string `json:"style,omitempty"`
}

// Input is a field of a modal.
type Input struct {
	Label    string   `json:"label"`
	BlockID  string   `json:"block_id"`
	ActionID string   `json:"action_id"`
	Type     string   `json:"type"`
	Value    string   `json:"value,omitempty"` // what is in it at first
	Options  []string `json:"options,omitempty"`
	Optional bool     `json:"optional,omitempty"`

	element  Block
	dispatch bool // the app is told of each choice
}

// buttons lists what can be clicked in blocks, in reading order.
func buttons(blocks []Block) []Button {
	var out []Button
	for _, b := range blocks {
		elements, _ := b["elements"].([]any)
		if b["accessory"] != nil {
			elements = []any{b["accessory"]}
		}
		if b["type"] != "actions" && b["type"] != "section" && b["type"] != "context_actions" {
			continue
		}
		for _, e := range elements {
			if element, ok := e.(Block); ok && element["type"] != "image" {
				out = append(out, button(text(b["block_id"]), element))
			}
		}
	}
	return out
}

func button(block string, element Block) Button {
	b := Button{
		Text: plain(element["text"]), ActionID: text(element["action_id"]), BlockID: block,
		Type: text(element["type"]), Value: text(element["value"]), Style: text(element["style"]),
		URL: text(element["url"]), Confirm: dialog(element["confirm"]), element: element,
	}
	if b.Text == "" {
		b.Text = plain(element["placeholder"])
	}
	for _, o := range options(element) {
		b.Options = append(b.Options, plain(o["text"]))
	}
	return b
}

// dialog fills in the words that Slack takes when the app gives none.
func dialog(v any) *Dialog {
	object, ok := v.(Block)
	if !ok {
		return nil
	}
	d := Dialog{
		Title: plain(object["title"]), Text: plain(object["text"]),
		Confirm: plain(object["confirm"]), Deny: plain(object["deny"]), Style: text(object["style"]),
	}
	if d.Title == "" {
		d.Title = "Are you sure?"
	}
	if d.Confirm == "" {
		d.Confirm = "Yes"
	}
	if d.Deny == "" {
		d.Deny = "Cancel"
	}
	return &d
}

func findButton(all []Button, textOrActionID string) (Button, bool) {
	i := slices.IndexFunc(all, func(b Button) bool { return b.ActionID == textOrActionID })
	if i < 0 {
		i = slices.IndexFunc(all, func(b Button) bool { return b.Text == textOrActionID })
	}
	if i < 0 {
		return Button{}, false
	}
	return all[i], true
}

func inputs(blocks []Block) []Input {
	var out []Input
	for _, b := range blocks {
		element, ok := b["element"].(Block)
		if b["type"] != "input" || !ok {
			continue
		}
		optional, _ := b["optional"].(bool)
		dispatch, _ := b["dispatch_action"].(bool)
		in := Input{
			Label: plain(b["label"]), BlockID: text(b["block_id"]), ActionID: text(element["action_id"]),
			Type: text(element["type"]), Optional: optional, element: element, dispatch: dispatch,
		}
		for _, o := range options(element) {
			in.Options = append(in.Options, plain(o["text"]))
		}
		in.Value = strings.Join(typed(initial(element)), ", ")
		out = append(out, in)
	}
	return out
}

// options lists the choices of a menu, those in groups too.
func options(element Block) []Block {
	out := blockList(element["options"])
	for _, g := range blockList(element["option_groups"]) {
		out = append(out, blockList(g["options"])...)
	}
	return out
}

func findOption(element Block, valueOrText string) (Block, bool) {
	for _, o := range options(element) {
		if text(o["value"]) == valueOrText || plain(o["text"]) == valueOrText {
			return o, true
		}
	}
	return nil, false
}

// plain reads a text object, or a string.
func plain(v any) string {
	if object, ok := v.(Block); ok {
		return text(object["text"])
	}
	return text(v)
}

// blockList reads a list of objects out of decoded JSON.
func blockList(v any) []Block {
	if list, ok := v.([]Block); ok {
		return list
	}
	list, _ := v.([]any)
	var out []Block
	for _, item := range list {
		if object, ok := item.(Block); ok {
			out = append(out, object)
		}
	}
	return out
}
