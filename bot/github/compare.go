package github

import (
	"context"
	"errors"
	"slices"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// comparedCommits is how many of the newest commits a comparison names.
const comparedCommits = 20

// Compare says what head has that base has not. GitHub lists commits from the
// oldest on, so the newest are on the last page.
func (c *Client) Compare(ctx context.Context, repo pipeline.Repo, base, head string) (pipeline.Comparison, error) {
	const size = 100
	o := github.ListOptions{PerPage: size, Page: 1}
	cmp, _, err := c.compare(ctx, repo, base, head, o)
	if err != nil {
		return pipeline.Comparison{}, err
	}
	commits := cmp.Commits
	if last := (cmp.GetTotalCommits() + size - 1) / size; last > 1 {
		commits = nil
		for _, o.Page = range []int{last - 1, last} {
			page, _, err := c.compare(ctx, repo, base, head, o)
			if err != nil {
				return pipeline.Comparison{}, err
			}
			commits = append(commits, page.Commits...)
		}
	}
	out := pipeline.Comparison{Ahead: cmp.GetAheadBy(), Behind: cmp.GetBehindBy(), Files: len(cmp.Files), MoreFiles: len(cmp.Files) >= maxComparedFiles}
	for _, k := range slices.Backward(commits) {
		if len(out.Commits) == comparedCommits {
			break
		}
		out.Commits = append(out.Commits, pipeline.Commit{SHA: k.GetSHA(), Title: firstLine(k.GetCommit().GetMessage())})
	}
	return out, nil
}

// MergeBase is where a commit left a branch, "" if they have nothing in common
// or one of them is not there.
func (c *Client) MergeBase(ctx context.Context, repo pipeline.Repo, branch, sha string) (string, error) {
	head, found, err := c.branch(ctx, repo, branch) // a tag may have its name
	if err != nil || !found {
		return "", err
	}
	cmp, _, err := c.compare(ctx, repo, head.SHA, sha, github.ListOptions{PerPage: 1})
	if errors.Is(err, errMissing) {
		return "", nil
	}
	return cmp.GetMergeBaseCommit().GetSHA(), err
}

// SameFiles compares the trees of two commits, by their full ids.
func (c *Client) SameFiles(ctx context.Context, repo pipeline.Repo, a, b string) (bool, error) {
	one, err := c.readCommit(ctx, repo, a)
	if errors.Is(err, errMissing) {
		return false, nil // of a branch that is gone
	}
	if err != nil {
		return false, err
	}
	other, err := c.readCommit(ctx, repo, b)
	if err != nil {
		return false, err
	}
	tree := one.GetCommit().GetTree().GetSHA()
	return tree != "" && tree == other.GetCommit().GetTree().GetSHA(), nil
}
