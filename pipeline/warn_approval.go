package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// approvers warns of a question that nobody can answer: who asks for a deploy
// does not approve it. That fewer people are named than are needed is an error.
func (w *warner) approvers(n *node, p ApprovalPolicy, e *Environment) {
	stuck := unanswered(p, e)
	who := strings.Join(stuck, ", ")
	switch {
	case len(stuck) == 0:
	case len(stuck) == len(e.Deployers):
		w.d.report(n, "Nobody can approve a deploy to %s: only %s may deploy, who asks does not approve, and without them \"by\" names too few for a count of %d. "+
			"Name more people or a team in \"by\", or write requester: true.", e.Name, who, p.Count)
	default:
		w.d.report(n, "What %s asks for in %s nobody can approve: who asks does not approve, and without them \"by\" names too few for a count of %d. "+
			"Name more people or a team in \"by\", or write requester: true.", who, e.Name, p.Count)
	}
}

// unanswered are the deployers of an environment whose deploys nobody can
// approve; none where a list leaves it open who is meant.
func unanswered(p ApprovalPolicy, e *Environment) []string {
	if p.Requester || len(e.Deployers) == 0 || len(p.By) == 0 || !onlyPersons(p.By) || !onlyPersons(e.Deployers) {
		return nil
	}
	var stuck []string
	for _, who := range e.Deployers {
		others := slices.DeleteFunc(slices.Clone(p.By), func(by string) bool { return strings.EqualFold(by, who) })
		if len(others) < p.Count {
			stuck = append(stuck, strings.TrimPrefix(who, "user:"))
		}
	}
	return stuck
}

func onlyPersons(list []string) bool {
	return !slices.ContainsFunc(list, func(who string) bool { return !strings.HasPrefix(who, "user:") || strings.Contains(who, "${{") })
}

// questions warns of approval steps that nobody can answer, where only people
// start the pipeline: a push and the clock ask as nobody, whose yes is not missing.
func (w *warner) questions(p *Pipeline, steps *node) {
	if p.On.Command == "" || p.On.checks() || len(p.On.targets()) > 0 {
		return
	}
	for _, s := range p.Steps {
		if s.Uses != "approval" {
			continue
		}
		at := steps.item(slices.IndexFunc(steps.items, func(i *node) bool { return w.is(i, s) }))
		w.question(at.at("with"), s)
	}
}

// question warns of one such step. Under a condition it is not certain which
// environment's deploys it is asked in, so it must be stuck in each.
func (w *warner) question(n *node, s Step) {
	policy := StepApproval(s)
	var stuck, where []string
	for _, e := range w.config.Environments {
		who := unanswered(policy, e)
		if len(who) > 0 && len(who) == len(e.Deployers) {
			where = append(where, e.Name)
		}
		for i, one := range who {
			who[i] = fmt.Sprintf("%s in %s", one, e.Name)
		}
		stuck = append(stuck, who...)
	}
	if len(stuck) == 0 || s.If != "" && len(where) < len(w.config.Environments) {
		return
	}
	w.d.report(n, "Nobody can approve the step %s if the deploy is asked for by %s: who asks does not approve, and without them \"by\" names too few for a count of %d. "+
		"Name more people or a team in \"by\".", s.Name, strings.Join(stuck, " or "), policy.Count)
}
