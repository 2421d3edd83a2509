package commands

import (
	"maps"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// unquoted is the text of a flag that has no quotes. It is not certain where one
// of several words ends: an argument may follow it.
type unquoted struct {
	flag  string
	words []string
}

func (u unquoted) several() bool { return len(u.words) > 1 }

// untilFlag are the words that go on with a text without quotes.
func untilFlag(rest []word) (texts []string, after []word) {
	for i, w := range rest {
		if !w.quoted && isFlag(w.text) {
			return texts, rest[i:]
		}
		texts = append(texts, w.text)
	}
	return texts, nil
}

// certain refuses a text without quotes that most likely ends with an argument,
// and one after which an argument is missing. An environment that is missing is
// for [Missing] to find: only the file says what is one.
func (l *Line) certain(h Help) error {
	next := slices.IndexFunc(h.Args, func(a Arg) bool { return l.Args[a.Name] == "" })
	if !l.open.several() || next < 0 || h.Args[next].Suggested && !l.word {
		return nil
	}
	a := h.Args[next]
	words := l.open.words
	last := words[len(words)-1]
	switch {
	case a.mayBe(last):
		rest := words[:len(words)-1]
		if n := len(rest) - 1; n > 0 && a.Word != "" && strings.EqualFold(rest[n], a.Word) {
			rest = rest[:n]
		}
		return l.uncertain(last, l.with(rest, a.Name, last))
	case !a.Optional || l.word:
		return pipeline.Refuse("unquoted_text", "`%s` needs `<%s>`, and the text after `--%s` may hold it. Put the text in quotes: %s.",
			h.Name, a.Name, l.open.flag, Code(Clip(l.whole())))
	}
	return nil
}

// mayBe reports whether the last word of a text may be this argument.
func (a Arg) mayBe(last string) bool {
	if plain(last) != nil {
		return false
	}
	return surely.MatchString(last) || !strings.HasPrefix(a.Name, "run") && isName(last) // a run has one form only
}

// uncertain is the refusal that has both lines that may be meant.
func (l Line) uncertain(word, without string) error {
	return pipeline.Refuse("unquoted_text", "It is not certain whether %s belongs to the text after `--%s`. If it does not: %s. If it does: %s.",
		Code(Clip(word)), l.open.flag, Code(Clip(without)), Code(Clip(l.whole())))
}

// whole is the line with the text in quotes to its end, and a place for each
// argument that is missing.
func (l Line) whole() string { return l.with(l.open.words, "", "") }

// with is the line with another text and one argument more.
func (l Line) with(text []string, name, value string) string {
	l.Args, l.Flags = maps.Clone(l.Args), maps.Clone(l.Flags)
	l.Flags[l.open.flag] = []string{strings.Join(text, " ")}
	if name != "" {
		l.Args[name] = value
	}
	for _, a := range l.Command.Help().Args {
		if (!a.Optional || l.word && a.Word != "") && l.Args[a.Name] == "" {
			l.Args[a.Name] = "<" + a.Name + ">"
		}
	}
	return l.again()
}

// noEnvironment refuses a line without an environment whose text may hold one.
func (l Line) noEnvironment(arg string, c *pipeline.Config) error {
	words := l.open.words
	at := -1
	for i, w := range words {
		if _, is := c.Environment(w); is {
			at = i
		}
	}
	if at < 0 || arg == "from" { // of two environments it is open which is which
		return pipeline.Refuse("unquoted_text", "`%s` needs an environment. Those of %s are %s. Put the text after `--%s` in quotes: %s.",
			l.Command.Help().Name, c.Service, strings.Join(c.EnvironmentNames(), ", "), l.open.flag, Code(Clip(l.whole())))
	}
	text, args := words[:at], l.Command.Help().Args
	last := args[len(args)-1]
	switch after := words[at+1:]; {
	case len(after) == 1 && last.Optional && last.mayBe(after[0]) && at > 0:
		line := l
		line.Args = maps.Clone(l.Args)
		line.Args[last.Name] = after[0]
		return l.uncertain(words[at]+" "+after[0], line.with(text, arg, words[at]))
	case len(after) > 0:
		text = slices.Concat(text, after)
	}
	return l.uncertain(words[at], l.with(text, arg, words[at]))
}
