package pipeline

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// BuiltIn are the runners that are part of the engine: a person and time.
func BuiltIn() []Uses {
	one, most := int64(1), int64(20)
	return []Uses{
		{Name: "approval", Class: Idempotent, Params: []Param{
			{Name: "by", Type: "people", Help: "Who may say yes: team:slug or user:login. Default: everybody with write access."},
			{Name: "count", Type: "int", Default: one, Min: &one, Max: &most, Help: "How many people must say yes. Default: 1."},
			{Name: "expires", Type: "duration", Default: "24h", Help: "How long the question stays open. Default: 24h."},
			{Name: "message", Type: "string", Help: "What people are asked."},
		}},
		{Name: "wait", Class: Idempotent, Params: []Param{
			{Name: "for", Type: "duration", Required: true, Help: "How long."},
		}},
	}
}

// with checks a step's parameters against its runner and fills in defaults.
func (l *linker) with(s *Step, n *node, scope *scope) {
	if s.Uses == "" {
		return
	}
	i := slices.IndexFunc(l.uses, func(u Uses) bool { return u.Name == s.Uses })
	if i < 0 {
		var names []string
		for _, u := range l.uses {
			names = append(names, u.Name)
		}
		l.d.unknown(n.at("uses"), names, "There is no runner %s.", quote(s.Uses))
		return
	}
	u, before := l.uses[i], l.d.total
	if u.LeftOut != "" {
		l.d.report(n.at("uses"), "%s is left out here. %s", u.Name, u.LeftOut)
		return
	}
	with := n.at("with")
	if with.kind != mapping {
		return // reported when it was read
	}
	if with == n {
		with = &node{kind: mapping, line: n.at("uses").line, column: n.at("uses").column, parent: n, name: "with"}
	}
	l.params(u, s, with, scope)
	if l.d.total > before || len(s.With) < len(with.items) {
		return // reported here or when it was read
	}
	checked, err := u.CheckWith(s.With)
	if err != nil {
		l.d.report(at(with, err), "%s", Message(err))
		return
	}
	s.With = checked
	if s.Uses == "approval" {
		p := StepApproval(*s)
		l.d.enoughPeople(with, p.Count, p.By)
	}
}

// at is the parameter that is wrong, where the error says which.
func at(with *node, err error) *node {
	var in wrongParam
	if errors.As(err, &in) {
		return with.at(in.name)
	}
	return with
}

func (l *linker) params(u Uses, s *Step, with *node, scope *scope) {
	for i, key := range with.keys {
		p, ok := u.param(key.text)
		if !ok {
			l.d.unknown(key, u.paramNames(), "%s has no parameter %s.", u.Name, quote(key.text))
			continue
		}
		value := with.items[i]
		if at := expressionIn(value); at != nil && p.Type != "string" && isBuiltIn(u.Name) {
			l.d.report(at, "%q of %s takes no expressions: the file must show who is asked, and for how long.", p.Name, u.Name)
			continue
		}
		if whole := l.templates(s, value, scope, p); whole {
			continue
		}
		if v := s.With[key.text]; v != nil {
			if _, wrong := p.checkWritten(native(v)); wrong != "" {
				l.d.report(value, "The parameter %s of %s is wrong: %s", p.Name, u.Name, wrong)
			} else if p.Type != "number" {
				l.d.lossless(value)
			}
		}
	}
	for _, p := range u.Params {
		if p.Required && with.get(p.Name) == nil {
			l.d.report(with, "%s needs the parameter %q.", u.Name, p.Name)
		}
	}
}

// lossless refuses numbers that would not arrive as they are written: a version
// 1.10 is the number 1.1.
func (d *decoder) lossless(n *node) {
	for _, item := range n.items {
		d.lossless(item)
	}
	if f, err := strconv.ParseFloat(n.text, 64); n.kind == decimal && err == nil && shortestNumber(f) != n.text {
		d.report(n, "The number %s would arrive as %s. Put it in quotes if it is text, such as a version; else write it as it would arrive.", n.text, shortestNumber(f))
	}
}

func isBuiltIn(name string) bool {
	return slices.ContainsFunc(BuiltIn(), func(u Uses) bool { return u.Name == name })
}

// expressionIn is the first text in a value that holds an expression, or nil.
func expressionIn(n *node) *node {
	if n.kind == text && strings.Contains(n.text, "${{") {
		return n
	}
	for _, item := range n.items {
		if at := expressionIn(item); at != nil {
			return at
		}
	}
	return nil
}

// templates checks the expressions in a value, however deep, and reports
// whether the value is a text with an expression, to be judged once evaluated.
func (l *linker) templates(s *Step, n *node, scope *scope, p Param) bool {
	for _, item := range n.items {
		l.templates(s, item, scope, Param{Type: "any"})
	}
	if n.kind != text {
		return false
	}
	parts, bad := splitTemplate(n.text)
	if bad != nil {
		l.wrong(n, bad.offset, *bad)
		return true
	}
	for _, part := range parts {
		if !part.expression {
			continue
		}
		want := "text"
		if len(parts) == 1 {
			want = p.Type
		} else if p.Type == "int" || p.Type == "number" || p.Type == "bool" || p.Type == "list" || p.Type == "map" || p.Type == "people" {
			l.d.report(n, "%s must be one expression and nothing else: text around it makes it text.", n.label())
		}
		l.expression(s, n, part.offset, part.text, want, scope)
	}
	return len(parts) > 1 || len(parts) == 1 && parts[0].expression
}

func (l *linker) condition(s *Step, n *node, scope *scope) {
	if s.If != "" {
		l.expression(s, n.at("if"), 0, s.If, "bool", scope)
	}
}

// expression checks one expression that begins at a byte of the node's text.
func (l *linker) expression(s *Step, n *node, offset int, expr, want string, scope *scope) {
	if l.exprs > maxExpressions || l.bytes > maxExpressed {
		return // said already
	}
	if l.exprs, l.bytes = l.exprs+1, l.bytes+len(expr); l.exprs > maxExpressions || l.bytes > maxExpressed {
		l.d.report(n, "The file has too many expressions: more than %d, or more than %d bytes of them.", maxExpressions, maxExpressed)
		return
	}
	for _, bad := range scope.check(s.Name, expr, want) {
		l.wrong(n, offset+bad.offset, bad)
	}
}

func (l *linker) wrong(n *node, offset int, bad exprProblem) {
	line, column := l.d.locate(n, offset)
	l.d.add(line, column, n.path(), bad.suggestion, bad.message)
}
