package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Approve is one person's yes to a run.
type Approve struct {
	Runs   Runs
	GitHub GitHub
	Store  Store
}

func (Approve) Help() Help {
	return Help{
		Name:     "/approve",
		Args:     []Arg{{Name: "run", Optional: true}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Says yes to a run that waits for approval.",
		Needs:    pipeline.Read,
		Examples: []string{"/approve", "/approve r-1a2b3c4d"},
	}
}

func (a Approve) Do(ctx context.Context, c *Call) (Reply, error) {
	r, err := judge(ctx, a.Runs, a.GitHub, a.Store, c, pipeline.Approval{Yes: true})
	if err != nil {
		return Reply{}, err
	}
	text := fmt.Sprintf("You approved run %s.", r.ID)
	if !r.State.Terminal() && r.Message != "" {
		text += " " + r.Message
	}
	return Reply{Run: r.ID, Text: text}, nil
}

// Reject is one person's no, which ends the run.
type Reject struct {
	Runs   Runs
	GitHub GitHub
	Store  Store
}

func (Reject) Help() Help {
	return Help{
		Name:     "/reject",
		Args:     []Arg{{Name: "run", Optional: true}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}},
		Summary:  "Says no to a run that waits for approval, and ends it.",
		Needs:    pipeline.Read,
		Examples: []string{`/reject r-1a2b3c4d --reason "not before the audit"`},
	}
}

func (j Reject) Do(ctx context.Context, c *Call) (Reply, error) {
	if prose(c.Line.Flag("reason")) == "" {
		line := Paste("/reject", strings.Fields(c.Line.Arg("run"))...)
		return Reply{}, pipeline.Refuse("reason_needed", "A rejection needs a reason, for whoever asked: %s.", Code(line+` --reason "..."`))
	}
	r, err := judge(ctx, j.Runs, j.GitHub, j.Store, c, pipeline.Approval{})
	if err != nil {
		return Reply{}, err
	}
	return Reply{Run: r.ID, Text: fmt.Sprintf("You rejected run %s, and it ends.", r.ID)}, nil
}

// judge finds the open question, asks whether this person may answer it, and
// records the answer.
func judge(ctx context.Context, runs Runs, gh GitHub, store Store, c *Call, a pipeline.Approval) (*pipeline.Run, error) {
	r, err := question(ctx, store, c)
	if err != nil {
		return nil, err
	}
	open := r.OpenGates()
	if len(open) == 0 {
		return nil, pipeline.Refuse("already_decided", "Run %s is not waiting for approval: it %s.", r.ID, stands(r.State))
	}
	policy := r.ApprovalPolicy(open[0])
	who, err := gh.Standing(ctx, c.Repo, c.Actor, teams(policy.By))
	if err != nil {
		return nil, err
	}
	if why := pipeline.MayApprove(policy, who, c.Actor.ID, r.Actor, r.Excluded); why != "" {
		return nil, pipeline.Refuse("may_not_approve", "You may not approve this: %s.", why)
	}
	a.Key = c.Key
	a.Gate, a.By, a.Via, a.Reason = open[0], c.Actor, c.Origin.Surface, prose(c.Line.Flag("reason"))
	return runs.Approve(ctx, r.ID, a)
}

// question finds the run that is meant: the one named, else the only one of
// this pull request or thread that waits for an answer.
func question(ctx context.Context, store Store, c *Call) (*pipeline.Run, error) {
	if id := c.Run("run"); id != "" {
		return known(ctx, store, c, id)
	}
	all, err := store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR, Open: true})
	if err != nil {
		return nil, err
	}
	var asking []*pipeline.Run
	var ids []string
	for _, r := range all {
		if len(r.OpenGates()) > 0 {
			asking = append(asking, r)
			ids = append(ids, fmt.Sprintf("`%s %s`", c.Line.Command.Help().Name, r.ID))
		}
	}
	switch len(asking) {
	case 0:
		return nil, pipeline.Refuse("nothing_open", "Nothing waits for approval here.")
	case 1:
		return asking[0], nil
	}
	return nil, pipeline.Refuse("several_open", "Several runs wait for approval. Say which: %s.", strings.Join(ids, ", "))
}

// teams are the slugs in a list of "team:slug" and "user:login".
func teams(list []string) []string {
	var out []string
	for _, entry := range list {
		if slug, ok := strings.CutPrefix(entry, "team:"); ok {
			out = append(out, slug)
		}
	}
	return out
}
