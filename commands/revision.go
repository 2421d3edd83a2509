package commands

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// revision finds out which commit is meant.
type revision struct{ GitHub GitHub }

// freeze fixes what is deployed: the ref that was named, else the pull
// request's head, else the head of the default branch. doubt is the refusal
// of those who may deploy it: it cannot be shown that it is what they saw.
func (d revision) freeze(ctx context.Context, c *Call, req *pipeline.Request, ref string) (doubt, err error) {
	if seen := c.Confirmed; seen.SHA != "" {
		req.SHA, req.Title, req.Ref = seen.SHA, seen.Title, seen.Branch
		return nil, nil
	}
	var pr pipeline.PullRequest
	if c.PR != 0 {
		if pr, err = d.GitHub.PullRequest(ctx, c.Repo, c.PR); err != nil {
			return nil, err
		}
		own := !pr.Fork && (ref == pr.Branch || ref == "refs/heads/"+pr.Branch) || len(ref) >= 7 && strings.HasPrefix(pr.Head, ref) && !fullSHA.MatchString(ref)
		if own {
			if _, err := d.GitHub.Commit(ctx, c.Repo, ref); pipeline.Code(err) == "ambiguous_ref" || pipeline.IsTemporary(err) {
				return nil, err // it may mean something else too
			}
			ref = "" // its own head, by another name
		}
	}
	if c.PR == 0 || ref != "" && ref != pr.Head {
		return d.named(ctx, c, req, ref, pr)
	}
	if !pr.Open && !pr.Merged {
		return nil, pipeline.Refuse("closed", "This pull request is closed, so its branch is not deployed. Reopen it, or name what you mean: `/deploy %s <branch, tag or commit>`.", req.Environment.Name)
	}
	req.PR, req.SHA, req.Ref, req.Base, req.Title = c.PR, pr.Head, pr.Branch, pr.Into, pr.Title
	if fullSHA.MatchString(ref) || req.DryRun || pr.Fork { // forks are for a gate to refuse
		return nil, nil
	}
	if ref != "" || !req.Environment.Protected {
		return d.newer(ctx, c, req, Head{PR: c.PR, Branch: pr.Branch, SHA: pr.Head})
	}
	was, err := d.GitHub.WasHead(ctx, c.Repo, c.PR, pr.Head, c.Said)
	if err == nil && !was {
		doubt = pipeline.Refuse("confirm_sha", "%s is protected, and it cannot be shown that `%s` was here before you wrote this. If it is what you mean, paste: `/deploy %s %s`", req.Environment.Name, pr.Head[:7], req.Environment.Name, pr.Head)
	}
	return doubt, err
}

// newer is the refusal of a commit that is known to be newer than the command:
// nobody asked for that one. Where nothing is known, it is for the environment's
// protection to say whether that will do.
func (d revision) newer(ctx context.Context, c *Call, req *pipeline.Request, head Head) (doubt, err error) {
	at := c.Said
	if c.Origin.Surface != "github" {
		at = at.Add(otherClock)
	}
	after, err := d.GitHub.CameAfter(ctx, c.Repo, head, at)
	if err == nil && after {
		doubt = pipeline.Refuse("head_moved", "`%s` came after you wrote this, so it is not deployed. If it is what you mean, paste: `/deploy %s %s`", head.SHA[:7], req.Environment.Name, head.SHA)
	}
	return doubt, err
}

// otherClock is how far the clocks of other platforms may be from GitHub's.
const otherClock = 30 * time.Second

// named freezes what a branch, a tag or an id means. To what is protected goes
// only a commit that the person has named in full, or on Slack confirms: a
// name may mean something else by now than when they wrote it.
func (d revision) named(ctx context.Context, c *Call, req *pipeline.Request, ref string, pr pipeline.PullRequest) (doubt, err error) {
	commit, err := d.GitHub.Commit(ctx, c.Repo, ref)
	env := req.Environment.Name
	whole := fullSHA.MatchString(ref)
	if c.PR != 0 && whole && !pipeline.IsTemporary(err) && !commit.OnDefault {
		return nil, pipeline.Refuse("head_moved", "`%s` is not the head of this pull request; that is `%s` now. To deploy it: `/deploy %s %s`.", ref[:7], pr.Head[:7], env, pr.Head)
	}
	if err != nil {
		return nil, err
	}
	req.SHA, req.Title, req.Ref = commit.SHA, commit.Title, strings.TrimPrefix(ref, "refs/tags/")
	switch {
	case commit.Branch != "":
		req.Ref = commit.Branch
	case whole:
		req.Ref = "" // the id says it all
	}
	switch {
	case whole || req.DryRun || req.Environment.Protected && c.Origin.Surface == "slack":
		return nil, nil
	case !req.Environment.Protected && commit.Branch != "":
		return d.newer(ctx, c, req, Head{Branch: commit.Branch, SHA: commit.SHA})
	case !req.Environment.Protected:
		return nil, nil
	case c.PR != 0 && !commit.OnDefault:
		return pipeline.Refuse("confirm_sha", "%s is protected, and %s is a name that may move. Say it on the pull request of that branch, or on Slack, where the commit is confirmed.", env, Code(ref)), nil
	}
	return pipeline.Refuse("confirm_sha", "%s is protected, and what you named may mean another commit by now: it is `%s` %s. If that is what you mean, say: `/deploy %s %s`", env, commit.SHA[:7], Code(commit.Title), env, commit.SHA), nil
}
