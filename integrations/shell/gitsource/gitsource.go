// Package gitsource checks out commits with git, for the shell runner.
//
// Every repository has one bare cache, named by its numeric id, that commits
// are fetched into one by one, without history. A commit that is there is
// checked out without the network, by a single git process. Start at
// [Git.Checkout].
//
// A checkout has a small .git of its own, so that "git rev-parse HEAD", "git
// status" and "git log -1" work in scripts. Its objects are borrowed from the
// cache; it knows no remote, no credentials, no branches, no tags and no
// earlier commits.
package gitsource

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Git is a source of commits. CloneURL and Cache must be given.
//
// GitHub shows a commit that was pushed a moment ago, or takes a token that was
// made a moment ago, only in a while. So that something is not there, or may not
// be read, is an error marked pipeline.Lagging.
type Git struct {
	Cache    string                                                                 // folder of the caches
	CloneURL func(repo pipeline.Repo) string                                        // https://...; plain http is used only if the URL says so
	Token    func(ctx context.Context, repo pipeline.Repo) (pipeline.Secret, error) // nil: public repositories
	Locate   func(ctx context.Context, repo pipeline.Repo) (pipeline.Repo, error)   // under its name of this moment; nil: as it is
	Env      []string                                                               // further variables of git itself: proxies, GIT_SSL_CAINFO
	Timeout  time.Duration                                                          // of one fetch; default 5 minutes
	LFS      http.RoundTripper                                                      // for files in Git LFS; default http.DefaultTransport

	// Submodule finds a repository that another one uses as a submodule. Its error
	// says why it may not. nil: there are no submodules.
	Submodule func(ctx context.Context, of pipeline.Repo, owner, name string) (pipeline.Repo, error)

	AllowFile bool // file: URLs too; for tests
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Checkout fills dir, an empty folder, with the tree of the commit, its submodules
// and its files in Git LFS.
func (g *Git) Checkout(ctx context.Context, repo pipeline.Repo, sha, dir string) error {
	return new(tree).whole(ctx, g, repo, sha, dir, 0)
}

// checkoutCommit fills dir with what the commit itself holds.
func (g *Git) checkoutCommit(ctx context.Context, repo pipeline.Repo, sha, dir string) error {
	cache, err := g.cache(repo, sha)
	if err != nil {
		return err
	}
	if err := bareWorktree(dir, cache, sha); err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	err = g.readTree(ctx, dir, sha)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if err := g.fetch(ctx, repo, cache, sha); err != nil {
		return err
	}
	if err := g.readTree(ctx, dir, sha); err != nil {
		return &pipeline.Error{Code: "checkout_failed", Message: fmt.Sprintf("The files of commit %s could not be written.", sha[:7]), Err: err}
	}
	return nil
}

// Prefetch brings the commit into the cache, so that a later Checkout needs no network.
func (g *Git) Prefetch(ctx context.Context, repo pipeline.Repo, sha string) error {
	cache, err := g.cache(repo, sha)
	if err != nil {
		return err
	}
	return g.fetch(ctx, repo, cache, sha)
}

// cache is the repository's; the first fetch makes it.
func (g *Git) cache(repo pipeline.Repo, sha string) (string, error) {
	if !fullSHA.MatchString(sha) {
		return "", pipeline.Refuse("invalid_sha", "%q is not a full commit id (40 hexadecimal digits).", sha)
	}
	return filepath.Abs(filepath.Join(g.Cache, strconv.FormatInt(repo.ID, 10)+".git"))
}

// readTree writes the files. It is the one process a checkout costs.
func (g *Git) readTree(ctx context.Context, dir, sha string) error {
	cmd := g.command(ctx, nil, "read-tree", "--reset", "-u", "--end-of-options", sha)
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "GIT_DIR="+filepath.Join(dir, ".git"), "GIT_WORK_TREE="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("git read-tree: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// fetch brings one commit into the cache, unless somebody else just has.
func (g *Git) fetch(ctx context.Context, repo pipeline.Repo, cache, sha string) error {
	lock, err := lockCache(cache)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", repo, err)
	}
	defer lock.Close()
	if _, err := os.Stat(filepath.Join(cache, "refs", "shipmate", sha)); err == nil {
		return nil
	}
	if g.Locate != nil {
		if repo, err = g.Locate(ctx, repo); err != nil {
			return fmt.Errorf("find %s: %w", repo, err)
		}
	}
	from, protocol, err := g.remote(repo)
	if err != nil {
		return err
	}
	if err := tidy(cache); err != nil {
		return fmt.Errorf("fetch %s: %w", repo, err)
	}
	config, hidden, err := g.credentials(ctx, repo, from)
	if err != nil {
		return err
	}
	timeout := g.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	config = append(config, [2]string{"protocol." + protocol + ".allow", "always"})
	cmd := g.command(limited, config, "--git-dir="+cache, "fetch",
		"--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance",
		"--end-of-options", from, sha+":refs/shipmate/"+sha)
	// The lock is git's as well: it lasts until the last process that works in
	// the cache is gone, also if we are killed.
	cmd.ExtraFiles = []*os.File{lock}
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	err = explain(repo, sha, limited.Err(), fmt.Errorf("git fetch: %w: %s", err, redact(string(out), hidden)))
	if pipeline.Code(err) == "repository_moved" && g.Locate != nil {
		err = pipeline.Temporary(err) // renamed a moment ago; the next try finds it
	}
	return err
}

// remote is the clone URL, once it is known to be one we speak.
func (g *Git) remote(repo pipeline.Repo) (from, protocol string, err error) {
	from = g.CloneURL(repo)
	u, err := url.Parse(from)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", pipeline.Refuse("invalid_clone_url", "The clone URL of %s is not usable; the operator sets it with SHIPMATE_GITHUB_CLONE_URL.", repo)
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http", u.Scheme == "file" && g.AllowFile:
		return from, u.Scheme, nil
	}
	return "", "", pipeline.Refuse("invalid_clone_url", "The clone URL of %s must begin with https://; the operator sets it with SHIPMATE_GITHUB_CLONE_URL.", repo)
}

// bareWorktree gives dir a .git of which HEAD is the commit.
func bareWorktree(dir, cache, sha string) error {
	git := filepath.Join(dir, ".git")
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(git, sub), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"config":                  "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
		"objects/info/alternates": filepath.Join(cache, "objects") + "\n",
		"shallow":                 sha + "\n", // its parents are not here
		"HEAD":                    sha + "\n",
	} {
		if err := os.WriteFile(filepath.Join(git, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// command is a git that listens to nobody but us.
func (g *Git) command(ctx context.Context, config [][2]string, args ...string) *exec.Cmd {
	config = append([][2]string{
		{"protocol.allow", "never"},
		{"core.hooksPath", os.DevNull},
		{"core.fsmonitor", "false"},
		{"core.autocrlf", "false"},
		{"credential.helper", ""},
		{"submodule.recurse", "false"},
		{"http.followRedirects", "false"}, // the token is for this host and no other
		{"http.lowSpeedLimit", "1000"},
		{"http.lowSpeedTime", "30"},
	}, config...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=/nonexistent",
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=",
		"GIT_CONFIG_COUNT=" + strconv.Itoa(len(config)),
	}, g.Env...)
	for i, kv := range config {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	// The transport is a child of git; it has to end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
