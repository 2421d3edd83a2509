package main

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	span   = regexp.MustCompile("`[^`]*`")
	bold   = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	anchor = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]*)\)`)
)

// markdown renders the small kind of Markdown that answers are made of (see
// bot.Answer) for reading on a terminal. What people typed stands in code
// spans, which keep their marks where there are no colours to tell them by.
func (t *terminal) markdown(text string) string {
	var out []string
	fence := ""
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = visible(line)
		marks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence != "" && line == fence:
			fence = ""
		case fence != "":
			out = append(out, "  "+line)
		case len(marks) >= 3 && !strings.Contains(line[len(marks):], "`"):
			fence = marks
		default:
			out = append(out, t.prose(line))
		}
	}
	return strings.Join(out, "\n")
}

// prose renders a line outside of code blocks. Inside of code spans nothing
// has a meaning.
func (t *terminal) prose(line string) string {
	var b strings.Builder
	for {
		at := span.FindStringIndex(line)
		if at == nil {
			b.WriteString(t.marks(line))
			return b.String()
		}
		b.WriteString(t.marks(line[:at[0]]))
		code := line[at[0]:at[1]]
		if t.colour {
			code = t.paint("36", strings.Trim(code, "`"))
		}
		b.WriteString(code)
		line = line[at[1]:]
	}
}

func (t *terminal) marks(text string) string {
	text = bold.ReplaceAllStringFunc(text, func(m string) string { return t.bold(strings.Trim(m, "*")) })
	return anchor.ReplaceAllString(text, "$1 ($2)")
}

// visible takes out what would command a terminal, or could not be seen on it.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r) && r != '\u200d':
			return -1
		}
		return r
	}, text)
}
