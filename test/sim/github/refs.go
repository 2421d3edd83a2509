package github

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Ref is a git reference.
type Ref struct {
	Ref    string    `json:"ref"`
	NodeID string    `json:"node_id"`
	URL    string    `json:"url"`
	Object RefObject `json:"object"`
}

// RefObject is what a Ref points at.
type RefObject struct {
	Type string `json:"type"`
	SHA  string `json:"sha"`
	URL  string `json:"url"`
}

func (s *Server) ref(r *repository, name, sha string) Ref {
	return Ref{
		Ref:    "refs/" + name,
		NodeID: "REF_" + base64.RawURLEncoding.EncodeToString([]byte(name)),
		URL:    s.api("/repos/%s/git/refs/%s", r.fullName(), name),
		Object: RefObject{"commit", sha, s.api("/repos/%s/git/commits/%s", r.fullName(), sha)},
	}
}

func (s *Server) getRef(c *call) (*reply, error) {
	name := strings.TrimPrefix(c.params["ref"], "refs/")
	if !strings.HasPrefix(name, "heads/") && !strings.HasPrefix(name, "tags/") && !strings.HasPrefix(name, "pull/") {
		return nil, notFound()
	}
	sha, found := c.repo.git.resolve(name)
	if !found {
		return nil, notFound()
	}
	return ok(s.ref(c.repo, name, sha)), nil
}

func (s *Server) matchingRefs(c *call) (*reply, error) {
	refs := []Ref{}
	for _, kind := range []struct {
		prefix string
		known  map[string]string
	}{{"heads/", c.repo.git.branches}, {"tags/", c.repo.git.tags}} {
		for _, name := range sortedKeys(kind.known) {
			if full := kind.prefix + name; strings.HasPrefix(full, c.params["ref"]) {
				refs = append(refs, s.ref(c.repo, full, kind.known[name]))
			}
		}
	}
	return ok(refs), nil
}

// ShortBranch is a branch in a list.
type ShortBranch struct {
	Name   string `json:"name"`
	Commit struct {
		SHA string `json:"sha"`
		URL string `json:"url"`
	} `json:"commit"`
	Protected bool `json:"protected"`
}

// Branch is the answer to GET /repos/{o}/{r}/branches/{branch}.
type Branch struct {
	Name   string `json:"name"`
	Commit Commit `json:"commit"`
	Links  struct {
		Self string `json:"self"`
		HTML string `json:"html"`
	} `json:"_links"`
	Protected     bool             `json:"protected"`
	Protection    BranchProtection `json:"protection"`
	ProtectionURL string           `json:"protection_url"`
}

// BranchProtection is the part of a branch's protection that a reader sees.
type BranchProtection struct {
	Enabled              bool `json:"enabled"`
	RequiredStatusChecks struct {
		EnforcementLevel string   `json:"enforcement_level"`
		Contexts         []string `json:"contexts"`
		Checks           []any    `json:"checks"`
	} `json:"required_status_checks"`
}

func (s *Server) shortBranch(r *repository, name, sha string) ShortBranch {
	b := ShortBranch{Name: name}
	b.Commit.SHA = sha
	b.Commit.URL = s.api("/repos/%s/commits/%s", r.fullName(), sha)
	_, b.Protected = r.protection[name]
	return b
}

func (s *Server) listBranches(c *call) (*reply, error) {
	names := pageOf(c, sortedKeys(c.repo.git.branches))
	out := []ShortBranch{}
	for _, name := range names {
		out = append(out, s.shortBranch(c.repo, name, c.repo.git.branches[name]))
	}
	return ok(out), nil
}

func (s *Server) getBranch(c *call) (*reply, error) {
	name := c.params["branch"]
	sha := c.repo.git.branches[name]
	if sha == "" {
		return nil, &apiError{status: 404, message: "Branch not found"}
	}
	commit, err := c.repo.git.read(sha)
	if err != nil {
		return nil, err
	}
	b := Branch{Name: name, Commit: s.commit(c.repo, commit)}
	b.Links.Self = s.api("/repos/%s/branches/%s", c.repo.fullName(), name)
	b.Links.HTML = s.page("%s/tree/%s", c.repo.fullName(), name)
	b.ProtectionURL = b.Links.Self + "/protection"
	rule, protected := c.repo.protection[name]
	b.Protected, b.Protection.Enabled = protected, protected
	b.Protection.RequiredStatusChecks.EnforcementLevel = "off"
	b.Protection.RequiredStatusChecks.Contexts = append([]string{}, rule.Checks...)
	b.Protection.RequiredStatusChecks.Checks = []any{}
	if len(rule.Checks) > 0 {
		b.Protection.RequiredStatusChecks.EnforcementLevel = "non_admins"
	}
	return ok(b), nil
}

// branchesWith lists the branches whose head is the commit.
func (s *Server) branchesWith(r *repository, sha string) []ShortBranch {
	out := []ShortBranch{}
	for _, name := range sortedKeys(r.git.branches) {
		if r.git.branches[name] == sha {
			out = append(out, s.shortBranch(r, name, sha))
		}
	}
	return out
}

func (s *Server) listTags(c *call) (*reply, error) {
	out := []map[string]any{}
	names := sortedKeys(c.repo.git.tags)
	slices.Reverse(names)
	for _, name := range pageOf(c, names) {
		sha := c.repo.git.tags[name]
		out = append(out, map[string]any{
			"name":        name,
			"commit":      map[string]string{"sha": sha, "url": s.api("/repos/%s/commits/%s", c.repo.fullName(), sha)},
			"zipball_url": s.api("/repos/%s/zipball/refs/tags/%s", c.repo.fullName(), name),
			"tarball_url": s.api("/repos/%s/tarball/refs/tags/%s", c.repo.fullName(), name),
			"node_id":     "REF_" + base64.RawURLEncoding.EncodeToString([]byte("tags/"+name)),
		})
	}
	return ok(out), nil
}
