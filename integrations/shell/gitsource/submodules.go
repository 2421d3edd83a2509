package gitsource

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Bounds of the submodules of one checkout.
const (
	maxSubmoduleDepth = 5
	maxSubmodules     = 50
)

// tree is a checkout with its submodules.
type tree struct {
	dirs []string // of all checkouts in it so far, the outermost first
}

// whole checks the commit out with everything that it only points at: submodules,
// and files in Git LFS. What cannot be brought is an error: no step may go on with
// an empty folder or with a pointer.
func (t *tree) whole(ctx context.Context, g *Git, repo pipeline.Repo, sha, dir string, depth int) error {
	t.dirs = append(t.dirs, dir)
	if err := g.checkoutCommit(ctx, repo, sha, dir); err != nil {
		return err
	}
	submodules, pointers, err := contents(filepath.Join(dir, ".git", "index"), dir)
	if err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	if len(submodules) == 0 {
		return g.large(ctx, repo, dir, pointers)
	}
	found, err := g.modules(ctx, repo, sha, dir, submodules)
	if err != nil {
		return err
	}
	if err := g.large(ctx, repo, dir, pointers); err != nil {
		return err
	}
	for _, m := range found {
		switch {
		case depth == maxSubmoduleDepth:
			return refuseSubmodule(repo, m.path, "submodules are nested more than %d deep", maxSubmoduleDepth)
		case len(t.dirs) > maxSubmodules:
			return refuseSubmodule(repo, m.path, "there are more than %d submodules", maxSubmodules)
		}
		if err := t.whole(ctx, g, m.repo, m.sha, filepath.Join(dir, filepath.FromSlash(m.path)), depth+1); err != nil {
			return fmt.Errorf("submodule %s of %s: %w", m.path, repo, err)
		}
	}
	return nil
}

func refuseSubmodule(repo pipeline.Repo, path, why string, args ...any) *pipeline.Error {
	return pipeline.Refuse("submodule_refused", "`%s` in %s is a submodule, and it is not fetched: %s. Nothing was started.", path, repo, fmt.Sprintf(why, args...))
}

// module is a submodule that may be fetched.
type module struct {
	path, sha string
	repo      pipeline.Repo
}

// modules finds where the submodules of a commit come from. One with "update =
// none" is left empty, as git leaves it.
func (g *Git) modules(ctx context.Context, repo pipeline.Repo, sha, dir string, links []entry) ([]module, error) {
	settings, err := g.settings(ctx, sha, dir)
	if err != nil {
		return nil, refuseSubmodule(repo, links[0].path, "the commit has no .gitmodules that git can read")
	}
	from, _, err := g.remote(repo)
	if err != nil {
		return nil, err
	}
	var found []module
	for _, link := range links {
		s, named := settings[link.path]
		switch {
		case !named || s["url"] == "":
			return nil, refuseSubmodule(repo, link.path, ".gitmodules does not say where it comes from")
		case s["update"] == "none":
			continue
		case !filepath.IsLocal(filepath.FromSlash(link.path)):
			return nil, refuseSubmodule(repo, link.path, "it lies outside of the checkout")
		}
		owner, name, ok := submoduleOf(from, repo, s["url"])
		if !ok {
			return nil, refuseSubmodule(repo, link.path, "%q is no repository on the host of %s", clip(s["url"]), repo)
		}
		if g.Submodule == nil {
			return nil, refuseSubmodule(repo, link.path, "no submodules are allowed here")
		}
		target, err := g.Submodule(ctx, repo, owner, name)
		if err != nil && pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
			refused := refuseSubmodule(repo, link.path, "%s", strings.TrimSuffix(pipeline.Message(err), "."))
			if pipeline.Code(err) == "repository_replaced" {
				refused.Code = pipeline.Code(err)
			}
			return nil, refused
		}
		if err != nil {
			return nil, fmt.Errorf("submodule %s: %w", link.path, err)
		}
		found = append(found, module{link.path, link.sha, target})
	}
	return found, nil
}

// settings are what .gitmodules says, by path. It is read from the commit: in the
// checkout it might be a link.
func (g *Git) settings(ctx context.Context, sha, dir string) (map[string]map[string]string, error) {
	out, err := g.inCheckout(ctx, dir, "", "config", "--no-includes", "--null", "--blob="+sha+":.gitmodules", "--list")
	if err != nil {
		return nil, err
	}
	byName := map[string]map[string]string{}
	for setting := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(setting, "\n")
		name, is := strings.CutPrefix(key, "submodule.")
		i := strings.LastIndexByte(name, '.')
		if !is || i < 0 {
			continue
		}
		if byName[name[:i]] == nil {
			byName[name[:i]] = map[string]string{}
		}
		byName[name[:i]][name[i+1:]] = value
	}
	byPath := map[string]map[string]string{}
	for _, s := range byName {
		byPath[strings.TrimSuffix(s["path"], "/")] = s
	}
	return byPath, nil
}

var (
	sshAddress = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):([^/].*|/[^/].*)$`)
	plainName  = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9._-]{0,99}$`)
)

// submoduleOf is the repository that a submodule's URL means. It has to be on the
// host of the clone URL, however it is reached: it is fetched from there, with a
// token of its own.
func submoduleOf(from string, repo pipeline.Repo, raw string) (owner, name string, ok bool) {
	clone, err := url.Parse(from)
	if err != nil {
		return "", "", false
	}
	base := strings.TrimSuffix(strings.TrimSuffix(clone.Path, ".git"), repo.String()) // "/"
	var path string
	switch {
	case strings.HasPrefix(raw, "./"), strings.HasPrefix(raw, "../"):
		if path, ok = relative(clone.Path, raw); !ok {
			return "", "", false
		}
	case strings.Contains(raw, "://"):
		u, err := url.Parse(raw)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || !sameHost(clone, u) {
			return "", "", false
		}
		path = u.Path
	default:
		m := sshAddress.FindStringSubmatch(raw)
		if m == nil || !strings.EqualFold(m[1], clone.Hostname()) {
			return "", "", false
		}
		path = "/" + strings.TrimPrefix(m[2], "/")
	}
	path, within := strings.CutPrefix(path, base)
	owner, name, both := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(path, "/"), ".git"), "/")
	good := within && both && plainName.MatchString(owner) && plainName.MatchString(name) && strings.Trim(owner, ".") != "" && strings.Trim(name, ".") != ""
	return owner, name, good
}

// sameHost reports whether u is on the clone URL's host. Who would be asked for a
// password, and over which port ssh would go, does not matter: it is not gone there.
func sameHost(clone, u *url.URL) bool {
	if _, password := u.User.Password(); password {
		return false
	}
	switch u.Scheme {
	case "https", "http":
		return u.Scheme == clone.Scheme && strings.EqualFold(u.Host, clone.Host)
	case "ssh", "git", "git+ssh":
		return strings.EqualFold(u.Hostname(), clone.Hostname())
	}
	return false
}

// relative resolves a path as git does, see gitmodules(5): each "../" takes one
// part off.
func relative(base, raw string) (string, bool) {
	base = strings.TrimSuffix(base, "/")
	for {
		switch {
		case strings.HasPrefix(raw, "./"):
			raw = raw[2:]
		case strings.HasPrefix(raw, "../"):
			i := strings.LastIndexByte(base, '/')
			if i < 0 {
				return "", false
			}
			base, raw = base[:i], raw[3:]
		default:
			return base + "/" + raw, !strings.Contains("/"+raw+"/", "/../")
		}
	}
}

// Incomplete is an error if a checkout that somebody else made holds folders of
// submodules, or pointers of Git LFS in place of files.
func Incomplete(index, dir string) error {
	submodules, pointers, err := contents(index, dir)
	switch {
	case err != nil:
		return err
	case len(submodules) > 0:
		return pipeline.Refuse("submodule_refused", "`%s` is a submodule, and submodules are not brought along when a pipeline runs on this machine. Nothing was started.", submodules[0].path)
	case len(pointers) > 0:
		return pipeline.Refuse("lfs_missing", "`%s` is kept in Git LFS, and what is here only points at it. Install git-lfs, say `git lfs install` and `git lfs pull`. Nothing was started.", pointers[0].path)
	}
	return nil
}
