package main

import (
	"context"
	"errors"
	"testing"

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
	})
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
	if _, err := (Submodules{}).finder(nil)(t.Context(), pipeline.Repo{}, "octo", "lib"); pipeline.Code(err) != "submodule_refused" {
		t.Errorf("without rules: %v", err)
	}
	for _, wrong := range []SubmoduleRule{{Repo: "octo/*"}, {Submodules: []string{"x"}}, {Repo: "[", Submodules: []string{"x"}}} {
		if (Submodules{Allow: []SubmoduleRule{wrong}}).check() == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
}
