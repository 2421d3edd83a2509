package github

import (
	"strings"
	"unicode/utf8"
)

// maxText is what we put into one comment, summary or text. GitHub takes 65,535
// characters, and counts bytes in places.
const maxText = 60_000

// cutMiddle shortens Markdown to at most limit bytes: the start, where the
// verdict is, and the end stay. Blocks of code that the cut opens are closed.
func cutMiddle(md string, limit int) string {
	if len(md) <= limit {
		return md
	}
	const slack = 400 // for the notice and the fences
	room := max(limit-slack, 0)
	head := cutAt(md, room/3)
	tail := md[len(md)-(room-len(head)):]
	if i := strings.IndexByte(tail, '\n'); i >= 0 && i < len(tail)-1 {
		tail = tail[i+1:]
	}
	for tail != "" && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	headFence, tailFence := openFence(head), openFence(md[:len(md)-len(tail)])
	if len(headFence)+len(tailFence) > slack/2 {
		return "(too long to show)"
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(head, "\n") + "\n")
	if headFence != "" {
		b.WriteString(headFence + "\n")
	}
	b.WriteString("\n*(the middle is cut out: too long to show)*\n\n")
	if tailFence != "" {
		b.WriteString(tailFence + "text\n")
	}
	b.WriteString(tail)
	return b.String()
}

// cutAt keeps whole lines of at most n bytes, or whole runes if the first line
// is longer.
func cutAt(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n]
	if i := strings.LastIndexByte(s, '\n'); i > 0 {
		return s[:i+1]
	}
	for s != "" && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) {
		s = s[:len(s)-1]
	}
	return s
}

// openFence is the fence of the block of code that is open at the end of md.
func openFence(md string) string {
	fence := ""
	for line := range strings.Lines(md) {
		switch mark := fenceOf(line); {
		case fence == "" && mark != "":
			fence = mark
		case fence != "" && closes(line, fence):
			fence = ""
		}
	}
	return fence
}

// cutRunes shortens plain text to at most n runes.
func cutRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}
