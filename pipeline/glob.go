package pipeline

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPattern bounds globs and regular expressions, in bytes.
const maxPattern = 512

// MatchGlob reports whether the pattern describes the whole name, a path or a
// branch: "*" is any text without "/", "**" also crosses "/" ("**/" may be
// nothing), "?" one character, "[a-z]" one of a class, "{a,b}" either.
func MatchGlob(pattern, name string) (bool, error) {
	re, err := compileGlob(pattern)
	if err != nil {
		return false, err
	}
	return re.MatchString(name), nil
}

// MatchGlobs reports whether a list of patterns describes the name. One that
// begins with "!" takes out what those before it describe, and a later one
// takes it in again. It is GitHub's rule for branches and paths of workflows.
func MatchGlobs(patterns []string, name string) bool {
	in := false
	for _, p := range patterns {
		p, out := strings.CutPrefix(p, "!")
		if ok, err := MatchGlob(p, name); ok && err == nil { // they were checked at load
			in = !out
		}
	}
	return in
}

// CheckGlobs checks a list for MatchGlobs. One that only takes out describes nothing.
func CheckGlobs(patterns []string) error {
	takes := false
	for _, p := range patterns {
		p, out := strings.CutPrefix(p, "!")
		if _, err := compileGlob(p); err != nil {
			return err
		}
		takes = takes || !out
	}
	if len(patterns) > 0 && !takes {
		return fmt.Errorf("%s only excludes, and there is nothing to exclude from: put a pattern before it, \"**\" for all", quote(patterns[0]))
	}
	return nil
}

// CompileGlob is MatchGlob for many names.
func CompileGlob(pattern string) (match func(name string) bool, err error) {
	re, err := compileGlob(pattern)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// compileGlob makes a regular expression, whose matching takes linear time
// however many stars a pattern has.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	translated, wrong := "", wrongStart(pattern)
	if wrong == "" {
		translated, wrong = translateGlob(pattern)
	}
	if wrong != "" {
		return nil, fmt.Errorf("%s is not a pattern: %s", quote(pattern), wrong)
	}
	re, err := regexp.Compile(`\A(?s:` + translated + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%s is not a pattern: it is too large or not UTF-8", quote(pattern))
	}
	return re, nil
}

func wrongStart(pattern string) string {
	switch {
	case pattern == "":
		return "it is empty."
	case len(pattern) > maxPattern:
		return fmt.Sprintf("it is longer than %d bytes.", maxPattern)
	case strings.HasPrefix(pattern, "!"):
		return "one with ! excludes from those before it in a list, and here there is none."
	case strings.HasPrefix(pattern, "/"):
		return "paths and branches do not begin with /."
	}
	return ""
}

func translateGlob(pattern string) (translated, wrong string) {
	var b strings.Builder
	open := 0
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch c := pattern[i]; {
		case strings.HasPrefix(rest, "**/") && (i == 0 || pattern[i-1] == '/'):
			b.WriteString(`(?:.*/)?`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			class, ok := globClass(rest)
			if !ok {
				return "", "a [ needs its ]."
			}
			b.WriteString(class)
			i += strings.IndexByte(rest, ']')
		case c == '{':
			open++
			b.WriteString(`(?:`)
		case c == '}' && open > 0:
			open--
			b.WriteString(`)`)
		case c == ',' && open > 0:
			b.WriteString(`|`)
		case c == '\\':
			if i++; i == len(pattern) {
				return "", "it ends in a backslash."
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	if open > 0 {
		return "", "a { needs its }."
	}
	return b.String(), ""
}

// globClass translates "[a-z]" or "[!a-z]" at the beginning of rest.
func globClass(rest string) (string, bool) {
	end := strings.IndexByte(rest, ']')
	if end < 2 {
		return "", false
	}
	body, not := rest[1:end], ""
	if body[0] == '!' || body[0] == '^' {
		body, not = body[1:], "^/"
	}
	if body == "" || strings.ContainsAny(body, `[\^/`) {
		return "", false
	}
	return "[" + not + body + "]", true
}
