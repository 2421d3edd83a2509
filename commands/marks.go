package commands

import (
	"regexp"
	"slices"
	"strings"
)

// marks make text bold, italic or struck out, on GitHub and on Slack; the
// longest come first.
var marks = []string{"***", "___", "**", "__", "~~", "*", "_", "~"}

// Unmark takes off the marks of code, bold, italic and strike that stand around
// a whole line, also within each other. A line with a mark inside, as between
// two marked words, is left as it is.
func Unmark(line string) string {
	for range maxNested {
		inner := unmarkOnce(strings.Trim(line, " \t"))
		if inner == "" {
			break
		}
		line = inner
	}
	return line
}

// unmarkOnce takes the outermost marks off; "": there are none.
func unmarkOnce(line string) string {
	if ticks := leadingTicks(line); ticks != "" {
		inner, ok := between(line, ticks)
		if ok && !strings.Contains(inner, ticks) {
			return strings.Trim(inner, " \t")
		}
		return ""
	}
	for _, mark := range marks {
		inner, ok := between(line, mark)
		if !ok || inner != strings.TrimSpace(inner) {
			continue
		}
		if !marksAnother(inner, mark) {
			return inner
		}
	}
	return ""
}

// marksAnother reports whether a mark begins or ends a word inside a text.
func marksAnother(inner, mark string) bool {
	return slices.ContainsFunc([]string{" ", "\n"}, func(blank string) bool {
		return strings.Contains(inner, mark+blank) || strings.Contains(inner, blank+mark)
	})
}

func between(line, mark string) (string, bool) {
	inner, begins := strings.CutPrefix(line, mark)
	inner, ends := strings.CutSuffix(inner, mark)
	return inner, begins && ends && strings.Trim(inner, "`*_~ \t") != ""
}

func leadingTicks(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, "`"))]
}

// leadingMarks are all marks that a line begins with.
func leadingMarks(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, "`*_~"))]
}

const (
	maxNested = 8  // marks within each other
	maxMarked = 20 // lines that one pair of marks is looked for in
)

// unmarkLines takes off marks that begin with this line and end with a later one
// of the same paragraph; below is changed.
func unmarkLines(line string, below []string) string {
	open := leadingMarks(line)
	if open == "" || !strings.HasPrefix(fold(line[len(open):]).text, "/") {
		return line
	}
	end := reversed(open)
	if strings.HasSuffix(line, end) {
		return line
	}
	for i, next := range below[:min(len(below), maxMarked)] {
		next = strings.TrimRight(next, " \t")
		switch {
		case next == "":
			return line
		case strings.HasSuffix(next, end):
			below[i] = strings.TrimSuffix(next, end)
			return line[len(open):]
		}
	}
	return line
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// bullet is what makes a line an item of a list; Slack's own bullets too.
var bullet = regexp.MustCompile(`^(?:[-*+•◦▪‣·]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?`)

// item is the text of a list item, or of any other line, without its marks.
func item(line string) string {
	line = strings.TrimLeft(line, " \t")
	return Unmark(line[len(bullet.FindString(line)):])
}
