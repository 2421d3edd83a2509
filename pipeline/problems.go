package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a file, at a place people can jump to.
type Problem struct {
	File       string `json:"file"`
	Line       int    `json:"line"`           // from 1
	Column     int    `json:"column"`         // from 1, in characters
	Path       string `json:"path,omitempty"` // for example pipelines.deploy.steps[2].needs[0]
	Message    string `json:"message"`        // full sentences
	Suggestion string `json:"suggestion,omitempty"`
}

// String is "file:line:column: message", the form editors and CI logs link.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Suggestion != "" {
		s += fmt.Sprintf(" Did you mean %q?", p.Suggestion)
	}
	return s
}

// Problems are all that is wrong in a file, in the file's order.
type Problems []Problem

// Error has one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts by place and drops what was said twice, as happens to values
// that several aliases refer to.
func (ps Problems) inOrder() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(ps, func(a, b Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
}

// quote shows a value of the file in a message.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip shortens what people wrote to what a message can hold.
func clip(s string) string {
	if r := []rune(s[:min(len(s), 400)]); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}

// either lists alternatives for a message: "a", "b" or "c".
func either(names []string) string {
	q := slices.Clone(names)
	for i := range q {
		q[i] = fmt.Sprintf("%q", q[i])
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return strings.Join(q[:len(q)-1], ", ") + " or " + q[len(q)-1]
}
