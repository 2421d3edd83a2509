package slack

import (
	"strings"
	"testing"
	"unicode/utf8"

	sim "github.com/shipmate/shipmate/test/sim/slack"
)

var ours = markup{links: []string{"https://ci.example"}}

func TestMarkup(t *testing.T) {
	for in, want := range map[string]string{
		"a **b** c":                              "a *b* c",
		"see `/status r-1` or `/deploy prod`":    "see `/shipmate status r-1` or `/deploy prod`",
		"`a*b` and `<x>`":                        "`a*b` and `&lt;x&gt;`",
		"# Title **x**":                          "*Title x*",
		"- one\n* two\n  - three":                "• one\n• two\n  • three",
		"[run](https://ci.example/r-1)":          "<https://ci.example/r-1|run>",
		"[run](https://ci.example.evil/r-1)":     "[run](https://ci.example.evil/r-1)",
		"[run](https://evil.example)":            "[run](https://evil.example)",
		"`[run](https://ci.example/r-1)`":        "`[run](https://ci.example/r-1)`",
		"**[run](https://ci.example/r-1)**":      "**<https://ci.example/r-1|run>**",
		"```go\na := \"<b>\" **c**\n```\n**d**":  "```\na := \"&lt;b&gt;\" **c**\n```\n*d*",
		"```\nnever closed":                      "```\nnever closed\n```",
		"<!channel> <@U1> & <https://evil|prod>": "&lt;!channel&gt; &lt;@U1&gt; &amp; &lt;https://evil|prod&gt;",
		"``a`b``":                                "`a'b`",
	} {
		if got := ours.mrkdwn(in); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
}

// FuzzMarkup: whatever is in a text, only links to our own addresses are live,
// also after it was cut.
func FuzzMarkup(f *testing.F) {
	for _, seed := range []string{"**a**", "<!channel>", "[a|b](https://ci.example/<!here>)", "[<@U1>](https://ci.example/x)", "```<@U1>", "`<#C1>", "&lt;!here&gt;", "[a](https://ci.example/x|<!here>)"} {
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		if !utf8.ValidString(text) {
			return
		}
		n = 60 + abs(n)%200
		whole := ours.mrkdwn(text)
		for _, out := range append(pieces(whole, n), whole, cut(whole, n, "…"), escape(text)) {
			for _, m := range sim.ActiveMarkup(out) {
				if m.Kind != "link" || !strings.HasPrefix(m.To, "https://ci.example") {
					t.Errorf("%q makes %+v live in %q", text, m, out)
				}
			}
		}
		for _, p := range pieces(whole, n) {
			if utf8.RuneCountInString(p) > n {
				t.Errorf("a piece of %d characters, at most %d: %q", utf8.RuneCountInString(p), n, p)
			}
		}
		if got := utf8.RuneCountInString(cut(whole, n, "…")); got > n {
			t.Errorf("%d characters after a cut at %d", got, n)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
