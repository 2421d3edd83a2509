package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// A pull request that comes while the file on the default branch has errors
// starts nothing, and its checks would be waited for until it moves. So it is
// remembered, and comes once more when the file is good again.

const (
	missedKey  = "missed"
	keepMissed = 7 * 24 * time.Hour
)

// miss remembers a pull request that nothing could be started for. In a
// repository without a file nothing is missed.
func (b *Bot) miss(ctx context.Context, m PullRequest) error {
	if _, err := b.GitHub.Config(ctx, m.Repo); pipeline.Code(err) != "bad_config" {
		return nil
	}
	member, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return b.Records.Add(ctx, m.Repo.ID, missedKey, string(member), keepMissed)
}

// catchUp has the pull requests come once more that are still as they were.
func (b *Bot) catchUp(ctx context.Context, repo pipeline.Repo) error {
	members, err := b.Records.Members(ctx, repo.ID, missedKey)
	if err != nil {
		return err
	}
	for _, member := range members {
		var m PullRequest
		if err := json.Unmarshal([]byte(member), &m); err != nil {
			return fmt.Errorf("missed pull request: %w", err)
		}
		pr, err := b.GitHub.PullRequest(ctx, m.Repo, m.Number)
		if err != nil && pipeline.Code(err) != "unknown_pull_request" {
			return err
		}
		if err == nil && pr.Open && pr.Head == m.Head && pr.Into == m.Base {
			job := pipeline.Job{ID: fmt.Sprintf("missed:%d:%d:%s:%s", repo.ID, m.Number, m.Head, m.Base), Kind: KindPullRequest, Pool: pipeline.Control, Repo: repo.ID, Payload: []byte(member)}
			if err := b.Queue.Enqueue(ctx, job); err != nil {
				return err
			}
		}
		if err := b.Records.Remove(ctx, repo.ID, missedKey, member); err != nil {
			return err
		}
	}
	return nil
}

// ran reports whether a pipeline has been through the head of the pull request
// with success, or is at it: messages come in any order, and more than one
// asks for the same.
func (b *Bot) ran(ctx context.Context, m PullRequest, name string) (bool, error) {
	runs, err := b.Store.Runs(ctx, pipeline.RunQuery{Repo: m.Repo.ID, PR: m.Number})
	if err != nil {
		return false, err
	}
	for _, r := range runs {
		if r.SHA == m.Head && r.Environment == nil && r.Pipeline.Name == name && r.Cancel == nil && (r.State == pipeline.Succeeded || !r.State.Terminal()) && r.Nothing == "" {
			return true, nil
		}
	}
	return false, nil
}
