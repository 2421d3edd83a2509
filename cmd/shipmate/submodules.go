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

// SubmoduleRule allows submodules; which repositories it means is that of pipeline.RuleRepo.
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

// refusal is why a repository may not use another one; nil if it may.
func (s Submodules) refusal(of, used pipeline.RuleRepo, otherwise error) error {
	var users, all []string
	for _, r := range s.Allow {
		users = append(users, r.Repo)
		if of.Fits(r.Repo) {
			all = append(all, r.Submodules...)
		}
	}
	if err := of.Refusal(users, otherwise); err != nil {
		return err
	}
	return used.Refusal(all, otherwise)
}

// finder finds a submodule that the rules allow and that the same installation of
// the App may read. Of one that they do not allow it does not say whether it is there.
func (s Submodules) finder(find func(ctx context.Context, owner, name string) (pipeline.Repo, error), rules pipeline.RuleRepos) func(context.Context, pipeline.Repo, string, string) (pipeline.Repo, error) {
	return func(ctx context.Context, of pipeline.Repo, owner, name string) (pipeline.Repo, error) {
		wanted := pipeline.RuleRepo{Repo: pipeline.Repo{Owner: owner, Name: name}}
		otherwise := pipeline.Refuse("submodule_refused", "the operator does not allow %s to use %s; the setting is submodules.allow", of, wanted.Repo)
		if len(s.Allow) == 0 {
			return pipeline.Repo{}, otherwise
		}
		user, err := rules.Of(ctx, of)
		if err != nil {
			return pipeline.Repo{}, err
		}
		found, err := find(ctx, owner, name)
		if err != nil && !pipeline.IsTemporary(err) && s.refusal(user, wanted, otherwise) != nil {
			err = otherwise
		}
		if err != nil {
			return pipeline.Repo{}, err
		}
		used, err := rules.Of(ctx, found)
		if err != nil {
			return pipeline.Repo{}, err
		}
		if err := s.refusal(user, used, otherwise); err != nil {
			return pipeline.Repo{}, err
		}
		if found.Installation != user.Repo.Installation {
			return pipeline.Repo{}, pipeline.Refuse("submodule_refused", "%s belongs to another installation of the GitHub App than %s", wanted.Repo, of)
		}
		return found, nil
	}
}
