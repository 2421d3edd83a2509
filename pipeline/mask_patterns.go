package pipeline

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	minSecret  = 6        // bytes; shorter values would blank out ordinary text
	longSecret = 4 << 10  // beyond this only the most likely encodings are looked for
	maxSecret  = 64 << 10 // beyond this the patterns would cost too much memory
)

// patterns collects the ways secrets may look in output.
type patterns struct {
	seen map[string]bool
	list []string
}

func (p *patterns) add(forms ...string) {
	for _, f := range forms {
		p.addOne(f)
		p.addOne(Clean(f)) // masking comes after cleaning
	}
}

func (p *patterns) addOne(f string) {
	// Text that is held back starts where a pattern may start: never inside a rune.
	for f != "" && !utf8.RuneStart(f[0]) {
		f = f[1:]
	}
	if p.seen[f] || printable(f) < minSecret {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[f] = true
	p.list = append(p.list, f)
}

// secret adds every form of a value, of the value without the space around it,
// and of its lines.
func (p *patterns) secret(value string) {
	p.value(value)
	if trimmed := strings.TrimSpace(value); trimmed != value {
		p.value(trimmed)
	}
	lines := strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) < 2 {
		return
	}
	for _, l := range lines {
		if l = strings.TrimSpace(l); maskable(l) == nil {
			p.line(l)
		}
	}
}

func (p *patterns) value(v string) {
	if len(v) > longSecret {
		p.line(v)
		return
	}
	p.add(v, reversed(v))
	p.add(jsonForms(v)...)
	p.add(urlForms(v)...)
	p.add(shellForms(v)...)
	p.add(htmlForms(v)...)
	p.add(hexForms(v)...)
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		p.add(base64Forms(e, v)...)
		p.add(doubleBase64Forms(e, v)...)
	}
}

// line adds the likely forms of a part of a secret, or of a very long one.
func (p *patterns) line(v string) {
	p.add(v, reversed(v), jsonInner(v, false), url.QueryEscape(v))
	for align := range 3 {
		p.add(core64(base64.RawStdEncoding, v, align))
	}
	p.add(wrapped(base64.RawStdEncoding.EncodeToString([]byte(v)), 76)...)
	p.add(hexForms(v)...)
}

func reversed(s string) string {
	r := []rune(s)
	slices.Reverse(r)
	return string(r)
}

// jsonForms: as encoders write it, with and without caring for HTML, ASCII
// only, with escaped slashes, as a Go or Python literal, and JSON in JSON.
func jsonForms(s string) []string {
	inner, web := jsonInner(s, false), jsonInner(s, true)
	ascii := strconv.QuoteToASCII(s)
	quoted := strconv.Quote(s)
	return []string{
		inner, web, jsonASCII(inner, "%04x"), jsonASCII(inner, "%04X"),
		strings.ReplaceAll(inner, "/", `\/`),
		ascii[1 : len(ascii)-1], quoted[1 : len(quoted)-1],
		strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`),
		jsonInner(inner, false), jsonInner(web, true),
	}
}

func jsonInner(s string, forHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(forHTML)
	if err := e.Encode(s); err != nil {
		return s
	}
	return strings.TrimSuffix(b.String()[1:], "\"\n")
}

func jsonASCII(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u`+format+`\u`+format, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u`+format, r)
		}
	}
	return b.String()
}

// urlForms: query and path escaping, with %20 for +, and what JavaScript leaves alone.
func urlForms(s string) []string {
	query := url.QueryEscape(s)
	forms := []string{
		query, url.PathEscape(s), strings.ReplaceAll(query, "+", "%20"),
		strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(query),
		url.QueryEscape(query), url.UserPassword("", s).String()[1:],
	}
	for _, f := range forms {
		forms = append(forms, lowerHex(f))
	}
	return forms
}

// lowerHex turns %2F into %2f.
func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// shellForms: in single quotes, in double quotes, with backslashes (printf %q)
// and as $'...'.
func shellForms(s string) []string {
	var slashed strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && !strings.ContainsRune("@%+=:,./-_", r) && !alphanumeric(byte(r)) {
			slashed.WriteByte('\\')
		}
		slashed.WriteRune(r)
	}
	return []string{
		strings.ReplaceAll(s, "'", `'\''`), strings.ReplaceAll(s, "'", `'"'"'`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(s),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "!", `\!`).Replace(s),
		slashed.String(),
		strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "\x1b", `\E`).Replace(s),
	}
}

func htmlForms(s string) []string {
	e := html.EscapeString(s)
	return []string{
		e,
		strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#x27;").Replace(e),
		strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;").Replace(e),
		strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#039;").Replace(e),
		strings.NewReplacer("&#34;", `"`, "&#39;", "'").Replace(e),
	}
}

// hexForms: whole, and the lines xxd -p breaks it into.
func hexForms(s string) []string {
	lower := hex.EncodeToString([]byte(s))
	forms := append([]string{lower}, wrapped(lower, 60)...)
	for _, f := range forms {
		forms = append(forms, strings.ToUpper(f))
	}
	return forms
}

// base64Forms: at the three places a secret can have inside a longer text, with
// and without padding, and the lines base64(1) and MIME break it into.
func base64Forms(e *base64.Encoding, s string) []string {
	var forms []string
	for align := range 3 {
		full := e.EncodeToString(append(make([]byte, align), s...))
		padding := strings.Repeat("=", (4-len(full)%4)%4)
		full = full[skip64[align]:]
		forms = append(forms, core64(e, s, align), full, full+padding)
	}
	whole := e.EncodeToString([]byte(s))
	return append(append(forms, wrapped(whole, 76)...), wrapped(whole, 64)...)
}

// skip64 is how many characters in front also depend on what stands before.
var skip64 = [3]int{0, 2, 3}

// core64 is the part of s in base64 that depends on nothing but s.
func core64(e *base64.Encoding, s string, align int) string {
	full := e.EncodeToString(append(make([]byte, align), s...))
	return full[skip64[align] : (align+len(s))*8/6]
}

func doubleBase64Forms(e *base64.Encoding, s string) []string {
	var forms []string
	for inner := range 3 {
		for outer := range 3 {
			forms = append(forms, core64(e, core64(e, s, inner), outer))
		}
	}
	once := e.EncodeToString([]byte(s))
	if lines := wrapped(once, 76); len(lines) > 0 {
		once = lines[len(lines)-1]
	}
	twice := core64(e, once, 0)
	return append(append(forms, twice), wrapped(twice, 76)...)
}

// wrapped is s in lines of the width: each line that is long enough, and as the
// last element all of it. Nil if it fits one line.
func wrapped(s string, width int) []string {
	if len(s) <= width {
		return nil
	}
	var lines []string
	for line := range slices.Chunk([]byte(s), width) {
		lines = append(lines, string(line))
	}
	return append(lines, strings.Join(lines, "\n"))
}

func alphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}
