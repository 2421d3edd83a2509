package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Resolve says how a step ended whose end nobody saw.
type Resolve struct {
	Runs  Runs
	Store Store
}

func (Resolve) Help() Help {
	return Help{
		Name:     "/resolve",
		Args:     []Arg{{Name: "run"}, {Name: "step"}, {Name: "succeeded|failed"}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Says how a step ended that shipmate lost sight of, so that the run can go on.",
		Needs:    pipeline.Write,
		Examples: []string{`/resolve r-1a2b3c4d migrate succeeded --reason "checked the schema by hand"`},
	}
}

func (v Resolve) Do(ctx context.Context, c *Call) (Reply, error) {
	r, err := known(ctx, v.Store, c, c.Line.Arg("run"))
	if err != nil {
		return Reply{}, err
	}
	step, err := stepOf(r, c.Line.Arg("step"), "/resolve %s %s succeeded")
	if err != nil {
		return Reply{}, err
	}
	outcome, reason := strings.ToLower(c.Line.Arg("succeeded|failed")), prose(c.Line.Flag("reason"))
	if outcome != "succeeded" && outcome != "failed" {
		return Reply{}, pipeline.Refuse("bad_argument", "%s is neither succeeded nor failed. Say one of them: `/resolve %s %s succeeded --reason \"...\"`.", Code(outcome), r.ID, step.Name)
	}
	if reason == "" {
		return Reply{}, pipeline.Refuse("reason_needed", "Say how you know, for whoever reads this later: `/resolve %s %s %s --reason \"...\"`.", r.ID, step.Name, outcome)
	}
	if r, err = v.Runs.Resolve(ctx, r.ID, step.Name, outcome == "succeeded", c.Actor, reason); err != nil {
		return Reply{}, err
	}
	return Reply{Run: r.ID, Text: fmt.Sprintf("Step %s of run %s is taken as %s.", step.Name, r.ID, outcome)}, nil
}
