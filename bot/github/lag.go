package github

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// errBehind: GitHub still answers with an older state than it told us of, for
// longer than that should take.
var errBehind = errors.New("the answer is older than what github told before")

// heed holds what GitHub answered about one thing against what it told before.
func (c *Client) heed(ctx context.Context, repo pipeline.Repo, about string, answer fact) error {
	facts, err := c.told.facts(ctx, repo.ID, about)
	if err != nil {
		return err
	}
	now := c.cfg.Now()
	worth, last := weigh(facts, answer, now)
	switch {
	case worth == older:
		readsOf(ctx).forget()
		return last.again(now, "an older state of "+repo.String()+" was answered")
	case worth == dated:
		readsOf(ctx).forget()
		return &pipeline.Error{Code: "cannot_verify", Err: errBehind,
			Message: "GitHub still shows an older state than the one it told of at " + last.At.UTC().Format("15:04:05") + " UTC, so nothing was decided on it. Try again in a minute."}
	case len(facts) > 0 && answer.Is == last.Is:
		return nil
	}
	if len(facts) > 0 {
		was := last.Is
		answer.Was = &was
	}
	answer.By = "answer"
	if answer.At.IsZero() || now.Sub(answer.At) < keepTold {
		if err := c.told.tell(ctx, repo.ID, aboutCommit(answer.Is.SHA), answer); err != nil {
			return err
		}
	}
	return c.told.tell(ctx, repo.ID, about, answer)
}

// holds checks that a list holds what GitHub has told of that belongs into it:
// by id, and with the verdict that it has now.
func (c *Client) holds(ctx context.Context, repo pipeline.Repo, about string, have map[int64]string) error {
	facts, err := c.told.facts(ctx, repo.ID, about)
	if err != nil {
		return err
	}
	if f, lacks := missing(facts, have, c.cfg.Now()); lacks {
		readsOf(ctx).forget()
		return f.again(c.cfg.Now(), "an older list of "+repo.String()+" was answered")
	}
	return nil
}

// fresh: a token may do nothing for a moment, until all of GitHub knows it. One
// that is not known at all may have been revoked as well, so one new token is
// made first.
func (c *Client) fresh(t *token, resp *http.Response) error {
	now := c.cfg.Now()
	if now.Sub(t.made) >= patience {
		return nil
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized && now.Sub(t.renewed) < patience:
	case resp.StatusCode == http.StatusForbidden && bytes.Contains(peek(resp), []byte("Resource not accessible by integration")):
	default:
		return nil
	}
	made := fact{Came: t.made, By: "the token"}
	return made.again(now, "a token is not known everywhere yet")
}

// notYet turns the answer that there is no such thing into the error that says
// when to ask again, if GitHub has told us of the thing just now.
func (c *Client) notYet(r *http.Request, repo pipeline.Repo, resp *http.Response) error {
	if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusUnprocessableEntity || repo.ID == 0 {
		return nil
	}
	about := named(r.URL)
	said := string(peek(resp))
	if m := noCommit.FindStringSubmatch(said); m != nil {
		about = append(about, aboutCommit(m[1]))
	} else if resp.StatusCode == http.StatusUnprocessableEntity || strings.Contains(said, "No common ancestor") {
		return nil
	}
	now := c.cfg.Now()
	for _, key := range about {
		facts, err := c.told.facts(r.Context(), repo.ID, key)
		if err != nil {
			return err
		}
		if n := len(facts); n > 0 && facts[n-1].exists() && facts[n-1].young(now) {
			return facts[n-1].again(now, "GitHub does not find yet what it told of")
		}
	}
	return nil
}

var (
	noCommit     = regexp.MustCompile(`No commit found for SHA: ([0-9a-f]{40,64})`)
	commitIDs    = regexp.MustCompile(`[0-9a-f]{40,64}`)
	pullPath     = regexp.MustCompile(`/(?:pulls|issues)/([0-9]+)(?:/|$)`)
	commentPath  = regexp.MustCompile(`/issues/comments/([0-9]+)(?:/|$)`)
	linePath     = regexp.MustCompile(`/pulls/comments/(\d+)`)
	reviewPath   = regexp.MustCompile(`/pulls/\d+/reviews/(\d+)`)
	branchPath   = regexp.MustCompile(`/branches/(.+)$`)
	deployPath   = regexp.MustCompile(`/deployments/([0-9]+)(?:/|$)`)
	checkRunPath = regexp.MustCompile(`/check-runs/([0-9]+)(?:/|$)`)
	contentsPath = regexp.MustCompile(`/contents/.`)
)

// named lists what a request is about, for what we may have been told of it.
// That a file is not there says nothing about its commit.
func named(u *url.URL) (about []string) {
	if contentsPath.MatchString(u.Path) {
		return nil
	}
	for _, sha := range commitIDs.FindAllString(u.Path+" "+u.RawQuery, -1) {
		about = append(about, aboutCommit(sha))
	}
	if m := pullPath.FindStringSubmatch(u.Path); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			about = append(about, aboutPull(n))
		}
	}
	if m := commentPath.FindStringSubmatch(u.Path); m != nil {
		if id, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			about = append(about, aboutComment(id))
		}
	}
	for kind, path := range map[string]*regexp.Regexp{pipeline.ReviewComment: linePath, pipeline.ReviewBody: reviewPath} {
		if m := path.FindStringSubmatch(u.Path); m != nil {
			if id, err := strconv.ParseInt(m[1], 10, 64); err == nil {
				about = append(about, aboutRemark(pipeline.Origin{Comment: id, CommentKind: kind}))
			}
		}
	}
	if m := deployPath.FindStringSubmatch(u.Path); m != nil {
		about = append(about, aboutDeployment(m[1]))
	}
	if m := checkRunPath.FindStringSubmatch(u.Path); m != nil {
		about = append(about, aboutCheckRun(m[1]))
	}
	if m := branchPath.FindStringSubmatch(u.Path); m != nil {
		about = append(about, aboutBranch(m[1]))
	}
	return about
}
