package kubernetes

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// preflight refuses, before anything is written, what would be refused halfway:
// objects of another environment, kinds that may not be read, watched, written
// or, on the way back, deleted.
func (d *deploy) preflight(ctx context.Context) error {
	known := []*unstructured.Unstructured{d.w.record()}
	for _, u := range d.objects {
		live, err := d.w.get(ctx, u)
		if pipeline.Code(err) == "unknown_kind" {
			continue // its definition comes with the manifests
		}
		if err == nil {
			err = d.w.mayWrite(live)
		}
		if err != nil {
			return err
		}
		known = append(known, u)
	}
	if err := d.allowed(ctx, known); err != nil {
		return err
	}
	w, err := d.watch(ctx, known[1:])
	if err != nil {
		return err
	}
	w.close()
	return nil
}

// allowed asks the API server whether the objects may be written. A Role may
// speak of all objects of a kind, or of some by name.
func (d *deploy) allowed(ctx context.Context, objects []*unstructured.Unstructured) error {
	type ask struct {
		cluster.Right
		namespace string
	}
	granted := map[ask]bool{}
	for _, u := range objects {
		at, err := d.w.gvr(u.GroupVersionKind())
		if err != nil {
			return d.target.Explain("find the kind of "+manifest.Name(u), err)
		}
		for _, verb := range verbsFor(u) {
			kind := ask{cluster.Right{Group: at.Group, Resource: at.Resource, Verb: verb}, u.GetNamespace()}
			if granted[kind] {
				continue
			}
			target := d.target
			target.Namespace = kind.namespace
			for _, name := range []string{"", u.GetName()} {
				right := kind.Right
				right.Name = name
				ok, err := target.May(ctx, right)
				if err != nil {
					return d.target.Explain("ask for its rights", err)
				}
				if granted[kind] = ok && name == ""; ok {
					break
				}
				if name != "" {
					return target.Lacks(right)
				}
			}
		}
	}
	return nil
}

// verbsFor are those that write an object and take it back.
func verbsFor(u *unstructured.Unstructured) []string {
	verbs := []string{"create", "patch", "delete"}
	if keepsData(u.GetKind()) {
		return verbs[:2]
	}
	return verbs
}

// keepsData says which kinds are never deleted: what is in them would be lost.
func keepsData(kind string) bool {
	return slices.Contains([]string{"CustomResourceDefinition", "Namespace", "PersistentVolumeClaim"}, kind)
}
