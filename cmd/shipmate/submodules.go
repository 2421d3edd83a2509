package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Submodules says which repositories may be submodules of which. Without rules
// none may: who can write to one repository need not be able to read another that
// the App can read.
type Submodules struct {
	Allow []SubmoduleRule `yaml:"allow"`
}

// SubmoduleRule allows submodules; both are globs matched whole against owner/name.
type SubmoduleRule struct {
	Repo       string   `yaml:"repo"`
	Submodules []string `yaml:"submodules"`
}

// check names what is wrong with a rule.
func (s Submodules) check() error {
	for i, r := range s.Allow {
		if r.Repo == "" || len(r.Submodules) == 0 {
			return fmt.Errorf("submodules.allow, rule %d: repo and submodules are both needed", i+1)
		}
		for _, pattern := range append([]string{r.Repo}, r.Submodules...) {
			if _, err := pipeline.CompileGlob(strings.ToLower(pattern)); err != nil {
				return fmt.Errorf("submodules.allow, rule %d: %w", i+1, err)
			}
		}
	}
	return nil
}

func (s Submodules) allows(repo, submodule string) bool {
	for _, r := range s.Allow {
		if !matches(r.Repo, repo) {
			continue
		}
		for _, pattern := range r.Submodules {
			if matches(pattern, submodule) {
				return true
			}
		}
	}
	return false
}

// matches: GitHub tells no letters' case apart in names.
func matches(pattern, name string) bool {
	ok, err := pipeline.MatchGlob(strings.ToLower(pattern), strings.ToLower(name))
	return ok && err == nil
}

// finder finds a submodule that the rules allow and that the same installation of
// the App may read.
func (s Submodules) finder(find func(ctx context.Context, owner, name string) (pipeline.Repo, error)) func(context.Context, pipeline.Repo, string, string) (pipeline.Repo, error) {
	return func(ctx context.Context, of pipeline.Repo, owner, name string) (pipeline.Repo, error) {
		wanted := owner + "/" + name
		if !s.allows(of.String(), wanted) {
			return pipeline.Repo{}, pipeline.Refuse("submodule_refused", "the operator does not allow %s to use %s; the setting is submodules.allow", of, wanted)
		}
		found, err := find(ctx, owner, name)
		if err != nil {
			return pipeline.Repo{}, err
		}
		if found.Installation != of.Installation {
			return pipeline.Repo{}, pipeline.Refuse("submodule_refused", "%s belongs to another installation of the GitHub App than %s", wanted, of)
		}
		if !s.allows(of.String(), found.String()) { // it has another name by now
			return pipeline.Repo{}, pipeline.Refuse("submodule_refused", "%s is %s now, and the operator does not allow %s to use that", wanted, found, of)
		}
		return found, nil
	}
}
