package github

import (
	"context"
	"sync"

	"github.com/shipmate/shipmate/pipeline"
)

// Ahead asks, side by side, what is about to be asked one by one when a person
// says something: the comment, what they may do, the pull request, the head of the
// default branch. It decides nothing and keeps no error: the answers wait in ctx,
// see ReadOnce, and whoever needs one waits for it there, or asks again. end
// must be called; what is not answered by then is given up.
func (c *Client) Ahead(ctx context.Context, repo pipeline.Repo, at pipeline.Origin, who pipeline.Actor) (end func()) {
	if readsOf(ctx) == nil || repo.ID == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	for _, ask := range c.questions(repo, at, who) {
		asking.Go(func() { ask(ctx) })
	}
	return func() {
		cancel()
		asking.Wait()
	}
}

// questions are requests that read and no more: what an answer means is for
// whoever asks for it.
func (c *Client) questions(repo pipeline.Repo, at pipeline.Origin, who pipeline.Actor) []func(context.Context) {
	var all []func(context.Context)
	if at.Comment != 0 {
		all = append(all, func(ctx context.Context) { _, _ = c.readSpot(ctx, spot{repo, at}) })
	}
	if who.ID != 0 && who.Login != "" {
		all = append(all, func(ctx context.Context) { _, _ = c.level(ctx, repo, who.Login) })
	}
	if at.PR != 0 {
		all = append(all, func(ctx context.Context) {
			_, _, _ = c.as(repo, forReading).PullRequests.Get(ctx, repo.Owner, repo.Name, at.PR)
		})
	}
	return append(all, func(ctx context.Context) {
		if branch, known, err := c.defaultBranch(ctx, repo); known && err == nil {
			_, _, _ = c.readBranch(ctx, repo, branch)
		}
	})
}
