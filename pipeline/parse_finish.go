package pipeline

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The functions below look at one mapping after it was read without a problem:
// they check what its keys mean together and fill in defaults.

func finishEnvironment(d *decoder, n *node, e *Environment) {
	if len(e.DeployFrom) == 0 {
		e.DeployFrom = []string{"pull_request", "default_branch"}
	}
	fill(&e.Concurrency, Enqueue)
	if n.get("protected") == nil {
		e.Protected = e.Approvals != nil || len(e.Secrets) > 0
	}
}

func finishApprovals(d *decoder, n *node, a *ApprovalPolicy) {
	fill(&a.Count, 1)
	fill(&a.Expires, Duration(day))
	d.enoughPeople(n, a.Count, a.By)
}

// finishFreeze refuses what begins all the time: it would never end, and to find
// that out costs every deploy.
func finishFreeze(d *decoder, n *node, f *Freeze) {
	fill(&f.Timezone, "UTC")
	schedule, err := parseCron(f.Cron)
	if err != nil {
		return // said already
	}
	const most = 24
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at, begins := schedule.Next(start), 0
	for day := start.Add(day); !at.IsZero() && at.Before(day) && begins <= most; begins++ {
		at = schedule.Next(at)
	}
	if begins > most {
		d.report(n.at("cron"), "A freeze begins at most every hour, and %q does more often. Write when it begins, and in \"for\" how long it lasts.", f.Cron)
	}
}

// enoughPeople refuses a question that can never be answered.
func (d *decoder) enoughPeople(n *node, count int, by []string) {
	teams := slices.ContainsFunc(by, func(who string) bool { return strings.HasPrefix(who, "team:") })
	if len(by) > 0 && !teams && count > len(by) {
		d.report(n.at("count"), "%d approvals are asked for, but only %d may give one.", count, len(by))
	}
}

// reserved refuses names of environment variables that the bot sets itself.
func (d *decoder) reserved(n *node, name string) {
	if strings.HasPrefix(strings.ToUpper(name), "SHIPMATE_") {
		d.report(n, "%s cannot be used: names that begin with SHIPMATE_ are set by the bot.", quote(name))
	}
}

func finishParam(d *decoder, n *node, p *Param) {
	fill(&p.Type, "string")
	for key, wants := range map[string]string{"min": "int", "max": "int", "enum": "string", "pattern": "string"} {
		if at := n.get(key); at != nil && p.Type != wants {
			d.report(at, "%q is for parameters of the type %s; this one is of the type %s.", key, wants, p.Type)
		}
	}
	if p.Min != nil && p.Max != nil && *p.Min > *p.Max {
		d.report(n.at("max"), "\"max\" is less than \"min\".")
	}
	if p.Required && p.Default != nil {
		d.report(n.at("default"), "A required parameter has no use for a default. Leave one of them out.")
	}
	if d.badPattern(n, p.Pattern) || p.Default == nil {
		return
	}
	if v, ok := p.Default.(string); ok == (p.Type == "string") {
		text := fmt.Sprint(p.Default)
		if _, wrong := p.parse(text); wrong != "" {
			d.report(n.at("default"), "The default cannot be %s: %s", quote(text), wrong)
		}
	} else if ok {
		d.report(n.at("default"), "The default cannot be the text %s: the parameter is of the type %s.", quote(v), p.Type)
	} else {
		d.report(n.at("default"), "The default of a string must be text. Put it in quotes.")
	}
}

func (d *decoder) badPattern(n *node, pattern string) bool {
	if _, err := wholePattern(pattern); pattern != "" && err != nil {
		d.report(n.at("pattern"), "The pattern cannot be used: %s.", clip(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
		return true
	}
	return false
}

func finishStep(d *decoder, n *node, s *Step) {
	switch {
	case s.Run == "" && s.Uses == "":
		d.report(n, "The step %s does nothing: it needs \"run\" or \"uses\".", s.Name)
	case s.Run != "" && s.Uses != "":
		d.report(n, "The step %s has both \"run\" and \"uses\". Make it two steps.", s.Name)
	}
	for _, key := range sortedKeys(onlyBeside) {
		if at := n.get(key); at != nil && n.get(onlyBeside[key][0]) == nil {
			d.report(at, "%q is for steps with %q.", key, onlyBeside[key][0])
		}
	}
	d.unique(n.at("needs"), s.Needs)
	for _, name := range sortedKeys(s.Environment) {
		if slices.Contains(s.Secrets, name) {
			d.report(n.at("environment", name), "%s is both an environment variable and a secret of the step.", quote(name))
		}
	}
	fill(&s.AfterCrash, Ask)
	s.Timeout = Duration(s.Timeout.Or(defaultTimeout(*s)))
}

// defaultTimeout of an approval is the time it stays open; a wait has an hour
// more than it takes.
func defaultTimeout(s Step) time.Duration {
	switch s.Uses {
	case "approval":
		if v, err := ParseDuration(fmt.Sprint(s.With["expires"])); err == nil {
			return v
		}
		return day
	case "wait":
		if v, err := ParseDuration(fmt.Sprint(s.With["for"])); err == nil {
			return v + time.Hour
		}
		return 7 * day
	}
	return time.Hour
}

// condition is a CEL expression that is true or false; the words alone will do.
func condition() kind[string] {
	return kind[string]{schema: schema{"type": []string{"string", "boolean"}, "minLength": 1, "maxLength": maxExpression}, decode: func(d *decoder, n *node) (string, bool) {
		if n.kind == boolean {
			return strconv.FormatBool(n.yes()), true
		}
		if !d.is(n, text, "") {
			return "", false
		}
		if expressionMark.MatchString(n.text) {
			d.report(n, "\"if\" is an expression already. Leave the ${{ }} away.")
			return "", false
		}
		return n.text, true
	}}
}

var expressionMark = regexp.MustCompile(`^\s*\$\{\{`)

// scalarValue is a text, number or truth value in its own type.
func scalarValue() kind[any] {
	return kind[any]{schema: schema{"type": []string{"string", "integer", "boolean"}}, decode: func(d *decoder, n *node) (any, bool) {
		if n.kind == sequence || n.kind == mapping || n.kind == decimal {
			d.report(n, "%s", strings.TrimSpace(fmt.Sprintf("%s must be text, a whole number, true or false, not %s. %s", n.label(), n.kind, quoteHint(n))))
			return nil, false
		}
		return d.plain(n)
	}}
}

// plainMapping is a mapping of anything, for a runner to check.
func plainMapping() kind[map[string]any] {
	return kind[map[string]any]{schema: schema{"type": "object"}, decode: func(d *decoder, n *node) (map[string]any, bool) {
		if !d.is(n, mapping, "") {
			return nil, false
		}
		m := make(map[string]any, len(n.items))
		for i, item := range n.items {
			if v, ok := d.plain(item); ok {
				m[n.keys[i].text] = v
			}
		}
		return m, true
	}}
}

// plain turns a node into string, bool, int64, float64, []any or map[string]any.
func (d *decoder) plain(n *node) (any, bool) {
	switch n.kind {
	case text:
		return n.text, true
	case boolean:
		return n.yes(), true
	case integer, decimal:
		return d.plainNumber(n)
	case sequence:
		items, good := make([]any, 0, len(n.items)), true
		for _, item := range n.items {
			v, ok := d.plain(item)
			items, good = append(items, v), good && ok
		}
		return items, good
	case mapping:
		m, good := make(map[string]any, len(n.items)), true
		for i, item := range n.items {
			v, ok := d.plain(item)
			m[n.keys[i].text], good = v, good && ok
		}
		return m, good
	}
	d.noValue(n)
	return nil, false
}

var decimalForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

var wholeForm = regexp.MustCompile(`^-?[1-9][0-9]*$`)

func (d *decoder) plainNumber(n *node) (any, bool) {
	if v, err := wholeNumber(n.text); err == nil {
		return v, true
	}
	if v, err := strconv.ParseFloat(n.text, 64); err == nil && n.kind == decimal && decimalForm.MatchString(n.text) {
		return v, true
	}
	if wholeForm.MatchString(n.text) {
		d.report(n, "%s is beyond the largest whole number, %d. Put it in quotes.", n.text, math.MaxInt64)
		return nil, false
	}
	d.report(n, "%s is a number that not every reader of YAML reads alike. Write it in decimal digits, or put it in quotes.", quote(n.text))
	return nil, false
}
