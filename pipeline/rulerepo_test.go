package pipeline_test

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// A plain name in a rule of the operator's means the repository that had it
// when the rule was first read, an id that repository alone, a pattern whoever
// has such a name now.
func TestWhichRepositoryARuleMeans(t *testing.T) {
	means := map[string]int64{"acme/shop": 42, "acme/cart": 7}
	shop := func(id int64, name string) pipeline.RuleRepo {
		return pipeline.RuleRepo{Repo: pipeline.Repo{ID: id, Owner: "acme", Name: name}, Means: means}
	}
	first, renamed, squatter := shop(42, "shop"), shop(42, "store"), shop(43, "shop")
	for _, row := range []struct {
		rule                     string
		first, renamed, squatter bool
	}{
		{"acme/shop", true, true, false},
		{"Acme/SHOP", true, true, false},
		{"acme/store", false, false, false}, // nobody had it yet: whoever is seen with it first
		{"acme/cart", false, false, false},
		{"42", true, true, false},
		{"43", false, false, true},
		{"4", false, false, false},
		{"0", false, false, false},
		{"acme/*", true, true, true},
		{"ACME/sh*", true, false, true},
		{"**", true, true, true},
		{"other/*", false, false, false},
		{"shop", false, false, false},
		{"", false, false, false},
	} {
		for name, got := range map[string][2]bool{"the first": {first.Fits(row.rule), row.first}, "renamed": {renamed.Fits(row.rule), row.renamed}, "the squatter": {squatter.Fits(row.rule), row.squatter}} {
			if got[0] != got[1] {
				t.Errorf("%q means %s: %t", row.rule, name, got[0])
			}
		}
	}
	if (pipeline.RuleRepo{Repo: pipeline.Repo{Owner: "acme", Name: "shop"}, Means: map[string]int64{}}).Fits("acme/shop") {
		t.Error("a repository without an id is meant by a name that nobody had")
	}
	byName := pipeline.RuleRepo{Repo: pipeline.Repo{Owner: "acme", Name: "shop"}}
	if !byName.Fits("acme/shop") || byName.Fits("0") || byName.Replaced("acme/shop") != nil {
		t.Error("where nothing is written down, a name does not mean whoever has it")
	}
}

// A refusal says that another repository is meant, and what to write; it does
// so only to the one that has the name.
func TestARuleThatMeansTheRepositoryBefore(t *testing.T) {
	means := map[string]int64{"acme/shop": 42}
	squatter := pipeline.RuleRepo{Repo: pipeline.Repo{ID: 43, Owner: "acme", Name: "shop"}, Means: means}
	other := pipeline.RuleRepo{Repo: pipeline.Repo{ID: 44, Owner: "acme", Name: "cart"}, Means: means}
	otherwise := pipeline.Refuse("secret_refused", "Ask for a rule.")
	for _, row := range []struct {
		name  string
		repo  pipeline.RuleRepo
		rules []string
		code  string
	}{
		{"another one has the name", squatter, []string{"acme/*x", "Acme/Shop"}, "repository_replaced"},
		{"another rule means it", squatter, []string{"acme/shop", "43"}, ""},
		{"a rule for others", other, []string{"acme/shop"}, "secret_refused"},
		{"no rule", squatter, nil, "secret_refused"},
	} {
		err := row.repo.Refusal(row.rules, otherwise)
		if pipeline.Code(err) != row.code {
			t.Errorf("%s: %v, want %q", row.name, err, row.code)
		}
		if row.code == "repository_replaced" && (!strings.Contains(pipeline.Message(err), "the id 42") || !strings.Contains(pipeline.Message(err), `writes `+"`"+`"43"`)) {
			t.Errorf("%s: %s", row.name, pipeline.Message(err))
		}
	}
}
