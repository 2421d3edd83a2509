package slack

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// maxBlocksText is the undocumented bound on all text in the blocks of one message,
// as measured in github.com/slackapi/bolt-js/issues/2509.
const maxBlocksText = 13_200

var maxBlocks = map[string]int{"message": 50, "modal": 100, "home": 100}

// onlyOn lists the blocks that not every surface takes.
var onlyOn = map[string][]string{
	"markdown": {"message"}, "table": {"message"}, "data_table": {"message"}, "context_actions": {"message"},
	"task_card": {"message"}, "plan": {"message"}, "card": {"message"}, "carousel": {"message"},
	"alert": {"message", "modal"},
}

func allowedOn(surface, block string) bool {
	only, limited := onlyOn[block]
	return !limited || slices.Contains(only, surface)
}

// lengths are the longest strings, by type and field. A field that holds a text object
// is measured by its text. The numbers are those of docs.slack.dev/reference/block-kit.
var lengths = map[string]map[string]int{
	"": {"block_id": 255, "action_id": 255, "placeholder": 150},

	"section":  {"text": 3000},
	"header":   {"text": 150},
	"image":    {"image_url": 3000, "alt_text": 2000, "title": 2000},
	"input":    {"label": 2000, "hint": 2000},
	"markdown": {"text": 12000},
	"video":    {"author_name": 50, "title": 200, "description": 200},

	"button":           {"text": 75, "value": 2000, "url": 3000, "accessibility_label": 75},
	"workflow_button":  {"text": 75, "accessibility_label": 75},
	"plain_text_input": {"initial_value": 3000},

	"modal": {"title": 24, "submit": 24, "close": 24, "private_metadata": 3000, "callback_id": 255, "external_id": 255},
	"home":  {"private_metadata": 3000, "callback_id": 255, "external_id": 255},

	"(confirm)": {"title": 100, "text": 300, "confirm": 30, "deny": 30},
	"(option)":  {"text": 75, "value": 150, "description": 75, "url": 3000},
	"(group)":   {"label": 75},
	"(field)":   {"text": 2000},
}

// counts are the fewest and most items, by type and field.
var counts = map[string]map[string][2]int{
	"section":             {"fields": {1, 10}},
	"actions":             {"elements": {1, 25}},
	"context":             {"elements": {1, 10}},
	"static_select":       {"options": {1, 100}, "option_groups": {1, 100}},
	"multi_static_select": {"options": {1, 100}, "option_groups": {1, 100}},
	"overflow":            {"options": {1, 5}},
	"checkboxes":          {"options": {1, 10}},
	"radio_buttons":       {"options": {1, 10}},
}

// limits checks one object and everything in it against the two tables.
func (f *findings) limits(pointer string, object Block) {
	f.object(pointer, text(object["type"]), object)
}

func (f *findings) object(pointer, of string, object Block) {
	for _, field := range slices.Sorted(maps.Keys(object)) {
		if (of == "modal" || of == "home") && field == "blocks" {
			continue // surface looks at them
		}
		f.field(pointer+"/"+field, of, field, object[field])
	}
	f.special(pointer, of, object)
}

func (f *findings) field(pointer, of, field string, value any) {
	most := lengths[of][field]
	if most == 0 && of != "markdown" {
		most = lengths[""][field]
	}
	switch v := value.(type) {
	case string:
		f.length(pointer, v, most)
	case Block:
		if isText(v) {
			f.textObject(pointer, v, most)
			return
		}
		f.object(pointer, role(field, v), v)
	case []any:
		if bounds, ok := counts[of][field]; ok {
			f.count(pointer, len(v), bounds)
		}
		for i, item := range v {
			f.item(fmt.Sprintf("%s/%d", pointer, i), field, item)
		}
	}
}

func (f *findings) item(pointer, list string, item any) {
	object, ok := item.(Block)
	switch {
	case !ok:
	case isText(object) && list == "fields":
		f.textObject(pointer, object, lengths["(field)"]["text"])
	case isText(object):
		f.textObject(pointer, object, 0)
	default:
		f.object(pointer, role(list, object), object)
	}
}

// role names the objects that have no type of their own.
func role(field string, object Block) string {
	if of := text(object["type"]); of != "" {
		return of
	}
	switch field {
	case "confirm":
		return "(confirm)"
	case "options", "initial_option", "initial_options":
		return "(option)"
	case "option_groups":
		return "(group)"
	}
	return ""
}

func isText(object Block) bool {
	return object["type"] == "plain_text" || object["type"] == "mrkdwn"
}

func (f *findings) textObject(pointer string, object Block, most int) {
	words := text(object["text"])
	f.textLength += utf8.RuneCountInString(words)
	if words == "" {
		f.add(pointer+"/text", "must be more than 0 characters")
	}
	if most == 0 {
		most = 3000 // of any text object
	}
	f.length(pointer+"/text", words, most)
}

func (f *findings) length(pointer, value string, most int) {
	if most > 0 && utf8.RuneCountInString(value) > most {
		f.add(pointer, fmt.Sprintf("must be less than %d characters", most+1))
	}
}

func (f *findings) count(pointer string, n int, bounds [2]int) {
	if n < bounds[0] {
		f.add(pointer, fmt.Sprintf("no fewer than %d items required", bounds[0]))
	}
	if n > bounds[1] {
		f.add(pointer, fmt.Sprintf("no more than %d items allowed", bounds[1]))
	}
}

// special are the rules that are neither a length nor a count.
func (f *findings) special(pointer, of string, object Block) {
	switch of {
	case "section":
		if object["text"] == nil && object["fields"] == nil {
			f.add(pointer, "must define either `text` or `fields`")
		}
	case "markdown":
		f.textLength += utf8.RuneCountInString(text(object["text"]))
	case "static_select", "multi_static_select":
		if (object["options"] == nil) == (object["option_groups"] == nil) {
			f.add(pointer, "must define either `options` or `option_groups`")
		}
	case "image":
		if (object["image_url"] == nil) == (object["slack_file"] == nil) {
			f.add(pointer, "must define either `image_url` or `slack_file`")
		}
	case "actions":
		f.uniqueActions(pointer, object)
	}
}

func (f *findings) uniqueActions(pointer string, block Block) {
	seen := map[string]bool{}
	elements, _ := block["elements"].([]any)
	for i, e := range elements {
		element, _ := e.(Block)
		id := text(element["action_id"])
		if id != "" && seen[id] {
			f.add(fmt.Sprintf("%s/elements/%d/action_id", pointer, i), "`action_id` `"+id+"` already exists for another element")
		}
		seen[id] = true
	}
}
