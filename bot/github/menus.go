package github

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// How many of each kind a menu offers; the rest is typed.
const menuItems = 30

// Refs lists what people most likely deploy, the most recent first: one page
// of each kind. Forks' pull requests are not among them.
func (c *Client) Refs(ctx context.Context, repo pipeline.Repo) (bot.Refs, error) {
	main, _, err := c.defaultBranch(ctx, repo)
	if err != nil {
		return bot.Refs{}, err
	}
	refs := bot.Refs{Default: main}
	if refs.Pulls, err = c.openPulls(ctx, repo); err != nil {
		return refs, err
	}
	if refs.Branches, err = c.recentBranches(ctx, repo); err != nil {
		return refs, err
	}
	refs.Branches = slices.DeleteFunc(refs.Branches, func(b string) bool {
		return b == main || slices.ContainsFunc(refs.Pulls, func(p bot.PullRef) bool { return p.Branch == b })
	})
	list, _, err := c.as(repo, forReading).Repositories.ListTags(ctx, repo.Owner, repo.Name, &github.ListOptions{PerPage: menuItems})
	for _, t := range list {
		refs.Tags = append(refs.Tags, t.GetName())
	}
	tellApart(&refs)
	return refs, fail("list tags of "+repo.String(), err)
}

// tellApart writes out in full what is both a branch and a tag.
func tellApart(refs *bot.Refs) {
	whole := func(branch string) string {
		if slices.Contains(refs.Tags, branch) {
			return heads + branch
		}
		return branch
	}
	known := []string{refs.Default}
	for i, p := range refs.Pulls {
		known = append(known, p.Branch)
		refs.Pulls[i].Branch = whole(p.Branch)
	}
	for i, b := range refs.Branches {
		known = append(known, b)
		refs.Branches[i] = whole(b)
	}
	refs.Default = whole(refs.Default)
	for i, t := range refs.Tags {
		if slices.Contains(known, t) {
			refs.Tags[i] = tags + t
		}
	}
}

func (c *Client) openPulls(ctx context.Context, repo pipeline.Repo) ([]bot.PullRef, error) {
	pulls, _, err := c.as(repo, forReading).PullRequests.List(ctx, repo.Owner, repo.Name, &github.PullRequestListOptions{
		State: "open", Sort: "updated", Direction: "desc", ListOptions: github.ListOptions{PerPage: menuItems}})
	var out []bot.PullRef
	for _, p := range pulls {
		if p.GetHead().GetRepo().GetID() == repo.ID {
			out = append(out, bot.PullRef{Number: p.GetNumber(), Branch: p.GetHead().GetRef(), Title: p.GetTitle()})
		}
	}
	return out, fail("list pull requests of "+repo.String(), err)
}

// recentBranches are those that moved last and are still there. GitHub lists
// branches by name only, so the list of movements says which are recent; where
// the server has none (Enterprise Server before 3.9) the names have to do.
func (c *Client) recentBranches(ctx context.Context, repo pipeline.Repo) ([]string, error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "activity")+"?per_page=100", nil)
	if err != nil {
		return nil, err
	}
	var moves []move
	_, err = gh.Do(ctx, r, &moves)
	if err = fail("list activity of "+repo.String(), err); err != nil && !errors.Is(err, errMissing) {
		return nil, err
	}
	if names := moved(moves); len(names) > 0 {
		return names[:min(menuItems, len(names))], nil
	}
	branches, _, err := gh.Repositories.ListBranches(ctx, repo.Owner, repo.Name, &github.BranchListOptions{ListOptions: github.ListOptions{PerPage: menuItems}})
	var names []string
	for _, b := range branches {
		names = append(names, b.GetName())
	}
	return names, fail("list branches of "+repo.String(), err)
}

// moved are the branches in a list of movements, newest first, that the last
// movement did not delete.
func moved(moves []move) []string {
	slices.SortStableFunc(moves, func(a, b move) int { return b.Timestamp.Compare(a.Timestamp) })
	seen := map[string]bool{}
	var names []string
	for _, m := range moves {
		name, branch := branchOf(m.Ref)
		if branch && !seen[name] && m.Kind != "branch_deletion" {
			names = append(names, name)
		}
		seen[name] = true
	}
	return names
}

func branchOf(ref string) (string, bool) { return strings.CutPrefix(ref, heads) }
