package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/job"
	"github.com/shipmate/shipmate/pipeline"
)

func TestOnlyAllowedSubmodulesAreFound(t *testing.T) {
	s := Submodules{Allow: []SubmoduleRule{{Repo: "octo/*", Submodules: []string{"octo/lib", "octo/shared-*"}}, {Repo: "octo/shop", Submodules: []string{"other/lib"}}}}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	find := s.finder(func(_ context.Context, owner, name string) (pipeline.Repo, error) {
		switch name {
		case "shared-away":
			return pipeline.Repo{}, pipeline.Temporary(errors.New("502"))
		case "shared-renamed":
			name = "secret"
		}
		return pipeline.Repo{ID: 7, Installation: map[string]int64{"octo": 1, "other": 2}[owner], Owner: owner, Name: name}, nil
	}, nil)
	for _, tt := range []struct {
		of, owner, name string
		code            string
		temporary       bool
	}{
		{of: "shop", owner: "octo", name: "lib"},
		{of: "Shop", owner: "Octo", name: "LIB", code: "submodule_refused"}, // another installation: the fake knows octo in lower case only
		{of: "shop", owner: "octo", name: "shared-x"},
		{of: "shop", owner: "octo", name: "secret", code: "submodule_refused"},
		{of: "shop", owner: "octo", name: "shared-renamed", code: "submodule_refused"},
		{of: "shop", owner: "octo", name: "shared-away", temporary: true},
		{of: "shop", owner: "other", name: "lib", code: "submodule_refused"}, // allowed, but of another installation
		{of: "blog", owner: "other", name: "lib", code: "submodule_refused"},
	} {
		_, err := find(t.Context(), pipeline.Repo{ID: 1, Installation: 1, Owner: "octo", Name: tt.of}, tt.owner, tt.name)
		if pipeline.Code(err) != tt.code || pipeline.IsTemporary(err) != tt.temporary || (err == nil) != (tt.code == "" && !tt.temporary) {
			t.Errorf("%s/%s of %s: %v", tt.owner, tt.name, tt.of, err)
		}
	}
	if _, err := (Submodules{}).finder(nil, nil)(t.Context(), pipeline.Repo{}, "octo", "lib"); pipeline.Code(err) != "submodule_refused" {
		t.Errorf("without rules: %v", err)
	}
	for _, wrong := range []SubmoduleRule{{Repo: "octo/*"}, {Submodules: []string{"x"}}, {Repo: "[", Submodules: []string{"x"}}} {
		if (Submodules{Allow: []SubmoduleRule{wrong}}).check() == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
}

// Both sides of a rule mean the repositories that had the names, and may be ids.
func TestSubmodulesOfRepositoriesThatTookAName(t *testing.T) {
	names := map[string]int64{"octo/shop": 1, "octo/lib": 2, "octo/other": 5}
	rules := func(_ context.Context, repo pipeline.Repo) (pipeline.RuleRepo, error) {
		return pipeline.RuleRepo{Repo: repo, Means: names}, nil
	}
	for _, tt := range []struct {
		name     string
		rule     SubmoduleRule
		of, used pipeline.Repo
		code     string
	}{
		{"as they were", SubmoduleRule{"octo/shop", []string{"octo/lib"}}, pipeline.Repo{ID: 1, Name: "shop"}, pipeline.Repo{ID: 2, Name: "lib"}, ""},
		{"both renamed", SubmoduleRule{"octo/shop", []string{"octo/lib"}}, pipeline.Repo{ID: 1, Name: "store"}, pipeline.Repo{ID: 2, Name: "library"}, ""},
		{"by id", SubmoduleRule{"3", []string{"4"}}, pipeline.Repo{ID: 3, Name: "shop"}, pipeline.Repo{ID: 4, Name: "lib"}, ""},
		{"by another id", SubmoduleRule{"3", []string{"5"}}, pipeline.Repo{ID: 3, Name: "shop"}, pipeline.Repo{ID: 4, Name: "lib"}, "submodule_refused"},
		{"another one uses it", SubmoduleRule{"octo/shop", []string{"octo/lib"}}, pipeline.Repo{ID: 3, Name: "shop"}, pipeline.Repo{ID: 2, Name: "lib"}, "repository_replaced"},
		{"another one is used", SubmoduleRule{"octo/shop", []string{"octo/lib"}}, pipeline.Repo{ID: 1, Name: "shop"}, pipeline.Repo{ID: 4, Name: "lib"}, "repository_replaced"},
	} {
		tt.of.Owner, tt.used.Owner = "octo", "octo"
		s := Submodules{Allow: []SubmoduleRule{tt.rule}}
		find := s.finder(func(context.Context, string, string) (pipeline.Repo, error) { return tt.used, nil }, rules)
		if found, err := find(t.Context(), tt.of, "octo", "lib"); pipeline.Code(err) != tt.code || err == nil && found != tt.used {
			t.Errorf("%s: %+v, %v", tt.name, found, err)
		}
	}
}

// Whoever may write .gitmodules does not learn which repositories there are.
func TestARefusedSubmoduleIsNotSaidToBeThere(t *testing.T) {
	s := Submodules{Allow: []SubmoduleRule{{Repo: "octo/*", Submodules: []string{"octo/lib"}}}}
	var said []string
	for _, err := range []error{nil, pipeline.Refuse("unknown_repository", "It is not there.")} {
		find := s.finder(func(_ context.Context, owner, name string) (pipeline.Repo, error) {
			return pipeline.Repo{ID: 9, Owner: owner, Name: name}, err
		}, nil)
		_, err := find(t.Context(), pipeline.Repo{ID: 1, Owner: "octo", Name: "shop"}, "octo", "secret")
		said = append(said, pipeline.Code(err)+pipeline.Message(err))
	}
	if said[0] != said[1] {
		t.Errorf("%q", said)
	}
}

// All four places of the settings are asked for names.
func TestWhichRulesNameRepositories(t *testing.T) {
	var c Config
	c.Secrets.Allow = append(c.Secrets.Allow, SecretRule{Repo: "a/secrets"})
	c.Secrets.Checks = append(c.Secrets.Checks, CheckRule{Repo: "a/checks"})
	c.Kubernetes.Allow = []cluster.Rule{{Repo: "a/clusters"}}
	c.Kubernetes.Jobs.Places = []job.Place{{Repo: "a/places"}}
	c.Submodules.Allow = []SubmoduleRule{{Repo: "a/uses", Submodules: []string{"a/used", "7"}}}
	if got := strings.Join(c.repoRules(), " "); got != "a/secrets a/checks a/clusters a/places a/uses a/used 7" {
		t.Error(got)
	}
}
