package pipeline_test

import (
	"context"
	"errors"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// shelf is a secret store that counts who asks it.
type shelf struct {
	values map[string]string
	asked  int
}

func (s *shelf) Secret(_ context.Context, ref string) (pipeline.Secret, error) {
	s.asked++
	v, ok := s.values[ref]
	if !ok {
		return pipeline.Secret{}, pipeline.Temporary(errors.New("sealed"))
	}
	return pipeline.NewSecret(v), nil
}

func TestVault(t *testing.T) {
	rule := func(repo string, envs []string, refs ...string) pipeline.SecretRule {
		return pipeline.SecretRule{Repo: repo, Environments: envs, Refs: refs}
	}
	for _, row := range []struct {
		name    string
		allow   []pipeline.SecretRule
		secrets []string
		code    string
		asked   int
	}{
		{"without a rule only the bot's own secrets are allowed", nil, []string{"TOKEN"}, "", 1},
		{"without a rule no other store is asked", nil, []string{"DB"}, "secret_refused", 0},
		{"a rule allows a reference", []pipeline.SecretRule{rule("acme/shop", nil, "vault:kv/shop/**")}, []string{"DB"}, "", 1},
		{"with rules the bot's own secrets need one too", []pipeline.SecretRule{rule("acme/shop", nil, "vault:**")}, []string{"TOKEN"}, "secret_refused", 0},
		{"a rule for another repository", []pipeline.SecretRule{rule("acme/shop2", nil, "vault:**")}, []string{"DB"}, "secret_refused", 0},
		{"a repository's name is matched whole", []pipeline.SecretRule{rule("acme/sho", nil, "vault:**")}, []string{"DB"}, "secret_refused", 0},
		{"a rule for another environment", []pipeline.SecretRule{rule("acme/*", []string{"staging"}, "vault:**")}, []string{"DB"}, "secret_refused", 0},
		{"a rule for this environment", []pipeline.SecretRule{rule("acme/*", []string{"staging", "prod"}, "vault:**")}, []string{"DB"}, "", 1},
		{"a rule for another reference", []pipeline.SecretRule{rule("acme/*", nil, "vault:kv/blog/**")}, []string{"DB"}, "secret_refused", 0},
		{"a rule without references allows nothing", []pipeline.SecretRule{rule("acme/*", nil)}, []string{"DB"}, "secret_refused", 0},
		{"one refused secret, and no store is asked for the others", []pipeline.SecretRule{rule("acme/*", nil, "vault:**")}, []string{"DB", "TOKEN"}, "secret_refused", 0},
		{"a secret the environment does not declare", []pipeline.SecretRule{rule("**", nil, "**")}, []string{"OTHER"}, "secret_refused", 0},
		{"a store that is not there", []pipeline.SecretRule{rule("**", nil, "**")}, []string{"CLOUD"}, "no_secret_store", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := &shelf{values: map[string]string{"kv/shop/prod#db": "hunter2", "TOKEN": "t0ken"}}
			v := pipeline.Vault{Stores: map[string]pipeline.SecretStore{"vault": store, "env": store}, Allow: row.allow}
			got, err := v.Resolve(context.Background(), pipeline.SecretRequest{Run: deploying(), Names: row.secrets})
			if pipeline.Code(err) != row.code || store.asked != row.asked {
				t.Fatalf("got %v after %d questions, want code %q after %d", err, store.asked, row.code, row.asked)
			}
			if err == nil && len(got) != len(row.secrets) {
				t.Errorf("got %d of %d secrets", len(got), len(row.secrets))
			}
		})
	}
}

func deploying() *pipeline.Run {
	r := &pipeline.Run{}
	r.Repo = pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}
	r.Environment = &pipeline.Environment{Name: "prod", Secrets: map[string]string{
		"DB": "vault:kv/shop/prod#db", "TOKEN": "env:TOKEN", "CLOUD": "aws:prod/shop", "GONE": "env:GONE"}}
	return r
}

func TestVaultPassesOnThatAStoreMayWorkLater(t *testing.T) {
	v := pipeline.Vault{Stores: map[string]pipeline.SecretStore{"env": &shelf{}}}
	if _, err := v.Resolve(context.Background(), pipeline.SecretRequest{Run: deploying(), Names: []string{"GONE"}}); !pipeline.IsTemporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestARunWithoutEnvironmentHasNoSecrets(t *testing.T) {
	v := pipeline.Vault{Allow: []pipeline.SecretRule{{Repo: "**", Refs: []string{"**"}}}}
	if _, err := v.Resolve(context.Background(), pipeline.SecretRequest{Run: &pipeline.Run{}, Names: []string{"DB"}}); pipeline.Code(err) != "secret_refused" {
		t.Errorf("got %v", err)
	}
}

// A store is not asked for a repository that took the name in a rule, nor while
// it is not known which one a rule means.
func TestVaultKnowsWhichRepositoryARuleMeans(t *testing.T) {
	store := &shelf{values: map[string]string{"kv/shop/prod#db": "hunter2"}}
	v := pipeline.Vault{Stores: map[string]pipeline.SecretStore{"vault": store}, Allow: []pipeline.SecretRule{{Repo: "acme/shop", Refs: []string{"vault:**"}}}}
	for _, row := range []struct {
		means int64
		err   error
		code  string
		asked int
	}{{7, nil, "", 1}, {6, nil, "repository_replaced", 1}, {0, pipeline.Refuse("cannot_verify", "GitHub does not answer."), "cannot_verify", 1}} {
		v.Repos = func(_ context.Context, repo pipeline.Repo) (pipeline.RuleRepo, error) {
			return pipeline.RuleRepo{Repo: repo, Means: map[string]int64{"acme/shop": row.means}}, row.err
		}
		if got, err := v.Resolve(t.Context(), pipeline.SecretRequest{Run: deploying(), Names: []string{"DB"}}); pipeline.Code(err) != row.code || store.asked != row.asked || (err == nil) != (len(got) == 1) {
			t.Errorf("means %d: %d secrets, %v, the store was asked %d times", row.means, len(got), err, store.asked)
		}
	}
}
