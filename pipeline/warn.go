package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// Surroundings are what a file speaks of and does not hold. Of what is nil
// nothing is known, and nothing is said.
type Surroundings struct {
	Stores   []string // schemes of the secret stores there are
	Files    []string // of the repository
	Branches []string
}

// Warnings reads a file as Parse does, and also returns what it allows and will
// not work, or not as its author may think.
func Warnings(file string, src []byte, uses []Uses, around Surroundings) (*Config, Problems, error) {
	d := newDecoder(file, src)
	c, root, err := decodeConfig(d, uses)
	if err != nil {
		return nil, nil, err
	}
	w := &warner{d: d, config: c, uses: slices.Concat(BuiltIn(), uses), around: around}
	for _, name := range sortedKeys(c.Checks.Secrets) {
		w.secret(root.at("checks", "secrets", name), name, c.Checks.Secrets[name])
	}
	environments, pipelines := root.at("environments"), root.at("pipelines")
	for i, e := range c.Environments {
		w.environment(e, environments.item(i))
	}
	for i, p := range c.Pipelines {
		w.pipeline(p, pipelines.item(i))
	}
	return c, d.result(), nil
}

// warner looks at a file that is right.
type warner struct {
	d      *decoder
	config *Config
	uses   []Uses
	around Surroundings
}

func (w *warner) environment(e *Environment, n *node) {
	for _, name := range sortedKeys(e.Secrets) {
		w.secret(n.at("secrets", name), name, e.Secrets[name])
	}
	if e.Approvals != nil {
		w.approvers(n.at("approvals"), *e.Approvals, e)
	}
}

// secret warns of a reference to a store that this shipmate does not have.
func (w *warner) secret(n *node, name, ref string) {
	scheme, _, _ := strings.Cut(ref, ":")
	if w.around.Stores == nil || slices.Contains(w.around.Stores, scheme) {
		return
	}
	better := "env:" + name
	text := fmt.Sprintf("shipmate has no secret store %q, so no step will get %s. Its stores: %s. Write %s, which the operator sets as SHIPMATE_SECRET_%s.",
		scheme, name, strings.Join(w.around.Stores, ", "), better, name)
	w.d.report(n, "%s", text)
}

func (w *warner) pipeline(p *Pipeline, n *node) {
	if pr := p.On.PullRequest; pr != nil {
		w.globs(n.at("on", "pull_request", "paths"), pr.Paths, w.around.Files, "file of this repository")
		w.globs(n.at("on", "pull_request", "branches"), pr.Branches, w.around.Branches, "branch of this clone")
	}
	if push := p.On.Push; push != nil {
		w.globs(n.at("on", "push", "paths"), push.Paths, w.around.Files, "file of this repository")
		w.globs(n.at("on", "push", "branches"), push.Branches, w.around.Branches, "branch of this clone")
	}
	for _, at := range n.at("steps").items {
		w.step(at)
	}
	w.questions(p, n.at("steps"))
	if p.OnFailure == Rollback {
		w.rollback(p, n)
	}
}

// globs warns of patterns that describe nothing that is there.
func (w *warner) globs(n *node, patterns, there []string, what string) {
	if there == nil {
		return
	}
	for i, pattern := range patterns {
		positive, out := strings.CutPrefix(pattern, "!")
		match, err := CompileGlob(positive)
		if err != nil || slices.ContainsFunc(there, match) {
			continue
		}
		does := "matches no"
		if out {
			does = "excludes no"
		}
		near, _ := Nearest(positive, there)
		w.d.suggest(n.item(i), near, "The pattern %s %s %s. Correct it, or take it out.", quote(pattern), does, what)
	}
}

// rollback warns of steps that cannot be undone where a failure is to roll
// back, and says what happens then.
func (w *warner) rollback(p *Pipeline, n *node) {
	if p.On.Command == "" && len(p.On.targets()) == 0 {
		w.d.report(n.at("on_failure"), "on_failure: rollback has no effect here: this pipeline deploys to no environment. "+
			"Take it out, or say in \"on\" what deploys: command: deploy, or an environment of push or schedule.")
		return
	}
	made := map[string]bool{} // of a matrix, one for all
	for _, s := range p.Steps {
		at := n.at("steps").item(slices.IndexFunc(n.at("steps").items, func(i *node) bool { return w.is(i, s) }))
		if s.builtIn() || w.undoable(s) || made[at.path()] {
			continue
		}
		made[at.path()] = true
		name := at.at("name").text
		todo := fmt.Sprintf("Add undo: with a script that takes back what %s does, or undo: \":\" if it changes nothing.", name)
		if s.Uses != "" {
			todo = fmt.Sprintf("There is no undo for %s; keep it in a pipeline of its own if that is not what you want.", s.Uses)
		}
		w.d.report(at.at("name"), "on_failure: rollback cannot undo %s. If the run fails once it has begun, %s. %s", name, w.instead(p, s.Name), todo)
	}
}

// instead says what a rollback does that cannot undo the step, see rollback in
// next_end.go: one that has failed itself is not in the way of the others.
func (w *warner) instead(p *Pipeline, name string) string {
	stuck, some := !lastOf(p, name), false
	for _, s := range p.Steps {
		if s.Name != name && !s.builtIn() {
			stuck, some = stuck || !w.undoable(s), some || w.undoable(s)
		}
	}
	const again = "the last good deployment is deployed again instead, and where there is none "
	switch {
	case stuck:
		return again + "the environment is locked until somebody has looked"
	case some:
		return "what it has done by then stays, and only the steps before it are undone"
	}
	return again + "what it has done by then stays"
}

// is reports whether the step is written there, also as one of a matrix.
func (w *warner) is(n *node, s Step) bool {
	name, matrix := n.at("name").text, n.get("matrix")
	if matrix == nil || s.Matrix == nil {
		return matrix == nil && s.Matrix == nil && name == s.Name
	}
	for _, axis := range matrix.keys {
		name += "-" + namePart(s.Matrix[axis.text])
	}
	return name == s.Name
}

func (w *warner) undoable(s Step) bool {
	if s.Uses == "" {
		return s.Undo != ""
	}
	i := slices.IndexFunc(w.uses, func(u Uses) bool { return u.Name == s.Uses })
	if i < 0 {
		return false
	}
	_, can := w.uses[i].Runner.(Reverter)
	return can
}

// lastOf reports whether nothing can fail any more once the step has succeeded:
// all others have ended before it.
func lastOf(p *Pipeline, name string) bool {
	before := map[string]bool{name: true}
	for next := []string{name}; len(next) > 0; next = next[1:] {
		s, _ := p.Step(next[0])
		for _, need := range s.Needs {
			if !before[need] {
				before[need] = true
				next = append(next, need)
			}
		}
	}
	return len(before) == len(p.Steps)
}
