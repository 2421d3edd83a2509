package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// An App's slug may be given up and taken over, as a login may. So a check that
// is pinned to an App means the one that had the slug when the file was first
// read. GitHub may not tell of an App that is private; then it means the first
// that is seen to report under the slug.

// appEntry is an App among the names of a file, as it reports check runs;
// botEntry is its account, as it reports statuses.
func appEntry(slug string) string { return "app:" + slug }
func botEntry(slug string) string { return "user:" + slug + "[bot]" }

// appID is the id of the App that has the slug now, zero if GitHub tells of none.
func (c *Client) appID(ctx context.Context, repo pipeline.Repo, slug string) (int64, error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, "apps/"+url.PathEscape(slug), nil)
	if err != nil {
		return 0, err
	}
	var app github.App
	_, err = gh.Do(ctx, r, &app)
	err = fail("read the App "+slug, err)
	if errors.Is(err, errMissing) || pipeline.Code(err) == "no_access" && !pipeline.IsTemporary(err) {
		return 0, nil
	}
	return app.GetID(), err
}

// checkApps finds out whom the run's pinned checks mean.
func (c *Client) checkApps(ctx context.Context, r *pipeline.Run, reports []pipeline.CheckReport) (pipeline.CheckApps, error) {
	if c.cfg.Names == nil {
		return nil, nil
	}
	out := pipeline.CheckApps{}
	pinned := pipeline.Config{Environments: []*pipeline.Environment{r.Environment}}
	for _, slug := range pinned.CheckApps() {
		known, err := c.meaningsAt(ctx, r.Repo, r.ConfigSHA)
		if err != nil {
			return nil, err
		}
		out[slug] = []string{}
		for kind, id := range map[string]int64{"app": known[appEntry(slug)], "user": known[botEntry(slug)]} {
			by := fmt.Sprintf("%s:%d", kind, id)
			if id == 0 {
				if by, err = c.firstSeen(ctx, r.Repo, slug, kind, reports); err != nil {
					return nil, err
				}
			}
			out[slug] = append(out[slug], by)
		}
	}
	return out, nil
}

// firstSeen is who was first seen to report under an App's slug, "" if nobody was.
func (c *Client) firstSeen(ctx context.Context, repo pipeline.Repo, slug, kind string, reports []pipeline.CheckReport) (string, error) {
	const forever = 0
	key := "check-app:" + kind + ":" + slug
	for _, report := range reports {
		if report.App != slug || !strings.HasPrefix(report.By, kind+":") {
			continue
		}
		if _, err := c.cfg.Names.PutNew(ctx, repo.ID, key, []byte(report.By), forever); err != nil {
			return "", pipeline.Temporary(err)
		}
		break
	}
	by, err := c.cfg.Names.Get(ctx, repo.ID, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", pipeline.Temporary(err)
	}
	return string(by), nil
}
