package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// marker is how we find a comment of ours again. It counts only in comments
// that our App wrote.
func marker(what string) string {
	return "<!-- shipmate:" + strings.Map(func(r rune) rune {
		if r == '-' || r < ' ' || r > '~' || r == '<' || r == '>' {
			return '_'
		}
		return r
	}, what) + " -->"
}

// post is a comment as it should stand on a pull request.
type post struct {
	repo   pipeline.Repo
	pr     int
	marker string
	since  time.Time // when it may have been written first
	body   string
	id     int64 // if known
	fresh  bool  // it cannot have been written yet
}

// write brings the comment to what it should be and returns its id. It never
// writes a second one: it looks for the marker first.
func (c *Client) write(ctx context.Context, p post) (int64, error) {
	if p.id != 0 {
		err := c.edit(ctx, p, p.id)
		if !errors.Is(err, errMissing) {
			return p.id, err
		}
	}
	var id int64
	var body string
	var err error
	if !p.fresh {
		id, body, err = c.findComment(ctx, p)
	}
	switch {
	case err != nil:
		return 0, err
	case id != 0 && body == p.body:
		return id, nil
	case id != 0:
		return id, c.edit(ctx, p, id)
	}
	made, _, err := c.as(p.repo, forTalking).Issues.CreateComment(ctx, p.repo.Owner, p.repo.Name, p.pr, &github.IssueComment{Body: &p.body})
	if err == nil {
		c.wrote(ctx, p.repo, aboutComment(made.GetID()))
	}
	return made.GetID(), inPull(fail(fmt.Sprintf("comment on %s#%d", p.repo, p.pr), err), p.repo, p.pr)
}

func (c *Client) edit(ctx context.Context, p post, id int64) error {
	_, _, err := c.as(p.repo, forTalking).Issues.EditComment(ctx, p.repo.Owner, p.repo.Name, id, &github.IssueComment{Body: &p.body})
	return inPull(fail(fmt.Sprintf("edit comment %d on %s#%d", id, p.repo, p.pr), err), p.repo, p.pr)
}

// authored is a comment with the App that wrote it, which go-github leaves out.
type authored struct {
	github.IssueComment
	Via struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

func (c *Client) findComment(ctx context.Context, p post) (id int64, body string, err error) {
	list, err := c.findComments(ctx, p, 1)
	if err != nil || len(list) == 0 {
		return 0, "", err
	}
	return list[0].GetID(), list[0].GetBody(), nil
}

// only deletes what was written twice and returns the one that stays, 0 for none.
func (c *Client) only(ctx context.Context, p post) (int64, error) {
	list, err := c.findComments(ctx, p, maxPages)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	for _, other := range list[1:] {
		_, err := c.as(p.repo, forTalking).Issues.DeleteComment(ctx, p.repo.Owner, p.repo.Name, other.GetID())
		if err = fail(fmt.Sprintf("delete comment %d on %s#%d", other.GetID(), p.repo, p.pr), err); notMissing(err) != nil {
			return 0, err
		}
	}
	return list[0].GetID(), nil
}

// findComments lists up to limit comments of ours with the marker, oldest first.
func (c *Client) findComments(ctx context.Context, p post, limit int) (found []authored, err error) {
	gh := c.as(p.repo, forReading)
	query := url.Values{"per_page": {"100"}}
	if !p.since.IsZero() {
		query.Set("since", p.since.UTC().Format(time.RFC3339))
	}
	for page := 1; page != 0 && page <= maxPages; {
		query.Set("page", strconv.Itoa(page))
		r, err := gh.NewRequest(http.MethodGet, repoPath(p.repo, "issues", strconv.Itoa(p.pr), "comments")+"?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		var list []authored
		resp, err := gh.Do(ctx, r, &list)
		if err != nil {
			return nil, fail(fmt.Sprintf("list comments of %s#%d", p.repo, p.pr), err)
		}
		for _, cm := range list {
			if (cm.Via.ID == c.cfg.AppID || c.isUs(cm.GetUser())) && strings.HasPrefix(cm.GetBody(), p.marker) {
				if found = append(found, cm); len(found) == limit {
					return found, nil
				}
			}
		}
		page = resp.NextPage
	}
	return found, nil
}
