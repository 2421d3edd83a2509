package commands

import (
	"context"

	"github.com/shipmate/shipmate/pipeline"
)

// Promote deploys to one environment exactly what runs in another one.
type Promote struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Promote) Help() Help {
	return Help{
		Name:     "/promote",
		Args:     []Arg{{Name: "from", Suggested: true}, {Name: "env", Word: "to", Suggested: true}},
		Flags:    deployFlags(),
		Summary:  "Deploys exactly what runs in one environment to another one.",
		Needs:    pipeline.Write,
		Examples: []string{"/promote staging prod", `/promote staging to prod --reason "tested since Monday"`},
	}
}

func (p Promote) Do(ctx context.Context, c *Call) (Reply, error) {
	if reply, done, err := start(p).again(ctx, c); done || err != nil {
		return reply, err
	}
	req, err := p.request(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	return start(p).now(ctx, c, req)
}

// Pin names no commit: what a promotion takes is what runs there when it is said.
func (p Promote) Pin(ctx context.Context, c *Call) (string, error) {
	req, err := p.request(ctx, c)
	return exactly(c.Line, req), err
}

func (p Promote) request(ctx context.Context, c *Call) (pipeline.Request, error) {
	from, err := environment(c, c.Line.Arg("from"))
	if err != nil {
		return pipeline.Request{}, err
	}
	req, err := deployRequest(c, c.Line.Arg("env"))
	if err != nil {
		return req, err
	}
	if from.Name == req.Environment.Name {
		return req, pipeline.Refuse("same_environment", "%s cannot be promoted to itself. Name where it is to go: `/promote %s <env>`.", from.Name, from.Name)
	}
	err = p.runsThere(ctx, c, from.Name, &req)
	return req, err
}

// runsThere freezes what runs in the environment, as it was when the person
// said so: what came there since is not what they have seen.
func (p Promote) runsThere(ctx context.Context, c *Call, from string, req *pipeline.Request) error {
	state, err := p.Store.Environment(ctx, c.Repo.ID, from)
	if err != nil {
		return err
	}
	d := state.Stands()
	switch {
	case state.Active != "":
		return pipeline.Refuse("run_active", "Run %s works on %s right now. Wait for its end, then say `/promote %s %s` again.", state.Active, from, from, req.Environment.Name)
	case d == nil && state.Current != nil:
		return pipeline.Refuse("not_settled", "The last deploy to %s, run %s, did not end well, so what runs there is not known for sure. Repair it with `/rollback %s` or another `/deploy %s` first.", from, state.Unsettled, from, from)
	case d == nil:
		return pipeline.Refuse("nothing_deployed", "Nothing has been deployed to %s successfully yet, so there is nothing to promote. First: `/deploy %s`.", from, from)
	case !c.Came.IsZero() && !d.At.Before(c.Came):
		return pipeline.Refuse("confirm_sha", "`%s` came to %s after you wrote this. If it is what you mean, say it again: `/promote %s %s`.", short(d.SHA), from, from, req.Environment.Name)
	}
	req.SHA, req.Ref, req.PR, req.Promotes, req.DryRun = d.SHA, d.Ref, d.PR, d, c.Line.Has("dry-run")
	if r, err := p.Store.Load(ctx, d.Run); err == nil {
		req.Title = r.Title
	}
	return nil
}

func short(sha string) string { return sha[:min(7, len(sha))] }
