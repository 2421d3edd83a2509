package commands

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// Line is a command that was understood.
type Line struct {
	Command Command
	Args    map[string]string   // by Arg.Name; what was left out is not there
	Flags   map[string][]string // by Flag.Name; a switch has one empty value
	Text    string              // as it was typed

	word bool     // the last word was an Arg.Word, so its argument must follow
	open unquoted // zero: no text goes on without quotes
}

// Arg returns an argument, "" if it was left out.
func (l Line) Arg(name string) string { return l.Args[name] }

// Flag returns the first value of a flag, "" if it was not given.
func (l Line) Flag(name string) string {
	if len(l.Flags[name]) == 0 {
		return ""
	}
	return l.Flags[name][0]
}

// Has reports whether a flag was given.
func (l Line) Has(name string) bool { return len(l.Flags[name]) > 0 }

// ErrNotOurs: the line is somebody else's command, and left alone.
var ErrNotOurs = pipeline.Refuse("not_ours", "This is not a command of shipmate.")

// Parse reads one of [Lines], with what stands below it. ErrNotOurs: its verb is
// none of ours nor close to one. Any other error says what is wrong and what to
// type instead.
func (s Set) Parse(text string) (Line, error) {
	first, below, _ := strings.Cut(text, "\n")
	cmd, verb, err := s.verb(first)
	if err != nil {
		return Line{}, err
	}
	h := cmd.Help()
	rest, err := gather(h, text[verb:len(first)], below)
	if err != nil {
		return Line{}, err
	}
	if utf8.RuneCountInString(rest) > maxLine {
		return Line{}, pipeline.Refuse("too_long", "This is too long for a command. Say it in at most %d characters.", maxLine)
	}
	words, err := split(rest)
	if err != nil {
		return Line{}, err
	}
	l := Line{Command: cmd, Args: map[string]string{}, Flags: map[string][]string{}, Text: text[:verb] + rest}
	return l, l.fill(h, words)
}

const (
	maxLine      = 4000 // characters of a command with everything that belongs to it
	unicodeASCII = 0x7e
)

// fill sorts words into arguments and flags, as the command declares them.
func (l *Line) fill(h Help, words []word) error {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		if dashed, ok := strings.CutPrefix(w.text, "—"); ok && !w.quoted {
			w.text = "--" + dashed // phones type two dashes as one long one
		}
		if w.quoted || !strings.HasPrefix(w.text, "-") {
			if err := l.addArg(h, w); err != nil {
				return err
			}
			continue
		}
		var err error
		if words, err = l.addFlag(h, w, words); err != nil {
			return err
		}
	}
	if err := l.certain(h); err != nil {
		return err
	}
	for _, a := range h.Args {
		if _, given := l.Args[a.Name]; !given && (!a.Optional && !a.Suggested || l.word) {
			return pipeline.Refuse("missing_argument", "`%s` needs `<%s>`. The whole of it: `%s`.", h.Name, a.Name, h.Usage())
		}
	}
	return nil
}

func (l *Line) addArg(h Help, w word) error {
	next := len(l.Args)
	if next < len(h.Args) && !w.quoted && h.Args[next].Word != "" && strings.EqualFold(h.Args[next].Word, w.text) && !l.word {
		l.word = true
		return nil
	}
	l.word = false
	if next == len(h.Args) {
		return pipeline.Refuse("extra_argument", "%s is one word too many. The whole of it: `%s`.", Code(w.text), h.Usage())
	}
	if err := plain(w.text); err != nil {
		return err
	}
	l.Args[h.Args[next].Name] = w.text
	return nil
}

func (l *Line) addFlag(h Help, w word, rest []word) ([]word, error) {
	name, value, inline := strings.Cut(strings.TrimPrefix(w.text, "--"), "=")
	i := slices.IndexFunc(h.Flags, func(f Flag) bool { return f.Name == name })
	if i < 0 || !strings.HasPrefix(w.text, "--") {
		return nil, unknownFlag(h, w.text)
	}
	f := h.Flags[i]
	switch {
	case len(l.Flags[name]) > 0 && !f.Repeat:
		return nil, pipeline.Refuse("duplicate_flag", "`--%s` is given twice. Say it once.", name)
	case f.Value == "" && inline:
		return nil, pipeline.Refuse("bad_flag", "`--%s` takes no value. Write it alone: `--%s`.", name, name)
	case f.Value == "":
		l.Flags[name] = []string{""}
		return rest, nil
	case !inline && len(rest) == 0, !inline && !rest[0].quoted && strings.HasPrefix(rest[0].text, "--"):
		return nil, pipeline.Refuse("bad_flag", "`--%s` needs a value: `--%s %s`.", name, name, f.Value)
	case f.Prose && (inline && !w.partly || !inline && !rest[0].quoted):
		if !inline {
			value, rest = rest[0].text, rest[1:]
		}
		var more []string
		more, rest = untilFlag(rest)
		l.open = unquoted{name, append([]string{value}, more...)}
		value = strings.Join(l.open.words, " ")
	case !inline:
		value, rest = rest[0].text, rest[1:]
	}
	if !f.Prose {
		if err := plain(value); err != nil {
			return nil, err
		}
	}
	l.Flags[name] = append(l.Flags[name], value)
	return rest, nil
}

// isFlag: a dash that stands alone is a part of a sentence.
func isFlag(text string) bool {
	name := strings.TrimPrefix(text, "—")
	if name == text {
		name = strings.TrimPrefix(text, "--")
	}
	return name != text && strings.Trim(name, "-—") != ""
}

func unknownFlag(h Help, text string) error {
	var known []string
	for _, f := range h.Flags {
		known = append(known, "--"+f.Name)
	}
	name, _, _ := strings.Cut(text, "=")
	if near, ok := pipeline.Nearest(name, known); ok {
		return pipeline.Refuse("unknown_flag", "`%s` knows no %s. Did you mean `%s`?", h.Name, Code(name), near)
	}
	return pipeline.Refuse("unknown_flag", "`%s` knows no %s. The whole of it: `%s`.", h.Name, Code(name), h.Usage())
}

// plain refuses everything but printable ASCII: letters that look alike must
// never name another environment than the one people read.
func plain(text string) error {
	for _, r := range text {
		if r < ' ' || r > unicodeASCII {
			return notASCII(text, r)
		}
	}
	return nil
}

func notASCII(text string, r rune) error {
	return pipeline.Refuse("not_ascii", "%s holds the character U+%04X, so nothing was done. Type it by hand in plain letters.", Code(Clip(text)), r)
}

// word is one word of a line; a quoted one is never a flag.
type word struct {
	text   string
	quoted bool // it begins with a quote
	partly bool // there is a quote in it
}

// split cuts a line at blanks. Double quotes hold blanks; inside them a
// backslash makes the next character ordinary. Phones type curly quotes.
func split(text string) ([]word, error) {
	var words []word
	var b strings.Builder
	in, quoted, partly, escaped := false, false, false, false
	flush := func() {
		if in {
			words = append(words, word{b.String(), quoted, partly})
		}
		b.Reset()
		in, quoted, partly = false, false, false
	}
	open := false
	for _, r := range text {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case open && r == '\\':
			escaped = true
		case !open && r != ' ' && r != '\t' && isBlank(r):
			return nil, notASCII(strings.TrimSpace(text), r) // people see a blank there
		case r == '"', r == '“', r == '”':
			quoted, partly = quoted || !in, true
			open, in = !open, true
		case !open && (r == ' ' || r == '\t'):
			flush()
		default:
			b.WriteRune(r)
			in = true
		}
	}
	if open {
		return nil, pipeline.Refuse("open_quote", "A quote is opened and never closed in %s. Close it, or leave it out.", Code(Clip(strings.TrimSpace(text))))
	}
	flush()
	return words, nil
}

// Paste builds a line that Parse reads back: a verb and its arguments.
func Paste(verb string, args ...string) string {
	for _, a := range args {
		verb += " " + quote(a)
	}
	return verb
}

// PasteFlag is a flag with its value, to go after a line.
func PasteFlag(name, value string) string { return " --" + name + " " + quote(value) }

// quote puts whatever is not one plain word into quotes.
func quote(text string) string {
	if text != "" && !strings.ContainsFunc(text, isBlank) && !strings.ContainsAny(text, "\"\\“”") && !strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "—") && text != "to" {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `“`, `\“`, `”`, `\”`).Replace(text) + `"`
}
