package pipeline

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// linker checks what refers to something else in the file, and fills in what
// follows from it. It works on the values that were read and looks up in the
// nodes where they stand.
type linker struct {
	d      *decoder
	root   *node
	config *Config
	uses   []Uses
	exprs  int // expressions met so far
	bytes  int // of them
}

func (l *linker) link() {
	environments, pipelines := l.root.at("environments"), l.root.at("pipelines")
	l.environments(environments)
	for _, name := range sortedKeys(l.config.Checks.Secrets) {
		l.d.reserved(l.root.at("checks", "secrets", name), name)
	}
	if pipelines.kind == mapping && pipelines != l.root && len(pipelines.items) == 0 {
		l.d.report(pipelines, "There is no pipeline.")
	}
	for i, e := range l.config.Environments {
		l.required(e, environments.item(i).at("requires", "checks"))
	}
	for _, n := range []*node{environments, pipelines} {
		if n != l.root && len(n.items) > maxEntries {
			l.d.report(n, "%s has %d entries; at most %d are allowed.", n.label(), len(n.items), maxEntries)
			return
		}
	}
	commands := map[string]string{}
	for i, p := range l.config.Pipelines {
		n := pipelines.item(i)
		l.triggers(p, n.at("on"), commands)
		l.pipeline(p, n)
	}
}

// Words that stand for something else where a name could be.
var runIDs = regexp.MustCompile(`^r-[0-9a-z]{8}$`)

func (l *linker) environments(n *node) {
	taken := map[string]string{} // name or alias -> whose
	for i, e := range l.config.Environments {
		l.environmentName(keyOf(n, i), e.Name)
		taken[e.Name] = e.Name
	}
	for i, e := range l.config.Environments {
		at := n.item(i)
		for j, alias := range e.Aliases {
			here := at.at("aliases").item(j)
			l.environmentName(here, alias)
			if alias == e.Name {
				l.d.report(here, "%s is the environment's name already.", quote(alias))
			} else if owner, is := taken[alias]; is && owner != e.Name {
				l.d.report(here, "%s is taken: it already means the environment %s.", quote(alias), owner)
			}
			taken[alias] = cmp.Or(taken[alias], e.Name)
		}
		for _, name := range sortedKeys(e.Secrets) {
			l.d.reserved(at.at("secrets", name), name)
		}
		for j, before := range e.After {
			here := at.at("after").item(j)
			if before == e.Name {
				l.d.report(here, "The environment %s cannot come after itself.", e.Name)
			} else {
				l.environmentExists(here, before)
			}
		}
	}
	after := map[string][]string{}
	for _, e := range l.config.Environments {
		after[e.Name] = e.After
	}
	for _, circle := range circles(l.config.EnvironmentNames(), after) {
		l.d.report(n.at(circle[0], "after"), "The environments come after each other in a circle: %s.", strings.Join(circle, " -> "))
	}
}

// required tells the checks that are pipelines of ours from those of others:
// they are answered from our own records.
func (l *linker) required(e *Environment, n *node) {
	var names, others, ours []string
	for _, p := range l.config.Pipelines {
		names = append(names, p.Name)
	}
	for i, check := range e.Requires.Checks {
		name, shown := strings.CutPrefix(check, "shipmate/") // as it is called on the commit
		switch {
		case !shown && !slices.Contains(names, name):
			others = append(others, check)
		case !slices.Contains(names, name):
			near, _ := Nearest(name, names)
			l.d.suggest(n.item(i), near, "There is no pipeline %s.", quote(name))
		case !slices.Contains(ours, name):
			ours = append(ours, name)
		}
	}
	e.Requires.Checks, e.Requires.Pipelines = others, ours
}

func (l *linker) environmentName(n *node, name string) {
	switch {
	case name == "all":
		l.d.report(n, "No environment can be called all: \"/lock all\" means every environment.")
	case runIDs.MatchString(name):
		l.d.report(n, "No environment can be called %s: it looks like the id of a run.", name)
	}
}

// environmentExists reports a name that is no environment's. An alias is no
// name here: a file that is read by people has one word for one thing.
func (l *linker) environmentExists(n *node, name string) {
	if name == "" || slices.Contains(l.config.EnvironmentNames(), name) {
		return
	}
	if e, ok := l.config.Environment(name); ok {
		l.d.suggest(n, e.Name, "%s is another name of the environment %s. Use its own name here.", quote(name), e.Name)
		return
	}
	l.d.unknown(n, l.config.EnvironmentNames(), "There is no environment %s.", quote(name))
}

func (l *linker) triggers(p *Pipeline, n *node, commands map[string]string) {
	if first, twice := commands[p.On.Command]; twice && p.On.Command != "" {
		l.d.report(n.at("command"), "/%s already starts the pipeline %s. A command can start one pipeline only.", p.On.Command, first)
	}
	commands[p.On.Command] = cmp.Or(commands[p.On.Command], p.Name)
	if push := p.On.Push; push != nil {
		l.environmentExists(n.at("push", "environment"), push.Environment)
	}
	for i, s := range p.On.Schedule {
		l.environmentExists(n.at("schedule").item(i).at("environment"), s.Environment)
	}
}

func (l *linker) pipeline(p *Pipeline, n *node) {
	if p.Name == "config" {
		l.d.report(keyOf(n.parent, slices.Index(n.parent.items, n)), "No pipeline can be called config: the check shipmate/config says whether this file is right.")
	}
	steps := n.at("steps")
	switch {
	case steps.kind != sequence:
		return
	case len(steps.items) == 0:
		l.d.report(steps, "The pipeline %s has no steps.", p.Name)
	case len(steps.items) > maxSteps:
		l.d.report(steps.items[maxSteps], "The pipeline %s has %d steps; at most %d are allowed.", p.Name, len(steps.items), maxSteps)
		return
	}
	fill(&p.OnFailure, Stop)
	l.stepNames(p, steps)
	before := l.d.total
	steps, groups := l.matrices(p, steps)
	if len(p.Steps) > maxSteps {
		l.d.report(n.at("steps"), "The pipeline %s has %d steps with those of its matrices; at most %d are allowed.", p.Name, len(p.Steps), maxSteps)
	}
	if l.d.total > before {
		return // what is missing now would be reported once more
	}
	l.outputNames(p, steps)
	l.needs(p, steps, groups)
	scope := newScope(p)
	for i := range p.Steps {
		l.secrets(p, &p.Steps[i], steps.item(i))
		l.with(&p.Steps[i], steps.item(i), scope)
		l.condition(&p.Steps[i], steps.item(i), scope)
	}
	p.Timeout = Duration(p.Timeout.Or(defaultRunTime(p)))
}

// defaultRunTime lets no run end because people took the time they are given.
func defaultRunTime(p *Pipeline) time.Duration {
	whole := 6 * time.Hour
	for _, s := range p.Steps {
		if s.Uses == "approval" || s.Uses == "wait" {
			whole += time.Duration(s.Timeout)
		}
	}
	return whole
}

// needs completes the needs of every step and refuses those that never end. A
// name in groups means all the steps of that matrix.
func (l *linker) needs(p *Pipeline, n *node, groups map[string][]string) {
	names, edges := make([]string, len(p.Steps)), map[string][]string{}
	for i, s := range p.Steps {
		names[i], edges[s.Name] = s.Name, nil
	}
	known := slices.Concat(names, sortedKeys(groups))
	var before []string // the step before, or all that its matrix made
	found := l.d.total
	for i := range p.Steps {
		s, here := &p.Steps[i], n.item(i)
		if i > 0 && n.item(i-1) != here {
			before = []string{n.item(i - 1).at("name").text}
		}
		if here.get("needs") == nil {
			s.Needs = before
		}
		for j, need := range s.Needs {
			own := here.at("name").text // the matrix's, of a step that one made
			switch at := here.at("needs").item(j); {
			case need == "" || here.get("needs") == nil:
			case need == own || need == s.Name || slices.Contains(groups[own], need):
				l.d.report(at, "The step %s cannot need itself.", own)
			case !slices.Contains(known, need):
				l.d.unknown(at, known, "The pipeline %s has no step %s.", p.Name, quote(need))
			}
		}
		if s.Needs = spread(s.Needs, groups); l.d.total > found {
			s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), func(need string) bool { return slices.Contains(groups[here.at("name").text], need) }) // said
		}
		edges[s.Name] = s.Needs
	}
	for _, circle := range circles(names, edges) {
		at := n
		for _, name := range circle { // point at needs that are written down
			if i := slices.Index(names, name); at == n && n.item(i).get("needs") != nil {
				at = n.item(i).get("needs")
			}
		}
		l.d.report(at, "The steps need each other in a circle: %s. A step without \"needs\" needs the one before it.", strings.Join(circle, " -> "))
	}
}

// circles finds the ways that lead from a name back to it, each once. Names
// that lead to themselves at once are left to the caller.
func circles(names []string, next map[string][]string) [][]string {
	const (
		open = 1
		done = 2
	)
	var found [][]string
	var way []string
	state := map[string]int{}
	var visit func(string)
	visit = func(name string) {
		state[name], way = open, append(way, name)
		for _, to := range next[name] {
			switch _, known := next[to]; {
			case to == name || !known:
			case state[to] == open:
				found = append(found, append(slices.Clone(way[slices.Index(way, to):]), to))
			case state[to] != done:
				visit(to)
			}
		}
		state[name], way = done, way[:len(way)-1]
	}
	for _, name := range names {
		if state[name] == 0 {
			visit(name)
		}
	}
	return found
}

// keyOf is the node of the i-th key.
func keyOf(n *node, i int) *node {
	if i >= 0 && i < len(n.keys) {
		return n.keys[i]
	}
	return n
}
