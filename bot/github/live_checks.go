package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// askChecks lists who reported the required checks, on this very commit and, to
// know who usually does, on the head of the default branch.
func (c *Client) askChecks(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	if !requires(r) {
		return nil
	}
	var names []string
	usual := false // somebody's name has to be looked up
	for _, entry := range r.Environment.Requires.Checks {
		name, app := pipeline.CheckName(entry)
		names = append(names, name)
		usual = usual || app == ""
	}
	if len(names) > 0 {
		var err error
		if l.Checks, err = c.checkReports(ctx, r.Repo, r.SHA, names); err != nil {
			return err
		}
		if l.CheckApps, err = c.checkApps(ctx, r, l.Checks); err != nil {
			return err
		}
	}
	if usual {
		main, err := c.defaultHead(ctx, r.Repo)
		if err != nil {
			return err
		}
		if l.ChecksMain, err = c.checkReports(ctx, r.Repo, main.SHA, names); err != nil {
			return err
		}
	}
	return c.askPipelines(ctx, r, l)
}

// requires: a rollback needs nothing of it.
func requires(r *pipeline.Run) bool {
	return r.Environment != nil && r.Trigger != pipeline.ByRollback
}

// askPipelines finds how our own pipelines stand on the commit. A deploy does
// not count as a check.
func (c *Client) askPipelines(ctx context.Context, r *pipeline.Run, l *pipeline.Live) error {
	names := r.Environment.Requires.Pipelines
	if len(names) == 0 || c.cfg.Environments == nil {
		return nil
	}
	l.Pipelines = map[string]pipeline.State{}
	// Most are among the newest; a commit of some time ago is looked for further back.
	for _, limit := range []int{50, 1000} {
		runs, err := c.cfg.Environments.Runs(ctx, pipeline.RunQuery{Repo: r.Repo.ID, Limit: limit})
		if err != nil {
			return pipeline.Temporary(err)
		}
		for _, run := range runs { // newest first
			name := run.Pipeline.Name
			if _, newer := l.Pipelines[name]; !newer && run.SHA == r.SHA && run.Environment == nil && slices.Contains(names, name) {
				l.Pipelines[name] = run.State
			}
		}
		if len(l.Pipelines) == len(names) || len(runs) < limit {
			break
		}
	}
	return nil
}

// checkReports lists all attempts of checks and statuses with these names on a
// commit, but for our own.
func (c *Client) checkReports(ctx context.Context, repo pipeline.Repo, sha string, names []string) ([]pipeline.CheckReport, error) {
	runs, err := c.checkRuns(ctx, repo, sha)
	if err != nil {
		return nil, err
	}
	var out []pipeline.CheckReport
	for _, run := range runs {
		app := run.GetApp()
		if app.GetID() == c.cfg.AppID || !slices.Contains(names, run.GetName()) {
			continue
		}
		out = append(out, pipeline.CheckReport{Name: run.GetName(), By: fmt.Sprintf("app:%d", app.GetID()), App: app.GetSlug(), ID: run.GetID(), State: reported(run)})
	}
	statuses, err := c.statuses(ctx, repo, sha)
	if err != nil {
		return nil, err
	}
	for _, st := range statuses {
		by := st.GetCreator()
		app, isApp := strings.CutSuffix(by.GetLogin(), "[bot]") // no person's login has brackets
		if isApp && strings.EqualFold(app, c.cfg.Slug) || !slices.Contains(names, st.GetContext()) {
			continue
		}
		if !isApp {
			app = ""
		}
		out = append(out, pipeline.CheckReport{Name: st.GetContext(), By: fmt.Sprintf("user:%d", by.GetID()), App: app, ID: st.GetID(), State: pipeline.CheckState(st.GetState())})
	}
	return out, nil
}

// reported: what has not ended is pending, whatever GitHub calls it.
func reported(run *github.CheckRun) pipeline.CheckState {
	switch {
	case run.GetStatus() != "completed":
		return pipeline.CheckPending
	case run.GetConclusion() == "":
		return "unknown"
	case run.GetConclusion() == string(pipeline.CheckPending): // no word of GitHub's for an end
		return "unknown"
	}
	return pipeline.CheckState(run.GetConclusion())
}

// checkRuns lists all attempts, not what GitHub takes for the latest: it orders
// them by their end, and one that runs again has none.
func (c *Client) checkRuns(ctx context.Context, repo pipeline.Repo, sha string) ([]*github.CheckRun, error) {
	gh, total := c.as(repo, forReading), 0
	what := fmt.Sprintf("list check runs of %.7s of %s", sha, repo)
	all, err := whole(what, func(o github.ListOptions) ([]*github.CheckRun, *github.Response, error) {
		page, resp, err := gh.Checks.ListCheckRunsForRef(ctx, repo.Owner, repo.Name, sha, &github.ListCheckRunsOptions{Filter: github.String("all"), ListOptions: o})
		if err != nil {
			return nil, resp, err
		}
		total = page.GetTotal()
		return page.CheckRuns, resp, nil
	})
	if err == nil && len(all) < total {
		err = brokenOff(fmt.Errorf("%s: %d of %d", what, len(all), total))
	}
	if err != nil {
		return nil, err
	}
	have := map[int64]string{}
	for _, run := range all {
		have[run.GetID()] = checkVerdict(run.GetStatus(), run.GetConclusion())
	}
	return all, c.holds(ctx, repo, aboutChecks(sha), have)
}

func (c *Client) statuses(ctx context.Context, repo pipeline.Repo, sha string) ([]*github.RepoStatus, error) {
	gh := c.as(repo, forReading)
	all, err := whole(fmt.Sprintf("list statuses of %.7s of %s", sha, repo), func(o github.ListOptions) ([]*github.RepoStatus, *github.Response, error) {
		return gh.Repositories.ListStatuses(ctx, repo.Owner, repo.Name, sha, &o)
	})
	if err != nil {
		return nil, err
	}
	have := map[int64]string{}
	for _, st := range all {
		have[st.GetID()] = st.GetState()
	}
	return all, c.holds(ctx, repo, aboutStatuses(sha), have)
}

// checkVerdict is how a check run stands, in one word.
func checkVerdict(status, conclusion string) string {
	if status == "completed" {
		return conclusion
	}
	return status
}

// errBrokenOff: a list has more pages, and they could not be read.
var errBrokenOff = errors.New("the list broke off")

// brokenOff: half a list may lack what says no, so nothing is decided on it.
func brokenOff(err error) error {
	return fmt.Errorf("%w: %w", errBrokenOff, err)
}

// whole reads all pages of a list, or errBrokenOff where GitHub answered with
// some and then no more. That it wants us to wait is no such end.
func whole[T any](doing string, page func(github.ListOptions) ([]T, *github.Response, error)) ([]T, error) {
	read := 0
	all, err := pages(func(o github.ListOptions) ([]T, *github.Response, error) {
		part, resp, err := page(o)
		if err == nil {
			read++
		}
		return part, resp, err
	})
	var wait *Patience
	if err != nil && read > 0 && !errors.As(err, &wait) && status(err) != http.StatusTooManyRequests {
		return nil, brokenOff(fmt.Errorf("%s: page %d: %s", doing, read+1, withoutTokens(err.Error())))
	}
	return all, fail(doing, err)
}
