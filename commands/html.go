package commands

import "strings"

const commentStart = "<!--"

// shown is a line without its HTML comments. Code and what follows a backslash
// open none.
func (r *reader) shown(line string) string {
	var b strings.Builder
	for line != "" {
		size := 1
		switch {
		case strings.HasPrefix(line, commentStart):
			end := strings.Index(line[2:], "-->") // "<!-->" is a whole one
			if r.comment = end < 0; r.comment {
				return b.String()
			}
			line = line[2+end+3:]
			continue
		case line[0] == '`':
			size = codeSpan(line)
		case line[0] == '\\' && len(line) > 1:
			size = 2
		}
		b.WriteString(line[:size])
		line = line[size:]
	}
	return b.String()
}

// codeSpan is the length of the code that a text begins with, or of its
// backticks if they open none.
func codeSpan(text string) int {
	ticks := len(leadingTicks(text))
	for at := ticks; ; {
		next := strings.IndexByte(text[at:], '`')
		if next < 0 {
			return ticks
		}
		at += next
		run := len(leadingTicks(text[at:]))
		if at += run; run == ticks {
			return at
		}
	}
}

// opensBlock reports whether a comment begins a line, or an item of a list, and
// goes on below: not only to the end of the paragraph.
func opensBlock(body string) bool {
	rest, begins := strings.CutPrefix(body[len(bullet.FindString(body)):], commentStart)
	return begins && !strings.Contains(rest, "-->") && !strings.HasPrefix(rest, ">") && !strings.HasPrefix(rest, "->")
}

// interrupts reports whether a line ends the paragraph above it.
func interrupts(body string) bool {
	return fenceOf(body) != "" || itemFence(body) > 0 || strings.HasPrefix(body, ">") || strings.HasPrefix(body, commentStart)
}
