package commands

import (
	"context"
	"slices"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Retry runs the pipeline of an ended run once more: a deploy of the same commit,
// checks of the head of the pull request or the branch.
type Retry struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Retry) Help() Help {
	return Help{
		Name:     "/retry",
		Args:     []Arg{{Name: "run", Optional: true}},
		Flags:    []Flag{{Name: "wait"}, againFlag()},
		Summary:  "Runs a failed or cancelled run again: checks on the head of the pull request or the branch, a deploy on its commit. If there is a newer one, that is offered.",
		Needs:    pipeline.Write,
		Examples: []string{"/retry", "/retry r-1a2b3c4d"},
	}
}

// RetryHelps reports whether a failed run may end better when it is run again.
func RetryHelps(r *pipeline.Run) bool { return !slices.Contains(inCommit, r.Code) }

func (t Retry) Do(ctx context.Context, c *Call) (Reply, error) {
	if reply, done, err := start(t).again(ctx, c); done || err != nil {
		return reply, err
	}
	req, err := t.request(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	now, err := t.newer(ctx, c, &req)
	switch {
	case err != nil:
		return Reply{}, err
	case now.SHA != "":
		return offer(c, &req, now)
	case req.Environment != nil:
		return start(t).now(ctx, c, req)
	}
	if req.ID, err = ChooseRunID(ctx, t.Records, t.Store, c.Repo.ID, c.Key); err != nil {
		return Reply{}, err
	}
	req.Once = once(c, &req)
	r, err := t.Runs.Start(ctx, req)
	if err != nil {
		return Reply{}, err
	}
	return outcome(c, req.ID, r), nil
}

// Pin names the run.
func (t Retry) Pin(ctx context.Context, c *Call) (string, error) {
	req, err := t.request(ctx, c)
	return exactly(c.Line, req), err
}

// request asks for what the old run was asked for, by today's file.
func (t Retry) request(ctx context.Context, c *Call) (pipeline.Request, error) {
	old, err := t.which(ctx, c)
	if err != nil {
		return pipeline.Request{}, err
	}
	if old.Promotes != nil {
		return pipeline.Request{}, pipeline.Refuse("promote_again", "Run %s took what ran in another environment then. To take what runs there now, say `/promote <from> %s`.", old.ID, old.EnvironmentName())
	}
	if old.Reverts != "" {
		return pipeline.Request{}, pipeline.Refuse("undo_again", "Run %s was to undo run %s, and is not run again. To go back to what ran before: `/rollback %s`.", old.ID, old.Reverts, old.EnvironmentName())
	}
	c.Line.Args = map[string]string{"run": string(old.ID)} // so that it can be named if it is to be said again
	req := old.Request
	req.ID, req.Actor, req.CausedBy, req.Origin, req.NotBefore, req.Nothing, req.Same, req.Refused = "", c.Actor, pipeline.Actor{}, c.Origin, time.Time{}, "", "", ""
	if req.Environment != nil {
		env, ok := c.Config.Environment(req.Environment.Name)
		if !ok {
			return pipeline.Request{}, pipeline.Refuse("unknown_environment", "The environment %s is not in `.shipmate.yaml` any more, so the run cannot be repeated. Put it back there, or deploy to another one: `/deploy <env>`.", req.Environment.Name)
		}
		req.Environment = env
	}
	p, ok := c.Config.Pipeline(req.Pipeline.Name)
	if !ok {
		return pipeline.Request{}, pipeline.Refuse("no_pipeline", "The pipeline %s is not in `.shipmate.yaml` any more, so it cannot be run again. Put it back there, or start what there is now: `/deploy <env>`.", req.Pipeline.Name)
	}
	req.Pipeline, req.ConfigSHA = *p, c.Config.SHA
	if old.Refused != "" { // it never had parameters, and here nobody gives any either
		if req.Params, err = p.ParseParams(nil); err != nil {
			return pipeline.Request{}, pipeline.Refuse(pipeline.Code(err), "%s still cannot start by itself: one of its parameters has no default. Give it one in `.shipmate.yaml`.", p.Name)
		}
	}
	return req, nil
}

// which finds the run by its id, else the newest of the pull request that failed.
func (t Retry) which(ctx context.Context, c *Call) (*pipeline.Run, error) {
	if id := c.Run("run"); id != "" {
		r, err := known(ctx, t.Store, c, id)
		if err == nil && !r.State.Terminal() {
			return nil, pipeline.Refuse("still_open", "Run %s has not ended yet: it %s. Cancel it first, or wait.", r.ID, stands(r.State))
		}
		return r, err
	}
	if c.PR == 0 {
		return nil, pipeline.Refuse("missing_argument", "Say which run: `/retry <run>`. Which there are says `/status`, or `/history <env>`.")
	}
	for _, noDryRuns := range []bool{true, false} { // a dry run only if nothing else has failed
		runs, err := t.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR, NoDryRuns: noDryRuns})
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if r.State == pipeline.Failed || r.State == pipeline.Cancelled || r.State == pipeline.RolledBack {
				return r, nil
			}
		}
	}
	return nil, pipeline.Refuse("nothing_failed", "Nothing has failed here that could be run again. To run a certain run again: `/retry <run>`. To deploy: `/deploy <env>`.")
}
