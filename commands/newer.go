package commands

import (
	"context"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// newer finds out whether there is a newer commit than the one that is to be run
// again: of its pull request, else of its branch. Checks and dry runs are moved
// there. For a deploy the newer commit is returned, for the person to say; zero:
// there is none.
func (t Retry) newer(ctx context.Context, c *Call, req *pipeline.Request) (pipeline.Commit, error) {
	switch {
	case req.Trigger == pipeline.ByRollback:
		return pipeline.Commit{}, nil
	case req.PR != 0:
		return t.newerPull(ctx, c, req)
	case !req.Deploys() && req.Ref != "" && req.Trigger != pipeline.ByMergeGroup: // a merge queue waits for this very commit
		return pipeline.Commit{}, t.toHead(ctx, c, req)
	case req.Deploys() && req.Ref != "" && deployedByWord(c, req):
		now, err := t.GitHub.Commit(ctx, c.Repo, req.Ref)
		switch {
		case pipeline.Code(err) == "unknown_ref", pipeline.Code(err) == "ambiguous_ref":
			return pipeline.Commit{}, nil // the branch is gone, or its name means something else by now
		case err != nil, now.Branch == "", now.SHA == req.SHA: // a tag and an id do not move
			return pipeline.Commit{}, err
		}
		return now, nil
	}
	return pipeline.Commit{}, nil
}

// toHead moves a run of a branch to the head of it. Where the branch is gone, or
// it was a tag, the commit stays.
func (t Retry) toHead(ctx context.Context, c *Call, req *pipeline.Request) error {
	now, err := t.GitHub.Commit(ctx, c.Repo, "refs/heads/"+req.Ref)
	switch {
	case pipeline.Code(err) == "unknown_ref":
		return nil
	case err != nil:
		return err
	}
	req.SHA, req.Title = now.SHA, now.Title
	return nil
}

func (t Retry) newerPull(ctx context.Context, c *Call, req *pipeline.Request) (pipeline.Commit, error) {
	pr, err := t.GitHub.PullRequest(ctx, c.Repo, req.PR)
	if err != nil || !pr.Open && !pr.Merged {
		return pipeline.Commit{}, err // a gate says that it is closed
	}
	if !req.Deploys() {
		req.SHA, req.Ref, req.Base, req.Title = pr.Head, pr.Branch, pr.Into, pr.Title
		return pipeline.Commit{}, nil
	}
	if pr.Head == req.SHA {
		return pipeline.Commit{}, nil
	}
	return pipeline.Commit{SHA: pr.Head, Title: pr.Title, Branch: pr.Branch}, nil
}

// deployedByWord reports whether /deploy would start the same pipeline.
func deployedByWord(c *Call, req *pipeline.Request) bool {
	p, ok := c.Config.CommandPipeline("deploy")
	return ok && p.Name == req.Pipeline.Name
}

// offer answers with what deploys the newer commit: on Slack by a button.
func offer(c *Call, req *pipeline.Request, now pipeline.Commit) (Reply, error) {
	env := req.Environment.Name
	line := Paste("/deploy", env, now.SHA) + paramFlags(req)
	text := fmt.Sprintf("`%s` is not the newest commit any more; that is `%s`", req.ShortSHA(), short(now.SHA))
	if now.Title != "" {
		text += " " + Code(now.Title)
	}
	text += ". "
	again := ""
	if req.PR == 0 {
		again = fmt.Sprintf(" To deploy `%s` once more all the same: %s.", req.ShortSHA(), Code(Paste("/deploy", env, req.SHA)+paramFlags(req)))
	}
	if c.Origin.Surface != "slack" {
		return Reply{}, pipeline.Refuse("head_moved", "%sTo deploy the newest: %s.%s", text, Code(line), again)
	}
	ask := Ask{Environment: env, Commit: now, Line: Paste("/deploy", env) + paramFlags(req)}
	return Reply{Text: text + "Do you mean that one?" + again, Code: "head_moved", Ask: &ask}, nil
}

// paramFlags are the parameters that a run was given, as flags.
func paramFlags(req *pipeline.Request) (flags string) {
	for _, p := range req.Pipeline.Params {
		if value, given := req.Params[p.Name]; given && fmt.Sprint(value) != fmt.Sprint(p.Default) {
			flags += PasteFlag("param", fmt.Sprintf("%s=%v", p.Name, value))
		}
	}
	return flags
}
