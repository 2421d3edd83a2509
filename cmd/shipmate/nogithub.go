package main

import (
	"context"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// noGitHub answers for a GitHub that is not configured: everything is refused
// with a sentence, nothing panics.
type noGitHub struct{}

var errNoGitHub = pipeline.Refuse("no_github", "This shipmate is not connected to GitHub, so it knows no repositories. The operator sets SHIPMATE_GITHUB_APP_ID and its key and secret.")

func (noGitHub) Config(context.Context, pipeline.Repo) (*pipeline.Config, error) {
	return nil, errNoGitHub
}

func (noGitHub) ConfigFile(context.Context, pipeline.Repo, string) (bot.ConfigFile, error) {
	return bot.ConfigFile{}, errNoGitHub
}

func (noGitHub) MergeBase(context.Context, pipeline.Repo, string, string) (string, error) {
	return "", errNoGitHub
}

func (noGitHub) Locate(context.Context, pipeline.Repo) (pipeline.Repo, error) {
	return pipeline.Repo{}, errNoGitHub
}

func (noGitHub) Commit(context.Context, pipeline.Repo, string) (pipeline.Commit, error) {
	return pipeline.Commit{}, errNoGitHub
}

func (noGitHub) PullRequest(context.Context, pipeline.Repo, int) (pipeline.PullRequest, error) {
	return pipeline.PullRequest{}, errNoGitHub
}

func (noGitHub) Standing(context.Context, pipeline.Repo, pipeline.Actor, pipeline.Roster) (pipeline.Standing, error) {
	return pipeline.Standing{}, errNoGitHub
}

func (noGitHub) WasHead(context.Context, pipeline.Repo, int, string, time.Time) (bool, error) {
	return false, errNoGitHub
}

func (noGitHub) CameAfter(context.Context, pipeline.Repo, commands.Head, time.Time) (bool, error) {
	return false, errNoGitHub
}

func (noGitHub) Contributors(context.Context, pipeline.Repo, string, string, int, string) ([]int64, error) {
	return nil, errNoGitHub
}

func (noGitHub) Compare(context.Context, pipeline.Repo, string, string) (pipeline.Comparison, error) {
	return pipeline.Comparison{}, errNoGitHub
}

func (noGitHub) SameFiles(context.Context, pipeline.Repo, string, string) (bool, error) {
	return false, errNoGitHub
}

func (noGitHub) CommentUnchanged(context.Context, pipeline.Repo, pipeline.Origin, string) (bool, error) {
	return false, errNoGitHub
}

func (noGitHub) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	return pipeline.Live{Unverified: "it is not configured"}, nil
}

func (noGitHub) ReadOnce(ctx context.Context) context.Context { return ctx }

func (noGitHub) Ahead(context.Context, pipeline.Repo, pipeline.Origin, pipeline.Actor) func() {
	return func() {}
}

func (noGitHub) Changed(context.Context, *pipeline.Run) ([]string, error) { return nil, errNoGitHub }

func (noGitHub) Checkout(context.Context, pipeline.Repo, string, string) error { return errNoGitHub }

func (noGitHub) Clean(context.Context, time.Duration) error { return nil }

func (noGitHub) Refs(context.Context, pipeline.Repo) (bot.Refs, error) {
	return bot.Refs{}, errNoGitHub
}

func (noGitHub) Named(context.Context, pipeline.Repo, pipeline.Roster, int) ([]pipeline.Actor, error) {
	return nil, errNoGitHub
}
