package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// pullRequest starts the pipelines that are on pull requests when one is
// opened or moves, and ends what speaks of a commit that is no longer its head.
// A merge group comes as one too.
func (b *Bot) pullRequest(ctx context.Context, key string, m PullRequest) error {
	switch m.Action {
	case "opened", "synchronize", "reopened", "ready_for_review", "edited":
		return b.checkPull(ctx, key, m)
	case "closed":
		why := "The pull request was closed."
		if m.Merged {
			why = "The pull request was merged."
		}
		if err := b.endStale(ctx, m, "closed", why); err != nil {
			return err
		}
		return b.releaseLocks(ctx, key, m)
	case "checks_requested":
		return b.mergeGroup(ctx, key, m)
	case "converted_to_draft":
		return b.Queue.Enqueue(ctx, Moved{Repo: m.Repo.ID, SHA: m.Head, PR: m.Number}.Job())
	}
	return nil
}

// checkPull starts what checks a pull request, for the head it has now and the
// branch it goes into now. What its head has been through already is not done
// again.
func (b *Bot) checkPull(ctx context.Context, key string, m PullRequest) error {
	if err := b.judge(ctx, ConfigCheck{Repo: m.Repo, SHA: m.Head, PR: m.Number}); err != nil {
		return err
	}
	code, why := "head_moved", fmt.Sprintf("The pull request moved to `%s`.", m.Head[:7])
	if m.Action == "edited" {
		code, why = "base_changed", fmt.Sprintf("The pull request goes into %s now.", commands.Code(m.Base))
	}
	if err := b.endStale(ctx, m, code, why); err != nil {
		return err
	}
	cfg, err := b.file(ctx, m.Repo)
	if cfg == nil && err == nil {
		return b.miss(ctx, m)
	}
	if err != nil {
		return err
	}
	for _, p := range cfg.Pipelines {
		on := p.On.PullRequest
		if on == nil || !matchesAny(on.Branches, m.Base) {
			continue
		}
		if ran, err := b.ran(ctx, m, p.Name); ran || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		req := pipeline.Request{Repo: m.Repo, Service: cfg.Service, Pipeline: *p, ConfigSHA: cfg.SHA, SHA: m.Head, Ref: m.Branch, PR: m.Number, Base: m.Base, Title: m.Title,
			Trigger: pipeline.ByPullRequest, Actor: m.Actor, CausedBy: m.Author, Origin: pipeline.Origin{Surface: "github", PR: m.Number}}
		if err := b.startUnasked(ctx, key+":"+p.Name, req, on.Paths); err != nil {
			return err
		}
	}
	return nil
}

// mergeGroup starts the pipelines that are on merge groups, for the commit a
// merge queue would make the base branch. They belong to no pull request: the
// group's commit is none of any, and is gone with its branch.
func (b *Bot) mergeGroup(ctx context.Context, key string, m PullRequest) error {
	if err := b.judge(ctx, ConfigCheck{Repo: m.Repo, SHA: m.Head, Base: m.BaseSHA}); err != nil {
		return err
	}
	cfg, err := b.file(ctx, m.Repo)
	if cfg == nil || err != nil {
		return err
	}
	for _, p := range cfg.Pipelines {
		if !p.On.MergeGroup {
			continue
		}
		req := pipeline.Request{Repo: m.Repo, Service: cfg.Service, Pipeline: *p, ConfigSHA: cfg.SHA, SHA: m.Head, Ref: m.Branch, Title: m.Title,
			Trigger: pipeline.ByMergeGroup, Actor: pipeline.Bot(), Reason: "merge queue of " + m.Base}
		if err := b.startUnasked(ctx, key+":"+p.Name, req, nil); err != nil {
			return err
		}
	}
	return nil
}

// file is the repository's file, nil if there is none that can be used: then
// nothing starts by itself.
func (b *Bot) file(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error) {
	cfg, err := b.GitHub.Config(ctx, repo)
	if code := pipeline.Code(err); code == "no_config" || code == "bad_config" {
		return nil, nil
	}
	return cfg, err
}

// endStale cancels what is going on for other commits of the pull request, or
// was asked for when it was to go into another branch.
// A deploy that has begun is not cut short: what it does was approved.
func (b *Bot) endStale(ctx context.Context, m PullRequest, code, reason string) error {
	open, err := b.Store.Runs(ctx, pipeline.RunQuery{Repo: m.Repo.ID, PR: m.Number, Open: true})
	if err != nil {
		return err
	}
	for _, r := range open {
		begun := r.Environment != nil && r.Admitted
		same := code == "head_moved" && r.SHA == m.Head || code == "base_changed" && (r.Admitted || r.Base == "" || r.Base == m.Base)
		if begun || same || r.Trigger == pipeline.ByRollback || r.Promotes != nil || r.Created.After(m.At.Add(time.Minute)) {
			continue
		}
		if over, err := b.overtaken(ctx, m, r, code); over || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		_, err := b.Runs.Cancel(ctx, r.ID, pipeline.Cancellation{By: pipeline.Bot(), Code: code, Reason: reason})
		if err != nil && pipeline.Code(err) == "" {
			return err
		}
	}
	return nil
}

// overtaken: messages come late and in any order. What was asked for after this
// one happened goes on if it fits the pull request as it is now. What was asked
// for before ends, even if all is back as it was.
func (b *Bot) overtaken(ctx context.Context, m PullRequest, r *pipeline.Run, code string) (bool, error) {
	if m.At.After(r.Created) {
		return false, nil
	}
	now, err := b.GitHub.PullRequest(ctx, m.Repo, m.Number)
	switch {
	case pipeline.AsRefused(err) != nil:
		return false, err
	case pipeline.Code(err) == "unknown_pull_request" && !pipeline.IsTemporary(err):
		return false, nil // it is gone
	case err != nil:
		return false, pipeline.Temporary(err)
	case code == "closed":
		return now.Open, nil
	case code == "base_changed":
		return now.Into == r.Base, nil
	}
	return now.Head == r.SHA, nil
}

// push starts the pipelines that are on pushes, and reads the file again when
// the default branch moved.
func (b *Bot) push(ctx context.Context, key string, m Push) error {
	if m.Deleted {
		return nil
	}
	if m.Default {
		if err := b.judge(ctx, ConfigCheck{Repo: m.Repo, SHA: m.After, Base: m.Before, Push: true}); err != nil {
			return err
		}
		if err := b.index(ctx, m.Repo); err != nil {
			return err
		}
	}
	cfg, err := b.file(ctx, m.Repo)
	if cfg == nil || err != nil {
		return err
	}
	if m.Default {
		if err := b.catchUp(ctx, m.Repo); err != nil {
			return err
		}
	}
	for _, p := range cfg.Pipelines {
		on := p.On.Push
		if on == nil || !pushed(on.Branches, m.Branch) {
			continue
		}
		req := pipeline.Request{Repo: m.Repo, Service: cfg.Service, Pipeline: *p, ConfigSHA: cfg.SHA, SHA: m.After, Ref: m.Branch, Title: m.Title,
			Before: existing(m.Before), Trigger: pipeline.ByPush, Actor: pipeline.Bot(), CausedBy: m.Actor, Reason: "push by " + m.Actor.Login}
		if on.Environment != "" {
			req.Environment, _ = cfg.Environment(on.Environment)
			if old, err := b.overtakenPush(ctx, m); old || err != nil {
				return err
			}
			if err := b.unchanged(ctx, &req); err != nil {
				return err
			}
		}
		if err := b.startUnasked(ctx, key+":"+p.Name, req, on.Paths); err != nil {
			return err
		}
	}
	return nil
}

// pushed: the branches of a merge queue are what main would be, not what it is.
// So only a pattern that names them means them.
func pushed(patterns []string, branch string) bool {
	const queue = "gh-readonly-queue/"
	if strings.HasPrefix(branch, queue) {
		patterns = slices.DeleteFunc(slices.Clone(patterns), func(p string) bool { return !strings.HasPrefix(p, "!") && !strings.HasPrefix(p, queue) })
	}
	return pipeline.MatchGlobs(patterns, branch)
}

// startUnasked starts a run nobody asked for by word, once per key, if it
// changes one of the paths. Where the run's check may be waited for there is
// one in any case, and it says why there is nothing to do, or why nothing can be done.
func (b *Bot) startUnasked(ctx context.Context, key string, req pipeline.Request, paths []string) error {
	touched := true
	params, err := req.Pipeline.ParseParams(nil)
	if err == nil {
		req.Params = params
		touched, err = b.touches(ctx, &req, paths)
	}
	waitedFor := req.Trigger == pipeline.ByPullRequest || req.Trigger == pipeline.ByMergeGroup || req.Trigger == pipeline.ByPush
	switch {
	case pipeline.Code(err) == "" && err != nil, pipeline.IsTemporary(err), pipeline.AsRefused(err) != nil:
		return err
	case err != nil && !waitedFor:
		b.Log.Warn("pipeline not started", "repo", req.Repo.String(), "pipeline", req.Pipeline.Name, "err", err)
		return nil
	case err != nil:
		req.Refused = refusedUnasked(&req, err)
	case !touched && req.Trigger != pipeline.ByPullRequest:
		return nil
	case !touched:
		req.Nothing = fmt.Sprintf("No changed file matches the `paths:` of %s, so there is nothing to do.", req.Pipeline.Name)
	}
	return b.startOnce(ctx, key, req)
}

// existing is a commit of a push, "" for the zeros that stand for none.
func existing(sha string) string {
	if strings.Trim(sha, "0") == "" {
		return ""
	}
	return sha
}

// refusedUnasked says to people who did not ask why a pipeline cannot be started.
func refusedUnasked(req *pipeline.Request, err error) string {
	if pipeline.Code(err) != "missing_param" {
		return pipeline.Message(err)
	}
	var missing []string
	for _, p := range req.Pipeline.Params {
		if p.Required && p.Default == nil {
			missing = append(missing, commands.Code(p.Name))
		}
	}
	return fmt.Sprintf("%s starts by itself here, so nobody is there to give a value for %s. Give it a default in `.shipmate.yaml`.", req.Pipeline.Name, strings.Join(missing, ", "))
}

// touches reports whether the commit changes one of the paths.
func (b *Bot) touches(ctx context.Context, req *pipeline.Request, paths []string) (bool, error) {
	if len(paths) == 0 {
		return true, nil
	}
	changed, err := b.GitHub.Changed(ctx, &pipeline.Run{Request: *req})
	return slices.ContainsFunc(changed, func(file string) bool { return matchesAny(paths, file) }), err
}

// exclude names those who may not approve, because it is their work that is
// deployed: whoever wrote or pushed what is new in the environment.
func (b *Bot) exclude(ctx context.Context, req *pipeline.Request) error {
	if req.Environment == nil || !req.AsksPeople() {
		return nil
	}
	state, err := b.Store.Environment(ctx, req.Repo.ID, req.Environment.Name)
	if err != nil {
		return err
	}
	base := ""
	if state.Current != nil {
		base = state.Current.SHA
	}
	wrote, err := b.GitHub.Contributors(ctx, req.Repo, base, req.SHA, req.PR, req.Ref)
	req.Excluded = wrote
	return err
}

// matchesAny: no patterns match everything.
func matchesAny(globs []string, name string) bool {
	return len(globs) == 0 || pipeline.MatchGlobs(globs, name)
}

// rerunnable are the run whose check it is, or the newest ones.
func (b *Bot) rerunnable(ctx context.Context, m Rerun) ([]*pipeline.Run, error) {
	if m.Run == "" {
		const newest = 500
		return b.Store.Runs(ctx, pipeline.RunQuery{Repo: m.Repo.ID, Limit: newest})
	}
	r, err := b.Store.Load(ctx, m.Run)
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && r.Repo.ID != m.Repo.ID {
		return nil, nil // swept away, and its check with it
	}
	return []*pipeline.Run{r}, err
}

// rerun does what GitHub's own "Re-run" asks for.
func (b *Bot) rerun(ctx context.Context, key string, m Rerun) error {
	if about, err := b.rejudge(ctx, m); about || err != nil {
		return err
	}
	runs, err := b.rerunnable(ctx, m)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.SHA != m.SHA || m.Run != "" && r.ID != m.Run || !r.State.Terminal() || r.Environment != nil && m.Run == "" {
			continue
		}
		line, err := b.Commands.Parse(commands.Paste("/retry", string(r.ID)))
		if err != nil {
			return err
		}
		at := pipeline.Origin{Surface: "github", PR: r.PR}
		if err := b.obey(ctx, key+":"+string(r.ID), Said{Repo: r.Repo, Actor: m.Actor, Origin: at, At: m.Came, Came: m.Came}, []commands.Line{line}); err != nil {
			return err
		}
		if m.Run != "" {
			break
		}
	}
	return nil
}
