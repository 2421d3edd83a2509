package pipeline

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Vault resolves the secrets of steps: the repository names references, the
// operator says which repository and environment may use which. Checks, which
// are runs without an environment, have references and rules of their own.
type Vault struct {
	Stores map[string]SecretStore // by scheme
	Allow  []SecretRule           // of environments
	Checks []CheckRule            // of checks; without one they get nothing
	Repos  RuleRepos              // which repository a rule means
	// Provenance asks GitHub whose code a check is. nil: nobody can be asked, and checks get nothing.
	Provenance func(ctx context.Context, r *Run) (Provenance, error)
	// Own: the secrets are those of the person who runs it on their own machine, so no rule is
	// asked, and nobody whose code it is.
	Own bool
}

// SecretRule allows references. Globs match whole; no environments mean all.
type SecretRule struct {
	Repo         string // see RuleRepo
	Environments []string
	Refs         []string
}

// CheckRule allows references in checks. Its repository is a name or an id, see
// RuleRepo: a pattern means none.
type CheckRule struct {
	Repo string
	Refs []string
	Apps []int64 // accounts of apps whose commits may have them too
}

// OneRepo reports whether a rule says by name or id which one repository it means.
func OneRepo(rule string) bool { return RuleName(rule) != "" || repoIDs.MatchString(rule) }

var repoIDs = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// SecretRequest asks for the secrets of one step.
type SecretRequest struct {
	Run   *Run
	Names []string
	// Begun: the step has them already, and they are needed to hide them in what it says. Whose code
	// it is was asked before it began, and is not asked again.
	Begun bool
}

// Resolve looks the names up and fetches each value. Whatever no rule allows,
// and whatever is withheld from a check, is refused before any store is asked.
func (v Vault) Resolve(ctx context.Context, q SecretRequest) (map[string]Secret, error) {
	refs, err := v.references(ctx, q.Run, q.Names)
	if err == nil && !q.Begun {
		err = v.withheld(ctx, q.Run, refs)
	}
	if err != nil {
		return nil, err
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

// Withheld is why a step of the run would not be given these secrets now; nil if
// it would be. No store is asked.
func (v Vault) Withheld(ctx context.Context, r *Run, names []string) error {
	refs, err := v.references(ctx, r, names)
	if err != nil {
		return err
	}
	return v.withheld(ctx, r, refs)
}

// references are what the names stand for in this run, if the operator allows all of them.
func (v Vault) references(ctx context.Context, r *Run, names []string) (map[string]string, error) {
	repo, err := v.Repos.Of(ctx, r.Repo)
	if err != nil {
		return nil, err
	}
	declared := r.Pipeline.Secrets
	if r.Environment != nil {
		declared = r.Environment.Secrets
	}
	refs := map[string]string{}
	for _, name := range names {
		ref, ok := declared[name]
		if !ok {
			return nil, noSecret(r, name)
		}
		if r.Environment == nil {
			err = v.checkRefusal(repo, name, ref)
		} else {
			err = v.refusal(repo, r, name)
		}
		if err != nil {
			return nil, err
		}
		refs[name] = ref
	}
	return refs, nil
}

func noSecret(r *Run, name string) error {
	if r.Environment == nil {
		return Refuse("secret_refused", "`.shipmate.yaml` declares no secret %s under `checks: {secrets: ...}`, and a run without an environment is given no others.", name)
	}
	return Refuse("secret_refused", "The environment %s declares no secret %s.", r.Environment.Name, name)
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

// checkRefusal is the same of a secret of checks. The rules of environments do
// not count here, nor does that a bot without rules gives environments its own.
func (v Vault) checkRefusal(repo RuleRepo, name, ref string) error {
	if v.Own && strings.HasPrefix(ref, "env:") {
		return nil
	}
	var rules []string
	for _, rule := range v.Checks {
		if rule.allows(ref) {
			rules = append(rules, rule.Repo)
		}
	}
	return repo.Refusal(rules, Refuse("secret_refused", "The operator has not allowed checks of %s to use the reference of %s. Ask for a rule under `secrets: {checks: ...}`.", repo.Repo, name))
}

func (c CheckRule) allows(ref string) bool { return OneRepo(c.Repo) && MatchGlobs(c.Refs, ref) }

// withheld is why a check is not given what the rules allow; nil for a run with an environment.
func (v Vault) withheld(ctx context.Context, r *Run, refs map[string]string) error {
	if r.Environment != nil || v.Own || len(refs) == 0 {
		return nil
	}
	if v.Provenance == nil {
		return Refuse("secrets_withheld", "This shipmate is not connected to GitHub, so nobody can say whose code this is, and it is given no secrets.")
	}
	repo, err := v.Repos.Of(ctx, r.Repo)
	if err != nil {
		return err
	}
	from, err := v.Provenance(ctx, r)
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(refs) {
		if why := from.Withheld(r, v.apps(repo, refs[name])); why != nil {
			return Refuse(Code(why), "It may not have the secret %s, so it is not started. %s", typed(name), Message(why))
		}
	}
	return nil
}

// apps are the accounts of apps that the rules for the repository let have a reference.
func (v Vault) apps(repo RuleRepo, ref string) []int64 {
	var ids []int64
	for _, rule := range v.Checks {
		if rule.allows(ref) && repo.Fits(rule.Repo) {
			ids = slices.Concat(ids, rule.Apps)
		}
	}
	return ids
}
