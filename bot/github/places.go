package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
)

// Names of repositories move, and a new one may take the name that another one
// left. What is stored carries the name of its day; only the numeric id counts.
// So every call goes through Locate: it is sent to the name that the id has
// now, with a token of the installation that the id belongs to now.

// place is under which name and installation a repository was seen last.
type place struct {
	repo  pipeline.Repo
	owner int64 // numeric id of the account
	seen  time.Time
}

// keepPlace is how long a name is believed without asking again. Whoever takes
// over an old name could be read for so long, if GitHub's message of the
// renaming were lost; a write is refused in any case, as tokens are for an id.
const keepPlace = 30 * time.Second

// places are the repositories that were seen, by id.
type places struct {
	mu   sync.Mutex
	byID map[int64]place
}

func (p *places) get(id int64) (place, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.byID[id]
	return at, ok
}

func (p *places) put(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil || len(p.byID) >= maxTokens {
		p.byID = map[int64]place{}
	}
	p.byID[at.repo.ID] = at
}

func (p *places) forget(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, id)
}

// Moved is told that a repository has another name or owner: what was known of
// it is asked again.
func (c *Client) Moved(repo int64) { c.places.forget(repo) }

// Locate returns a repository under the name and installation that its id has
// now. A not_installed error says that the App cannot reach it any more.
func (c *Client) Locate(ctx context.Context, repo pipeline.Repo) (pipeline.Repo, error) {
	if repo.ID == 0 {
		return repo, nil
	}
	at, err := c.placeOf(ctx, repo, keepPlace)
	return at.repo, err
}

// LocateForGit is Locate for a fetch: what it is told is at most seconds old,
// as git can be sent to one address alone.
func (c *Client) LocateForGit(ctx context.Context, repo pipeline.Repo) (pipeline.Repo, error) {
	const lately = 10 * time.Second
	at, err := c.placeOf(ctx, repo, lately)
	return at.repo, err
}

// placeOf asks unless the place was seen within so long.
func (c *Client) placeOf(ctx context.Context, repo pipeline.Repo, within time.Duration) (place, error) {
	fresh := func() (place, bool) {
		at, ok := c.places.get(repo.ID)
		return at, ok && c.cfg.Now().Sub(at.seen) < within
	}
	if at, ok := fresh(); ok {
		return at, nil
	}
	// A new token comes with the name of its repository. One that may read names
	// alone is made even where the App lacks what it needs for the rest.
	_, err := c.token(ctx, repo, forReading)
	if pipeline.Code(err) == "no_access" {
		_, err = c.token(ctx, repo, forListing)
	}
	if err != nil {
		return place{}, err
	}
	if at, ok := fresh(); ok {
		return at, nil
	}
	if _, err := c.repositoryNow(ctx, repo); err != nil {
		return place{}, err
	}
	at, _ := c.places.get(repo.ID)
	return at, nil
}

// lastSeen is the repository as it was seen last, without asking.
func (c *Client) lastSeen(repo pipeline.Repo) pipeline.Repo {
	if at, ok := c.places.get(repo.ID); ok && repo.ID != 0 {
		return at.repo
	}
	return repo
}

// repositoryNow reads a repository by its id.
func (c *Client) repositoryNow(ctx context.Context, repo pipeline.Repo) (*github.Repository, error) {
	was := c.lastSeen(repo)
	got, err := c.readByID(ctx, repo)
	if errors.Is(err, errMissing) { // an older token does not see it once it was transferred
		c.places.forget(repo.ID)
		id, lost := c.installationNow(ctx, was)
		if lost != nil {
			return nil, lost
		}
		if id == was.Installation { // a token is made for it, so it is there
			return nil, pipeline.Temporary(err)
		}
		was.Installation = id
		c.places.put(place{repo: was})
		if got, err = c.readByID(ctx, was); err != nil {
			c.places.forget(repo.ID)
		}
	}
	if err != nil {
		return nil, err
	}
	c.saw(got, c.lastSeen(repo).Installation)
	return got, nil
}

func (c *Client) readByID(ctx context.Context, repo pipeline.Repo) (*github.Repository, error) {
	got, err := c.readByIDAs(ctx, repo, forReading)
	if pipeline.Code(err) == "no_access" {
		return c.readByIDAs(ctx, repo, forListing)
	}
	return got, err
}

func (c *Client) readByIDAs(ctx context.Context, repo pipeline.Repo, class class) (*github.Repository, error) {
	gh := c.as(repo, class)
	r, err := gh.NewRequest(http.MethodGet, fmt.Sprintf("repositories/%d", repo.ID), nil)
	if err != nil {
		return nil, err
	}
	got := &github.Repository{}
	_, err = gh.Do(ctx, r, got)
	if err = fail("read repository "+repo.String(), err); err == nil && got.GetID() != repo.ID {
		err = fmt.Errorf("read repository %s: GitHub answered for %d, not %d", repo, got.GetID(), repo.ID)
	}
	return got, err
}

// saw remembers where a repository is, as GitHub has just said.
func (c *Client) saw(r *github.Repository, installation int64) {
	owner, name, ok := strings.Cut(r.GetFullName(), "/")
	if !ok || r.GetID() == 0 {
		return
	}
	c.places.put(place{seen: c.cfg.Now(), owner: r.GetOwner().GetID(),
		repo: pipeline.Repo{ID: r.GetID(), Installation: installation, Owner: owner, Name: name}})
}

func notInstalled(repo pipeline.Repo, err error) error {
	r := refuse("not_installed", repo, errors.New(err.Error())) // not errMissing: what was asked for may exist
	r.Reason.Message = fmt.Sprintf("The GitHub App is not installed on the account that %s belongs to now: it was transferred or deleted, or the App was taken off it. An owner has to install the App there.", repo)
	return r
}

// installationNow finds the installation that a repository belongs to now. The
// name leads there in most cases, and a token for the id proves it.
func (c *Client) installationNow(ctx context.Context, repo pipeline.Repo) (int64, error) {
	in, _, err := c.app.Apps.FindRepositoryInstallation(ctx, repo.Owner, repo.Name)
	if err == nil && in.GetID() != repo.Installation {
		if has, err := c.has(ctx, in.GetID(), repo.ID); has || err != nil {
			return in.GetID(), err
		}
	}
	if err = fail("find installation of "+repo.String(), err); err != nil && pipeline.IsTemporary(err) {
		return 0, err
	}
	all, err := pages(func(o github.ListOptions) ([]*github.Installation, *github.Response, error) {
		return c.app.Apps.ListInstallations(ctx, &o)
	})
	if err != nil {
		return 0, fail("list installations", err)
	}
	for _, in := range all {
		if in.SuspendedAt != nil {
			continue
		}
		if has, err := c.has(ctx, in.GetID(), repo.ID); has || err != nil {
			return in.GetID(), err
		}
	}
	return 0, notInstalled(repo, fmt.Errorf("repository %d is in none of %d installations", repo.ID, len(all)))
}

// has reports whether a repository belongs to an installation: GitHub makes no
// token for any other.
func (c *Client) has(ctx context.Context, installation, repo int64) (bool, error) {
	made, _, err := c.app.Apps.CreateInstallationToken(ctx, installation, &github.InstallationTokenOptions{
		RepositoryIDs: []int64{repo}, Permissions: forListing.permissions()})
	switch status(err) {
	case http.StatusNotFound, http.StatusForbidden, http.StatusUnprocessableEntity:
		if err = fail("token of an installation", err); pipeline.IsTemporary(err) {
			return false, err
		}
		return false, nil
	}
	return err == nil && made.GetToken() != "", fail("token of an installation", err)
}

// namesRepo reports whether a request names its repository by owner and name.
func (c *Client) namesRepo(r *http.Request, repo pipeline.Repo) bool {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), c.pathOf(repo))
	return repo.ID != 0 && ok && (rest == "" || rest[0] == '/')
}

func (c *Client) pathOf(repo pipeline.Repo) string {
	return c.api.EscapedPath() + "repos/" + url.PathEscape(repo.Owner) + "/" + url.PathEscape(repo.Name)
}

// renamed is the request, sent to the name that the repository has now.
func (c *Client) renamed(r *http.Request, was, now pipeline.Repo) (*http.Request, error) {
	if was.Owner == now.Owner && was.Name == now.Name {
		return r, nil
	}
	path := c.pathOf(now) + strings.TrimPrefix(r.URL.EscapedPath(), c.pathOf(was))
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = plain, path
	return r, nil
}
