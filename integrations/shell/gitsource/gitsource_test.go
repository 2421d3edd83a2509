package gitsource

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

const token = "ghs_canaryTOKEN4711"

var repo = pipeline.Repo{ID: 42, Owner: "octo", Name: "shop"}

// git runs git in dir as a developer would, and returns what it prints.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=mona", "GIT_AUTHOR_EMAIL=m@example.com", "GIT_COMMITTER_NAME=mona", "GIT_COMMITTER_EMAIL=m@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// upstream is a repository octo/shop under root, with two commits.
func upstream(t testing.TB) (root, first, second string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "octo", "shop.git")
	git(t, root, "init", "--quiet", dir)
	write(t, filepath.Join(dir, "run.sh"), "#!/bin/sh\necho one\n", 0o755)
	write(t, filepath.Join(dir, "deep", "er", "file"), "one\n", 0o644)
	write(t, filepath.Join(dir, ".gitattributes"), "* text=auto\nignored export-ignore\n*.bin filter=lfs\n", 0o644)
	write(t, filepath.Join(dir, "ignored"), "still here\n", 0o644)
	write(t, filepath.Join(dir, "x.bin"), "version https://git-lfs.github.com/spec/v1\n", 0o644)
	if err := os.Symlink("deep/er/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "-m", "one")
	first = git(t, dir, "rev-parse", "HEAD")
	write(t, filepath.Join(dir, "deep", "er", "file"), "two\n", 0o644)
	git(t, dir, "commit", "--quiet", "-a", "-m", "two")
	return root, first, git(t, dir, "rev-parse", "HEAD")
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serve serves root with git's own HTTP backend to those who bring the token.
func serve(t testing.TB, root string) (url string, fetches *atomic.Int32) {
	t.Helper()
	execPath := git(t, root, "--exec-path")
	backend := &cgi.Handler{Path: filepath.Join(execPath, "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	fetches = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			fetches.Add(1)
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, fetches
}

func overHTTP(t testing.TB, base, tok string) *Git {
	return &Git{
		Cache:    t.TempDir(),
		CloneURL: func(r pipeline.Repo) string { return base + "/" + r.String() + ".git" },
		Token:    func(context.Context, pipeline.Repo) (pipeline.Secret, error) { return pipeline.NewSecret(tok), nil },
	}
}

// tokenless gets no token, for that reason.
func tokenless(t testing.TB, base string, why error) *Git {
	g := overHTTP(t, base, "")
	g.Token = func(context.Context, pipeline.Repo) (pipeline.Secret, error) { return pipeline.Secret{}, why }
	return g
}

func overFiles(t testing.TB, root string) *Git {
	return &Git{Cache: t.TempDir(), CloneURL: func(r pipeline.Repo) string { return "file://" + root + "/" + r.String() + ".git" }, AllowFile: true}
}

func TestACheckoutIsTheTreeOfTheCommit(t *testing.T) {
	root, first, second := upstream(t)
	url, fetches := serve(t, root)
	g := overHTTP(t, url, token)
	ws := t.TempDir()
	if err := g.Checkout(t.Context(), repo, first, ws); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(ws, "link")); got != "one\n" {
		t.Errorf("link: %q", got)
	}
	if link, err := os.Readlink(filepath.Join(ws, "link")); link != "deep/er/file" {
		t.Errorf("link: %q, %v", link, err)
	}
	if info, err := os.Stat(filepath.Join(ws, "run.sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	read(t, filepath.Join(ws, "ignored"))
	read(t, filepath.Join(ws, "x.bin"))

	t.Run("scripts may ask git", func(t *testing.T) {
		if got := git(t, ws, "rev-parse", "HEAD"); got != first {
			t.Errorf("HEAD %s, want %s", got, first)
		}
		if got := git(t, ws, "status", "--porcelain"); got != "" {
			t.Errorf("status: %s", got)
		}
		if got := git(t, ws, "log", "--format=%s"); got != "one" {
			t.Errorf("log: %s", got)
		}
		if got := git(t, ws, "remote"); got != "" {
			t.Errorf("remote: %s", got)
		}
	})
	t.Run("the next commit", func(t *testing.T) {
		ws := t.TempDir()
		if err := g.Checkout(t.Context(), repo, second, ws); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(ws, "link")) + git(t, ws, "log", "--format=%s"); got != "two\ntwo" {
			t.Errorf("%q", got)
		}
	})
	t.Run("a commit that is there needs no network", func(t *testing.T) {
		before := fetches.Load()
		if err := g.Checkout(t.Context(), repo, first, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if err := g.Prefetch(t.Context(), repo, second); err != nil {
			t.Fatal(err)
		}
		if fetches.Load() != before {
			t.Error("fetched")
		}
	})
	t.Run("the token is on no disk", func(t *testing.T) {
		for _, dir := range []string{g.Cache, ws} {
			if out, err := exec.Command("grep", "-r", "-l", "-i", "canary\\|authorization", dir).CombinedOutput(); err == nil {
				t.Errorf("found in %s", out)
			}
		}
	})
}

func TestATokenIsNeverInAnArgument(t *testing.T) {
	// A git that says how it was called, before the real one is.
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin, record := t.TempDir(), filepath.Join(t.TempDir(), "record")
	write(t, filepath.Join(bin, "git"), "#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline >> "+record+"\necho >> "+record+"\nexec "+real+" \"$@\"\n", 0o755)
	root, first, _ := upstream(t)
	url, _ := serve(t, root)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if err := overHTTP(t, url, token).Checkout(t.Context(), repo, first, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	got := read(t, record)
	if !strings.Contains(got, "fetch") || strings.Contains(got, "canary") || strings.Contains(got, "Basic") {
		t.Errorf("called as:\n%s", got)
	}
	for line := range strings.Lines(got) {
		if !strings.Contains(line, "--end-of-options") {
			t.Errorf("without --end-of-options: %s", line)
		}
	}
}

func TestACachedCheckoutIsOneProcess(t *testing.T) {
	root, first, _ := upstream(t)
	g := overFiles(t, root)
	if err := g.Prefetch(t.Context(), repo, first); err != nil {
		t.Fatal(err)
	}
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin, record := t.TempDir(), filepath.Join(t.TempDir(), "record")
	write(t, filepath.Join(bin, "git"), "#!/bin/sh\necho call >> "+record+"\nexec "+real+" \"$@\"\n", 0o755)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if err := g.Checkout(t.Context(), repo, first, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, record); got != "call\n" {
		t.Errorf("%d calls of git", strings.Count(got, "call"))
	}
}

func TestFailuresAreExplained(t *testing.T) {
	root, first, _ := upstream(t)
	url, _ := serve(t, root)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), http.StatusBadGateway)
	}))
	defer broken.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler(url, http.StatusMovedPermanently))
	defer elsewhere.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	gone := strings.Repeat("0", 39) + "1"
	for name, c := range map[string]struct {
		git       *Git
		sha, code string
		temporary bool
		lagging   bool
	}{
		"a commit that is not there": {overHTTP(t, url, token), gone, "commit_not_found", true, true},
		"the wrong token":            {overHTTP(t, url, "ghs_wrong"), first, "no_access", true, true},
		"no such repository":         {overHTTP(t, url+"/nowhere", token), first, "no_access", true, true},
		"no token":                   {tokenless(t, url, pipeline.Refuse("no_access", "The GitHub App may not read in octo/shop.")), first, "no_access", true, true},
		"no token, for no reason":    {tokenless(t, url, errors.New("404")), first, "", true, true},
		"no token at all":            {tokenless(t, url, pipeline.Refuse("no_github", "There is no GitHub.")), first, "no_github", false, false},
		"a server in trouble":        {overHTTP(t, broken.URL, token), first, "fetch_failed", true, false},
		"no server":                  {overHTTP(t, closed.URL, token), first, "fetch_failed", true, false},
		"a redirect":                 {overHTTP(t, elsewhere.URL, token), first, "repository_moved", false, false},
		"a branch":                   {overHTTP(t, url, token), "main", "invalid_sha", false, false},
		"a short commit id":          {overHTTP(t, url, token), first[:12], "invalid_sha", false, false},
		"upper case":                 {overHTTP(t, url, token), strings.ToUpper(first), "invalid_sha", false, false},
		"an option":                  {overHTTP(t, url, token), "--upload-pack=touch /tmp/x", "invalid_sha", false, false},
		"a helper as protocol":       {overHTTP(t, "ext::sh -c id", token), first, "invalid_clone_url", false, false},
		"files, outside of tests":    {overHTTP(t, "file://"+root, token), first, "invalid_clone_url", false, false},
		"ssh":                        {overHTTP(t, "ssh://-oProxyCommand=id", token), first, "invalid_clone_url", false, false},
		"a password in the URL":      {overHTTP(t, "https://a:b@example.com", token), first, "invalid_clone_url", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.git.Checkout(t.Context(), repo, c.sha, t.TempDir())
			if pipeline.Code(err) != c.code || pipeline.IsTemporary(err) != c.temporary || pipeline.IsLagging(err) != c.lagging {
				t.Fatalf("code %q, temporary %v, lagging %v: %v", pipeline.Code(err), pipeline.IsTemporary(err), pipeline.IsLagging(err), err)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))) {
				t.Errorf("the token is in %v", err)
			}
		})
	}
}

func TestAFetchThatHangsIsEnded(t *testing.T) {
	_, first, _ := upstream(t)
	asked, over := make(chan struct{}, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer s.Close()
	defer close(over)
	g := overHTTP(t, s.URL, token)
	g.Timeout = 200 * time.Millisecond
	if err := g.Checkout(t.Context(), repo, first, t.TempDir()); pipeline.Code(err) != "fetch_timeout" || !pipeline.IsTemporary(err) {
		t.Error(err)
	}
	g.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if err := g.Checkout(ctx, repo, first, t.TempDir()); err != context.Canceled {
		t.Error(err)
	}
}

func TestManyMayFetchAtOnce(t *testing.T) {
	root, first, second := upstream(t)
	url, fetches := serve(t, root)
	g := overHTTP(t, url, token)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := g.Checkout(t.Context(), repo, []string{first, second}[i%2], t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := fetches.Load(); got != 2 {
		t.Errorf("%d fetches of 2 commits", got)
	}
}

func TestTheRestsOfAKilledFetchAreNoHindrance(t *testing.T) {
	root, first, second := upstream(t)
	g := overFiles(t, root)
	if err := g.Prefetch(t.Context(), repo, first); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(g.Cache, "42.git")
	for _, path := range []string{"shallow.lock", "refs/shipmate/" + second + ".lock", "objects/pack/tmp_pack_x"} {
		write(t, filepath.Join(cache, path), "", 0o600)
	}
	if err := g.Checkout(t.Context(), repo, second, t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestGarbageCollectionKeepsEveryCommit(t *testing.T) {
	root, first, second := upstream(t)
	g := overFiles(t, root)
	ws := t.TempDir()
	for _, sha := range []string{first, second} {
		if err := g.Prefetch(t.Context(), repo, sha); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Checkout(t.Context(), repo, first, ws); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(g.Cache, "42.git")
	if err := os.Remove(filepath.Join(cache, "refs/shipmate", first)); err != nil { // as when there are too many
		t.Fatal(err)
	}
	git(t, cache, "gc", "--quiet")
	git(t, cache, "repack", "-a", "-d", "--keep-unreachable", "--quiet")
	if err := os.RemoveAll(filepath.Join(root, "octo")); err != nil {
		t.Fatal(err)
	}
	if err := g.Checkout(t.Context(), repo, first, t.TempDir()); err != nil {
		t.Error(err)
	}
	git(t, ws, "fsck")
	if err := g.Clean(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	if err := g.Clean(t.Context(), -time.Hour); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cache); !os.IsNotExist(err) {
		t.Errorf("the cache nobody uses is still there: %v", err)
	}
}

func TestHooksAndFiltersOfTheRepositoryDoNotRun(t *testing.T) {
	root, _, _ := upstream(t)
	dir := filepath.Join(root, "octo", "shop.git")
	canary := filepath.Join(t.TempDir(), "canary")
	write(t, filepath.Join(dir, ".gitattributes"), "* filter=evil\n", 0o644)
	write(t, filepath.Join(dir, ".gitmodules"), "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c 'touch "+canary+"'\n", 0o644)
	write(t, filepath.Join(dir, ".git", "hooks", "post-checkout"), "#!/bin/sh\ntouch "+canary+"\n", 0o755)
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "-m", "evil")
	if err := overFiles(t, root).Checkout(t.Context(), repo, git(t, dir, "rev-parse", "HEAD"), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("something ran")
	}
}

func BenchmarkCachedCheckout(b *testing.B) {
	root, first, _ := upstream(b)
	g := overFiles(b, root)
	if err := g.Prefetch(b.Context(), repo, first); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := g.Checkout(b.Context(), repo, first, b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAWholeCheckoutNeedsNoCache(t *testing.T) {
	root, _, second := upstream(t)
	g := overFiles(t, root)
	ws := t.TempDir()
	if err := (Whole{g}).Checkout(t.Context(), repo, second, ws); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(g.Cache); err != nil {
		t.Fatal(err)
	}
	if got := git(t, ws, "rev-parse", "HEAD"); got != second {
		t.Errorf("HEAD is %s", got)
	}
	git(t, ws, "fsck", "--connectivity-only")
	if got := git(t, ws, "status", "--porcelain"); got != "" {
		t.Errorf("status: %s", got)
	}
	if got := git(t, ws, "log", "--format=%H"); got != second {
		t.Errorf("log: %s", got)
	}
}

// A stored repository carries the name of its day: git is sent to the one that
// its id has now.
func TestARenamedRepositoryIsFetchedUnderItsName(t *testing.T) {
	root, first, _ := upstream(t)
	url, _ := serve(t, root)
	g := overHTTP(t, url, token)
	stored := pipeline.Repo{ID: repo.ID, Owner: "octo", Name: "old"}
	if err := g.Checkout(t.Context(), stored, first, t.TempDir()); pipeline.Code(err) != "no_access" {
		t.Fatalf("under the old name: %v", err)
	}
	g.Locate = func(_ context.Context, r pipeline.Repo) (pipeline.Repo, error) {
		if r.ID != repo.ID {
			t.Errorf("asked where %d is", r.ID)
		}
		return repo, nil
	}
	if err := g.Checkout(t.Context(), stored, first, t.TempDir()); err != nil {
		t.Error(err)
	}
}
