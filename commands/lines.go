package commands

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lines returns the lines of a comment that are commands by their form: a slash
// and a word, or a mention of the bot and a word (which is returned with a
// slash), after up to three spaces, or more where a paragraph goes on. Marks around a whole line are taken off,
// HTML comments behind it too. Quotes, list items, fenced and indented code and
// HTML comments are not read, as in CommonMark.
//
// Each is returned with the text below it, up to the next one, because a part
// of the command may stand there: [Set.Parse] decides that.
func Lines(text, botName string) []string {
	r := reader{bot: botName, lines: strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")}
	for r.next = 0; r.next < len(r.lines); {
		line := r.lines[r.next]
		r.next++
		r.read(line)
	}
	out := make([]string, len(r.found))
	for i, c := range r.found {
		out[i] = strings.TrimRight(strings.Join(c, "\n"), "\n")
	}
	return out
}

// reader goes through a comment line by line.
type reader struct {
	bot   string
	lines []string
	next  int
	found [][]string // commands, each with the lines below it

	fence   string // that code stands in
	inside  int    // columns that the item is indented by in which the fence opened; 0: none
	comment bool   // an HTML comment is open
	block   bool   // it began a line, so it goes on behind the paragraph
	near    bool   // nothing but empty lines stands between here and a command
	above   string // the line right above, if it may hold flags
	called  bool   // the line right above is nothing but our mention
	list    bool   // a list has begun, and no empty line since
	plain   bool   // a paragraph goes on, so an indented line is no code
}

func (r *reader) read(line string) {
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	plain := r.plain
	r.plain = false
	if r.comment && !r.block && (indent <= 3 && interrupts(body) || strings.Trim(body, "\t") == "") {
		r.comment = false
	}
	switch {
	case r.comment:
		_, shown, ends := strings.Cut(line, "-->")
		r.comment = !ends
		r.block = r.block && r.comment
		r.text(r.shown(shown))
	case r.fence != "":
		r.fenced(line)
	case plain && (indent > 3 || strings.HasPrefix(body, "\t")) && strings.Trim(body, " \t") != "":
		r.line(strings.TrimLeft(body, " \t"))
	case indent > 3 || strings.HasPrefix(body, "\t"):
		r.code(line)
	case fenceOf(body) != "":
		r.fence, r.inside = fenceOf(body), 0
	case itemFence(body) > 0:
		r.inside = indent + itemFence(body)
		r.fence, r.list = fenceOf(body[itemFence(body):]), true
	case strings.HasPrefix(body, "<!--"): // all of it is HTML
		r.block = opensBlock(body)
		r.text(r.shown(body))
	case strings.HasPrefix(body, ">"):
		r.near, r.above, r.called = false, "", false
	default:
		r.line(body)
	}
}

// fenced is a line of a code block, the one that closes it, or the first behind
// the item of a list in which it stands.
func (r *reader) fenced(line string) {
	body := strings.TrimLeft(line, " \t")
	at := columns(line[:len(line)-len(body)])
	switch {
	case body != "" && at < r.inside:
		r.fence = ""
		r.read(line)
	case at-r.inside <= 3 && closes(body, r.fence):
		r.fence = ""
	default:
		r.code(line)
	}
}

// columns is the width of blanks, in which a tab goes on to the next fourth column.
func columns(blanks string) int {
	const tab = 4
	at := 0
	for _, c := range blanks {
		if at++; c == '\t' {
			at += (tab - at%tab) % tab
		}
	}
	return at
}

// line is one that may be a command.
func (r *reader) line(body string) {
	r.block = opensBlock(body)
	body = unmarkLines(strings.TrimRight(r.shown(body), " \t"), r.lines[r.next:])
	r.list = body != "" && (r.list || bullet.MatchString(body))
	r.plain = body != "" && !r.list && !r.comment && !strings.HasPrefix(body, "#")
	if c := r.command(body); c != "" {
		r.begin(c)
		return
	}
	r.called = isMention(body, r.bot)
	r.text(body)
	r.separated(body)
}

func (r *reader) begin(command string) {
	c := []string{command}
	if r.above != "" {
		c = append(c, "…", r.above) // as what does not follow at once
	}
	r.found, r.near, r.above, r.called = append(r.found, c), true, "", false
}

// text is a line that is no command.
func (r *reader) text(line string) {
	empty := strings.TrimSpace(line) == ""
	if last := len(r.found) - 1; last >= 0 {
		r.found[last] = append(r.found[last], line)
	}
	r.near = r.near && (empty || dashed(line))
	r.above = ""
	if dashed(line) {
		r.above = line
	}
}

// code is not read, but for flags right below a command.
func (r *reader) code(line string) {
	if r.near && (dashed(line) || strings.TrimSpace(line) == "") {
		r.text(line)
		return
	}
	if r.fence == "" && r.near && strings.TrimSpace(line) != "" {
		r.text(line) // it may still be a part of the command
	}
	r.near, r.above, r.called = false, "", false
}

// separated finds commands behind what ends a line for some programs, and for
// GitHub does not.
func (r *reader) separated(line string) {
	for at := strings.IndexFunc(line, separates); at >= 0; {
		_, size := utf8.DecodeRuneInString(line[at:])
		next := strings.IndexFunc(line[at+size:], separates)
		end := len(line)
		if next >= 0 {
			next += at + size
			end = next
		}
		if found := command(line[at:end], r.bot); found != "" {
			r.begin(found)
			return
		}
		at = next
	}
}

func separates(c rune) bool { return strings.ContainsRune("\v\f\u0085\u2028\u2029", c) }

func (r *reader) command(body string) string {
	if c := command(body, r.bot); c != "" || !r.called || strings.TrimSpace(body) == "" {
		return c
	}
	return "/" + Unmark(body) // our mention has a line of its own
}

var (
	fenceStart = regexp.MustCompile("^(`{3,}|~{3,})")
	itemMark   = regexp.MustCompile(`^(?:[-*+]|\d{1,9}[.)])(?: {1,4}|\t)`)
	slashWord  = regexp.MustCompile(`^/[^\s/]`)
	slashAlike = regexp.MustCompile(`^ */[A-Za-z]`)
)

// fenceOf returns the run of backticks or tildes that opens a code block.
func fenceOf(body string) string {
	mark := fenceStart.FindString(body)
	if strings.HasPrefix(mark, "`") && strings.Contains(body[len(mark):], "`") {
		return "" // inline code, not a fence
	}
	if strings.HasPrefix(mark, "~") && Unmark(body) != body {
		return "" // struck out
	}
	return mark
}

// itemFence is where a fence begins that stands behind the mark of a list, or
// behind several; 0 if there is none.
func itemFence(body string) int {
	at := 0
	for mark := itemMark.FindString(body); mark != ""; mark = itemMark.FindString(body[at:]) {
		at += len(mark)
	}
	if fenceOf(body[at:]) == "" {
		return 0
	}
	return at
}

func closes(body, fence string) bool {
	rest := strings.TrimLeft(body, fence[:1])
	return len(body)-len(rest) >= len(fence) && strings.TrimSpace(rest) == ""
}

// dashed reports whether a line begins with a dash, as flags do, whatever stands around it.
func dashed(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(fold(item(line)).text, " "), "-") || strings.HasPrefix(fold(bare(line)).text, "-")
}

// command is a line that is one by its form. Whatever only looks like one is
// returned too, so that Parse can point that out.
func command(body, botName string) string {
	body = Unmark(strings.TrimRight(body, " \t"))
	f := fold(body)
	if slashWord.MatchString(body) || f.at != nil && slashAlike.MatchString(fold(closeUp(body)).text) {
		return body
	}
	begin := len(f.text) - len(strings.TrimLeft(f.text, " "))
	length := mentioned(f.text[begin:], botName)
	if length == 0 {
		return ""
	}
	name := begin + length
	glued := f.from(name) > f.from(name-1)+1 // something that cannot be seen follows
	end := len(f.text) - len(strings.TrimLeft(f.text[name:], " ,:"))
	rest := Unmark(body[f.from(end):])
	if rest == "" || end == name && !glued {
		return ""
	}
	rest = "/" + strings.TrimPrefix(rest, "/")
	if odd := strings.IndexFunc(body[:f.from(end)], func(c rune) bool { return c != '\t' && !isPlain(string(c)) }); odd >= 0 {
		return string([]rune(body[odd:])[:1]) + rest
	}
	return rest
}

// mentioned is the length of our mention at the beginning of a text, 0 if there
// is none. GitHub shows an App's name with "[bot]" behind it.
func mentioned(text, botName string) int {
	for _, mention := range []string{"@" + botName + "[bot]", "@" + botName} {
		if botName != "" && len(text) >= len(mention) && strings.EqualFold(text[:len(mention)], mention) {
			return len(mention)
		}
	}
	return 0
}

// isMention reports whether a line is nothing but our mention.
func isMention(body, botName string) bool {
	text := strings.TrimRightFunc(fold(Unmark(body)).text, func(c rune) bool { return unicode.IsSpace(c) || c == ',' || c == ':' })
	return text != "" && mentioned(text, botName) == len(text)
}
