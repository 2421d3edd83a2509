package pipeline

import (
	"strings"
	"testing"
)

func TestMatchGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"main", "main", true},
		{"main", "maintenance", false},
		{"main", "domain", false},
		{"src/**", "src/a/b.go", true},
		{"src/**", "src/a.go", true},
		{"src/**", "src", false},
		{"src/**", "lib/src/a.go", false},
		{"**/*.go", "a.go", true},
		{"**/*.go", "a/b/c.go", true},
		{"**/*.go", "a/b/c.god", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "ab", false},
		{"**", "any/thing", true},
		{"*", "any/thing", false},
		{"*.md", "README.md", true},
		{"*.md", "docs/README.md", false},
		{"release/?.?", "release/1.2", true},
		{"release/[0-9].x", "release/3.x", true},
		{"release/[!0-9].x", "release/3.x", false},
		{"a[!x]b", "a/b", false},
		{"*.{go,mod}", "go.mod", true},
		{"{src,lib/**}/x", "lib/a/x", true},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{"a.b", "axb", false},
		{"a+(b)|c$", "a+(b)|c$", true},
		{"größe/*", "größe/ö", true},
		{"a", "a\n", false},
		{"x}", "x}", true},
	} {
		got, err := MatchGlob(tt.pattern, tt.name)
		if err != nil || got != tt.want {
			t.Errorf("MatchGlob(%q, %q) = %v, %v; want %v", tt.pattern, tt.name, got, err, tt.want)
		}
	}
}

func TestGlobsThatAreRefused(t *testing.T) {
	for _, pattern := range []string{"", "!a", "/a", "[", "[]", "[a", "[a/b]", "[^]", `[a\]`, "{a", "{{a}", `a\`, "[z-a]", "a\xff", strings.Repeat("*", 600)} {
		if _, err := MatchGlob(pattern, "a"); err == nil {
			t.Errorf("%q is taken", pattern)
		}
	}
}

func TestGlobsWithManyStarsTakeNoTime(t *testing.T) {
	if ok, err := MatchGlob(strings.Repeat("**/*a*", 80)+"b", strings.Repeat("a/", 2000)); err != nil || ok {
		t.Errorf("got %v, %v", ok, err)
	}
}

// The rules are those of GitHub's workflows: a later pattern wins.
func TestMatchGlobs(t *testing.T) {
	for _, row := range []struct {
		patterns []string
		name     string
		want     bool
	}{
		{[]string{"**", "!main"}, "main", false},
		{[]string{"**", "!main"}, "topic", true},
		{[]string{"releases/**", "!releases/**-alpha"}, "releases/10-alpha", false},
		{[]string{"releases/**", "!releases/**-alpha"}, "releases/10", true},
		{[]string{"!main", "**"}, "main", true},
		{[]string{"**", "!docs/**", "docs/index.md"}, "docs/index.md", true},
		{[]string{"**", "!docs/**", "docs/index.md"}, "docs/other.md", false},
		{[]string{"**", "!{main,release}"}, "release", false},
		{[]string{"!main"}, "topic", false},
		{nil, "main", false},
	} {
		if got := MatchGlobs(row.patterns, row.name); got != row.want {
			t.Errorf("%q in %q: %t", row.name, row.patterns, got)
		}
	}
	for _, bad := range [][]string{{"!main"}, {"!a", "!b"}, {"a", "!"}, {"a", "!!b"}, {"a", "!["}} {
		if err := CheckGlobs(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range [][]string{nil, {"a"}, {"!a", "b"}, {"**", "!docs/**"}} {
		if err := CheckGlobs(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
