package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// Standing says what a person may do in a repository, and which of the rules
// mean them. What cannot be asked or is not understood is an error, never a right.
func (c *Client) Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error) {
	if who.ID == 0 {
		return pipeline.Standing{Login: who.Login}, nil
	}
	s, err := c.standing(ctx, repo, who)
	if err != nil || s.Login == "" || len(asked.Entries) == 0 {
		return s, err
	}
	return s, c.compareNames(ctx, repo, who, asked, &s)
}

// standing asks under the login we know, and under the one the id has now if
// that is somebody else's.
func (c *Client) standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor) (pipeline.Standing, error) {
	level, err := c.level(ctx, repo, who.Login)
	if errors.Is(err, errMissing) || err == nil && level.User.ID != who.ID {
		now, userErr := c.user(ctx, repo, "user/"+strconv.FormatInt(who.ID, 10))
		if errors.Is(userErr, errMissing) {
			return pipeline.Standing{}, nil // gone
		}
		if userErr != nil {
			return pipeline.Standing{}, userErr
		}
		level, err = c.level(ctx, repo, now.GetLogin())
	}
	switch {
	case errors.Is(err, errMissing):
		return pipeline.Standing{Login: who.Login}, nil // no such person here
	case err != nil:
		return pipeline.Standing{}, err
	case level.User.ID != who.ID:
		return pipeline.Standing{}, cannotVerify("GitHub answered for user %d, not %d", level.User.ID, who.ID)
	}
	permission, err := level.permission()
	return pipeline.Standing{Login: level.User.Login, Permission: permission}, err
}

func cannotVerify(format string, args ...any) error {
	return &pipeline.Error{Code: "cannot_verify", Err: fmt.Errorf(format, args...),
		Message: "GitHub could not be asked what you may do here, so nothing was done. Try again in a minute."}
}

// level is the answer to "get repository permissions for a user".
type level struct {
	Permission string `json:"permission"` // admin, write, read, none: maintain counts as write, triage as read
	RoleName   string `json:"role_name"`  // also maintain, triage, and names of an organization's own roles
	User       struct {
		ID    int64  `json:"id"`
		Login string `json:"login"`
	} `json:"user"`
}

var levels = map[string]pipeline.Permission{
	"none": pipeline.NoAccess, "read": pipeline.Read, "triage": pipeline.Triage,
	"write": pipeline.Write, "maintain": pipeline.Maintain, "admin": pipeline.Admin,
}

// permission: an organization's own role counts as the one it is based on.
func (l level) permission() (pipeline.Permission, error) {
	base, known := levels[l.Permission]
	if !known {
		return pipeline.NoAccess, cannotVerify("unknown permission %q", l.Permission)
	}
	if exact, known := levels[l.RoleName]; known {
		return exact, nil
	}
	return base, nil
}

func (c *Client) level(ctx context.Context, repo pipeline.Repo, login string) (level, error) {
	var l level
	if login == "" {
		return l, errMissing
	}
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "collaborators", login, "permission"), nil)
	if err != nil {
		return l, err
	}
	_, err = gh.Do(ctx, r, &l)
	return l, fail("read permission of "+login+" in "+repo.String(), err)
}

func (c *Client) user(ctx context.Context, repo pipeline.Repo, path string) (*github.User, error) {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	u := &github.User{}
	_, err = gh.Do(ctx, r, u)
	return u, fail("read "+path, err)
}
