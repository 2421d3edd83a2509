package bot

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Part is a piece of what a step wrote for people. Anybody may have written it
// or what is in it, so every surface escapes it in its own way.
type Part struct {
	Kind PartKind
	Text string     // without the fence
	Rows [][]string // of a table: its head, then the rest, all of one length
}

// PartKind is what a part is shown as.
type PartKind int

// Wider tables are text, and wider columns are not aligned: a few bytes would
// become many.
const (
	maxColumns = 12
	maxWidth   = 60
)

const (
	TextPart PartKind = iota
	DiffPart
	TablePart
)

// Document finds the diffs and the tables in what a step wrote. All other
// Markdown is text.
func Document(md string) (parts []Part) {
	lines := strings.Split(strings.ReplaceAll(md, "\r\n", "\n"), "\n")
	var text []string
	add := func(p Part) {
		if p.Text = strings.Trim(p.Text, "\n"); strings.TrimSpace(p.Text) != "" {
			parts = append(parts, p)
		}
	}
	for i := 0; i < len(lines); {
		p, n := partAt(lines[i:])
		if n == 0 {
			text = append(text, lines[i])
			i++
			continue
		}
		add(Part{Text: strings.Join(text, "\n")})
		add(p)
		text, i = nil, i+n
	}
	add(Part{Text: strings.Join(text, "\n")})
	return parts
}

// partAt is the block of code or the table that begins here, and its number of
// lines, 0 if none does.
func partAt(lines []string) (Part, int) {
	if fence := len(lines[0]) - len(strings.TrimLeft(lines[0], "`")); fence >= 3 {
		return fenced(lines, fence)
	}
	if len(lines) < 2 || !isRow(lines[0]) || !isRow(lines[1]) || !strings.Contains(lines[1], "-") || strings.Trim(lines[1], "|-: ") != "" {
		return Part{}, 0
	}
	n := 2
	rows := [][]string{cells(lines[0])}
	if len(rows[0]) > maxColumns {
		return Part{}, 0
	}
	for ; n < len(lines) && isRow(lines[n]); n++ {
		row := make([]string, len(rows[0]))
		copy(row, cells(lines[n]))
		rows = append(rows, row)
	}
	return Part{Kind: TablePart, Text: strings.Join(lines[:n], "\n"), Rows: rows}, n
}

func fenced(lines []string, fence int) (Part, int) {
	info := strings.TrimSpace(lines[0][fence:])
	if strings.Contains(info, "`") {
		return Part{}, 0
	}
	p := Part{}
	if info == "diff" {
		p.Kind = DiffPart
	}
	end := 1
	for end < len(lines) && (len(strings.TrimSpace(lines[end])) < fence || strings.Trim(strings.TrimSpace(lines[end]), "`") != "") {
		end++
	}
	p.Text = strings.Join(lines[1:end], "\n")
	return p, min(end+1, len(lines))
}

func isRow(line string) bool { return strings.HasPrefix(line, "|") }

// cells are what stands between the bars of a line; `\|` is a bar in a cell.
func cells(line string) []string {
	const bar = "\x00"
	line = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(line, bar, ""), `\|`, bar))
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	list := strings.Split(line, "|")
	for i, c := range list {
		list[i] = strings.TrimSpace(strings.ReplaceAll(c, bar, "|"))
	}
	return list
}

// Lines are the part in plain text, the columns of a table one below the other.
func (p Part) Lines() []string {
	if p.Kind != TablePart {
		return strings.Split(p.Text, "\n")
	}
	widths := make([]int, len(p.Rows[0]))
	for _, row := range p.Rows {
		for i, c := range row {
			widths[i] = max(widths[i], min(utf8.RuneCountInString(c), maxWidth))
		}
	}
	var lines []string
	for _, row := range p.Rows {
		line := ""
		for i, c := range row {
			line += fmt.Sprintf("%-*s  ", widths[i], c)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
