package slack

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file knows how the state of an input is written in view.state.values.

// initial is the state of an element that nobody touched.
func initial(element Block) Block {
	of := text(element["type"])
	state := Block{"type": of}
	switch of {
	case "static_select", "external_select", "radio_buttons":
		state["selected_option"] = element["initial_option"]
	case "multi_static_select", "multi_external_select", "checkboxes":
		chosen := blockList(element["initial_options"])
		if chosen == nil {
			chosen = []Block{}
		}
		state["selected_options"] = chosen
	case "users_select":
		state["selected_user"] = element["initial_user"]
	case "channels_select":
		state["selected_channel"] = element["initial_channel"]
	case "conversations_select":
		state["selected_conversation"] = element["initial_conversation"]
	case "datepicker":
		state["selected_date"] = element["initial_date"]
	case "timepicker":
		state["selected_time"] = element["initial_time"]
	default:
		state["value"] = element["initial_value"]
	}
	return state
}

// fill is the state of an element into which a person put a value: text, the text or
// value of an option (several are separated by commas), an id, a date.
func fill(element Block, value string) (Block, error) {
	state := initial(element)
	switch of := text(element["type"]); of {
	case "static_select", "radio_buttons":
		o, ok := findOption(element, value)
		if !ok {
			return nil, fmt.Errorf("the menu has no option %q", value)
		}
		state["selected_option"] = o
	case "multi_static_select", "checkboxes":
		chosen := []Block{}
		for one := range strings.SplitSeq(value, ",") {
			o, ok := findOption(element, strings.TrimSpace(one))
			if !ok && value != "" {
				return nil, fmt.Errorf("the menu has no option %q", one)
			}
			if ok {
				chosen = append(chosen, o)
			}
		}
		state["selected_options"] = chosen
	case "users_select", "channels_select", "conversations_select":
		state["selected_"+strings.TrimSuffix(strings.TrimSuffix(of, "_select"), "s")] = value
	case "datepicker":
		state["selected_date"] = value
	case "timepicker":
		state["selected_time"] = value
	default:
		state["value"] = nil
		if value != "" {
			state["value"] = value
		}
	}
	return state, nil
}

// typed reads a state back as what a person sees in the field.
func typed(state Block) []string {
	var out []string
	for key, v := range state {
		switch {
		case key == "type" || v == nil:
		case key == "selected_options":
			for _, o := range blockList(v) {
				out = append(out, plain(o["text"]))
			}
		case key == "selected_option":
			if o, ok := v.(Block); ok {
				out = append(out, plain(o["text"]))
			}
		case text(v) != "":
			out = append(out, text(v))
		}
	}
	return out
}

// accepts says why Slack's own client would not send this value, if so.
func (in Input) accepts(state Block) error {
	values := typed(state)
	if len(values) == 0 && !in.Optional {
		return fmt.Errorf("%s: please complete this required field", in.Label)
	}
	if in.Type == "number_input" && len(values) > 0 {
		return in.acceptsNumber(values[0])
	}
	if in.Type != "plain_text_input" || len(values) == 0 {
		return nil
	}
	n := utf8.RuneCountInString(values[0])
	if least, ok := in.element["min_length"].(float64); ok && n < int(least) {
		return fmt.Errorf("%s: at least %d characters", in.Label, int(least))
	}
	if most, ok := in.element["max_length"].(float64); ok && n > int(most) {
		return fmt.Errorf("%s: at most %d characters", in.Label, int(most))
	}
	return nil
}

// acceptsNumber is what Slack's own client checks of a number.
// Source: docs.slack.dev/reference/block-kit/block-elements/number-input-element
func (in Input) acceptsNumber(typed string) error {
	n, err := strconv.ParseFloat(typed, 64)
	decimal, _ := in.element["is_decimal_allowed"].(bool)
	if err != nil || !decimal && strings.ContainsAny(typed, ".eE") {
		return fmt.Errorf("%s: %q is not a number as it is asked for", in.Label, typed)
	}
	if least, err := strconv.ParseFloat(text(in.element["min_value"]), 64); err == nil && n < least {
		return fmt.Errorf("%s: at least %v", in.Label, least)
	}
	if most, err := strconv.ParseFloat(text(in.element["max_value"]), 64); err == nil && n > most {
		return fmt.Errorf("%s: at most %v", in.Label, most)
	}
	return nil
}

// keptState is the state of all inputs of a view, keeping what was there before.
func keptState(v *View) Block {
	values := Block{}
	for _, in := range inputs(v.Blocks) {
		state := initial(in.element)
		if before, ok := v.state[in.BlockID].(Block); ok && before[in.ActionID] != nil {
			state, _ = before[in.ActionID].(Block)
		}
		values[in.BlockID] = Block{in.ActionID: state}
	}
	return values
}
