package pipeline

import (
	"strings"
	"unicode/utf8"
)

// locate finds the place in the file of a byte of a scalar's text, as well as
// quotes, escapes and folding allow; else it is the scalar's own.
func (d *decoder) locate(n *node, offset int) (line, column int) {
	if offset >= len(n.text) && offset > 0 {
		line, column = d.locate(n, len(n.text)-1)
		return line, column + 1
	}
	rest, _, _ := strings.Cut(n.text[min(offset, len(n.text)):], "\n")
	needle := rest[:min(len(rest), 24)]
	if needle == "" {
		return n.line, n.column
	}
	skip := strings.Count(n.text[:offset], needle)
	for i := n.line - 1; i < len(d.lines); i++ {
		from := 0
		if i == n.line-1 {
			from = byteOf(d.lines[i], n.column)
		}
		for {
			j := strings.Index(d.lines[i][from:], needle)
			if j < 0 {
				break
			}
			if skip == 0 {
				return i + 1, utf8.RuneCountInString(d.lines[i][:from+j]) + 1
			}
			skip, from = skip-1, from+j+len(needle)
		}
	}
	return n.line, n.column
}

// byteOf is where the column, counted in characters from 1, begins in the line.
func byteOf(line string, column int) int {
	for i := range line {
		if column--; column == 0 {
			return i
		}
	}
	return len(line)
}
