package bot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// right is a change of what people may, or of what must hold before a deploy.
type right struct {
	text  string // Markdown
	wider bool   // more people may, or less must hold
}

// diffConfigs says what a change of the file comes to: first the rights, then
// the rest. What is the same but written otherwise is no change.
func diffConfigs(was, is *pipeline.Config) (rights []right, rest []string) {
	if was.Service != is.Service && was.Service != "" {
		rest = append(rest, fmt.Sprintf("The service is called %s, not %s.", commands.Code(is.Service), commands.Code(was.Service)))
	}
	rights = append(rights, checkRights(was.Checks, is.Checks)...)
	for _, e := range was.Environments {
		if now, ok := environment(is, e.Name); ok {
			rights = append(rights, environmentRights(e, now)...)
			if fields := changedFields(e, now, "approvals", "deployers", "deploy_from", "protected", "requires", "freeze", "after", "secrets"); fields != "" {
				rest = append(rest, fmt.Sprintf("Environment **%s** changes: %s.", e.Name, fields))
			}
			continue
		}
		rest = append(rest, fmt.Sprintf("Environment **%s** is removed.", e.Name))
	}
	for _, e := range is.Environments {
		if _, ok := environment(was, e.Name); !ok {
			rest = append(rest, fmt.Sprintf("Environment **%s** is new.", e.Name))
			rights = append(rights, right{fmt.Sprintf("**%s**, which is new, can be deployed to by %s, with %s.", e.Name, deployers(e), approvals(e.Approvals)), false})
		}
	}
	for _, p := range was.Pipelines {
		if now, ok := is.Pipeline(p.Name); ok {
			rights = append(rights, pipelineRights(p, now)...)
			if changes := changedPipeline(p, now); changes != "" {
				rest = append(rest, fmt.Sprintf("Pipeline **%s** changes: %s.", p.Name, changes))
			}
			continue
		}
		rest = append(rest, fmt.Sprintf("Pipeline **%s** is removed.", p.Name))
	}
	for _, p := range is.Pipelines {
		if _, ok := was.Pipeline(p.Name); !ok {
			rest = append(rest, fmt.Sprintf("Pipeline **%s** is new, with %s.", p.Name, counted(len(p.Steps), "step")))
			rights = append(rights, pipelineRights(&pipeline.Pipeline{Name: p.Name}, p)...)
		}
	}
	return rights, rest
}

// environment finds one by its own name: an alias may have moved.
func environment(c *pipeline.Config, name string) (*pipeline.Environment, bool) {
	e, ok := c.Environment(name)
	return e, ok && e.Name == name
}

// checkRights are the secrets that whoever may push a branch can read.
func checkRights(was, is pipeline.Checks) []right {
	names := changedKeys(was.Secrets, is.Secrets)
	if len(names) == 0 {
		return nil
	}
	gets := slices.ContainsFunc(names, func(n string) bool { return is.Secrets[n] != "" })
	return []right{{fmt.Sprintf("The secrets that checks of branches may use change: %s.", list(names, "")), gets}}
}

func environmentRights(was, is *pipeline.Environment) (out []right) {
	add := func(wider bool, format string, args ...any) {
		out = append(out, right{fmt.Sprintf("**%s**: ", is.Name) + fmt.Sprintf(format, args...), wider})
	}
	if !slices.Equal(was.Deployers, is.Deployers) {
		add(morePeople(was.Deployers, is.Deployers), "%s may deploy; until now %s.", deployers(is), deployers(was))
	}
	if !same(was.Approvals, is.Approvals) {
		add(easier(was.Approvals, is.Approvals), "a deploy needs %s; until now %s.", approvals(is.Approvals), approvals(was.Approvals))
	}
	if was.Protected != is.Protected {
		add(was.Protected, "it is %s.", map[bool]string{true: "protected now", false: "not protected any more"}[is.Protected])
	}
	if !slices.Equal(was.DeployFrom, is.DeployFrom) {
		add(morePeople(was.DeployFrom, is.DeployFrom), "deploys come from %s; until now from %s.", list(is.DeployFrom, "anywhere"), list(was.DeployFrom, "anywhere"))
	}
	if !same(was.Requires, is.Requires) {
		add(requiresLess(was.Requires, is.Requires), "of a commit it requires %s; until now %s.", requirements(is.Requires), requirements(was.Requires))
	}
	if !slices.Equal(was.After, is.After) {
		add(lacks(was.After, is.After), "the same commit must run before on %s; until now on %s.", list(is.After, "no other environment"), list(was.After, "no other environment"))
	}
	if !same(was.Freeze, is.Freeze) {
		add(lacks(was.Freeze, is.Freeze), "its freezes change.")
	}
	if !same(was.Secrets, is.Secrets) {
		names := changedKeys(was.Secrets, is.Secrets)
		gets := slices.ContainsFunc(names, func(n string) bool { _, has := is.Secrets[n]; return has })
		add(gets, "the secrets its steps may use change: %s.", list(names, ""))
	}
	return out
}

// pipelineRights are the approvals a pipeline asks for by itself, and what
// deploys without anybody asking.
func pipelineRights(was, is *pipeline.Pipeline) (out []right) {
	for _, s := range was.Steps {
		now, _ := is.Step(s.Name)
		if s.Uses == "approval" && now.Uses != "approval" {
			out = append(out, right{fmt.Sprintf("Pipeline **%s** does not ask for the approval %s any more.", is.Name, commands.Code(s.Name)), true})
		}
	}
	for _, s := range is.Steps {
		old, _ := was.Step(s.Name)
		if s.Uses != "approval" {
			continue
		}
		before, now := pipeline.StepApproval(old), pipeline.StepApproval(s)
		switch {
		case old.Uses != "approval":
			out = append(out, right{fmt.Sprintf("Pipeline **%s** asks for the approval %s: %s.", is.Name, commands.Code(s.Name), approvals(&now)), false})
		case !same(before, now):
			out = append(out, right{fmt.Sprintf("Pipeline **%s** asks for the approval %s: %s; until now %s.", is.Name, commands.Code(s.Name), approvals(&now), approvals(&before)), easier(&before, &now)})
		}
	}
	if on := is.On.Push; on != nil && on.Environment != "" && !same(was.On.Push, on) {
		out = append(out, right{fmt.Sprintf("Pipeline **%s** deploys to **%s** by itself on a push to %s.", is.Name, on.Environment, list(on.Branches, "any branch")), true})
	}
	for _, on := range is.On.Schedule {
		if on.Environment != "" && !slices.Contains(was.On.Schedule, on) {
			out = append(out, right{fmt.Sprintf("Pipeline **%s** deploys to **%s** by itself at %s.", is.Name, on.Environment, commands.Code(on.Cron)), true})
		}
	}
	return out
}

// changedPipeline names the fields and the steps that change.
func changedPipeline(was, is *pipeline.Pipeline) string {
	var parts []string
	if fields := changedFields(was, is, "steps", "secrets"); fields != "" {
		parts = append(parts, fields)
	}
	for _, s := range is.Steps {
		switch old, ok := was.Step(s.Name); {
		case !ok:
			parts = append(parts, "step "+commands.Code(s.Name)+" is new")
		case !same(old, s):
			parts = append(parts, "step "+commands.Code(s.Name))
		}
	}
	for _, s := range was.Steps {
		if _, ok := is.Step(s.Name); !ok {
			parts = append(parts, "step "+commands.Code(s.Name)+" is removed")
		}
	}
	if len(parts) == 0 && !same(was, is) {
		parts = append(parts, "the order of its steps")
	}
	return strings.Join(parts, ", ")
}

// morePeople: a list names those who may, and an empty one lets everybody.
func morePeople(was, is []string) bool {
	return len(was) > 0 && (len(is) == 0 || lacks(is, was))
}

// easier reports whether an approval that was not enough may be enough now.
func easier(was, is *pipeline.ApprovalPolicy) bool {
	switch {
	case was == nil || was.Count == 0:
		return false
	case is == nil:
		return true
	}
	return is.Count < was.Count || morePeople(was.By, is.By) || is.Requester && !was.Requester || is.Expires > was.Expires
}

func requiresLess(was, is pipeline.Requirements) bool {
	return is.Reviews < was.Reviews || was.UpToDate && !is.UpToDate || lacks(was.Checks, is.Checks) || lacks(was.Pipelines, is.Pipelines)
}

// lacks reports whether something of one list is not in the other.
func lacks[T comparable](of, in []T) bool {
	return slices.ContainsFunc(of, func(v T) bool { return !slices.Contains(in, v) })
}

func deployers(e *pipeline.Environment) string {
	return list(e.Deployers, "everybody with write access")
}

func approvals(p *pipeline.ApprovalPolicy) string {
	if p == nil || p.Count == 0 {
		return "no approval"
	}
	text := fmt.Sprintf("%s of %s", counted(p.Count, "approval"), list(p.By, "anybody with write access"))
	if p.Requester {
		text += ", the requester's own among them"
	}
	if p.Expires != 0 {
		text += ", within " + lasting(time.Duration(p.Expires))
	}
	return text
}

func requirements(q pipeline.Requirements) string {
	var parts []string
	for _, c := range slices.Concat(q.Pipelines, q.Checks) {
		parts = append(parts, "the check "+commands.Code(c))
	}
	if q.Reviews > 0 {
		parts = append(parts, counted(q.Reviews, "review"))
	}
	if q.UpToDate {
		parts = append(parts, "an up-to-date branch")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// list names things that stand in the file.
func list(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	var out []string
	for _, n := range names {
		out = append(out, commands.Code(n))
	}
	return strings.Join(out, ", ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func same(a, b any) bool { return written(a) == written(b) }

// changedFields names the fields, as in the file, in which two values differ.
func changedFields(was, is any, but ...string) string {
	a, b := fieldsOf(was), fieldsOf(is)
	var out []string
	for _, name := range changedKeys(a, b) {
		if !slices.Contains(but, name) {
			out = append(out, commands.Code(name))
		}
	}
	return strings.Join(out, ", ")
}

func fieldsOf(v any) map[string]string {
	raw := map[string]json.RawMessage{}
	if err := json.NewDecoder(bytes.NewReader([]byte(written(v)))).Decode(&raw); err != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range raw {
		out[k] = string(v)
	}
	return out
}

// changedKeys lists, in order, the keys whose value is not the same in both.
func changedKeys(a, b map[string]string) []string {
	var out []string
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			out = append(out, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
