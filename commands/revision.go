package commands

import (
	"context"
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// revision finds out which commit is meant.
type revision struct{ GitHub GitHub }

// freeze fixes what is deployed: the ref that was named, else the pull
// request's head, else the head of the default branch.
func (d revision) freeze(ctx context.Context, c *Call, req *pipeline.Request, ref string) error {
	if seen := c.Confirmed; seen.SHA != "" {
		req.SHA, req.Title, req.Ref = seen.SHA, seen.Title, seen.Branch
		return nil
	}
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
	req.PR, req.SHA, req.Ref, req.Base, req.Title = c.PR, pr.Head, pr.Branch, pr.Into, pr.Title
	if ref != "" {
		if ref != pr.Head {
			return pipeline.Refuse("head_moved", "`%s` is not the head of this pull request; that is `%s` now. To deploy it: `/deploy %s %s`.", ref[:7], pr.Head[:7], req.Environment.Name, pr.Head)
		}
		return nil
	}
	if !req.Environment.Protected || req.DryRun {
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
