package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Approve is one person's yes to a run.
type Approve struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
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
	r, err := bench(a).judge(ctx, c, pipeline.Approval{Yes: true})
	if err != nil {
		return Reply{}, err
	}
	text := fmt.Sprintf("You approved run %s.", r.ID)
	if !r.State.Terminal() && r.Message != "" {
		text += " " + r.Message
	}
	return aboutRun(c, r, text), nil
}

// Reject is one person's no, which ends the run.
type Reject struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
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
		return Reply{}, pipeline.Refuse("reason_needed", "A rejection needs a reason, for whoever asked. Say %s.", Code(line+` --reason "..."`))
	}
	r, err := bench(j).judge(ctx, c, pipeline.Approval{})
	if err != nil {
		return Reply{}, err
	}
	return aboutRun(c, r, fmt.Sprintf("You rejected run %s, and it ends.", r.ID)), nil
}

// bench is what both answers are given with.
type bench struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

// judge records one person's answer to the question of one run. Which question
// that is stays the same however often the command is tried.
func (b bench) judge(ctx context.Context, c *Call, a pipeline.Approval) (*pipeline.Run, error) {
	r, gate, err := b.asked(ctx, c)
	if err != nil {
		return nil, err
	}
	policy := r.ApprovalPolicy(gate)
	who, err := b.GitHub.Standing(ctx, c.Repo, c.Actor, r.Roster(policy.By))
	if err != nil {
		return nil, err
	}
	if why := pipeline.MayApprove(policy, who, c.Actor.ID, r.Actor, r.Excluded); why != "" {
		code := "may_not_approve"
		if !who.In(policy.By) && who.NameTaken(policy.By) != "" {
			code = "name_reused"
		}
		return nil, pipeline.Refuse(code, "You may not approve this: %s. Ask somebody who may; `/why` says who.", why)
	}
	if a.Yes {
		b.Runs.Prepare(r.Request)
	}
	a.Key = c.Key
	a.Gate, a.By, a.Via, a.Reason = gate, c.Actor, c.Origin.Surface, prose(c.Line.Flag("reason"))
	return b.Runs.Approve(ctx, r.ID, a)
}

// asked is the run that is meant and the question it asks: the button's, else
// the first that is open.
func (b bench) asked(ctx context.Context, c *Call) (r *pipeline.Run, gate string, err error) {
	what, err := about(ctx, b.Records, c, func() (string, error) {
		r, err := question(ctx, b.Store, c)
		if err != nil {
			return "", err
		}
		open := r.OpenGates()
		gate := c.Gate
		if gate == "" && len(open) > 0 {
			gate = open[0]
		}
		if r.PlanPending() != nil && !slices.Contains(open, gate) {
			return "", planning(r)
		}
		if !slices.Contains(open, gate) {
			return "", pipeline.Refuse("already_decided", "Run %s is not waiting for this approval: it %s. More says `/status %s`.", r.ID, stands(r.State), r.ID)
		}
		return string(r.ID) + " " + gate, nil
	})
	if err != nil {
		return nil, "", err
	}
	id, gate, _ := strings.Cut(what, " ")
	r, err = known(ctx, b.Store, c, id)
	return r, gate, err
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
	var soon error
	for _, r := range all {
		if r.PlanPending() != nil {
			soon = planning(r)
		}
		if len(r.OpenGates()) > 0 {
			asking = append(asking, r)
			ids = append(ids, fmt.Sprintf("`%s %s`", c.Line.Command.Help().Name, r.ID))
		}
	}
	switch len(asking) {
	case 0:
		if soon != nil {
			return nil, soon
		}
		return nil, pipeline.Refuse("nothing_open", "Nothing waits for approval here. What is open elsewhere lists `/status`; name that run: `/approve <run>`.")
	case 1:
		return asking[0], nil
	}
	return nil, pipeline.Refuse("several_open", "Several runs wait for approval. Say which: %s.", strings.Join(ids, ", "))
}

// planning: a yes to what is not known yet would say nothing.
func planning(r *pipeline.Run) error {
	return pipeline.Refuse("planning", "What run %s would do is still being planned. Wait: you are asked when that is done.", r.ID)
}
