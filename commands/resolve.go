package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Resolve says how a step ended whose end nobody saw.
type Resolve struct {
	Runs   Runs
	GitHub GitHub
	Store  Store
}

func (Resolve) Help() Help {
	return Help{
		Name:     "/resolve",
		Args:     []Arg{{Name: "run"}, {Name: "step"}, {Name: "succeeded|failed"}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Says how a step ended that shipmate lost sight of, so that the run can go on.",
		Needs:    pipeline.Write,
		Steady:   true,
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
	if err := v.may(ctx, c, r); err != nil {
		return Reply{}, err
	}
	if r, err = v.Runs.Resolve(ctx, r.ID, step.Name, outcome == "succeeded", c.Actor, reason); err != nil {
		return Reply{}, err
	}
	return aboutRun(c, r, fmt.Sprintf("Step %s of run %s is taken as %s.", step.Name, r.ID, outcome)), nil
}

// may: what is taken as succeeded goes on in the environment, so it is for
// those who may deploy there, and for maintainers.
func (v Resolve) may(ctx context.Context, c *Call, r *pipeline.Run) error {
	if r.Environment == nil {
		return nil
	}
	env, at := r.Environment, r.ConfigSHA
	if now, ok := c.Config.Environment(env.Name); ok {
		env, at = now, c.Config.SHA
	}
	who, err := v.GitHub.Standing(ctx, c.Repo, c.Actor, pipeline.Roster{ConfigSHA: at, Entries: env.Deployers})
	if err != nil || pipeline.MayDeploy(env, who) || who.Permission >= pipeline.Maintain {
		return err
	}
	return notDeployer(env, who)
}
