package commands

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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
		Name: "/deploy",
		Args: []Arg{{Name: "env"}, {Name: "ref", Optional: true}},
		Flags: []Flag{
			{Name: "param", Value: "name=value", Repeat: true},
			{Name: "reason", Value: `"..."`, Prose: true},
			{Name: "wait"},
			{Name: "service", Value: "name"},
		},
		Summary:  "Deploys the pull request's head, or a branch, tag or commit.",
		Needs:    pipeline.Write,
		Examples: []string{"/deploy staging", "/deploy prod v1.4.0", `/deploy prod --param replicas=5 --reason "big sale"`},
	}
}

func (d Deploy) Do(ctx context.Context, c *Call) (Reply, error) {
	env, err := environment(c)
	if err != nil {
		return Reply{}, err
	}
	p, ok := c.Config.CommandPipeline("deploy")
	if !ok {
		return Reply{}, pipeline.Refuse("no_pipeline", "No pipeline of this repository says `on: {command: deploy}`, so there is nothing to start. Add it to `.shipmate.yaml`.")
	}
	params, err := parseParams(p, c.Line.Flags["param"])
	if err != nil {
		return Reply{}, err
	}
	req := pipeline.Request{Repo: c.Repo, Service: c.Config.Service, Pipeline: *p, Environment: env, ConfigSHA: c.Config.SHA,
		Trigger: pipeline.ByCommand, Actor: c.Actor, Params: params, Reason: prose(c.Line.Flag("reason")), Origin: c.Origin}
	if err := d.revision(ctx, c, &req); err != nil {
		return Reply{}, err
	}
	return start{d.Runs, d.GitHub, d.Store, d.Records}.now(ctx, c, req)
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// revision freezes what is deployed: the ref that was named, else the pull
// request's head, else the head of the default branch.
func (d Deploy) revision(ctx context.Context, c *Call, req *pipeline.Request) error {
	ref := c.Line.Arg("ref")
	var pr pipeline.PullRequest
	if c.PR != 0 {
		var err error
		if pr, err = d.GitHub.PullRequest(ctx, c.Repo, c.PR); err != nil {
			return err
		}
		if !pr.Fork && ref == pr.Branch || len(ref) >= 7 && strings.HasPrefix(pr.Head, ref) && !fullSHA.MatchString(ref) {
			ref = "" // its own head, by another name
		}
	}
	if c.PR == 0 || ref != "" && !fullSHA.MatchString(ref) {
		commit, err := d.GitHub.Commit(ctx, c.Repo, ref)
		if err != nil {
			return err
		}
		req.SHA, req.Title, req.Ref = commit.SHA, commit.Title, ref
		if ref == "" {
			req.Ref = commit.Branch
		}
		return nil
	}
	if !pr.Open && !pr.Merged {
		return pipeline.Refuse("closed", "This pull request is closed, so its branch is not deployed. Reopen it, or name what you mean: `/deploy %s <branch, tag or commit>`.", req.Environment.Name)
	}
	req.PR, req.SHA, req.Ref, req.Title = c.PR, pr.Head, pr.Branch, pr.Title
	if ref != "" {
		if ref != pr.Head {
			return pipeline.Refuse("head_moved", "`%s` is not the head of this pull request; that is `%s` now. To deploy it: `/deploy %s %s`.", ref[:7], pr.Head[:7], req.Environment.Name, pr.Head)
		}
		return nil
	}
	if !req.Environment.Protected {
		return nil
	}
	was, err := d.GitHub.WasHead(ctx, c.Repo, c.PR, pr.Head, c.Said)
	if err != nil {
		return err
	}
	if !was {
		return pipeline.Refuse("confirm_sha", "%s is protected, and it cannot be shown that `%s` was here before you wrote this. If it is what you mean, paste: `/deploy %s %s`", req.Environment.Name, pr.Head[:7], req.Environment.Name, pr.Head)
	}
	return nil
}

// start makes a run out of a request that everything is known of.
type start struct {
	runs    Runs
	github  GitHub
	store   Store
	records Records
}

func (s start) now(ctx context.Context, c *Call, req pipeline.Request) (Reply, error) {
	env := req.Environment
	id, err := ChooseRunID(ctx, s.records, s.store, c.Repo.ID, c.Key)
	if err != nil {
		return Reply{}, err
	}
	switch r, err := s.store.Load(ctx, id); {
	case err == nil: // an earlier try got as far as that: it is not to be refused now
		return Reply{Run: r.ID, Text: started(r, env)}, nil
	case !errors.Is(err, pipeline.ErrNotFound):
		return Reply{}, err
	}
	req.ID = id
	state, err := s.store.Environment(ctx, c.Repo.ID, env.Name)
	if err != nil {
		return Reply{}, err
	}
	base := ""
	if state.Current != nil {
		base = state.Current.SHA
	}
	if req.Excluded, err = s.github.Contributors(ctx, c.Repo, base, req.SHA, req.PR, req.Ref); err != nil {
		return Reply{}, err
	}
	live, err := s.github.Live(ctx, &pipeline.Run{Request: req})
	if err != nil {
		return Reply{}, err
	}
	gates := pipeline.Gates(pipeline.QuestionOf(&pipeline.Run{Request: req}), pipeline.Facts{Environment: state, Live: &live, Policy: env}, c.Now)
	if err := refuse(gates, c.Line); err != nil {
		return Reply{}, err
	}
	r, err := s.runs.Start(ctx, req)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Run: r.ID, Text: started(r, env)}, nil
}

// refuse turns the first gate that says no into a refusal. A lock refuses what
// is asked for now, unless the asker would wait.
func refuse(gates []pipeline.Gate, l Line) error {
	for _, g := range gates {
		switch {
		case g.State == pipeline.Fails:
			return pipeline.Refuse(g.Code, "%s %s", g.Sentence, g.Fix)
		case g.State == pipeline.Waits && g.Name == pipeline.GateLock && !l.Has("wait"):
			return pipeline.Refuse(g.Code, "%s To unlock it: `%s`. To start by itself as soon as it is unlocked: %s.", g.Sentence, g.Fix, Code(l.Text+" --wait"))
		}
	}
	return nil
}

func started(r *pipeline.Run, env *pipeline.Environment) string {
	text := fmt.Sprintf("Deploying `%s` to **%s** as run %s.", r.ShortSHA(), env.Name, r.ID)
	if r.Trigger == pipeline.ByRollback {
		text = fmt.Sprintf("Rolling **%s** back to `%s` as run %s.", env.Name, r.ShortSHA(), r.ID)
	}
	if !r.State.Terminal() && r.State != pipeline.Running && r.Message != "" {
		text += " " + r.Message
	}
	return text
}

// environment finds the environment a command names.
func environment(c *Call) (*pipeline.Environment, error) {
	name := c.Line.Arg("env")
	if env, ok := c.Config.Environment(name); ok {
		return env, nil
	}
	names := c.Config.EnvironmentNames()
	if len(names) == 0 {
		return nil, pipeline.Refuse("unknown_environment", "There is no environment %s: the `.shipmate.yaml` of %s names none.", Code(name), c.Repo)
	}
	if near, ok := pipeline.Nearest(name, names); ok {
		return nil, pipeline.Refuse("unknown_environment", "There is no environment %s. Did you mean %s?", Code(name), Code(strings.Replace(c.Line.Text, name, near, 1)))
	}
	return nil, pipeline.Refuse("unknown_environment", "There is no environment %s. The environments of %s are: %s.", Code(name), c.Config.Service, strings.Join(names, ", "))
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
