package github

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// askReviews lists the reviews of the run's pull request or, if it has none, of
// those that brought the commit, and what their reviewers may do.
func (c *Client) askReviews(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if !requires(r) || r.Environment.Requires.Reviews == 0 {
		return nil
	}
	if pr := l.PullRequest; pr != nil {
		l.Reviewed = []pipeline.ReviewedPull{{Number: pr.Number, Author: pr.Author, Head: r.SHA}}
	} else if err := c.askSources(ctx, r, l); err != nil {
		return err
	}
	for i := range l.Reviewed {
		if err := c.readReviews(ctx, r, &l.Reviewed[i], l.People); err != nil {
			return err
		}
	}
	return nil
}

// askSources finds the pull requests that a commit was brought into the default
// branch by, or that it is the head of.
func (c *Client) askSources(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	gh := c.as(r.Repo, forReading)
	pulls, err := whole("list pull requests of a commit of "+r.Repo.String(), func(o github.ListOptions) ([]*github.PullRequest, *github.Response, error) {
		return gh.PullRequests.ListPullRequestsWithCommit(ctx, r.Repo.Owner, r.Repo.Name, r.SHA, &o)
	})
	if err != nil || len(pulls) == 0 {
		return err
	}
	main, err := c.defaultHead(ctx, r.Repo)
	if err != nil {
		return err
	}
	for _, p := range pulls {
		if p.GetBase().GetRepo().GetID() != r.Repo.ID || p.GetBase().GetRef() != main.Branch {
			continue
		}
		head, merged := p.GetHead().GetSHA() == r.SHA, p.MergedAt != nil
		// While it is open, merge_commit_sha is only a trial. One that was closed was turned down.
		if merged && p.GetMergeCommitSHA() == r.SHA || head && (merged || p.GetState() == "open") {
			l.Reviewed = append(l.Reviewed, pipeline.ReviewedPull{Number: p.GetNumber(), Author: p.GetUser().GetID(), Head: p.GetHead().GetSHA()})
		}
	}
	return nil
}

// readReviews asks only about reviewers who might count.
func (c *Client) readReviews(ctx context.Context, r *pipeline.Run, p *pipeline.ReviewedPull, people map[int64]pipeline.Standing) error {
	gh := c.as(r.Repo, forReading)
	list, err := whole(fmt.Sprintf("list reviews of %s#%d", r.Repo, p.Number), func(o github.ListOptions) ([]*github.PullRequestReview, *github.Response, error) {
		return gh.PullRequests.ListReviews(ctx, r.Repo.Owner, r.Repo.Name, p.Number, &o)
	})
	if err != nil {
		return err
	}
	have := map[int64]string{}
	for _, re := range list {
		have[re.GetID()] = strings.ToUpper(re.GetState())
	}
	if err := c.holds(ctx, r.Repo, aboutReviews(p.Number), have); err != nil {
		return err
	}
	for _, re := range list {
		u := re.GetUser() // nobody, if the account is gone
		p.Reviews = append(p.Reviews, pipeline.Review{
			ID: re.GetID(), By: pipeline.Actor{ID: u.GetID(), Login: u.GetLogin()}, Person: u.GetType() == "User" && u.GetID() != 0,
			State: pipeline.ReviewState(re.GetState()), SHA: re.GetCommitID(), At: re.GetSubmittedAt().Time,
		})
	}
	for _, re := range p.Latest() {
		said := re.State == pipeline.ChangesRequested || re.State == pipeline.Approved && re.SHA == p.Head
		if _, asked := people[re.By.ID]; asked || !said || !re.Person {
			continue
		}
		if people[re.By.ID], err = c.Standing(ctx, r.Repo, re.By, pipeline.Roster{}); err != nil {
			return err
		}
	}
	return nil
}

// askBehind counts what the base branch has and the commit has not.
func (c *Client) askBehind(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if !requires(r) || !r.Environment.Requires.UpToDate {
		return nil
	}
	base, err := c.defaultHead(ctx, r.Repo)
	if err != nil {
		return err
	}
	if pr := l.PullRequest; pr != nil && pr.Into != base.Branch {
		var found bool
		if base, found, err = c.branch(ctx, r.Repo, pr.Into); err == nil && !found {
			err = pipeline.Refuse("unknown_ref", "the base branch %s is gone.", codeSpan(pr.Into))
		}
		if err != nil {
			return err
		}
	}
	if base.SHA == r.SHA {
		return nil
	}
	cmp, _, err := c.compare(ctx, r.Repo, base.SHA, r.SHA, github.ListOptions{PerPage: 1})
	if errors.Is(err, errMissing) {
		return pipeline.Refuse("unrelated", "the commit has no history in common with %s.", codeSpan(base.Branch))
	}
	if err == nil && cmp.BehindBy == nil {
		err = fmt.Errorf("compare %.7s and %.7s of %s: no behind_by", base.SHA, r.SHA, r.Repo)
	}
	l.Behind = cmp.GetBehindBy()
	return err
}
