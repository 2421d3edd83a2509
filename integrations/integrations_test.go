package integrations

import (
	"slices"
	"testing"
)

// A small build knows by name what it leaves out, so that it can say so.
func TestWhatASmallBuildLeavesOut(t *testing.T) {
	var names []string
	for _, i := range (Outside{}).systems(nil) {
		for _, u := range i.Runners {
			names = append(names, u.Name)
		}
	}
	if !slices.Equal(names, leftOut) {
		t.Errorf("outside.go brings %q, and leftOut says %q", names, leftOut)
	}
}
