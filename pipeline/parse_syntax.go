package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

var (
	errorLine     = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '([^']*)' referenced`)
)

// syntaxError reports a file that is not YAML. The reader names a line at best, so
// where it is wrong is asked of another reader that knows line and column. It
// is not trusted with more: it takes some valid files for wrong ones.
func (d *decoder) syntaxError(err error) {
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		line, column := d.find("*" + m[1])
		d.reportAt(line, column, "No value above is called &%s. If the text is to begin with \"*\", put it in quotes.", clip(m[1]))
		return
	}
	m := errorLine.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	line, column, message := max(1, line), 1, m[2]
	tokens := lexer.Tokenize(d.src)
	if !d.checkTokens(tokens) || d.total > 0 {
		return
	}
	var s *yaml.SyntaxError
	if errors.As(parseTokens(tokens), &s) && s.GetToken() != nil {
		at := s.GetToken().Position
		line, column, message = at.Line, max(1, at.Column), s.GetMessage()
	}
	for _, i := range []int{line, line - 1, line + 1} { // the readers differ in where they stop
		if at, why := unquoted(d.line(i)); why != "" {
			d.reportAt(i, at, "%s", why)
			return
		}
	}
	d.reportAt(line, column, "This is not YAML: %s.", strings.TrimSuffix(message, "."))
}

// parseTokens calls the other parser. It meets text from strangers, so that a
// panic in it must not end the process.
func parseTokens(tokens token.Tokens) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("it cannot be read")
		}
	}()
	_, err = parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	return err
}

// line is a line by its number, "" if there is none.
func (d *decoder) line(number int) string {
	if number < 1 || number > len(d.lines) {
		return ""
	}
	return d.lines[number-1]
}

// find is the first place of a word in the file.
func (d *decoder) find(word string) (line, column int) {
	for i, l := range d.lines {
		if at := strings.Index(l, word); at >= 0 {
			return i + 1, columnOf(l, at)
		}
	}
	return 1, 1
}

// columnOf is the column, counted in characters from 1, of a byte of the line.
func columnOf(line string, at int) int { return len([]rune(line[:at])) + 1 }

// Where a value may begin: behind a key, a dash, or the marks of a flow
// collection. The key is any text without a colon.
var (
	valueStart  = regexp.MustCompile(`^\s*(?:- +)*(?:(?:"[^"]*"|'[^']*'|[^\s:"'#{\[][^:#]*|[^\s:"'#{\[]) *: +)?`)
	inFlow      = regexp.MustCompile(`(?:[:,]\s+|[\[{]\s*)([*&@%` + "`" + `!][^,\]}]*)`)
	goodAlias   = regexp.MustCompile(`^\*[\pL\d_-]+\s*(?:[,}\]].*|#.*)?$`)
	goodAnchor  = regexp.MustCompile(`^&[\pL\d_-]+(?:\s|$)`)
	blockHeader = regexp.MustCompile(`^[|>](?:[1-9]?[-+]?|[-+][1-9])(?:\s+#.*)?\s*$`)
	afterQuote  = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|\'\')*')\s*[^\s#:,}\]]`)
)

// unquoted names what a line holds that means something in YAML and is probably
// meant as text.
func unquoted(line string) (column int, why string) {
	start := valueStart.FindString(line)
	at, end := len(start), len(line)
	what := special(line[at:])
	if what == "" && strings.Contains(start, ":") {
		what = keyWithin(line[at:])
	}
	if m := inFlow.FindStringSubmatchIndex(line); what == "" && m != nil {
		at, end = m[2], m[3]
		what = special(line[at:end])
	}
	if what == "" {
		return 0, ""
	}
	return columnOf(line, at), fmt.Sprintf("%s If it is text, put it in quotes: %s.", what, quoteYAML(strings.TrimRight(line[at:end], " \t")))
}

// special says what YAML takes the text for.
func special(value string) string {
	value = strings.TrimRight(value, " \t")
	if value == "" {
		return ""
	}
	switch c := value[0]; {
	case c == '*' && !goodAlias.MatchString(value):
		return "A value cannot begin with \"*\", which refers to another value in YAML."
	case c == '&' && !goodAnchor.MatchString(value):
		return "A value cannot begin with \"&\", which gives a value a name in YAML."
	case strings.IndexByte("@`%,]}", c) >= 0:
		return fmt.Sprintf("A value cannot begin with \"%c\", which YAML keeps for itself.", c)
	case c == '!':
		return "A value cannot begin with \"!\", which begins a tag in YAML."
	case c == '[':
		return unclosed(value, '[', ']', "a list")
	case c == '{':
		return unclosed(value, '{', '}', "a mapping")
	case c == '|' && !blockHeader.MatchString(value), c == '>' && !blockHeader.MatchString(value):
		return fmt.Sprintf("A value that begins with \"%c\" is a text on the lines below in YAML.", c)
	case (c == '"' || c == '\'') && afterQuote.MatchString(value):
		return "There is more text behind the quotes."
	case c == '"' || c == '\'' || c == '|' || c == '>' || c == '#':
		return ""
	case strings.HasPrefix(value, "- "), strings.HasPrefix(value, "? "), strings.HasPrefix(value, ": "):
		return fmt.Sprintf("A value cannot begin with %q, which has a meaning of its own in YAML.", value[:2])
	}
	return ""
}

// keyWithin says so where YAML finds a key in a plain text.
func keyWithin(value string) string {
	text, _, _ := strings.Cut(value, " #")
	text = strings.TrimRight(text, " \t")
	if text == "" || strings.IndexByte("\"'[{|>&*#", text[0]) >= 0 || !strings.Contains(text+" ", ": ") {
		return ""
	}
	return "A value cannot hold a colon with a space behind it, which makes a key in YAML."
}

// unclosed says what is wrong with brackets that begin a value, if anything is.
func unclosed(value string, open, end byte, what string) string {
	value, _, _ = strings.Cut(value, " #")
	value = strings.TrimRight(value, " \t")
	switch {
	case strings.Count(value, string(open)) != strings.Count(value, string(end)):
		return fmt.Sprintf("A value that begins with \"%c\" is %s in YAML, and no \"%c\" ends this one.", open, what, end)
	case value[len(value)-1] != end:
		return fmt.Sprintf("A value that begins with \"%c\" is %s in YAML. There is more text behind the \"%c\".", open, what, end)
	}
	return ""
}

// quoteYAML writes a text in the quotes that need the fewest escapes.
func quoteYAML(s string) string {
	if s = clip(s); strings.ContainsAny(s, "\"\\") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return "\"" + s + "\""
}
