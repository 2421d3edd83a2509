package pipeline_test

import (
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// A rule of the operator's that is written by id means that repository alone,
// whatever it is called and whoever has its name.
func TestARuleByTheRepositorysID(t *testing.T) {
	shop := pipeline.Repo{ID: 42, Owner: "acme", Name: "shop"}
	for rule, want := range map[string]bool{"42": true, "4": false, "421": false, "acme/shop": true, "acme/*": true, "acme/store": false, "shop": false} {
		if got := shop.Fits(rule); got != want {
			t.Errorf("%s: %t", rule, got)
		}
	}
	if squatter := (pipeline.Repo{ID: 43, Owner: "acme", Name: "shop"}); squatter.Fits("42") {
		t.Error("another repository of the name fits")
	}
}
