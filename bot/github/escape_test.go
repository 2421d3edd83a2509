package github

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestInline(t *testing.T) {
	const z = zeroWidth
	for in, want := range map[string]string{
		"exit code 2":                                 "exit code 2",
		"moved from `0123abc` to `4567def`.":          "moved from `0123abc` to `4567def`.",
		"[ok](http://evil.example)":                   `\[ok\](http:` + z + `//evil.example)`,
		"![](https://track.example/x.png)":            `\!\[\](https:` + z + `//track.example/x.png)`,
		"see www.evil.example":                        "see www" + z + ".evil.example",
		"cc @org/team":                                "cc @" + z + "org/team",
		"fixes #1, GH-2, octo/shop#3":                 "fixes #" + z + "1, GH-" + z + "2, octo/shop#" + z + "3",
		"<!-- shipmate:pr --></details>":              "&lt;\\!-- shipmate:pr --&gt;&lt;/details&gt;",
		"a | b":                                       `a \| b`,
		"in `a|b`":                                    "in `a¦b`",
		"# heading":                                   "#" + z + " heading",
		"- item\n\n# heading":                         z + "- item #" + z + " heading",
		"1. item":                                     z + "1. item",
		"``not closed` `":                             "\\`\\`not closed` `",
		"broke in deadbeef0 today":                    "broke in `deadbeef0` today",
		"at 0123456789abcdef0123456789abcdef01234567": "at `0123456789abcdef0123456789abcdef01234567`",
		"1234567 bytes":                               "1234567 bytes",
		"*bold* _it_ ~no~ $x$":                        `\*bold\* \_it\_ \~no\~ \$x\$`,
		"a\x00b\x1b[31mc\u202ed":                      `ab\[31mcd`,
		"caf\xe9":                                     "caf\uFFFD",
		"mail me@x.example":                           "mail me@" + z + "x.example",
	} {
		if got := inline(in); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestCode(t *testing.T) {
	for n := range 11 {
		ticks := strings.Repeat("`", n)
		text := "a" + ticks + "b"
		span := codeSpan(text)
		if end := closing(span, runAt(span, 0), runAt(span, 0)); end+runAt(span, 0) != len(span) {
			t.Errorf("%d backticks leave the span: %s", n, span)
		}
		block := codeBlock("text", "x\n"+ticks+"\n<!-- -->\n@mona")
		if openFence(block) != "" || openFence(strings.TrimRight(block, "`\n")) == "" {
			t.Errorf("%d backticks close the block: %s", n, block)
		}
	}
	for in, want := range map[string]string{"": "", "a": "`a`", "a\nb": "`a b`", "`": "`` ` ``", "@mona": "`@mona`"} {
		if got := codeSpan(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestOurs(t *testing.T) {
	const z = zeroWidth
	for in, want := range map[string]string{
		"**Deploying** `@mona` to [page](https://ours)": "**Deploying** `@mona` to [page](https://ours)",
		"by @mona, see #12 and GH-3":                    "by @" + z + "mona, see #" + z + "12 and GH-" + z + "3",
		"a <!-- b -->":                                  "a &lt;!-- b --&gt;",
		"```\n@mona #1 <!-- -->\n```\n@mona":            "```\n@mona #1 <!-- -->\n```\n@" + z + "mona",
		"````\n```\n@a\n````\n@b":                       "````\n```\n@a\n````\n@" + z + "b",
		"```\nnever closed":                             "```\nnever closed\n```\n",
		"~~~\n@a\n~~~":                                  "~~~\n@a\n~~~",
	} {
		if got := ours(in); got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestCutMiddle(t *testing.T) {
	if got := cutMiddle("short", 1000); got != "short" {
		t.Errorf("cut %q", got)
	}
	for name, text := range map[string]string{
		"lines":                    "verdict first\n" + strings.Repeat("line\n", 100_000) + "the end\n",
		"emoji":                    strings.Repeat("🚢", 100_000),
		"one line":                 strings.Repeat("x", 100_000),
		"a block at the cut":       "verdict\n```text\n" + strings.Repeat("line\n", 100_000) + "```\nthe end\n",
		"a long fence":             "verdict\n" + strings.Repeat("`", 70_000) + "\nx",
		"fences everywhere":        strings.Repeat("```\nx\n```\n", 20_000),
		"a fence in the tail only": strings.Repeat("line\n", 20_000) + "```\nx\n```\n",
	} {
		for _, limit := range []int{500, 10_000, maxText} {
			got := cutMiddle(text, limit)
			if len(got) > limit || !utf8.ValidString(got) || openFence(got) != "" {
				t.Errorf("%s to %d: %d bytes, valid %v, open %q", name, limit, len(got), utf8.ValidString(got), openFence(got))
			}
			if strings.HasPrefix(text, "verdict") && name != "a long fence" && !strings.HasPrefix(got, "verdict") {
				t.Errorf("%s to %d: the verdict is gone", name, limit)
			}
			if strings.HasSuffix(text, "the end\n") && !strings.HasSuffix(got, "the end\n") {
				t.Errorf("%s to %d: the end is gone", name, limit)
			}
		}
	}
}

// What GitHub makes live outside of code.
var (
	liveMention   = regexp.MustCompile(`@[A-Za-z0-9]`)
	liveReference = regexp.MustCompile(`#\d|\b[Gg][Hh]-\d`)
	liveLink      = regexp.MustCompile(`://|(?i:\bwww\.)`)
	liveMarkup    = regexp.MustCompile("(^|[^\\\\])((?:\\\\\\\\)*)[*_~\\[\\]|!$`]")
)

// FuzzInline: whatever goes in, nothing comes out alive.
func FuzzInline(f *testing.F) {
	for _, s := range []string{"a `b` c", "``` x ``", "\\`@a`", "`@a`", "[x](y)", "@a #1 GH-1 https://x <!-- `", "0123456789abcdef", "\\", "\\\\*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := inline(s)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00") {
			t.Fatalf("%q is not one valid line: %q", s, got)
		}
		rest := withoutCode(got)
		for _, live := range []*regexp.Regexp{liveMention, liveReference, liveLink, liveMarkup} {
			if m := live.FindString(rest); m != "" {
				t.Errorf("%q gave %q, in which %q is live", s, got, m)
			}
		}
		if strings.ContainsAny(rest, "<>") {
			t.Errorf("%q gave HTML: %q", s, got)
		}
		if strings.Contains(got, "|") && strings.Contains(strings.ReplaceAll(got, `\|`, ""), "|") {
			t.Errorf("%q splits a cell: %q", s, got)
		}
	})
}

// withoutCode reads code spans as CommonMark does: a backtick that is escaped
// opens none.
func withoutCode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i += 2
		case s[i] == '`':
			n := runAt(s, i)
			end := closing(s, i+n, n)
			if end < 0 {
				b.WriteString(s[i : i+n])
				i += n
				continue
			}
			b.WriteString("x")
			i = end + n
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// FuzzOurs: no mention, reference or HTML comment outside of code, and no block
// of code left open.
func FuzzOurs(f *testing.F) {
	for _, s := range []string{"@a", "```\n@a", "`@a", "<!-- `x` -->", "~~~\n```\n~~~\n@a", "#1 `#2`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cutMiddle(ours(s), 2000)
		if len(got) > 2000 || openFence(got) != "" {
			t.Errorf("%q gave %d bytes, open %q", s, len(got), openFence(got))
		}
		if !strings.ContainsAny(got, "`~") && (liveMention.MatchString(got) || liveReference.MatchString(got) || strings.Contains(got, "<!--")) {
			t.Errorf("%q gave %q", s, got)
		}
	})
}
