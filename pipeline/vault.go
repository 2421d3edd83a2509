package pipeline

import (
	"context"
	"fmt"
	"strings"
)

// Vault resolves the secrets of steps: the repository names references, the
// operator says which repository and environment may use which.
type Vault struct {
	Stores map[string]SecretStore // by scheme
	Allow  []SecretRule
	Repos  RuleRepos // which repository a rule means
}

// SecretRule allows references. Globs match whole; no environments mean all,
// and runs without an environment.
type SecretRule struct {
	Repo         string // see RuleRepo
	Environments []string
	Refs         []string
}

// Resolve looks the names up in the run's environment policy and fetches each
// value. Whatever no rule allows is refused before any store is asked; without
// a rule only "env:" is allowed.
func (v Vault) Resolve(ctx context.Context, r *Run, names []string) (map[string]Secret, error) {
	if r.Environment == nil {
		return nil, Refuse("secret_refused", "Secrets belong to environments, and this run has none.")
	}
	repo, err := v.Repos.Of(ctx, r.Repo)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for _, name := range names {
		ref, ok := r.Environment.Secrets[name]
		if !ok {
			return nil, Refuse("secret_refused", "The environment %s declares no secret %s.", r.Environment.Name, name)
		}
		if err := v.refusal(repo, r, name); err != nil {
			return nil, err
		}
		refs[name] = ref
	}
	values := map[string]Secret{}
	for name, ref := range refs {
		scheme, rest, _ := strings.Cut(ref, ":")
		store, ok := v.Stores[scheme]
		if !ok {
			return nil, Refuse("no_secret_store", "This shipmate has no secret store %q, which %s refers to.", scheme, name)
		}
		value, err := store.Secret(ctx, rest)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

// refusal is why the run may not use a secret of its environment; nil if it may.
func (v Vault) refusal(repo RuleRepo, r *Run, name string) error {
	ref := r.Environment.Secrets[name]
	if len(v.Allow) == 0 && strings.HasPrefix(ref, "env:") {
		return nil
	}
	var rules []string
	for _, rule := range v.Allow {
		if (len(rule.Environments) == 0 || MatchGlobs(rule.Environments, r.Environment.Name)) && MatchGlobs(rule.Refs, ref) {
			rules = append(rules, rule.Repo)
		}
	}
	return repo.Refusal(rules, Refuse("secret_refused", "The operator has not allowed %s to use the reference of %s in %s. Ask for a rule under `secrets: {allow: ...}`.", repo.Repo, name, r.Environment.Name))
}
