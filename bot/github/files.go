package github

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// ConfigFile is what a team writes.
const ConfigFile = ".shipmate.yaml"

const (
	maxConfig     = 256 << 10 // bytes; pipeline.Parse refuses more
	maxConfigs    = 1000      // parsed files kept, by commit
	shownProblems = 5
)

type configKey struct {
	repo int64
	sha  string
}

// parsed is what a commit's file came to. It never changes; that there is none
// is forgotten after a few seconds all the same.
type parsed struct {
	config *pipeline.Config
	err    error
	digest string    // of its bytes, "" if there is no file
	until  time.Time // zero: for good
}

const keepMissing = 5 * time.Second

// Config reads the file at the head of the default branch. The commit is in
// Config.SHA. Errors people see: no_config, bad_config.
func (c *Client) Config(ctx context.Context, repo pipeline.Repo) (*pipeline.Config, error) {
	head, err := c.defaultHead(ctx, repo)
	if err != nil {
		return nil, err
	}
	return c.ConfigAt(ctx, repo, head.SHA)
}

// ConfigAt reads the file at a commit. In a bad_config error the problems
// themselves are a wrapped pipeline.Problems. The Config is shared: read only.
func (c *Client) ConfigAt(ctx context.Context, repo pipeline.Repo, sha string) (*pipeline.Config, error) {
	p, err := c.parsedAt(ctx, repo, sha)
	if err = cmp.Or(err, p.err); err != nil {
		return nil, err
	}
	_, err = c.meanings(ctx, repo, p) // the names of its rules mean who has them now
	return p.config, err
}

// ConfigFile is ConfigAt for who wants to know what is wrong with a file; at ""
// it is the one of the default branch. Where GitHub has no such commit any more
// there is no file.
func (c *Client) ConfigFile(ctx context.Context, repo pipeline.Repo, sha string) (bot.ConfigFile, error) {
	if sha == "" {
		head, err := c.defaultHead(ctx, repo)
		if pipeline.Code(err) == "unknown_ref" { // no commits yet
			return bot.ConfigFile{}, nil
		}
		if err != nil {
			return bot.ConfigFile{}, err
		}
		sha = head.SHA
	}
	p, err := c.parsedAt(ctx, repo, sha)
	if err != nil || p.digest == "" {
		return bot.ConfigFile{}, err
	}
	return bot.ConfigFile{Config: p.config, Err: p.err, Digest: p.digest}, nil
}

func (c *Client) parsedAt(ctx context.Context, repo pipeline.Repo, sha string) (parsed, error) {
	k := configKey{repo.ID, sha}
	c.mu.Lock()
	known, ok := c.configs[k]
	c.mu.Unlock()
	if ok && (known.until.IsZero() || c.cfg.Now().Before(known.until)) {
		return known, nil
	}
	src, err := c.file(ctx, repo, ConfigFile, sha)
	if errors.Is(err, errMissing) {
		err = c.reallyMissing(ctx, repo, sha, err)
	}
	var p parsed
	switch {
	case errors.Is(err, errMissing):
		p.until = c.cfg.Now().Add(keepMissing)
		p.err = &pipeline.Error{Code: "no_config", Err: err, Message: fmt.Sprintf("There is no `%s` on the default branch of %s. Write one first, and check it with `shipmate validate`.", ConfigFile, repo)}
	case err != nil:
		return parsed{}, err
	default:
		p = c.parse(repo, sha, src)
		sum := sha256.Sum256(src)
		p.digest = hex.EncodeToString(sum[:])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.configs) >= maxConfigs {
		clear(c.configs)
	}
	c.configs[k] = p
	return p, nil
}

// reallyMissing tells a file that is not in a commit from one that does not show
// yet, by the list of files of that very commit: a repository that has none is
// known at once. Of a commit that is not shown at all, see notYet.
func (c *Client) reallyMissing(ctx context.Context, repo pipeline.Repo, sha string, gone error) error {
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "contents")+"?ref="+url.QueryEscape(sha), nil)
	if err != nil {
		return err
	}
	var list []*github.RepositoryContent
	if _, err = gh.Do(ctx, r, &list); err != nil {
		return fail(fmt.Sprintf("list files of %s at %.7s", repo, sha), err)
	}
	if !slices.ContainsFunc(list, func(e *github.RepositoryContent) bool { return e.GetName() == ConfigFile && e.GetType() == "file" }) {
		return gone
	}
	listed := fact{Is: state{SHA: sha}, By: "the list of files"}
	facts, err := c.told.facts(ctx, repo.ID, aboutCommit(sha))
	switch {
	case err != nil:
		return err
	case len(facts) > 0:
		listed = facts[0]
	default:
		listed.Came = c.cfg.Now()
		if err := c.told.tell(ctx, repo.ID, aboutCommit(sha), listed); err != nil {
			return err
		}
	}
	if !listed.young(c.cfg.Now()) {
		return gone
	}
	return listed.again(c.cfg.Now(), ConfigFile+" is listed and cannot be read yet")
}

func (c *Client) parse(repo pipeline.Repo, sha string, src []byte) parsed {
	cfg, err := pipeline.Parse(ConfigFile, src, c.cfg.Uses)
	if err != nil {
		return parsed{err: &pipeline.Error{Code: "bad_config", Err: err, Message: badConfig(repo, sha, err)}}
	}
	cfg.SHA = sha
	if cfg.Service == "" {
		cfg.Service = repo.Name
	}
	return parsed{config: cfg}
}

// badConfig lists the first problems; the rest is in the check shipmate/config.
func badConfig(repo pipeline.Repo, sha string, err error) string {
	lines := strings.Split(err.Error(), "\n")
	more := ""
	if len(lines) > shownProblems {
		more = fmt.Sprintf("\n- and %d more", len(lines)-shownProblems)
		lines = lines[:shownProblems]
	}
	for i, line := range lines {
		lines[i] = "- " + codeSpan(line)
	}
	return fmt.Sprintf("`%s` at `%.7s` of %s has errors; fix them first.\n\n%s%s", ConfigFile, sha, repo, strings.Join(lines, "\n"), more)
}

// file reads a file at a commit, errMissing if there is none.
func (c *Client) file(ctx context.Context, repo pipeline.Repo, name, sha string) ([]byte, error) {
	doing := fmt.Sprintf("read %s of %s at %.7s", name, repo, sha)
	gh := c.as(repo, forReading)
	r, err := gh.NewRequest(http.MethodGet, repoPath(repo, "contents", name)+"?ref="+url.QueryEscape(sha), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/vnd.github.raw+json")
	resp, err := gh.BareDo(ctx, r)
	if err != nil {
		return nil, fail(doing, err)
	}
	defer resp.Body.Close()
	// A directory of that name comes as JSON.
	if media := resp.Header.Get("Content-Type"); strings.HasPrefix(media, "application/json") {
		return nil, fmt.Errorf("%s: it is no file: %w", doing, errMissing)
	}
	src, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig+1))
	return src, fail(doing, err)
}

// repoPath is the path of something in a repository, every part escaped but
// for the slashes in the last one.
func repoPath(repo pipeline.Repo, parts ...string) string {
	path := "repos/" + url.PathEscape(repo.Owner) + "/" + url.PathEscape(repo.Name)
	for _, p := range parts {
		path += "/" + strings.ReplaceAll(url.PathEscape(p), "%2F", "/")
	}
	return path
}
