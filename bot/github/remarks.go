package github

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/shipmate/shipmate/pipeline"
)

// spot is where people wrote something that can be read and reacted to.
type spot struct {
	repo pipeline.Repo
	at   pipeline.Origin
}

func (s spot) String() string {
	what := map[string]string{"": "comment", pipeline.ReviewBody: "review", pipeline.ReviewComment: "review comment"}[s.at.CommentKind]
	return fmt.Sprintf("%s %d of %s", what, s.at.Comment, s.repo)
}

// path is its address in GitHub's API.
func (s spot) path() string {
	id := strconv.FormatInt(s.at.Comment, 10)
	switch s.at.CommentKind {
	case pipeline.ReviewBody:
		return repoPath(s.repo, "pulls", strconv.Itoa(s.at.PR), "reviews", id)
	case pipeline.ReviewComment:
		return repoPath(s.repo, "pulls/comments", id)
	}
	return repoPath(s.repo, "issues/comments", id)
}

// takesReactions: GitHub's REST API has none for reviews.
func (s spot) takesReactions() bool { return s.at.CommentKind != pipeline.ReviewBody }

// readSpot is what stands there now.
func (c *Client) readSpot(ctx context.Context, s spot) (body string, err error) {
	gh := c.as(s.repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, s.path(), nil)
	if err != nil {
		return "", err
	}
	var now struct {
		Body string `json:"body"`
	}
	_, err = gh.Do(ctx, r, &now)
	return now.Body, fail("read "+s.String(), err)
}
