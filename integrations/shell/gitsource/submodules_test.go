package gitsource

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// link commits a submodule at a path of the repository, without checking it out.
func link(t testing.TB, root, name, path, url, sha string, more ...string) string {
	t.Helper()
	dir := filepath.Join(root, name+".git")
	modules := filepath.Join(dir, ".gitmodules")
	before, _ := os.ReadFile(modules)
	write(t, modules, string(before)+fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n%s", path, path, url, strings.Join(more, "")), 0o644)
	git(t, dir, "add", ".gitmodules")
	git(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+sha+","+path)
	git(t, dir, "commit", "--quiet", "-m", "link")
	return git(t, dir, "rev-parse", "HEAD")
}

// known are the repositories that may be submodules, by name.
var known = map[string]int64{"octo/shop": 42, "octo/lib": 43, "octo/deep": 44, "other/lib": 45}

func withSubmodules(t testing.TB, base string) *Git {
	g := overHTTP(t, base, token)
	g.Submodule = func(_ context.Context, _ pipeline.Repo, owner, name string) (pipeline.Repo, error) {
		id, ok := known[owner+"/"+name]
		if !ok {
			return pipeline.Repo{}, pipeline.Refuse("submodule_refused", "the operator does not allow %s/%s", owner, name)
		}
		return pipeline.Repo{ID: id, Owner: owner, Name: name}, nil
	}
	return g
}

func TestSubmodulesAreCheckedOut(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	commit(t, root, "octo/deep", map[string]string{".gitattributes": attributes, "x.bin": h.large("large")})
	deep := commit(t, root, "octo/deep", map[string]string{"deep.txt": "deep\n"})
	commit(t, root, "octo/lib", map[string]string{"lib.txt": "lib\n"})
	lib := link(t, root, "octo/lib", "vendor/deep", "../deep.git", deep)
	commit(t, root, "octo/lib", map[string]string{"lib.txt": "newer\n"})
	commit(t, root, "octo/shop", map[string]string{"shop.txt": "shop\n"})
	link(t, root, "octo/shop", "modules/lib", "../../octo/lib", lib)
	sha := link(t, root, "octo/shop", "none", "https://elsewhere.example/x/y", lib, "\tupdate = none\n")
	g := withSubmodules(t, h.URL)
	for name, checkout := range map[string]func(ctx context.Context, repo pipeline.Repo, sha, dir string) error{"borrowed": g.Checkout, "whole": Whole{g}.Checkout} {
		t.Run(name, func(t *testing.T) {
			ws := t.TempDir()
			if err := checkout(t.Context(), repo, sha, ws); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{"shop.txt": "shop\n", "modules/lib/lib.txt": "lib\n", "modules/lib/vendor/deep/deep.txt": "deep\n", "modules/lib/vendor/deep/x.bin": "large"} {
				if got := read(t, filepath.Join(ws, path)); got != want {
					t.Errorf("%s: %q", path, got)
				}
			}
			if got := git(t, ws, "status", "--porcelain"); got != "" {
				t.Errorf("status: %s", got)
			}
			if name == "whole" {
				if left, _ := exec.Command("find", ws, "-name", "alternates").Output(); len(left) > 0 {
					t.Errorf("objects are borrowed: %s", left)
				}
			}
		})
	}
}

func TestACommandInGitmodulesIsNotRun(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	lib := commit(t, root, "octo/lib", map[string]string{"lib.txt": "lib\n"})
	commit(t, root, "octo/shop", map[string]string{"shop.txt": "shop\n"})
	sha := link(t, root, "octo/shop", "lib", "../lib", lib, "\tupdate = !touch "+root+"/pwned\n[include]\n\tpath = "+root+"/evil\n")
	write(t, filepath.Join(root, "evil"), "[submodule \"lib\"]\n\turl = ../secret\n", 0o644)
	ws := t.TempDir()
	if err := withSubmodules(t, h.URL).Checkout(t.Context(), repo, sha, ws); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "pwned")); err == nil || read(t, filepath.Join(ws, "lib", "lib.txt")) != "lib\n" {
		t.Error("a command of .gitmodules was run, or the submodule is not there")
	}
}

func TestASubmoduleThatIsNotFetchedIsAnError(t *testing.T) {
	for name, tt := range map[string]struct{ url, code, says string }{
		"not allowed":           {"../secret.git", "submodule_refused", "does not allow octo/secret"},
		"another host":          {"https://evil.example/octo/lib.git", "submodule_refused", "no repository on the host"},
		"another host over ssh": {"git@evil.example:octo/lib.git", "submodule_refused", "no repository on the host"},
		"a file":                {"file:///etc", "submodule_refused", "no repository on the host"},
		"a path":                {"/etc", "submodule_refused", "no repository on the host"},
		"a command":             {"ext::sh -c touch% /tmp/pwned", "submodule_refused", "no repository on the host"},
		"an option":             {"--upload-pack=touch /tmp/pwned", "submodule_refused", "no repository on the host"},
		"out of the host":       {"../../../../x/y", "submodule_refused", "no repository on the host"},
		"nothing":               {"", "submodule_refused", "does not say where"},
		"a commit not there":    {"../lib.git", "commit_not_found", "octo/lib"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			h := newLFSHost(t, root)
			commit(t, root, "octo/shop", map[string]string{"shop.txt": "shop\n"})
			commit(t, root, "octo/lib", map[string]string{"lib.txt": "lib\n"})
			sha := link(t, root, "octo/shop", "lib", tt.url, strings.Repeat("a", 40))
			err := withSubmodules(t, h.URL).Checkout(t.Context(), repo, sha, t.TempDir())
			if pipeline.Code(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("got %v (code %s)", err, pipeline.Code(err))
			}
		})
	}
	t.Run("no .gitmodules", func(t *testing.T) {
		root := t.TempDir()
		h := newLFSHost(t, root)
		commit(t, root, "octo/shop", map[string]string{"shop.txt": "shop\n"})
		dir := filepath.Join(root, "octo/shop.git")
		git(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("a", 40)+",lib")
		git(t, dir, "commit", "--quiet", "-m", "link")
		err := withSubmodules(t, h.URL).Checkout(t.Context(), repo, git(t, dir, "rev-parse", "HEAD"), t.TempDir())
		if pipeline.Code(err) != "submodule_refused" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one in itself without end", func(t *testing.T) {
		root := t.TempDir()
		h := newLFSHost(t, root)
		sha := commit(t, root, "octo/shop", map[string]string{"shop.txt": "shop\n"})
		for range 8 {
			sha = link(t, root, "octo/shop", "self", "../shop.git", sha)
		}
		err := withSubmodules(t, h.URL).Checkout(t.Context(), repo, sha, t.TempDir())
		if pipeline.Code(err) != "submodule_refused" || !strings.Contains(fmt.Sprint(err), "more than 5 deep") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhereASubmoduleComesFrom(t *testing.T) {
	for raw, want := range map[string]string{
		"../lib.git": "octo/lib", "../lib": "octo/lib", "../../acme/lib.git": "acme/lib", ".././lib/": "octo/lib", "./../lib": "octo/lib",
		"https://github.com/acme/lib": "acme/lib", "https://github.com/acme/lib.git/": "acme/lib", "https://mona@GitHub.com/acme/lib": "acme/lib",
		"git@github.com:acme/lib.git": "acme/lib", "ssh://git@github.com/acme/lib": "acme/lib", "ssh://git@github.com:22/acme/lib": "acme/lib", "git://github.com/acme/lib.git": "acme/lib",
		"github.com:acme/lib": "acme/lib", "git@github.com:/acme/lib": "acme/lib",

		"http://github.com/acme/lib": "", "https://github.com:8443/acme/lib": "", "https://github.com.evil.example/acme/lib": "", "https://user:pass@github.com/acme/lib": "",
		"https://github.com/acme": "", "https://github.com/acme/lib/tree/main": "", "https://github.com/../x": "", "https://github.com/acme/..": "", "https://github.com/acme/lib?x": "",
		"../../..": "", "../..": "", "..": "", ".": "", "": "", "lib": "", "../a/../../b/c": "", "file:///x/y": "", "ext::x": "", "-x": "", "https://github.com/-x/lib": "", "\thttps://github.com/a/b": "",
		"git@github.com:~mona/lib": "", "C:\\lib": "", "https://github.com/acme/li b": "",
	} {
		owner, name, ok := submoduleOf("https://github.com/octo/shop.git", repo, raw)
		if got := owner + "/" + name; ok != (want != "") || ok && got != want {
			t.Errorf("%q is %s, %v; want %q", raw, got, ok, want)
		}
	}
}

func TestACheckoutOfOthersIsLookedThrough(t *testing.T) {
	root := t.TempDir()
	h := newLFSHost(t, root)
	for name, tt := range map[string]struct {
		repo string
		make func() string
		code string
	}{
		"all there": {"octo/c", func() string { return commit(t, root, "octo/c", map[string]string{"x": "y\n"}) }, ""},
		"a pointer": {"octo/a", func() string {
			return commit(t, root, "octo/a", map[string]string{"x.bin": h.large("x"), ".gitattributes": attributes})
		}, "lfs_missing"},
		"a submodule": {"octo/b", func() string {
			commit(t, root, "octo/b", map[string]string{"x": "y\n"})
			return link(t, root, "octo/b", "lib", "../lib", strings.Repeat("a", 40))
		}, "submodule_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			sha, dir := tt.make(), t.TempDir()
			from := filepath.Join(root, tt.repo+".git")
			index := filepath.Join(t.TempDir(), "index")
			for _, args := range [][]string{{"read-tree", sha}, {"checkout-index", "--all", "--prefix=" + dir + "/"}} {
				cmd := exec.Command("git", args...)
				cmd.Dir, cmd.Env = from, append(os.Environ(), "GIT_INDEX_FILE="+index)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if err := Incomplete(index, dir); pipeline.Code(err) != tt.code {
				t.Errorf("got %v", err)
			}
		})
	}
}
