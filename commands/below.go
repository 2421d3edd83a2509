package commands

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/shipmate/shipmate/pipeline"
)

// gather returns what follows the verb of a command, with what belongs to it on
// the lines below: the next line after a backslash, lines that begin with a
// flag, and the rest of a quote. Other lines are prose, unless they look like a
// part of the command; then nothing is guessed.
func gather(h Help, rest, below string) (string, error) {
	var lines []string
	if below != "" {
		lines = strings.Split(below, "\n")
	}
	parts := []string{rest}
	var open quoting
	open.read(rest)
	for {
		next := nextText(lines)
		flag := ""
		if next >= 0 && !open.quote && !open.slash {
			flag = flagOf(h, lines[next])
		}
		var line string
		switch {
		case open.quote && len(lines) > 0:
			line, lines = "\n"+lines[0], lines[1:]
		case open.slash && next != 0:
			return "", pipeline.Refuse("split_command", "%s ends with a backslash, and nothing follows it. Write the command on one line.", Code(Clip(h.Name+strings.Join(parts, ""))))
		case open.slash:
			last := &parts[len(parts)-1]
			*last = strings.TrimSuffix(strings.TrimRight(*last, " \t"), `\`)
			line, lines = " "+strings.TrimLeft(lines[0], " \t"), lines[1:]
		case flag != "":
			line, lines = " "+flag, lines[next+1:]
		default:
			return strings.Join(parts, ""), stray(h, lines)
		}
		parts = append(parts, line)
		open.read(line)
	}
}

// nextText is the first line that is not empty, -1 if there is none.
func nextText(lines []string) int {
	return slices.IndexFunc(lines, func(l string) bool { return strings.TrimSpace(l) != "" })
}

// quoting is whether a quote is open at the end of a text, or else its last
// character is a backslash.
type quoting struct{ quote, escaped, slash bool }

func (q *quoting) read(text string) {
	for _, r := range text {
		switch {
		case q.escaped:
			q.escaped = false
		case q.quote && r == '\\':
			q.escaped = true
		case r == '"', r == '“', r == '”':
			q.quote = !q.quote
		}
		if r != ' ' && r != '\t' {
			q.slash = r == '\\' && !q.quote
		}
	}
}

// stray refuses a command below which something stands that may be a part of it.
func stray(h Help, lines []string) error {
	paragraph, first := true, true
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			paragraph = false
			continue
		}
		if flagOf(h, line) != "" || onlyFlags(h, line) || paragraph && namesFlag(h, line) || (paragraph || first) && isArgument(h, line) {
			return pipeline.Refuse("split_command", "%s stands on another line than %s, so nothing was done. If it belongs to the command, write both on one line; if not, say it in another comment.",
				Code(Clip(strings.TrimSpace(line))), Code(h.Name))
		}
		first = false
	}
	return nil
}

// flagOf is the text of a line that begins with a flag, also as an item of a
// list; "" if it does not.
func flagOf(h Help, line string) string {
	text := item(line)
	f := fold(text)
	words := strings.TrimLeft(f.text, " ")
	name := strings.TrimLeft(words, "-")
	dashes := len(words) - len(name)
	switch {
	case dashes > 1 && name != "" && unicode.IsLetter([]rune(name)[0]):
		return text
	case dashes > 0 && hasFlag(h, firstWord(name)):
		return text
	case dashes == 0 && text != strings.TrimSpace(line) && strings.TrimSpace(words) == firstWord(name) && hasFlag(h, name):
		return "-" + text // "- dry-run"
	}
	return ""
}

// firstWord is the name of a flag, without its value.
func firstWord(text string) string {
	text = strings.TrimLeft(text, " ")
	if i := strings.IndexAny(text, " =,.;:!?"); i >= 0 {
		return text[:i]
	}
	return text
}

func hasFlag(h Help, name string) bool {
	return slices.ContainsFunc(h.Flags, func(f Flag) bool { return strings.EqualFold(f.Name, name) })
}

// namesFlag reports whether one of the command's flags is a word of the line.
func namesFlag(h Help, line string) bool {
	return slices.ContainsFunc(strings.Fields(fold(line).text), func(word string) bool {
		name := strings.TrimLeft(word, "-")
		return name != word && hasFlag(h, firstWord(name))
	})
}

var (
	// A run, a commit, a version, or name=value.
	surely = regexp.MustCompile(`^(?i)(?:r-[0-9a-z]+|[0-9a-f]{7,64}|v?\d+(?:\.\d+)+[-+.\w]*|[a-z_]\w*=\S+)$`)
	// One word with something in it that words of a sentence do not have.
	maybe = regexp.MustCompile(`^[\pL\pN_](?:[^\s!?,;]*[^\s!?,;.:])?$`)
	// usual are names of branches and environments that are also plain words.
	usual = strings.Fields("main master trunk head develop dev prod production staging stage stg test testing qa uat preview canary live demo sandbox all to")
)

// isArgument reports whether a line is most likely arguments of a command: two
// words at most, of which the first is surely one, or a single word that may be.
func isArgument(h Help, line string) bool {
	words := strings.Fields(fold(bare(line)).text)
	if len(words) == 0 || len(words) > 2 {
		return false
	}
	first := words[0]
	said := slices.ContainsFunc(h.Args, func(a Arg) bool { return a.Word != "" && strings.EqualFold(a.Word, first) })
	if surely.MatchString(first) && strings.ContainsAny(first, "0123456789=") || said && len(words) == 2 {
		return true
	}
	return len(words) == 1 && (isName(first) || hasFlag(h, first))
}

// isName reports whether a word is most likely the name of a branch, a version
// or an environment.
func isName(word string) bool {
	if !maybe.MatchString(word) || strings.Contains(word, "://") {
		return false
	}
	return strings.ContainsAny(word, "0123456789./_=:-@") || slices.Contains(usual, strings.ToLower(word))
}
