package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shipmate/shipmate/pipeline"
)

// Override lets a run pass a gate in an emergency.
type Override struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Override) Help() Help {
	return Help{
		Name:     "/override",
		Args:     []Arg{{Name: "run"}, {Name: "gate"}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Lets a waiting run pass one gate in an emergency. Where the environment is protected two maintainers must say it, within half an hour.",
		Needs:    pipeline.Maintain,
		Examples: []string{`/override r-1a2b3c4d freeze --reason "the site is down"`},
	}
}

// shortestReason keeps "x" from being the reason for an emergency.
const shortestReason = 10

func (o Override) Do(ctx context.Context, c *Call) (Reply, error) {
	reason := prose(c.Line.Flag("reason"))
	if utf8.RuneCountInString(reason) < shortestReason {
		return Reply{}, pipeline.Refuse("reason_needed", "An override needs a reason of at least %d characters, for whoever asks about it later. Say %s.", shortestReason,
			Code(Paste("/override", c.Line.Arg("run"), c.Line.Arg("gate"))+` --reason "..."`))
	}
	r, err := known(ctx, o.Store, c, c.Line.Arg("run"))
	if err != nil {
		return Reply{}, err
	}
	gate, err := overridable(c, r)
	if err != nil {
		return Reply{}, err
	}
	if err := o.needed(ctx, c, r, gate); err != nil {
		return Reply{}, err
	}
	r, err = o.Runs.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.OverrideOf(gate), By: c.Actor, Yes: true, Reason: reason, Via: c.Origin.Surface, Key: c.Key})
	if err != nil {
		return Reply{}, err
	}
	text := fmt.Sprintf("You override %s for run %s.", gate, r.ID)
	if !r.State.Terminal() && r.Message != "" {
		text += " " + r.Message
	}
	loud := fmt.Sprintf("⚠️ %s overrides %s for run %s, `%s` to **%s**: %s", c.Actor.Login, gate, r.ID, r.ShortSHA(), r.EnvironmentName(), Code(reason))
	reply := aboutRun(c, r, text)
	reply.Loud = loud
	return reply, nil
}

// overridable reads the gate's name.
func overridable(c *Call, r *pipeline.Run) (string, error) {
	name := strings.ToLower(c.Line.Arg("gate"))
	all := pipeline.Overridable()
	if slices.Contains(all, name) {
		return name, nil
	}
	if near, ok := pipeline.Nearest(name, all); ok {
		return "", pipeline.Refuse("unknown_gate", "There is no gate %s that can be overridden. Did you mean %s?", Code(name), Code(Paste("/override", string(r.ID), near)+` --reason "..."`))
	}
	return "", pipeline.Refuse("unknown_gate", "There is no gate %s that can be overridden. Name one that can: %s.", Code(name), strings.Join(all, ", "))
}

// needed refuses what would help nobody. An override of this very command that
// was made before, when it was cut short, is no reason to refuse it.
func (o Override) needed(ctx context.Context, c *Call, r *pipeline.Run, gate string) error {
	mine := slices.ContainsFunc(r.Approvals, func(a pipeline.Approval) bool { return a.Key == c.Key })
	switch {
	case mine:
		return nil
	case r.State.Terminal() || r.Admitted || r.Environment == nil:
		return pipeline.Refuse("already_decided", "Run %s does not wait for a gate: it %s. More says `/status %s`.", r.ID, stands(r.State), r.ID)
	}
	gates, err := gatesOf(ctx, o.GitHub, o.Store, r, c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(gates, func(g pipeline.Gate) bool { return g.Name == gate })
	if i < 0 || gates[i].State == pipeline.Passes {
		return pipeline.Refuse("gate_passes", "%s does not hold run %s up, so there is nothing to override. What does: `/why %s`.", capital(gate), r.ID, r.ID)
	}
	return nil
}
