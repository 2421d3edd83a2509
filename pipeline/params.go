package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safeValue is what a parameter may be unless the pipeline says otherwise. It
// holds nothing that a shell, a flag parser or a path reads as more than text.
const safeValue = `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`

var safeValueForm = regexp.MustCompile(safeValue)

// maxValue bounds a parameter's value, in bytes.
const maxValue = 1024

// ParseParams turns what people wrote after --param into values of the declared
// types: string, int64 and bool. Defaults are filled in; a parameter that has
// neither value nor default is left out. The error is an *Error with the code
// unknown_param, bad_param or missing_param.
func (p *Pipeline) ParseParams(given map[string]string) (map[string]any, error) {
	for _, name := range sortedKeys(given) {
		if !slices.ContainsFunc(p.Params, func(d Param) bool { return d.Name == name }) {
			return nil, p.unknownParam(name)
		}
	}
	values := map[string]any{}
	for _, d := range p.Params {
		s, ok := given[d.Name]
		switch {
		case ok:
			v, wrong := d.parse(s)
			if wrong != "" {
				return nil, Refuse("bad_param", "The parameter %s of %s cannot be %q: %s", d.Name, p.Name, clip(s), wrong)
			}
			values[d.Name] = v
		case d.Default != nil:
			values[d.Name] = native(d.Default)
		case d.Required:
			return nil, Refuse("missing_param", "%s needs the parameter %s. Add --param %s=<%s>.", p.Name, d.Name, d.Name, d.Type)
		}
	}
	return values, nil
}

func (p *Pipeline) unknownParam(name string) error {
	var names []string
	for _, d := range p.Params {
		names = append(names, d.Name)
	}
	if near, ok := Nearest(name, names); ok {
		return Refuse("unknown_param", "%s has no parameter %q. Did you mean %s?", p.Name, clip(name), near)
	}
	if len(names) == 0 {
		return Refuse("unknown_param", "%s has no parameter %q; it takes none, so leave that out.", p.Name, clip(name))
	}
	return Refuse("unknown_param", "%s has no parameter %q. Name one of these: %s.", p.Name, clip(name), strings.Join(names, ", "))
}

// parse reads a value of a pipeline's parameter. What is wrong with it comes as
// a sentence.
func (d Param) parse(s string) (v any, wrong string) {
	switch d.Type {
	case "int":
		i, err := wholeNumber(s)
		if err != nil {
			return nil, "it must be a whole number."
		}
		return i, d.outside(i)
	case "bool":
		if s != "true" && s != "false" {
			return nil, "it must be true or false."
		}
		return s == "true", ""
	}
	return s, d.badText(s)
}

func (d Param) badText(s string) string {
	switch {
	case len(s) > maxValue:
		return fmt.Sprintf("it is longer than %d bytes.", maxValue)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || hidden(r) }):
		return "it holds invisible characters."
	case len(d.Enum) > 0 && !slices.Contains(d.Enum, s):
		if near, ok := Nearest(s, d.Enum); ok {
			return fmt.Sprintf("it must be %s. Did you mean %s?", either(d.Enum), near)
		}
		return fmt.Sprintf("it must be %s.", either(d.Enum))
	case d.Pattern != "":
		re, err := wholePattern(d.Pattern)
		if err != nil || !re.MatchString(s) {
			return fmt.Sprintf("it must match %s.", d.Pattern)
		}
	case len(d.Enum) == 0 && !safeValueForm.MatchString(s):
		return "it may hold up to 63 letters, digits, dots, dashes and underscores, and begins with a letter or digit."
	}
	return ""
}

// outside says which bound a whole number passes, or nothing.
func (d Param) outside(v int64) string {
	switch {
	case d.Min != nil && v < *d.Min:
		return fmt.Sprintf("it must be at least %d.", *d.Min)
	case d.Max != nil && v > *d.Max:
		return fmt.Sprintf("it must be at most %d.", *d.Max)
	}
	return ""
}

// wholePattern compiles a pattern that has to describe the whole text.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
	if _, err := regexp.Compile(pattern); err != nil { // alone, so that no unbalanced ) leaves the group below
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// CheckWith checks the parameters of a step as written in the file against
// what the runner declares, fills in its defaults and returns them in plain
// types: string, bool, int64, float64, []any, map[string]any.
// A text that holds an expression is not looked into.
func (u Uses) CheckWith(with map[string]any) (map[string]any, error) {
	return u.checkWith(with, Param.checkWritten)
}

// checkEvaluated is CheckWith for what the expressions came to: what looks like
// one now is somebody's text.
func (u Uses) checkEvaluated(with map[string]any) (map[string]any, error) {
	return u.checkWith(with, Param.check)
}

func (u Uses) checkWith(with map[string]any, check func(Param, any) (any, string)) (map[string]any, error) {
	checked := map[string]any{}
	for _, name := range sortedKeys(with) {
		p, ok := u.param(name)
		if !ok {
			if near, ok := Nearest(name, u.paramNames()); ok {
				return nil, Refuse("unknown_param", "%s has no parameter %q. Did you mean %s?", u.Name, clip(name), near)
			}
			return nil, Refuse("unknown_param", "%s has no parameter %q.", u.Name, clip(name))
		}
		v, wrong := check(p, native(with[name]))
		if wrong != "" {
			return nil, Refuse("bad_param", "The parameter %s of %s is wrong: %s", name, u.Name, wrong)
		}
		checked[name] = v
	}
	for _, p := range u.Params {
		if _, ok := checked[p.Name]; ok {
			continue
		}
		if p.Required {
			return nil, Refuse("missing_param", "%s needs the parameter %s.", u.Name, p.Name)
		}
		if p.Default != nil {
			checked[p.Name] = native(p.Default)
		}
	}
	if u.Check != nil {
		if err := u.Check(checked); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

func (u Uses) param(name string) (Param, bool) {
	i := slices.IndexFunc(u.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return u.Params[i], true
}

func (u Uses) paramNames() []string {
	var names []string
	for _, p := range u.Params {
		names = append(names, p.Name)
	}
	return names
}

// checkWritten checks a value of a runner's parameter, unless an expression gives it.
func (p Param) checkWritten(v any) (_ any, wrong string) {
	if hasExpression(v) {
		return v, ""
	}
	return p.check(v)
}

// hasExpression reports whether the value, or one of a list, holds an expression.
func hasExpression(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "${{")
	case []any:
		return slices.ContainsFunc(v, hasExpression)
	}
	return false
}

func (p Param) check(v any) (_ any, wrong string) {
	switch p.Type {
	case "any":
		return v, ""
	case "bool":
		return wants[bool](v, "it must be true or false.")
	case "map":
		return wants[map[string]any](v, "it must be a mapping.")
	case "list", "people":
		return p.checkList(v)
	case "int", "number":
		return p.checkNumber(v)
	}
	s, ok := v.(string)
	if !ok {
		return nil, "it must be text; put it in quotes."
	}
	return s, p.checkText(s)
}

func wants[T any](v any, wrong string) (any, string) {
	if _, ok := v.(T); !ok {
		return nil, wrong
	}
	return v, ""
}

func (p Param) checkNumber(v any) (any, string) {
	switch n := v.(type) {
	case int64:
		if p.Type == "int" {
			return n, p.outside(n)
		}
		f, err := exactFloat(n)
		if err != nil {
			return nil, err.Error() + "."
		}
		return f, p.outside(n)
	case float64:
		if p.Type == "number" {
			return n, p.outsideDecimal(n)
		}
	}
	if p.Type == "number" {
		return nil, "it must be a number."
	}
	return nil, "it must be a whole number."
}

func (p Param) outsideDecimal(v float64) string {
	switch {
	case p.Min != nil && v < float64(*p.Min):
		return fmt.Sprintf("it must be at least %d.", *p.Min)
	case p.Max != nil && v > float64(*p.Max):
		return fmt.Sprintf("it must be at most %d.", *p.Max)
	}
	return ""
}

func (p Param) checkText(s string) string {
	switch {
	case p.Type == "duration":
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			return err.Error()
		case d <= 0:
			return "it must be longer than 0s."
		}
	case len(p.Enum) > 0 && !slices.Contains(p.Enum, s):
		return p.badText(s)
	case p.Pattern != "":
		if re, err := wholePattern(p.Pattern); err != nil || !re.MatchString(s) {
			return fmt.Sprintf("%s does not match %s.", quote(s), p.Pattern)
		}
	}
	return ""
}

func (p Param) checkList(v any) (any, string) {
	items, ok := v.([]any)
	if !ok {
		return nil, "it must be a list."
	}
	for _, item := range items {
		if p.Items == "map" {
			if _, wrong := wants[map[string]any](item, "its items must be mappings."); wrong != "" {
				return nil, wrong
			}
			continue
		}
		s, ok := item.(string)
		if !ok {
			return nil, "its items must be texts; put them in quotes."
		}
		if p.Type == "people" && !peopleNames.re.MatchString(s) {
			return nil, fmt.Sprintf("%s is nobody: %s.", quote(s), peopleNames.rule)
		}
	}
	return items, ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
