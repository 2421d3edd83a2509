package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// applyBack applies an object as it was. What others set meanwhile stays theirs,
// and what is as it was needs no right to be written.
func (d *deploy) applyBack(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, change, error) {
	live, did, err := d.w.apply(ctx, u)
	switch pipeline.Code(err) {
	case "field_conflict":
		w := d.w
		w.force = true // what is left to conflict was ours to take
		d.meet(u, err)
		return w.apply(ctx, yielding(u, err))
	case "forbidden", "refused_by_policy", "invalid_manifest":
		if live, readErr := d.w.get(ctx, u); readErr == nil && live != nil && holds(live, u) {
			return live, unchanged, nil
		}
	}
	return live, did, err
}

// yielding is the object without the fields that others hold, as far as they
// can be left out.
func yielding(u *unstructured.Unstructured, err error) *unstructured.Unstructured {
	u = u.DeepCopy()
	for _, c := range fieldConflicts(err) {
		if path := strings.TrimPrefix(c.Field, "."); yields(path) {
			unstructured.RemoveNestedField(u.Object, strings.Split(path, ".")...)
		}
	}
	return u
}

// yields: a part of a list cannot be left out.
func yields(path string) bool { return !strings.Contains(path, "[") }

// meet notes what became of fields that others had set, when it went back.
func (d *deploy) meet(u *unstructured.Unstructured, err error) {
	for _, c := range fieldConflicts(err) {
		path, became := strings.TrimPrefix(c.Field, "."), "overwritten"
		if yields(path) {
			became = "kept"
		}
		note := fmt.Sprintf("%s of %s (set by %s) was %s", path, manifest.Name(u), holder(c), became)
		if holder(c) == fieldManager || slices.Contains(d.met, note) {
			continue
		}
		d.met = append(d.met, note)
		d.logf("%s", note)
	}
}

// outcome ends a sentence about the way back: what could not be brought back,
// and what became of what others did meanwhile.
func (d *deploy) outcome() string {
	out := "."
	if len(d.left) > 0 {
		out = ", except " + strings.Join(d.left, ", ") + "."
	}
	if len(d.met) > 0 {
		out += " Others had changed what it brought back: " + few(d.met) + "."
	}
	return out
}
