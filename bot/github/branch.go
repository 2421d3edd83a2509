package github

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// defaultHead is the commit at the head of the default branch.
func (c *Client) defaultHead(ctx context.Context, repo pipeline.Repo) (pipeline.Commit, error) {
	branch, known, err := c.defaultBranch(ctx, repo)
	if err != nil {
		return pipeline.Commit{}, err
	}
	got, found, err := c.branch(ctx, repo, branch)
	if err == nil && !found && known { // it has another name by now
		if branch, err = c.askDefaultBranch(ctx, repo); err != nil {
			return pipeline.Commit{}, err
		}
		got, found, err = c.branch(ctx, repo, branch)
	}
	if err == nil && !found {
		err = pipeline.Refuse("unknown_ref", "%s has no commits yet. Push one first.", repo)
	}
	got.OnDefault = true
	return got, err
}

// keepDefault is how long the name of a default branch is not asked for again.
// Its head always is.
const keepDefault = time.Minute

// namedBranch is a default branch's name, and when GitHub told it.
type namedBranch struct {
	name string
	at   time.Time
}

// defaultBranch is the name of the default branch. known: it was told a moment ago.
func (c *Client) defaultBranch(ctx context.Context, repo pipeline.Repo) (name string, known bool, err error) {
	now := c.cfg.Now()
	c.mu.Lock()
	last, known := c.defaults[repo.ID]
	c.mu.Unlock()
	if known && repo.ID != 0 && now.Sub(last.at) < keepDefault && !now.Before(last.at) {
		return last.name, true, nil
	}
	facts, err := c.told.facts(ctx, repo.ID, aboutDefault)
	if err != nil {
		return "", false, err
	}
	if n := len(facts); n > 0 && facts[n-1].Is.Base != "" && now.Sub(facts[n-1].At) < keepDefault && now.Sub(facts[n-1].Came) < keepDefault {
		return facts[n-1].Is.Base, true, nil
	}
	name, err = c.askDefaultBranch(ctx, repo)
	return name, false, err
}

func (c *Client) askDefaultBranch(ctx context.Context, repo pipeline.Repo) (string, error) {
	got, err := c.repositoryNow(ctx, repo)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.defaults) >= maxConfigs {
		clear(c.defaults)
	}
	c.defaults[got.GetID()] = namedBranch{got.GetDefaultBranch(), c.cfg.Now()}
	return got.GetDefaultBranch(), nil
}

func (c *Client) branch(ctx context.Context, repo pipeline.Repo, name string) (commit pipeline.Commit, found bool, err error) {
	commit, found, err = c.readBranch(ctx, repo, name)
	if err != nil || !found {
		return commit, found, err
	}
	if err := c.heed(ctx, repo, aboutBranch(name), fact{Is: state{SHA: commit.SHA}}); err != nil {
		return pipeline.Commit{}, false, err
	}
	return commit, true, nil
}

// readBranch is what GitHub answers, which may be older than what is known.
func (c *Client) readBranch(ctx context.Context, repo pipeline.Repo, name string) (commit pipeline.Commit, found bool, err error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "branches", name), nil)
	if err != nil {
		return commit, false, err
	}
	var b github.Branch
	if _, err = gh.Do(ctx, r, &b); err != nil {
		err = fail("read branch of "+repo.String(), err)
		if errors.Is(err, errMissing) {
			return commit, false, nil
		}
		return commit, false, err
	}
	return pipeline.Commit{SHA: b.GetCommit().GetSHA(), Title: firstLine(b.GetCommit().GetCommit().GetMessage()), Branch: name}, true, nil
}
