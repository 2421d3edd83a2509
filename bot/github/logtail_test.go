package github

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// logs are the same for every step.
type logs struct {
	text  string
	reads int
}

func (l *logs) Tail(_ context.Context, _ pipeline.RunID, _ string, _, lines int) ([]string, error) {
	l.reads++
	all := strings.Split(l.text, "\n")
	return all[max(0, len(all)-lines):], nil
}

// TestLogTails: the last lines of what failed are there as text, and everything
// is valid and short enough, whatever a log holds.
func TestLogTails(t *testing.T) {
	var fences strings.Builder
	for n := 1; n <= 10; n++ {
		fences.WriteString(strings.Repeat("`", n) + "\n" + strings.Repeat("~", n) + "\n")
	}
	for name, text := range map[string]string{
		"a short log":               "building\nmain.c:3: expected ';'",
		"10 MB in short lines":      strings.Repeat("0123456789\n", 1<<20),
		"10 MB in one line":         strings.Repeat("x", 10<<20),
		"four-byte runes":           strings.Repeat("🚢", 1<<20),
		"an odd byte, then runes":   "x" + strings.Repeat("🚢", 1<<20),
		"fences of all lengths":     fences.String(),
		"nothing but backticks":     strings.Repeat("`", 1<<20),
		"fences at every line":      strings.Repeat("```\n", 1<<18),
		"the end of details":        "</details>\n</summary><img src=x>\n<!-- shipmate:pr -->",
		"mentions, links, headings": "@octo/team fixes #1\n\n# h\n[ok](https://evil.example)\n| a | b |\n/deploy prod",
		"bytes that are no text":    strings.Repeat("\xff\xfe a \x1b[31m\r", 1<<16),
	} {
		for _, runs := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s, %d runs", name, runs), func(t *testing.T) {
				s := newScene(t)
				log := &logs{text: text}
				withLogs := func(c *ReportConfig) { c.Logs = log }
				for i := range runs {
					r := s.run()
					r.ID, r.Environment.Name = pipeline.RunID(fmt.Sprintf("r-%08d", i)), fmt.Sprintf("env-%d", i)
					start(r)
					nextStep(r)
					finish(r, pipeline.Failed, "x", "it broke")
					r.Steps[1].Summary = nasty
				}
				last := s.runs.all[len(s.runs.all)-1]
				for _, name := range []string{"github-comment", "github-check"} {
					if err := s.sink(name, withLogs).show(s.ctx(), last); err != nil {
						t.Fatal(err)
					}
				}
				if log.reads > 2*maxTails {
					t.Errorf("%d logs were read", log.reads)
				}
				run := s.sim.CheckRuns("octo/shop", s.sha)[0]
				for where, md := range map[string]string{"comment": s.sim.Comments("octo/shop", s.pr)[0].Body, "text": value(run.Output.Text)} {
					checkTails(t, where, strings.TrimPrefix(md, marker("pr")))
				}
			})
		}
	}
}

func checkTails(t *testing.T, where, md string) {
	t.Helper()
	if len(md) > maxText || !utf8.ValidString(md) || openFence(md) != "" {
		t.Errorf("%s: %d bytes, open %q", where, len(md), openFence(md))
	}
	if where == "comment" && !strings.Contains(md[:200], "❌") {
		t.Errorf("no verdict first in %s", md[:200])
	}
	if !strings.Contains(md, "<summary>Log of <code>rollout</code></summary>") {
		t.Errorf("%s: no log in\n%.3000s", where, md)
	}
	rest := entity.ReplaceAllString(proseOf(md), "")
	if strings.Count(rest, "<details>") != strings.Count(rest, "</details>") {
		t.Errorf("%s: details do not balance", where)
	}
	for _, own := range []string{"<details><summary>", "</summary>", "</details>", "<code>", "</code>", "&lt;", "&gt;"} {
		rest = strings.ReplaceAll(rest, own, "")
	}
	if strings.ContainsAny(rest, "<>") || strings.Contains(rest, "evil") || strings.Contains(rest, "\n# ") || liveMention.MatchString(rest) {
		t.Errorf("%s: something is live in\n%.3000s", where, rest)
	}
}

// TestCutText: the start and the end stay, whole runes of them.
func TestCutText(t *testing.T) {
	for n := 200; n < 300; n++ {
		for _, text := range []string{strings.Repeat("🚢", 500), "ab" + strings.Repeat("🚢", 500), strings.Repeat("line\n", 200), strings.Repeat("x", 4000) + "\nlast"} {
			got := cutText(text, n)
			last, _ := utf8.DecodeLastRuneInString(text)
			if len(got) > n || !utf8.ValidString(got) || !strings.Contains(got, "bytes are left out here]") || !strings.HasSuffix(got, string(last)) || got[:4] != text[:4] {
				t.Fatalf("%d bytes of %d: %q", len(got), n, got)
			}
		}
	}
}
