package commands

import (
	"regexp"
	"strings"
)

// Lines returns the lines of a comment that are commands by their form: up to
// three spaces, then a slash and a word, or a mention of the bot and a word
// (which is returned with a slash). Quotes, fenced and indented code and HTML
// comments are not read, as in CommonMark.
func Lines(text, botName string) []string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	var out []string
	var fence string
	var comment bool
	for _, line := range strings.Split(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		switch {
		case comment:
			comment = !strings.Contains(line, "-->")
		case fence != "":
			if indent <= 3 && closes(body, fence) {
				fence = ""
			}
		case indent > 3:
		case fenceOf(body) != "":
			fence = fenceOf(body)
		case strings.HasPrefix(body, "<!--"):
			comment = !strings.Contains(body[4:], "-->")
		default:
			if c := command(body, botName); c != "" {
				out = append(out, c)
			}
			comment = opensComment(body)
		}
	}
	return out
}

var (
	fenceStart = regexp.MustCompile("^(`{3,}|~{3,})")
	// A slash and a word; also with what looks like a slash, or cannot be seen
	// before one: that is pointed out, not passed over in silence.
	slashWord = regexp.MustCompile(`^(/[^\s/]|[\x{feff}\x{200b}-\x{200f}\x{2060}]+/[a-z]|[\x{ff0f}\x{2215}\x{2044}\x{29f8}][a-z])`)
)

// fenceOf returns the run of backticks or tildes that opens a code block.
func fenceOf(body string) string {
	mark := fenceStart.FindString(body)
	if strings.HasPrefix(mark, "`") && strings.Contains(body[len(mark):], "`") {
		return "" // inline code, not a fence
	}
	return mark
}

func closes(body, fence string) bool {
	rest := strings.TrimLeft(body, fence[:1])
	return len(body)-len(rest) >= len(fence) && strings.TrimSpace(rest) == ""
}

func opensComment(body string) bool {
	open := strings.LastIndex(body, "<!--")
	return open >= 0 && !strings.Contains(body[open:], "-->")
}

func command(body, botName string) string {
	body = strings.TrimRight(body, " \t")
	if slashWord.MatchString(body) {
		return body
	}
	mention := "@" + botName
	if len(body) > len(mention) && botName != "" && strings.EqualFold(body[:len(mention)], mention) {
		if rest := strings.TrimLeft(body[len(mention):], " \t,:"); rest != "" && len(rest) < len(body)-len(mention) {
			return "/" + strings.TrimPrefix(rest, "/")
		}
	}
	return ""
}
