package github

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Config says which App the Client is, and where.
type Config struct {
	AppID      int64
	PrivateKey []byte // PEM
	Slug       string // of the App; its account is "slug[bot]"
	APIURL     string // base of the REST API; default the public one, https://host/api/v3 on Enterprise Server
	CloneURL   string // base of clone URLs; default derived from APIURL

	Uses         []pipeline.Uses // the runners a .shipmate.yaml may name
	Names        nameRecords     // what names in rules mean, for all replicas; nil: only in this process
	Environments environments    // what runs where and what ran, for gates about it; nil: nothing
	Budget       budget          // shared by all replicas; nil: unlimited
	Told         remembers       // what GitHub told last, shared likewise; nil: nothing is kept

	// Remaining is told what GitHub says is left of an installation's hourly
	// budget. May be nil.
	Remaining func(installation int64, calls int)

	HTTP http.RoundTripper // default: straight, or through the proxy of the environment
	Now  func() time.Time  // default time.Now
	Log  *slog.Logger
}

// environments answers what runs in an environment, and what ran at all.
type environments interface {
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
}

// budget books cost unless more than limit would be booked in a stretch of per;
// then it says how long to wait.
type budget interface {
	Budget(ctx context.Context, key string, limit int, per time.Duration, cost int) (ok bool, wait time.Duration, err error)
}

// Client asks and tells GitHub. It is safe for concurrent use.
type Client struct {
	cfg   Config
	api   *url.URL // ends in a slash
	http  http.RoundTripper
	app   *github.Client
	cache *etagCache
	told  *told

	places places

	mu            sync.Mutex
	tokens        map[tokenKey]*token
	installations map[string]found  // by owner/name, lower case
	limits        map[int64]*limits // by installation
	late          map[int64]lateness
	configs       map[configKey]parsed // by commit
	defaults      map[int64]namedBranch
	meant         map[meantKey]map[string]int64
}

const publicAPI = "https://api.github.com/"

// callTimeout bounds one call, with the time it waits for its turn.
const callTimeout = 20 * time.Second

// NewClient checks the key and the URLs; it does not call GitHub.
func NewClient(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, http: cfg.HTTP, cache: newETagCache(), tokens: map[tokenKey]*token{},
		installations: map[string]found{}, limits: map[int64]*limits{}, late: map[int64]lateness{}, configs: map[configKey]parsed{}, defaults: map[int64]namedBranch{},
		meant: map[meantKey]map[string]int64{}}
	if c.cfg.Now == nil {
		c.cfg.Now = time.Now
	}
	if c.cfg.Log == nil {
		c.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if c.http == nil {
		c.http = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: maxConcurrent,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
	}
	c.told = &told{records: cfg.Told, now: c.cfg.Now}
	base := cfg.APIURL
	if base == "" {
		base = publicAPI
	}
	api, err := url.Parse(strings.TrimRight(base, "/") + "/")
	if err != nil || api.Host == "" || api.Scheme != "https" && api.Scheme != "http" {
		return nil, fmt.Errorf("github API URL %q: want https://host/path", base)
	}
	c.api = api
	if c.cfg.CloneURL == "" {
		c.cfg.CloneURL = cloneBase(api)
	}
	c.cfg.CloneURL = strings.TrimRight(c.cfg.CloneURL, "/")
	signed, err := ghinstallation.NewAppsTransport(&limited{c: c}, cfg.AppID, cfg.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("github App %d: %w", cfg.AppID, err)
	}
	c.app = c.client(signed)
	return c, nil
}

// cloneBase is where git repositories are on the host of an API.
func cloneBase(api *url.URL) string {
	host := api.Host
	if host == "api.github.com" {
		host = "github.com"
	}
	return api.Scheme + "://" + host
}

// as returns a client with a token for one repository and one class of calls.
// The token is made when a call needs it.
func (c *Client) as(repo pipeline.Repo, class class) *github.Client {
	return c.client(&authorized{c: c, repo: repo, class: class})
}

func (c *Client) client(tr http.RoundTripper) *github.Client {
	gh := github.NewClient(&http.Client{Transport: tr, Timeout: callTimeout, CheckRedirect: c.checkRedirect})
	gh.BaseURL, gh.UserAgent = c.api, "shipmate"
	return gh
}

// checkRedirect follows GitHub to the new name of a repository and nowhere
// else: credentials never leave for another host.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 || r.URL.Host != c.api.Host || r.URL.Scheme != c.api.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// Web is where people see repositories: below it comes owner/name.
func (c *Client) Web() string { return c.cfg.CloneURL }

// CloneURL is where git fetches the repository from.
func (c *Client) CloneURL(repo pipeline.Repo) string {
	return c.cfg.CloneURL + "/" + repo.Owner + "/" + repo.Name + ".git"
}

// Token lets git read this one repository. It is good for at least five minutes.
func (c *Client) Token(ctx context.Context, repo pipeline.Repo) (pipeline.Secret, error) {
	t, err := c.token(ctx, repo, forGit)
	if err != nil {
		return pipeline.Secret{}, err
	}
	return t.value, nil
}

// Repository finds a repository by its name, if the App is installed on it.
func (c *Client) Repository(ctx context.Context, owner, name string) (pipeline.Repo, error) {
	repo := pipeline.Repo{Owner: owner, Name: name}
	id, err := c.installationOf(ctx, repo)
	if err != nil {
		return repo, err
	}
	repo.Installation = id
	got, _, err := c.as(repo, forReading).Repositories.Get(ctx, owner, name)
	if err != nil {
		return repo, fail("read repository "+repo.String(), err)
	}
	return pipeline.Repo{ID: got.GetID(), Installation: id, Owner: got.GetOwner().GetLogin(), Name: got.GetName()}, nil
}

// Installations lists where the App is installed, each with its repositories.
func (c *Client) Installations(ctx context.Context) ([]bot.Installed, error) {
	all, err := pages(func(o github.ListOptions) ([]*github.Installation, *github.Response, error) {
		return c.app.Apps.ListInstallations(ctx, &o)
	})
	if err != nil {
		return nil, fail("list installations", err)
	}
	var out []bot.Installed
	for _, in := range all {
		if in.SuspendedAt != nil {
			continue
		}
		repos, err := c.repositories(ctx, in.GetID())
		if err != nil {
			return nil, err
		}
		out = append(out, bot.Installed{Installation: in.GetID(), Added: repos})
	}
	return out, nil
}

// repositories is the one call that needs a token for a whole installation; it
// may read names and nothing else.
func (c *Client) repositories(ctx context.Context, installation int64) ([]pipeline.Repo, error) {
	gh := c.as(pipeline.Repo{Installation: installation}, forListing)
	list, err := pages(func(o github.ListOptions) ([]*github.Repository, *github.Response, error) {
		page, resp, err := gh.Apps.ListRepos(ctx, &o)
		if err != nil {
			return nil, resp, err
		}
		return page.Repositories, resp, nil
	})
	if err != nil {
		return nil, fail(fmt.Sprintf("list repositories of installation %d", installation), err)
	}
	var out []pipeline.Repo
	for _, r := range list {
		out = append(out, pipeline.Repo{ID: r.GetID(), Installation: installation, Owner: r.GetOwner().GetLogin(), Name: r.GetName()})
	}
	return out, nil
}

// maxPages bounds every listing: 10,000 items.
const maxPages = 100

// pages reads all pages of a list.
func pages[T any](page func(github.ListOptions) ([]T, *github.Response, error)) ([]T, error) {
	var all []T
	o := github.ListOptions{PerPage: 100}
	for range maxPages {
		part, resp, err := page(o)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
		if resp.NextPage == 0 {
			return all, nil
		}
		o.Page = resp.NextPage
	}
	return nil, fmt.Errorf("more than %d pages", maxPages)
}
