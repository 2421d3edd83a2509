package github

import (
	"regexp"
	"strings"
)

// Everything people, repositories or programs wrote goes through this file on
// its way into our comments: readers trust what the bot says because the bot
// says it. GitHub looks for mentions and references in the rendered text, so a
// backslash is not enough there; a zero width space is.

const zeroWidth = "\u200b"

// codeSpan shows text as code, whatever it holds. Line ends become spaces.
func codeSpan(s string) string {
	s = strings.TrimSpace(oneLine(s))
	if s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // one space on each side is not shown
	}
	return fence + s + fence
}

// codeBlock shows text as a block of code that it cannot close. It ends in a
// line end.
func codeBlock(language, s string) string {
	fence := strings.Repeat("`", max(3, longestRun(s)+1))
	return fence + language + "\n" + strings.TrimRight(strings.ReplaceAll(clean(s), "\r", "\n"), "\n") + "\n" + fence + "\n"
}

// longestRun is the longest row of backticks.
func longestRun(s string) (longest int) {
	run := 0
	for _, c := range []byte(s) {
		if c == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// oneLine flattens text.
func oneLine(s string) string {
	return strings.Join(strings.Fields(clean(s)), " ")
}

// clean takes out what no reader sees: controls, and marks that turn the
// direction of writing. Line ends and tabs stay.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return r
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x2028, r == 0x2029, r == 0xfeff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// inline shows a sentence in which code spans stay code spans and nothing else
// is markup: no links, images, mentions, references, headings or HTML.
func inline(s string) string {
	s = oneLine(s)
	var b strings.Builder
	for s != "" {
		start := strings.IndexByte(s, '`')
		if start < 0 {
			break
		}
		n := runAt(s, start)
		end := closing(s, start+n, n)
		if end < 0 {
			b.WriteString(plain(s[:start+n]))
			s = s[start+n:]
			continue
		}
		b.WriteString(plain(s[:start]))
		b.WriteString(strings.ReplaceAll(s[start:end+n], "|", "¦")) // would split a table's cell even here
		s = s[end+n:]
	}
	b.WriteString(plain(s))
	return b.String()
}

// runAt is the length of the row of backticks at i.
func runAt(s string, i int) int {
	n := 0
	for i+n < len(s) && s[i+n] == '`' {
		n++
	}
	return n
}

// closing finds a row of exactly n backticks from i on, -1 if there is none.
func closing(s string, i, n int) int {
	for i < len(s) {
		at := strings.IndexByte(s[i:], '`')
		if at < 0 {
			return -1
		}
		i += at
		run := runAt(s, i)
		if run == n {
			return i
		}
		i += run
	}
	return -1
}

var (
	// hexWord would become a link to a commit, or look like one.
	hexWord = regexp.MustCompile(`\b[0-9a-f]{7,40}\b`)
	special = strings.NewReplacer(
		`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `~`, `\~`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `!`, `\!`, `$`, `\$`,
		`&`, `&amp;`, `<`, `&lt;`, `>`, `&gt;`,
		`@`, "@"+zeroWidth, `#`, "#"+zeroWidth, `://`, ":"+zeroWidth+"//",
	)
	// words that GitHub links by themselves
	linking = regexp.MustCompile(`(?i)\b(www)\.|\b(gh)-(\d)`)
	// what makes a heading, a list or a rule at the start of a line
	opening = regexp.MustCompile(`^([-+=]|\d+[.)])`)
)

// plain escapes text in which nothing is markup.
func plain(s string) string {
	var b strings.Builder
	for _, at := range hexWord.FindAllStringIndex(s, -1) {
		if word := s[at[0]:at[1]]; strings.ContainsAny(word, "abcdef") && !strings.HasSuffix(s[:at[0]], "r-") { // a run's id is none
			s = s[:at[0]] + strings.Repeat("\x00", len(word)) + s[at[1]:]
			b.WriteString(word) // kept aside, in order
		}
	}
	words := b.String()
	s = special.Replace(s)
	s = linking.ReplaceAllStringFunc(s, splitLast)
	s = opening.ReplaceAllString(s, zeroWidth+"$1")
	return restore(s, words)
}

// splitLast puts a zero width space before the last byte of a match.
func splitLast(m string) string { return m[:len(m)-1] + zeroWidth + m[len(m)-1:] }

// restore puts the words kept aside back as code spans.
func restore(s, words string) string {
	var b strings.Builder
	for s != "" {
		at := strings.IndexByte(s, 0)
		if at < 0 {
			break
		}
		n := 0
		for at+n < len(s) && s[at+n] == 0 {
			n++
		}
		b.WriteString(s[:at] + "`" + words[:n] + "`")
		s, words = s[at+n:], words[n:]
	}
	return b.String() + s
}

var (
	reference   = regexp.MustCompile(`#(\d)|\b(gh|GH)-(\d)`)
	htmlComment = strings.NewReplacer("<!--", "&lt;!--", "-->", "--&gt;")
	mention     = regexp.MustCompile(`@([A-Za-z0-9])`)
)

// ours makes sure of Markdown that our own code wrote: outside of code there
// are no mentions, references and HTML comments in it.
func ours(md string) string {
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(clean(md)) {
		mark := fenceOf(line)
		switch {
		case fence == "" && mark != "":
			fence = mark
		case fence != "" && closes(line, fence):
			fence = ""
		case fence == "":
			line = outsideCode(line)
		}
		b.WriteString(line)
	}
	if fence != "" {
		b.WriteString("\n" + fence + "\n")
	}
	return b.String()
}

// fenceOf is the row of backticks or tildes that opens a block of code, or "".
func fenceOf(line string) string {
	line = strings.TrimLeft(line, " ")
	for _, c := range "`~" {
		rest := strings.TrimLeft(line, string(c))
		if n := len(line) - len(rest); n >= 3 && (c == '~' || !strings.Contains(rest, "`")) {
			return line[:n]
		}
	}
	return ""
}

func closes(line, fence string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= len(fence) && strings.Trim(line, fence[:1]) == ""
}

func outsideCode(line string) string {
	var b strings.Builder
	for line != "" {
		start := strings.IndexByte(line, '`')
		if start < 0 {
			break
		}
		n := runAt(line, start)
		end := closing(line, start+n, n)
		if end < 0 {
			b.WriteString(neutral(line[:start+n]))
			line = line[start+n:]
			continue
		}
		b.WriteString(neutral(line[:start]) + line[start:end+n])
		line = line[end+n:]
	}
	return b.String() + neutral(line)
}

func neutral(s string) string {
	s = htmlComment.Replace(s)
	s = mention.ReplaceAllString(s, "@"+zeroWidth+"$1")
	return reference.ReplaceAllStringFunc(s, splitLast)
}
