package pipeline

import "strings"

// templatePart is a piece of a text: as it stands, or an expression.
type templatePart struct {
	expression bool
	text       string
	offset     int // in the whole, in bytes
}

// splitTemplate finds the ${{ ... }} in a text. Braces and quotes within an
// expression are CEL's.
func splitTemplate(s string) ([]templatePart, *exprProblem) {
	var parts []templatePart
	for at := 0; at < len(s); {
		begin := strings.Index(s[at:], "${{")
		if begin < 0 {
			return append(parts, templatePart{text: s[at:], offset: at}), nil
		}
		if begin > 0 {
			parts = append(parts, templatePart{text: s[at : at+begin], offset: at})
		}
		inside := at + begin + len("${{")
		length := expressionEnd(s[inside:])
		if length < 0 {
			return nil, &exprProblem{offset: at + begin, message: "The expression that begins with ${{ does not end with }}."}
		}
		parts = append(parts, templatePart{true, s[inside : inside+length], inside})
		at = inside + length + len("}}")
	}
	return parts, nil
}

// expressionEnd is where the "}}" is that ends the expression s begins with,
// or -1. One in a string or one that closes a map ends nothing.
func expressionEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\'':
			i += stringLength(s[i:], i > 0 && (s[i-1] == 'r' || s[i-1] == 'R')) - 1
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case strings.HasPrefix(s[i:], "}}"):
			return i
		}
	}
	return -1
}

// stringLength is the length of the CEL string literal s begins with; that of
// all of s if it does not end.
func stringLength(s string, raw bool) int {
	end := s[:1]
	if strings.HasPrefix(s, strings.Repeat(end, 3)) {
		end = s[:3]
	}
	for i := len(end); i < len(s); i++ {
		if s[i] == '\\' && !raw {
			i++
		} else if strings.HasPrefix(s[i:], end) {
			return i + len(end)
		}
	}
	return len(s)
}
