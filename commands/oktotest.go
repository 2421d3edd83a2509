package commands

import (
	"context"
	"fmt"

	"github.com/shipmate/shipmate/pipeline"
)

// OKToTest lets the checks run on one commit of a fork.
type OKToTest struct {
	Runs   Runs
	GitHub GitHub
	Store  Store
}

func (OKToTest) Help() Help {
	return Help{
		Name:     "/ok-to-test",
		Args:     []Arg{{Name: "sha"}},
		Summary:  "Lets the checks run on this very commit of a pull request from a fork, after you have read it. It is never deployed.",
		Needs:    pipeline.Write,
		Examples: []string{"/ok-to-test 5a1f0c9d3b7e2846a0c4d8e6f1b3957c2e4a6d80"},
	}
}

func (k OKToTest) Do(ctx context.Context, c *Call) (Reply, error) {
	sha := c.Line.Arg("sha")
	if c.PR == 0 {
		return Reply{}, pipeline.Refuse("no_pull_request", "Say this on the pull request that the commit belongs to.")
	}
	if !fullSHA.MatchString(sha) {
		return Reply{}, pipeline.Refuse("full_sha_needed", "%s is not the whole id of a commit, and a part of it can be made to fit another one. Copy all 40 characters of the commit that you have read.", Code(sha))
	}
	pr, err := k.GitHub.PullRequest(ctx, c.Repo, c.PR)
	switch {
	case err != nil:
		return Reply{}, err
	case !pr.Fork:
		return Reply{}, pipeline.Refuse("not_a_fork", "This pull request does not come from a fork, so nothing keeps its checks from running. To run them again: `/retry`.")
	case pr.Author == c.Actor.ID:
		return Reply{}, pipeline.Refuse("own_work", "Who wrote it does not allow it. Ask somebody else with write access to read it and say this.")
	case pr.Head != sha:
		return Reply{}, pipeline.Refuse("head_moved", "`%s` is not the head of this pull request; that is `%s` now. Read that one, then say: `/ok-to-test %s`.", short(sha), short(pr.Head), pr.Head)
	}
	return k.allow(ctx, c, sha)
}

func (k OKToTest) allow(ctx context.Context, c *Call, sha string) (Reply, error) {
	open, err := k.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR})
	if err != nil {
		return Reply{}, err
	}
	started := 0
	for _, r := range open {
		said := false
		for _, a := range r.Approvals {
			said = said || a.Key == c.Key
		}
		if r.SHA != sha || !r.WaitsForFork() && !said {
			continue
		}
		if _, err := k.Runs.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.GateFork, By: c.Actor, Yes: true, Via: c.Origin.Surface, Key: c.Key}); err != nil {
			return Reply{}, err
		}
		started++
	}
	if started == 0 {
		return Reply{}, pipeline.Refuse("nothing_open", "Nothing waits to be allowed on `%s`. To run a check again that has ended: `/retry <run>`.", short(sha))
	}
	return Reply{Text: fmt.Sprintf("`%s` may be checked; %s now.", short(sha), begins(started)), Shown: true}, nil
}

func begins(n int) string {
	if n == 1 {
		return "1 run starts"
	}
	return fmt.Sprintf("%d runs start", n)
}
