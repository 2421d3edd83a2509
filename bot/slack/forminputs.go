package slack

import (
	"fmt"
	"slices"
	"strconv"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

const (
	maxParams   = 40 // inputs; the rest of a form is below 10, and Slack takes 100 blocks
	maxInitial  = 75 // of a default in a menu
	maxRefValue = 150
)

// refMenu is the default branch, open pull requests, branches and tags, in
// groups. Nil: there is nothing to choose from.
func refMenu(block, label string, refs bot.Refs) *slackgo.InputBlock {
	left := maxOptions
	group := func(name string, options []*slackgo.OptionBlockObject) []*slackgo.OptionGroupBlockObject {
		options = options[:min(left, len(options))]
		if left -= len(options); len(options) == 0 {
			return nil
		}
		return []*slackgo.OptionGroupBlockObject{slackgo.NewOptionGroupBlockElement(plainText(name), options...)}
	}
	var pulls []*slackgo.OptionBlockObject
	for _, p := range refs.Pulls {
		if word.MatchString(p.Branch) && len(p.Branch) <= maxRefValue {
			text := short(oneLine(pipeline.Clean(fmt.Sprintf("PR %d %s", p.Number, p.Title))), maxInitial)
			pulls = append(pulls, slackgo.NewOptionBlockObject(p.Branch, plainText(text), nil))
		}
	}
	groups := slices.Concat(group("Default branch", optionsOf([]string{refs.Default})), group("Open pull requests", pulls),
		group("Branches", optionsOf(refs.Branches)), group("Tags", optionsOf(refs.Tags)))
	if len(groups) == 0 {
		return nil
	}
	menu := slackgo.NewOptionsGroupSelectBlockElement(slackgo.OptTypeStatic, plainText("the default branch"), inMenu, groups...)
	return optional(slackgo.NewInputBlock(block, plainText(label), nil, menu))
}

// paramInputs are the declared parameters, each in the input that fits its type.
func paramInputs(own func(string) string, params []pipeline.Param) []slackgo.Block {
	var out []slackgo.Block
	for _, p := range params[:min(maxParams, len(params))] {
		in := slackgo.NewInputBlock(own(inParam+p.Name), plainText(short(p.Name, 150)), nil, paramElement(p))
		if p.Help != "" {
			in.Hint = plainText(short(oneLine(pipeline.Clean(p.Help)), 300))
		}
		in.Optional = p.Default != nil || !p.Required
		out = append(out, in)
	}
	return out
}

func paramElement(p pipeline.Param) slackgo.BlockElement {
	id, initial := inParam+p.Name, ""
	if p.Default != nil {
		initial = fmt.Sprint(p.Default)
	}
	values := p.Enum
	if p.Type == "bool" {
		values = []string{"true", "false"}
	}
	fits := !slices.ContainsFunc(values, func(v string) bool { return v == "" || len([]rune(v)) > maxInitial })
	if len(values) > 0 && len(values) <= maxOptions && fits {
		return paramMenu(id, values, initial)
	}
	if p.Type == "int" {
		in := slackgo.NewNumberInputBlockElement(nil, id, false)
		in.InitialValue = initial
		if p.Min != nil {
			in.MinValue = strconv.FormatInt(*p.Min, 10)
		}
		if p.Max != nil {
			in.MaxValue = strconv.FormatInt(*p.Max, 10)
		}
		return in
	}
	in := slackgo.NewPlainTextInputBlockElement(nil, id)
	in.InitialValue = initial
	return in
}

func paramMenu(id string, values []string, initial string) *slackgo.SelectBlockElement {
	menu := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, nil, id)
	for _, v := range values {
		o := slackgo.NewOptionBlockObject(v, plainText(v), nil)
		menu.Options = append(menu.Options, o)
		if v == initial {
			menu.InitialOption = o
		}
	}
	return menu
}

// givenParams is the part of the command line that the inputs of parameters
// stand for, and what is wrong with them by block, in the words of the parser.
// What is as it would be anyway is left out.
func givenParams(i interaction, params []pipeline.Param) (line string, wrong map[string]string) {
	wrong = map[string]string{}
	declared := map[string]pipeline.Param{}
	for _, p := range params {
		declared[p.Name] = p
	}
	for _, name := range i.params() {
		value := i.input(inParam + name)
		p, known := declared[name]
		if value == "" || known && p.Default != nil && value == fmt.Sprint(p.Default) {
			continue
		}
		if known {
			if _, err := (&pipeline.Pipeline{Name: "deploy", Params: []pipeline.Param{p}}).ParseParams(map[string]string{name: value}); err != nil {
				wrong[i.block(inParam+name)] = short(pipeline.Message(err), 300)
				continue
			}
		}
		line += commands.PasteFlag("param", name+"="+value)
	}
	return line, wrong
}
