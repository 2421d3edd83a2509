package slack

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/shipmate/shipmate/commands"
)

// markup translates the small Markdown of bot.Answer and bot.View to Slack's
// mrkdwn. Everything is escaped first, so that nothing in the text can become
// a mention, a broadcast or a link, except [links](to) the given addresses.
type markup struct{ links []string }

// escapes are the three characters mrkdwn gives a meaning to
// (docs.slack.dev/messaging/formatting-message-text#escaping).
var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

var unescapes = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

func escape(text string) string { return escapes.Replace(text) }

// unescape gives back what a person typed.
func unescape(text string) string { return unescapes.Replace(text) }

// mrkdwn translates a text, line by line; fenced code is left as it is.
func (m markup) mrkdwn(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	fenced := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence:
			fenced = !fenced
			lines[i] = "```" // Slack knows no language after it
		case fenced:
			lines[i] = escape(strings.ReplaceAll(line, "```", "'''"))
		default:
			lines[i] = m.line(line)
		}
	}
	if fenced {
		lines = append(lines, "```")
	}
	return strings.Join(lines, "\n")
}

var (
	heading = regexp.MustCompile(`^#{1,6} +(.+)$`)
	bullet  = regexp.MustCompile(`^( *)[-*] +`)
	bold    = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	link    = regexp.MustCompile(`\[([^\[\]\n]+)\]\(([^()\s]+)\)`)
)

func (m markup) line(line string) string {
	if h := heading.FindStringSubmatch(line); h != nil {
		return "*" + m.spans(strings.ReplaceAll(h[1], "**", "")) + "*"
	}
	return m.spans(bullet.ReplaceAllString(line, "$1• "))
}

// spans translates what stands between code spans.
func (m markup) spans(line string) string {
	var b strings.Builder
	for {
		before, code, after, found := cutSpan(line)
		b.WriteString(m.prose(before))
		if !found {
			return b.String()
		}
		if code != "" { // nothing but blanks is nothing
			b.WriteString("`" + escape(strings.ReplaceAll(spelled(code), "`", "'")) + "`")
		}
		line = after
	}
}

// spelled is a command as it is said on Slack.
func spelled(line string) string { return commands.Spelled("slack", line) }

// cutSpan finds the first code span: it ends with as many backticks as it begins with.
func cutSpan(line string) (before, code, after string, found bool) {
	without := map[int]bool{} // runs of so many backticks have no end in the rest
	for at := 0; ; {
		open := strings.IndexByte(line[at:], '`')
		if open < 0 {
			return line, "", "", false
		}
		open += at
		at = open + backticks(line[open:])
		if marks := at - open; !without[marks] {
			if end := nextRun(line, at, marks); end >= 0 {
				return line[:open], strings.TrimSpace(line[at:end]), line[end+marks:], true
			}
			without[marks] = true
		}
	}
}

// nextRun finds the next run of exactly so many backticks, -1 if there is none.
func nextRun(line string, at, marks int) int {
	for {
		next := strings.IndexByte(line[at:], '`')
		if next < 0 {
			return -1
		}
		at += next
		n := backticks(line[at:])
		if n == marks {
			return at
		}
		at += n
	}
}

func backticks(s string) int {
	n := 0
	for n < len(s) && s[n] == '`' {
		n++
	}
	return n
}

func (m markup) prose(text string) string {
	var b strings.Builder
	for {
		at := link.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		label, to := text[at[2]:at[3]], text[at[4]:at[5]]
		b.WriteString(emphasis(text[:at[0]]))
		if m.ours(to) {
			b.WriteString("<" + escape(to) + "|" + escape(strings.ReplaceAll(label, "|", "/")) + ">")
		} else {
			b.WriteString(emphasis(text[at[0]:at[1]]))
		}
		text = text[at[1]:]
	}
	return b.String() + emphasis(text)
}

func emphasis(text string) string { return bold.ReplaceAllString(escape(text), "*$1*") }

// ours reports whether an address is one that we build.
func (m markup) ours(to string) bool {
	if strings.ContainsAny(to, "|<>\"`\\") || !printable(to) {
		return false
	}
	for _, begin := range m.links {
		host := strings.TrimSuffix(begin, "/")
		if host != "" && (to == host || strings.HasPrefix(to, host+"/")) {
			return true
		}
	}
	return false
}

func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
}

// cut shortens a mrkdwn text to at most n characters, at a line if there is
// one near, and closes a code block it was in. note says what was left out.
func cut(text string, n int, note string) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	keep := n - utf8.RuneCountInString(note) - len("\n```\n") - 1
	head := string([]rune(text)[:max(keep, 0)])
	if at := strings.LastIndexByte(head, '\n'); at > len(head)/2 {
		head = head[:at]
	}
	head = wholeMarkup(head)
	if strings.Count(head, "```")%2 == 1 {
		head += "\n```"
	}
	return head + "\n" + note
}

// wholeMarkup drops an entity or a link that was cut in the middle.
func wholeMarkup(text string) string {
	if at := strings.LastIndexByte(text, '&'); at >= 0 && !strings.Contains(text[at:], ";") {
		text = text[:at]
	}
	if at := strings.LastIndexByte(text, '<'); at >= 0 && !strings.Contains(text[at:], ">") {
		text = text[:at]
	}
	return text
}

// short cuts a plain text to at most n characters.
func short(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// oneLine makes a text fit where a line is expected.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
