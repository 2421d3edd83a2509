package github

import (
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// summaries are what steps wrote for people, and while those are asked, what
// the steps would do. Anybody may have written what is in it: diffs and tables
// are shown as such, all else as text, and nothing in any of them is markup.
func summaries(r *pipeline.Run, limit int) string {
	var b strings.Builder
	for _, p := range bot.Show(r).Plans {
		fold(&b, "Plan of "+p.Step, p.Note, document(p.Plan, limit))
	}
	for _, s := range r.Steps {
		if parts := bot.Document(s.Summary); len(parts) > 0 {
			fold(&b, s.Name, "", document(parts, limit))
		}
	}
	return b.String()
}

// fold writes a document that is opened by its title, or what there is to say
// of it where there is none.
func fold(b *strings.Builder, title, note, document string) {
	if note != "" {
		note = ": " + cutRunes(oneLine(note), 300)
	}
	if document == "" {
		fmt.Fprintf(b, "%s\n\n", inline(title+note))
		return
	}
	fmt.Fprintf(b, "<details><summary>%s</summary>\n\n%s\n</details>\n\n", htmlText(title+note), document)
}

// document shows the parts, each cut to its share of about limit bytes. It ends
// in a line end.
func document(parts []bot.Part, limit int) string {
	size := 0
	for _, p := range parts {
		size += len(p.Text)
	}
	var shown []string
	for _, p := range parts {
		room := len(p.Text) * min(limit, size) / size
		switch p.Kind {
		case bot.TablePart:
			shown = append(shown, table(p.Rows, len(p.Rows)*room/len(p.Text)))
		case bot.DiffPart:
			shown = append(shown, codeBlock("diff", cutText(p.Text, room)))
		default:
			shown = append(shown, codeBlock("text", cutText(p.Text, room)))
		}
	}
	return strings.Join(shown, "\n")
}

// table shows the first rows, so many of them.
func table(rows [][]string, shown int) string {
	var b strings.Builder
	for i, row := range rows {
		if i > 0 && i >= shown {
			fmt.Fprintf(&b, "\n%d more rows are not shown.\n", len(rows)-i)
			break
		}
		b.WriteString("|")
		for _, cell := range row {
			fmt.Fprintf(&b, " %s |", inline(cutRunes(cell, 300)))
		}
		b.WriteString("\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}
