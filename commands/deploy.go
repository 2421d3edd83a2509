package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Deploy starts the pipeline that says "on: {command: deploy}".
type Deploy struct {
	Runs    Runs
	GitHub  GitHub
	Store   Store
	Records Records
}

func (Deploy) Help() Help {
	return Help{
		Name:     "/deploy",
		Args:     []Arg{{Name: "env", Suggested: true}, {Name: "ref", Optional: true}},
		Flags:    deployFlags(),
		Summary:  "Deploys the pull request's head, or a branch, tag or commit; with --dry-run only says what it would do.",
		Needs:    pipeline.Write,
		Examples: []string{"/deploy staging", "/deploy prod v1.4.0", `/deploy prod --param replicas=5 --reason "big sale"`, `/deploy prod --at "22:00 Europe/Berlin"`, "/deploy prod --dry-run"},
	}
}

func (d Deploy) Do(ctx context.Context, c *Call) (Reply, error) {
	if reply, done, err := start(d).again(ctx, c); done || err != nil {
		return reply, err
	}
	req, doubt, err := d.request(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	if doubt != nil {
		return start(d).doubted(ctx, c, req, doubt)
	}
	return start(d).now(ctx, c, req)
}

// Pin names the commit.
func (d Deploy) Pin(ctx context.Context, c *Call) (string, error) {
	req, _, err := d.request(ctx, c)
	return exactly(c.Line, req), err
}

// request is what is asked for; doubt is the refusal of those who may ask for
// it, where it cannot be shown that it is what they saw.
func (d Deploy) request(ctx context.Context, c *Call) (req pipeline.Request, doubt, err error) {
	if req, err = deployRequest(c, c.Line.Arg("env")); err != nil {
		return req, nil, err
	}
	req.DryRun = c.Line.Has("dry-run")
	doubt, err = revision{d.GitHub}.freeze(ctx, c, &req, c.Line.Arg("ref"))
	return req, doubt, err
}

// deployFlags are those of every command that asks for a deploy.
func deployFlags() []Flag {
	return []Flag{
		{Name: "param", Value: "name=value", Repeat: true},
		{Name: "dry-run"},
		{Name: "at", Value: "22:00"},
		{Name: "reason", Value: `"..."`, Prose: true},
		{Name: "wait"},
		againFlag(),
		{Name: "service", Value: "name"},
	}
}

// deployRequest is what /deploy and its like ask for, but for the revision.
func deployRequest(c *Call, name string) (pipeline.Request, error) {
	env, err := environment(c, name)
	if err != nil {
		return pipeline.Request{}, err
	}
	p, ok := c.Config.CommandPipeline("deploy")
	if !ok {
		return pipeline.Request{}, pipeline.Refuse("no_pipeline", "No pipeline of this repository says `on: {command: deploy}`, so there is nothing to start. Add it to `.shipmate.yaml`.")
	}
	params, err := parseParams(p, c.Line.Flags["param"])
	if err != nil {
		return pipeline.Request{}, err
	}
	at, err := startTime(c.Line.Flag("at"), said(c), c.Line.at)
	if err != nil {
		return pipeline.Request{}, err
	}
	return pipeline.Request{Repo: c.Repo, Service: c.Config.Service, Pipeline: *p, Environment: env, ConfigSHA: c.Config.SHA, NotBefore: at,
		Trigger: pipeline.ByCommand, Actor: c.Actor, Params: params, Reason: prose(c.Line.Flag("reason")), Origin: c.Origin}, nil
}

// environment finds the environment a command names.
func environment(c *Call, name string) (*pipeline.Environment, error) {
	if env, ok := c.Config.Environment(name); ok {
		return env, nil
	}
	names := c.Config.EnvironmentNames()
	if len(names) == 0 {
		return nil, pipeline.Refuse("unknown_environment", "There is no environment %s: the `.shipmate.yaml` of %s names none. Add it there, under `environments:`.", Code(name), c.Repo)
	}
	if near, ok := pipeline.Nearest(name, names); ok {
		return nil, pipeline.Refuse("unknown_environment", "There is no environment %s. Did you mean %s?", Code(name), Code(strings.Replace(c.Line.Text, name, near, 1)))
	}
	return nil, pipeline.Refuse("unknown_environment", "There is no environment %s. Name one of %s: %s.", Code(name), c.Config.Service, strings.Join(names, ", "))
}

func parseParams(p *pipeline.Pipeline, given []string) (map[string]any, error) {
	params := map[string]string{}
	for _, kv := range given {
		name, value, ok := strings.Cut(kv, "=")
		if _, twice := params[name]; !ok || twice {
			return nil, pipeline.Refuse("bad_param", "%s is not a parameter. Write each once, as `--param name=value`.", Code(kv))
		}
		params[name] = value
	}
	return p.ParseParams(params)
}

// known returns a run of the call's repository.
func known(ctx context.Context, store Store, c *Call, id string) (*pipeline.Run, error) {
	r, err := store.Load(ctx, pipeline.RunID(strings.ToLower(id)))
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && r.Repo.ID != c.Repo.ID {
		return nil, pipeline.Refuse("unknown_run", "There is no run %s in %s. See `/status` for those there are.", Code(id), c.Repo)
	}
	return r, err
}
