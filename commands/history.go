package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// History lists what was deployed to an environment.
type History struct{ Store Store }

func (History) Help() Help {
	return Help{
		Name:     "/history",
		Args:     []Arg{{Name: "env", Suggested: true}},
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Summary:  "Lists the last deployments of an environment, the newest first, and marks rollbacks.",
		Needs:    pipeline.Read,
		Question: true,
		Steady:   true,
		Examples: []string{"/history prod"},
	}
}

func (h History) Do(ctx context.Context, c *Call) (Reply, error) {
	env, err := environment(c, c.Line.Arg("env"))
	if err != nil {
		return Reply{}, err
	}
	const most = 10
	all, err := h.Store.Deployments(ctx, c.Repo.ID, env.Name, most)
	if err != nil {
		return Reply{}, err
	}
	if len(all) == 0 {
		return Reply{Text: fmt.Sprintf("Nothing has been deployed to **%s** yet.", env.Name)}, nil
	}
	text := fmt.Sprintf("Deployments of **%s**, the newest first:", env.Name)
	for _, d := range all {
		text += "\n- " + deployment(d)
	}
	return Reply{Text: text}, nil
}

// deployment is one line of an environment's history.
func deployment(d pipeline.Deployment) string {
	from := ""
	switch {
	case d.PR != 0:
		from = fmt.Sprintf(" of `#%d`", d.PR)
	case d.Ref != "":
		from = " of " + Code(d.Ref)
	}
	state, at := strings.ReplaceAll(string(d.State), "_", " "), d.At.UTC().Format("2006-01-02 15:04 MST")
	line := fmt.Sprintf("`%s`%s %s, %s, by %s (%s)", short(d.SHA), from, state, at, d.By, d.Run)
	if what := broughtBack(d); what != "" {
		line += ", " + what
	}
	return line
}

// broughtBack says of a deployment that brought an earlier one back what it was.
func broughtBack(d pipeline.Deployment) string {
	switch {
	case d.Reverts != "":
		return fmt.Sprintf("**rollback**: run %s undone", d.Reverts)
	case d.Parent != "":
		return fmt.Sprintf("**automatic rollback** to what run %s deployed, because run %s failed", d.Restores, d.Parent)
	case d.Trigger == pipeline.ByRollback:
		return fmt.Sprintf("**rollback** to what run %s deployed", d.Restores)
	case d.Restores != "":
		return fmt.Sprintf("the same as run %s deployed", d.Restores)
	}
	return ""
}
