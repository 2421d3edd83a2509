package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/shipmate/shipmate/pipeline"
)

// Cancel ends a run before its end.
type Cancel struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Cancel) Help() Help {
	return Help{
		Name:     "/cancel",
		Args:     []Arg{{Name: "run", Optional: true}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Stops a run, by its id or its environment.",
		Needs:    pipeline.Write,
		Steady:   true,
		Examples: []string{"/cancel r-1a2b3c4d", "/cancel staging"},
	}
}

func (x Cancel) Do(ctx context.Context, c *Call) (Reply, error) {
	what, err := about(ctx, x.Records, c, func() (string, error) {
		r, err := x.which(ctx, c)
		if err != nil {
			return "", err
		}
		return string(r.ID), nil
	})
	if err != nil {
		return Reply{}, err
	}
	r, err := known(ctx, x.Store, c, what)
	if err != nil {
		return Reply{}, err
	}
	if err := x.may(ctx, c, r); err != nil {
		return Reply{}, err
	}
	if r, err = x.Runs.Cancel(ctx, r.ID, pipeline.Cancellation{By: c.Actor, Code: "cancelled", Key: c.Key, Reason: prose(c.Line.Flag("reason"))}); err != nil {
		return Reply{}, err
	}
	return aboutRun(c, r, fmt.Sprintf("Cancelling run %s.", r.ID)), nil
}

// may: one's own run; what nobody asked for, as one who could have; anybody's
// as a maintainer. A rollback that serves a failed run is cut short by nobody.
func (x Cancel) may(ctx context.Context, c *Call, r *pipeline.Run) error {
	if r.Parent != "" {
		return pipeline.Refuse("rolling_back", "Run %s brings back what ran before run %s failed, and that is not cut short. Wait for its end.", r.ID, r.Parent)
	}
	if r.Actor.ID == c.Actor.ID {
		return nil
	}
	var deployers []string
	if r.Environment != nil {
		deployers = r.Environment.Deployers
	}
	who, err := x.GitHub.Standing(ctx, c.Repo, c.Actor, r.Roster(deployers))
	switch {
	case err != nil:
		return err
	case who.Permission >= pipeline.Maintain, r.Actor.IsBot() && pipeline.MayDeploy(r.Environment, who):
		return nil
	case r.Actor.IsBot():
		return pipeline.Refuse("not_allowed", "Nobody asked for run %s, and to cancel it you must be one who could have, or a maintainer; you have %s. Ask one of them.", r.ID, who.Permission)
	}
	return pipeline.Refuse("not_yours", "Run %s is %s's, and to cancel somebody else's run you need maintain; you have %s. Ask %s.", r.ID, r.Actor.Login, who.Permission, r.Actor.Login)
}

// which finds the run by its id, by its environment, or as the only open one
// of the pull request.
func (x Cancel) which(ctx context.Context, c *Call) (*pipeline.Run, error) {
	name := c.Run("run")
	q := pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR, Open: true}
	if env, ok := c.Config.Environment(name); ok {
		state, err := x.Store.Environment(ctx, c.Repo.ID, env.Name)
		if err != nil {
			return nil, err
		}
		if state.Active != "" {
			return x.Store.Load(ctx, state.Active)
		}
		q = pipeline.RunQuery{Repo: c.Repo.ID, Environment: env.Name, Open: true}
	} else if name != "" {
		return known(ctx, x.Store, c, name)
	}
	open, err := x.Store.Runs(ctx, q)
	open = realFirst(open)
	switch {
	case err != nil:
		return nil, err
	case len(open) == 0:
		return nil, pipeline.Refuse("nothing_open", "Nothing is running here that could be cancelled. What runs elsewhere lists `/status`; name it: `/cancel <run>`.")
	case len(open) > 1:
		return nil, pipeline.Refuse("several_open", "Several runs are open: %s. Say which: `/cancel <run>`.", list(open))
	}
	return open[0], nil
}

// realFirst leaves dry runs out if there are others: who names no run means one
// that does something.
func realFirst(runs []*pipeline.Run) []*pipeline.Run {
	others := slices.DeleteFunc(slices.Clone(runs), func(r *pipeline.Run) bool { return r.DryRun })
	if len(others) > 0 {
		return others
	}
	return runs
}

func list(runs []*pipeline.Run) string {
	text := ""
	for i, r := range runs {
		if i > 0 {
			text += ", "
		}
		text += string(r.ID)
	}
	return text
}
