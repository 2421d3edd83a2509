package pipeline

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// grammar is how a sort of name is written.
type grammar struct {
	what    string // in messages: "a step's name"
	pattern string // anchored at both ends; valid in Go and in JSON Schema
	rule    string // the pattern for people
	re      *regexp.Regexp
}

func newGrammar(what, pattern, rule string) grammar {
	return grammar{what, pattern, rule, regexp.MustCompile(pattern)}
}

func (d *decoder) match(n *node, g grammar) bool {
	if n.kind == text && g.re.MatchString(n.text) {
		return true
	}
	better := ""
	if lower := strings.ToLower(n.text); g.re.MatchString(lower) {
		better = lower
	}
	d.suggest(n, better, "%s cannot be %s: %s.", quote(n.text), g.what, g.rule)
	return false
}

// written is a text of the grammar.
func written(g grammar) kind[string] {
	return kind[string]{schema: schema{"type": "string", "pattern": g.pattern}, decode: func(d *decoder, n *node) (string, bool) {
		return n.text, d.is(n, text, quoteHint(n)) && d.inert(n, outsideWith) && d.match(n, g)
	}}
}

// reference is where a secret is kept. What is written instead may be the
// secret itself, and is not repeated.
func reference(g grammar) kind[string] {
	return kind[string]{schema: schema{"type": "string", "pattern": g.pattern}, decode: func(d *decoder, n *node) (string, bool) {
		if n.kind != text || !g.re.MatchString(n.text) {
			d.report(n, "This is not %s: %s. If it is the secret itself, change that secret now.", g.what, g.rule)
			return "", false
		}
		return n.text, true
	}}
}

const outsideWith = "Expressions are evaluated in \"with\" only."

// plainText is any text but an empty one. Expressions are refused: outside of
// "with" nothing evaluates them.
func plainText() kind[string] {
	return kind[string]{schema: schema{"type": "string", "minLength": 1, "not": schema{"pattern": `\$\{\{`}}, decode: func(d *decoder, n *node) (string, bool) {
		if !d.is(n, text, quoteHint(n)) {
			return "", false
		}
		if strings.TrimSpace(n.text) == "" {
			d.report(n, "The text is empty.")
			return "", false
		}
		return n.text, d.inert(n, outsideWith)
	}}
}

// script is a shell script. Values never get into its text, where a shell would
// read them as code.
func script() kind[string] {
	k := plainText()
	k.decode = func(d *decoder, n *node) (string, bool) {
		if !d.is(n, text, quoteHint(n)) {
			return "", false
		}
		if strings.TrimSpace(n.text) == "" {
			d.report(n, "The script is empty.")
			return "", false
		}
		return n.text, d.inert(n, "Scripts take no expressions. Values arrive as environment variables: SHIPMATE_SHA, SHIPMATE_PARAM_<NAME>, SHIPMATE_OUTPUT_<STEP>_<NAME> and others.")
	}
	return k
}

// inert refuses "${{" where it would not be evaluated.
func (d *decoder) inert(n *node, why string) bool {
	i := strings.Index(n.text, "${{")
	if i < 0 {
		return true
	}
	line, column := d.locate(n, i)
	d.add(line, column, n.path(), "", why)
	return false
}

// scalar is a text, number or truth value, taken as the text it is written as.
func scalar() kind[string] {
	return kind[string]{schema: schema{"type": []string{"string", "number", "boolean"}, "not": schema{"type": "string", "pattern": `\$\{\{`}}, decode: func(d *decoder, n *node) (string, bool) {
		if n.kind == sequence || n.kind == mapping {
			d.report(n, "%s must be text, a number, true or false, not %s.", n.label(), n.kind)
			return "", false
		}
		return n.text, d.inert(n, outsideWith+" A script finds values in SHIPMATE_* variables.")
	}}
}

// number is a whole number between two bounds.
func number(low, high int64) kind[int64] {
	return kind[int64]{schema: schema{"type": "integer", "minimum": low, "maximum": high}, decode: func(d *decoder, n *node) (int64, bool) {
		if !d.is(n, integer, "") {
			return 0, false
		}
		v, err := wholeNumber(n.text)
		if err != nil || v < low || v > high {
			d.report(n, "%s must be a whole number from %d to %d, written in decimal digits.", n.label(), low, high)
			return 0, false
		}
		return v, true
	}}
}

// small is a number for an int field.
func small(low, high int) kind[int] {
	k := number(int64(low), int64(high))
	return kind[int]{schema: k.schema, decode: func(d *decoder, n *node) (int, bool) {
		v, ok := k.decode(d, n)
		return int(v), ok
	}}
}

// wholeNumber reads what all versions of YAML read alike: no octal, no underscores.
func wholeNumber(s string) (int64, error) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 1 && digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return strconv.ParseInt(s, 10, 64)
}

// truth is true or false, and nothing else YAML once took for them.
func truth() kind[bool] {
	return kind[bool]{schema: schema{"type": "boolean"}, decode: func(d *decoder, n *node) (bool, bool) {
		switch strings.ToLower(n.text) {
		case "yes", "on", "y":
			d.suggest(n, "true", "%s must be true or false, not %s.", n.label(), quote(n.text))
			return false, false
		case "no", "off", "n":
			d.suggest(n, "false", "%s must be true or false, not %s.", n.label(), quote(n.text))
			return false, false
		}
		return n.yes(), d.is(n, boolean, "")
	}}
}

// choice is one of a few words.
func choice[S ~string](words ...S) kind[S] {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return kind[S]{schema: schema{"enum": names}, decode: func(d *decoder, n *node) (S, bool) {
		if n.kind == text && slices.Contains(names, n.text) {
			return S(n.text), true
		}
		shown := cmp.Or(map[nodeKind]string{sequence: string(n.kind), mapping: string(n.kind)}[n.kind], quote(n.text))
		d.unknown(n, names, "%s must be %s, not %s.", n.label(), either(names), shown)
		return "", false
	}}
}

// webAddress is an absolute http or https URL.
func webAddress() kind[string] {
	k := plainText().saying(schema{"format": "uri", "pattern": "^https?://"})
	decode := k.decode
	k.decode = func(d *decoder, n *node) (string, bool) {
		if _, ok := decode(d, n); !ok {
			return "", false
		}
		u, err := url.Parse(n.text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(n.text, " \n\"<>|`") {
			d.report(n, "%s is not a web address. It begins with https:// and holds no user name.", quote(n.text))
			return "", false
		}
		return n.text, true
	}
	return k
}

// globs is a list of patterns for branches or files.
func globs() kind[[]string] {
	k := plainText()
	decode := k.decode
	k.decode = func(d *decoder, n *node) (string, bool) {
		if _, ok := decode(d, n); !ok {
			return "", false
		}
		if _, err := compileGlob(strings.TrimPrefix(n.text, "!")); err != nil {
			d.report(n, "%s", err)
			return "", false
		}
		return n.text, true
	}
	return some(k).saying(schema{"contains": schema{"pattern": "^[^!]"}}).and(func(d *decoder, n *node, list *[]string) {
		if err := CheckGlobs(*list); err != nil {
			d.report(n, "%s.", err)
		}
	})
}
