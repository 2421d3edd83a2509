package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// class is what a token is for. Each may do that and nothing else.
type class string

const (
	forReading     class = "read"
	forMembers     class = "members"
	forStatuses    class = "statuses"
	forChecks      class = "checks"
	forDeployments class = "deployments"
	forTalking     class = "talk"
	forGit         class = "git"
	forListing     class = "list"
)

// permissions is what a class asks for. GitHub refuses a token that asks for
// more than the App has, so a class holds only what its calls need.
func (c class) permissions() *github.InstallationPermissions {
	read, write := github.String("read"), github.String("write")
	switch c {
	case forReading:
		return &github.InstallationPermissions{Metadata: read, Contents: read, PullRequests: read, Checks: read, Statuses: read}
	case forMembers:
		return &github.InstallationPermissions{Metadata: read, Members: read}
	case forStatuses:
		return &github.InstallationPermissions{Metadata: read, Statuses: write}
	case forChecks:
		return &github.InstallationPermissions{Metadata: read, Checks: write}
	case forDeployments:
		return &github.InstallationPermissions{Metadata: read, Deployments: write}
	case forTalking:
		return &github.InstallationPermissions{Metadata: read, PullRequests: write}
	case forGit:
		return &github.InstallationPermissions{Metadata: read, Contents: read}
	}
	return &github.InstallationPermissions{Metadata: read}
}

// tokenKey: a token is for one installation, one repository and one class.
type tokenKey struct {
	installation, repo int64
	name               string // where the repository's id is not known yet
	class              class
}

type token struct {
	mu      sync.Mutex // held while it is being made
	value   pipeline.Secret
	made    time.Time
	expires time.Time
	renewed time.Time // when it took the place of one that GitHub refused

	installation int64
}

// tokenMargin is how long a token handed out is good for at least.
const tokenMargin = 5 * time.Minute

// token returns a token for the repository, cached or new.
func (c *Client) token(ctx context.Context, repo pipeline.Repo, class class) (*token, error) {
	repo = c.lastSeen(repo)
	if repo.Installation == 0 {
		id, err := c.installationOf(ctx, repo)
		if pipeline.Code(err) == "not_installed" && repo.ID != 0 {
			id, err = c.installationNow(ctx, repo)
		}
		if err != nil {
			return nil, err
		}
		repo.Installation = id
	}
	t := c.slot(tokenKey{installation: repo.Installation, repo: repo.ID, name: nameIfUnknown(repo), class: class})
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.cfg.Now().Add(tokenMargin).Before(t.expires) {
		return &token{value: t.value, made: t.made, renewed: t.renewed, installation: repo.Installation}, nil
	}
	made, err := c.mint(ctx, repo, class)
	if err != nil {
		return c.tokenElsewhere(ctx, repo, class, err)
	}
	t.value, t.made, t.expires = pipeline.NewSecret(made.GetToken()), c.cfg.Now(), made.GetExpiresAt().Time
	return &token{value: t.value, made: t.made, renewed: t.renewed, installation: repo.Installation}, nil
}

// tokenElsewhere is for a repository that may belong to another installation
// now: it was transferred, or the App was taken off and installed again.
func (c *Client) tokenElsewhere(ctx context.Context, repo pipeline.Repo, class class, refused error) (*token, error) {
	if pipeline.Code(refused) != "no_access" || repo.ID == 0 {
		return nil, refused
	}
	c.places.forget(repo.ID)
	c.forgetInstallation(repo)
	id, err := c.installationNow(ctx, repo)
	switch {
	case err != nil:
		return nil, err
	case id == repo.Installation:
		return nil, refused // it is there, and the App may not do this
	}
	repo.Installation = id
	c.places.put(place{repo: repo}) // its name is asked for
	made, err := c.mint(ctx, repo, class)
	if err != nil {
		return nil, err
	}
	t := c.slot(tokenKey{installation: id, repo: repo.ID, class: class})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value, t.made, t.expires = pipeline.NewSecret(made.GetToken()), c.cfg.Now(), made.GetExpiresAt().Time
	return &token{value: t.value, made: t.made, renewed: t.renewed, installation: id}, nil
}

func nameIfUnknown(repo pipeline.Repo) string {
	if repo.ID != 0 || repo.Name == "" {
		return ""
	}
	return strings.ToLower(repo.String())
}

const maxTokens = 10_000

func (c *Client) slot(k tokenKey) *token {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tokens[k]
	if t == nil {
		if len(c.tokens) >= maxTokens {
			clear(c.tokens)
		}
		t = &token{}
		c.tokens[k] = t
	}
	return t
}

// forget drops a token that GitHub refused, for another one to be made.
func (c *Client) forget(repo pipeline.Repo, class class) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.tokens {
		if k.repo == repo.ID && k.class == class && k.name == nameIfUnknown(repo) {
			c.tokens[k] = &token{renewed: c.cfg.Now()}
		}
	}
}

// mint asks for a token. That the repository belongs to the installation is
// GitHub's to check: it refuses a token for any other.
func (c *Client) mint(ctx context.Context, repo pipeline.Repo, class class) (*github.InstallationToken, error) {
	opts := &github.InstallationTokenOptions{Permissions: class.permissions()}
	switch {
	case repo.ID != 0:
		opts.RepositoryIDs = []int64{repo.ID}
	case repo.Name != "":
		opts.Repositories = []string{repo.Name}
	case class != forListing:
		return nil, fmt.Errorf("token for %s: no repository", class)
	}
	made, _, err := c.app.Apps.CreateInstallationToken(ctx, repo.Installation, opts)
	if status(err) == http.StatusNotFound && repo.Name != "" && repo.ID == 0 {
		// Installed again since: the installation has another number now.
		c.forgetInstallation(repo)
		id, findErr := c.installationOf(ctx, repo)
		if findErr != nil {
			return nil, findErr
		}
		made, _, err = c.app.Apps.CreateInstallationToken(ctx, id, opts)
	}
	if m, code := judge(status(err), messageOf(err)); err != nil && m != transient {
		if code == "" || code == "github_refused" { // it is not there, or asks for more than the App has
			code = "no_access"
		}
		r := refuse(code, repo, fmt.Errorf("token for %s: %s", class, withoutTokens(err.Error())))
		if code == "no_access" {
			r.Reason.Message = fmt.Sprintf("The GitHub App may not %s in %s. An owner has to install it there, and accept its permissions.", class.verb(), repo)
		}
		return nil, r
	}
	if err != nil {
		return nil, fail(fmt.Sprintf("token to %s in %s", class.verb(), repo), err)
	}
	for _, r := range made.Repositories {
		c.saw(r, repo.Installation)
	}
	return made, nil
}

func (c class) verb() string {
	switch c {
	case forMembers:
		return "read team members"
	case forStatuses:
		return "write commit statuses"
	case forChecks:
		return "write checks"
	case forDeployments:
		return "write deployments"
	case forTalking:
		return "comment"
	}
	return "read"
}

// found is an installation that was looked up.
type found struct {
	id int64
	at time.Time
}

const keepInstallation = 10 * time.Minute

// installationOf finds the installation of a repository known by name only.
func (c *Client) installationOf(ctx context.Context, repo pipeline.Repo) (int64, error) {
	name := strings.ToLower(repo.String())
	c.mu.Lock()
	known, ok := c.installations[name]
	c.mu.Unlock()
	if ok && c.cfg.Now().Sub(known.at) < keepInstallation {
		return known.id, nil
	}
	in, _, err := c.app.Apps.FindRepositoryInstallation(ctx, repo.Owner, repo.Name)
	if err = fail("find installation of "+repo.String(), err); errors.Is(err, errMissing) {
		return 0, refuse("not_installed", repo, errors.New(err.Error())) // not errMissing: what was asked for may exist
	}
	if err != nil {
		return 0, err
	}
	if in.SuspendedAt != nil {
		repo.Installation = in.GetID()
		return 0, refuse("app_suspended", repo, errors.New("find installation: it is suspended"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.installations) >= maxTokens {
		clear(c.installations)
	}
	c.installations[name] = found{in.GetID(), c.cfg.Now()}
	return in.GetID(), nil
}

func (c *Client) forgetInstallation(repo pipeline.Repo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.installations, strings.ToLower(repo.String()))
}
