package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Rollback brings the previous good revision of an environment back.
type Rollback struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Rollback) Help() Help {
	return Help{
		Name:     "/rollback",
		Args:     []Arg{{Name: "env", Suggested: true}, {Name: "run|commit", Word: "to", Optional: true}},
		Flags:    []Flag{{Name: "reason", Value: `"..."`, Prose: true}, againFlag(), {Name: "service", Value: "name"}},
		Summary:  "Goes back to the previous good revision, or an earlier run's: by undoing the last deploy where that can be done, else by deploying it again. Afterwards the environment stays locked, until somebody says `/unlock`.",
		Needs:    pipeline.Write,
		Steady:   true,
		Examples: []string{"/rollback prod", `/rollback prod to r-1a2b3c4d --reason "carts are empty"`},
	}
}

func (rb Rollback) Do(ctx context.Context, c *Call) (Reply, error) {
	if reply, done, err := start(rb).again(ctx, c); done || err != nil {
		return reply, err
	}
	if reply, is, err := rb.underWay(ctx, c); is || err != nil {
		return reply, err
	}
	req, whyNot, err := rb.request(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	reply, err := start(rb).now(ctx, c, req)
	if err == nil && whyNot != "" && reply.Code == "" {
		reply.Shown = false // its report does not say why
		reply.Text += fmt.Sprintf(" It is deployed again, because %s.", whyNot)
	}
	return reply, err
}

// underWay answers with the rollback that is open already, if no other target
// was named: once it has ended, the same line would go back one revision more.
func (rb Rollback) underWay(ctx context.Context, c *Call) (Reply, bool, error) {
	env, err := environment(c, c.Line.Arg("env"))
	if err != nil || c.Line.Arg("run|commit") != "" || c.Line.Has("again") {
		return Reply{}, false, err
	}
	open, err := rb.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, Environment: env.Name, Open: true, Limit: manyOpen})
	if err != nil {
		return Reply{}, false, err
	}
	i := slices.IndexFunc(open, func(r *pipeline.Run) bool {
		return r.Trigger == pipeline.ByRollback && r.Parent == "" && r.UnderWay()
	})
	if i < 0 {
		return Reply{}, false, nil
	}
	req := open[i].Request
	req.Actor = c.Actor
	gates, err := start(rb).gates(ctx, &req, c)
	if err == nil {
		err = refuse(aboutPeople(gates), c.Line, req)
	}
	if err != nil {
		return Reply{}, false, err
	}
	return alreadyAsked(c, open[i]), true, nil
}

// Pin names the run that is gone back to.
func (rb Rollback) Pin(ctx context.Context, c *Call) (string, error) {
	req, _, err := rb.request(ctx, c)
	return exactly(c.Line, req), err
}

// request is what is asked for; whyNot says why the last deploy is not simply
// undone, where one would expect it.
func (rb Rollback) request(ctx context.Context, c *Call) (req pipeline.Request, whyNot string, err error) {
	env, err := environment(c, c.Line.Arg("env"))
	if err != nil {
		return req, "", err
	}
	if c.Line.Arg("run|commit") == "" {
		if err := rb.settled(ctx, c, env); err != nil {
			return req, "", err
		}
	}
	const depth = 100
	history, err := rb.Store.Deployments(ctx, c.Repo.ID, env.Name, depth)
	if err != nil {
		return req, "", err
	}
	to, err := rollbackTarget(history, c.Line.Arg("run|commit"), env.Name)
	if err != nil {
		return req, "", err
	}
	undo, whyNot, err := rb.undoing(ctx, c, history, to)
	if err != nil {
		return req, "", err
	}
	last, err := pipeline.Deployed(ctx, rb.Store, &to)
	if undo != nil {
		req = back(c, env, undo.Request, to)
		req.Reverts = undo.ID
		if err == nil {
			req.Title = last.Title
		}
		return req, "", nil
	}
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return req, "", err
	}
	if err != nil {
		return req, "", pipeline.Refuse("no_target", "The record of run %s is gone, so it cannot be deployed again. Use `/deploy %s %s`.", to.Run, env.Name, to.SHA)
	}
	req = back(c, env, last.Request, to)
	req.SHA, req.Ref = to.SHA, to.Ref
	return req, whyNot, nil
}

// back asks for what brings a deployment back, with what the run was asked for.
func back(c *Call, env *pipeline.Environment, req pipeline.Request, to pipeline.Deployment) pipeline.Request {
	req.ID, req.Restores, req.Parent, req.Reverts = "", &to, "", ""
	req.Environment, req.Trigger, req.Actor, req.CausedBy, req.Origin = env, pipeline.ByRollback, c.Actor, pipeline.Actor{}, c.Origin
	req.NotBefore, req.Promotes, req.Nothing, req.Same = time.Time{}, nil, "", ""
	req.PR = c.PR
	req.Reason = prose(c.Line.Flag("reason"))
	req.Pipeline.OnFailure = pipeline.Stop
	return req
}

// undoing is the run whose undoing brings the deployment back, nil if none
// does; whyNot says what is in the way where one nearly could.
func (rb Rollback) undoing(ctx context.Context, c *Call, history []pipeline.Deployment, to pipeline.Deployment) (r *pipeline.Run, whyNot string, err error) {
	if c.Line.Arg("run|commit") != "" {
		return nil, "", nil
	}
	for i := 0; ; {
		r, err := rb.Store.Load(ctx, history[i].Run)
		switch {
		case errors.Is(err, pipeline.ErrNotFound):
			return nil, "", nil
		case err != nil:
			return nil, "", err
		case r.Nothing != "" && r.Same != "": // it did nothing, because another had deployed the same files
			if i = place(history, r.Same); i < 0 {
				return nil, "", nil
			}
			continue
		}
		if stood, why := stoodBefore(history, i, to); !stood {
			return nil, why, nil
		}
		yes, why, err := rb.Runs.Undoable(ctx, r.ID)
		if err != nil || !yes {
			return nil, why, err
		}
		return r, "", nil
	}
}

func place(history []pipeline.Deployment, run pipeline.RunID) int {
	return slices.IndexFunc(history, func(d pipeline.Deployment) bool { return d.Run == run })
}

// stoodBefore reports whether the deployment is what stood in the environment
// before the i-th of its history, newest first. What was rolled back in between,
// or refused, left what was there; what went wrong otherwise left nobody knows
// what, and whyNot names it.
func stoodBefore(history []pipeline.Deployment, i int, to pipeline.Deployment) (yes bool, whyNot string) {
	if history[0].State != pipeline.Succeeded || history[i].State != pipeline.Succeeded {
		return false, ""
	}
	for _, d := range history[i+1:] {
		switch {
		case d.State == pipeline.RolledBack, d.Untouched:
		case d.State == pipeline.Succeeded:
			return d.Run == to.Run, ""
		default:
			return false, fmt.Sprintf("run %s, which ended in between (%s), may have left something", Code(string(d.Run)), d.State)
		}
	}
	return false, ""
}

// settled refuses while a run works on the environment: what is to be gone back
// to is not known before its end. The run of this very command does not count.
func (rb Rollback) settled(ctx context.Context, c *Call, env *pipeline.Environment) error {
	state, err := rb.Store.Environment(ctx, c.Repo.ID, env.Name)
	if err != nil || state.Active == "" {
		return err
	}
	mine, err := ChooseRunID(ctx, rb.Records, rb.Store, c.Repo.ID, c.Key)
	if err != nil || mine == state.Active {
		return err
	}
	return pipeline.Refuse("run_active", "Run %s works on %s right now. Stop it with `/cancel %s`, or wait for its end, and say `/rollback %s` then. To go back to a certain run now: `/rollback %s to <run>`.",
		state.Active, env.Name, state.Active, env.Name, env.Name)
}

// rollbackTarget picks what to go back to from an environment's history, newest
// first: the deployment of the named run or commit, else the last good one if
// the newest that changed anything went wrong and was not rolled back, else the good one before what
// runs now. What runs now may itself be an earlier one brought back; then
// the search goes on before that one.
func rollbackTarget(history []pipeline.Deployment, named, env string) (pipeline.Deployment, error) {
	good := slices.DeleteFunc(slices.Clone(history), func(d pipeline.Deployment) bool { return d.State != pipeline.Succeeded })
	if len(good) == 0 {
		return pipeline.Deployment{}, pipeline.Refuse("no_target", "Nothing has been deployed to %s successfully yet, so there is nothing to go back to. To deploy: `/deploy %s`.", env, env)
	}
	if named != "" {
		i := slices.IndexFunc(good, func(d pipeline.Deployment) bool {
			return strings.EqualFold(string(d.Run), named) || strings.EqualFold(d.SHA, named)
		})
		if i < 0 {
			return pipeline.Deployment{}, pipeline.Refuse("no_target", "%s is no run or full commit id of a successful deployment of %s. Name one of the last ones: %s.", Code(named), env, recent(good))
		}
		return good[i], nil
	}
	for history[0].Untouched { // before a good one, and there is one
		history = history[1:]
	}
	if newest := history[0]; newest.State != pipeline.Succeeded && newest.State != pipeline.RolledBack {
		if i := place(good, newest.Restores); i >= 0 {
			return good[i], nil // a rollback that went wrong is tried again
		}
		return good[0], nil // what came after it went wrong, and stands there in part
	}
	now, rest := good[0], good[1:]
	for brought := now; brought.Restores != ""; {
		i := slices.IndexFunc(rest, func(d pipeline.Deployment) bool { return d.Run == brought.Restores })
		if i < 0 {
			break
		}
		brought, rest = rest[i], rest[i+1:]
	}
	i := slices.IndexFunc(rest, func(d pipeline.Deployment) bool { return d.SHA != now.SHA })
	if i < 0 {
		return pipeline.Deployment{}, pipeline.Refuse("no_target", "`%s` is the first good deployment of %s, so there is nothing to go back to. To deploy another revision: `/deploy %s <ref>`.", now.SHA[:min(7, len(now.SHA))], env, env)
	}
	return rest[i], nil
}

// recent lists the newest deployments by run and commit.
func recent(good []pipeline.Deployment) string {
	const most = 5
	var out []string
	for _, d := range good[:min(most, len(good))] {
		out = append(out, fmt.Sprintf("%s (`%s`)", d.Run, d.SHA[:min(7, len(d.SHA))]))
	}
	return strings.Join(out, ", ")
}
