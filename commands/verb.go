package commands

import (
	"html"
	"strings"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// verb finds the command that a line names, and where the line goes on behind
// its verb. The verb is compared as people read it; one that is not plain ASCII
// is pointed out, one that is nearly ours is answered, and others are not ours.
func (s Set) verb(line string) (cmd Command, end int, err error) {
	f := fold(line)
	begin := verbBegin(line, f)
	length := strings.IndexByte(f.text[begin:]+" ", ' ')
	typed := strings.ToLower(f.text[begin : begin+length])
	end = f.from(begin + length)

	odd := oddity(line, end)
	cmd, known := s.Find(typed)
	switch {
	case known && odd == nil:
		return cmd, end, nil
	case known:
		return nil, 0, odd
	}
	near, ok := s.near(typed, line, f)
	switch {
	case !ok:
		return nil, 0, ErrNotOurs
	case odd != nil:
		return nil, 0, odd
	}
	shown := "/" + strings.TrimPrefix(line[:end], "/")
	rest := strings.TrimSpace(line[end:])
	return nil, 0, pipeline.Refuse("unknown_command", "There is no command %s. Did you mean %s?", Code(Clip(shown)), Code(Clip(strings.TrimSpace("/"+near+" "+rest))))
}

// verbBegin is where in the folded line the verb begins: behind a slash, which
// may follow one character of a mention that is not plain.
func verbBegin(line string, f folded) int {
	_, first := utf8.DecodeRuneInString(line)
	if slash := strings.IndexByte(f.text, '/'); f.at != nil && slash > 0 && f.from(slash) == first {
		return slash + 1
	}
	begin := len(f.text) - len(strings.TrimLeft(f.text, " "))
	return begin + len(f.text[begin:]) - len(strings.TrimPrefix(f.text[begin:], "/"))
}

// oddity points out what is not plain ASCII in a verb, or right behind it.
func oddity(line string, end int) error {
	word := line[:end+len(line[end:])-len(strings.TrimLeftFunc(line[end:], func(r rune) bool { return r != ' ' && r != '\t' }))]
	for i, r := range word {
		if i > end {
			return nil
		}
		if !isPlain(string(r)) && r != '\t' {
			return notASCII(word, r)
		}
	}
	return nil
}

// near is the verb of ours that somebody most likely meant. A word that others
// use is never a mistyped one of ours.
func (s Set) near(typed, line string, f folded) (string, bool) {
	if f.odd >= 0 { // a blank of another kind behind the verb, or in the middle of it
		whole, _, _ := strings.Cut(strings.TrimLeft(fold(closeUp(line)).text, " /"), " ")
		for _, typed := range []string{strings.TrimLeft(fold(line[:f.odd]).text, " /"), whole} {
			if cmd, ok := s.Find(typed); ok && typed != "" {
				return cmd.Help().Name[1:], true
			}
		}
	}
	if i := strings.IndexAny(html.UnescapeString(typed), ",:;!\u00a0\"'("); i > 0 {
		typed = typed[:i]
	}
	if cmd, ok := s.Find(typed); ok && typed != "" {
		return cmd.Help().Name[1:], true
	}
	if strings.ContainsAny(typed, "/.") || isOthers(typed) {
		return "", false // a path, or for another bot
	}
	for _, c := range s {
		h := c.Help()
		name := strings.TrimPrefix(h.Name, "/")
		if oneOff(typed, name) && !h.SlackOnly || looksLike(typed, name) {
			return name, true
		}
	}
	return "", false
}

// oneOff reports whether one letter is wrong, left out, added or swapped with
// its neighbour. Of a word as short as "why" too many others are one letter off.
func oneOff(typed, name string) bool {
	const short = 3
	same := 0
	for same < min(len(typed), len(name)) && typed[same] == name[same] {
		same++
	}
	a, b := typed[same:], name[same:]
	swapped := len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
	if len(name) <= short {
		return swapped
	}
	switch len(typed) - len(name) {
	case 0:
		return swapped || a != "" && a[1:] == b[1:]
	case 1:
		return a[1:] == b
	case -1:
		return a == b[1:]
	}
	return false
}

// looksLike reports whether a word is a name in which one or two letters are
// from another alphabet.
func looksLike(typed, name string) bool {
	const most = 2
	letters, others := []rune(typed), 0
	if len(letters) != len(name) {
		return false
	}
	for i, r := range letters {
		if r > unicodeASCII {
			others++
		} else if byte(r) != name[i] {
			return false
		}
	}
	return others > 0 && others <= most
}
