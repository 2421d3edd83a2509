package kubernetes

import (
	"context"
	"fmt"
	"maps"
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
	var forbidden error
	for _, u := range d.objects {
		live, err := d.w.get(ctx, u)
		switch {
		case pipeline.Code(err) == "unknown_kind":
			continue // its definition comes with the manifests
		case pipeline.Code(err) == "forbidden":
			forbidden = err // all that is missing is said below
		case err != nil:
			return err
		default:
			if err := d.w.mayWrite(live); err != nil {
				return err
			}
		}
		known = append(known, u)
	}
	if err := d.allowed(ctx, known); err != nil {
		return err
	}
	if forbidden != nil {
		return forbidden
	}
	w, err := d.watch(ctx, known[1:])
	if err != nil {
		return err
	}
	w.close()
	return nil
}

// allowed asks the API server whether the objects may be written, and says all
// that is missing. A Role may speak of all objects of a kind, or of some by name.
func (d *deploy) allowed(ctx context.Context, objects []*unstructured.Unstructured) error {
	type ask struct {
		cluster.Right
		namespace string
	}
	granted := map[ask]bool{}
	lacks := map[string][]cluster.Need{} // by namespace
	for i, u := range objects {
		at, err := d.w.gvr(u.GroupVersionKind())
		if err != nil {
			return d.target.Explain("find the kind of "+manifest.Name(u), err)
		}
		target := d.target
		target.Namespace = u.GetNamespace()
		for _, verb := range verbsFor(u, i > 0) {
			right := cluster.Right{Group: at.Group, Resource: at.Resource, Verb: verb}
			kind := ask{right, target.Namespace}
			if granted[kind] {
				continue
			}
			ok, err := target.May(ctx, right)
			granted[kind] = ok
			if err == nil && !ok {
				right.Name = u.GetName()
				ok, err = target.May(ctx, right)
			}
			if err != nil {
				return d.target.Explain("ask for its rights", err)
			}
			if !ok {
				lacks[target.Namespace] = append(lacks[target.Namespace], cluster.Need{Group: at.Group, Resource: at.Resource, Verbs: []string{verb}})
			}
		}
	}
	return d.lacking(ctx, lacks)
}

// lacking says which rights are missing in which namespaces, if any are.
func (d *deploy) lacking(ctx context.Context, lacks map[string][]cluster.Need) error {
	var errs []error
	for _, namespace := range slices.Sorted(maps.Keys(lacks)) {
		target := d.target
		target.Namespace = namespace
		err := target.Lacks(lacks[namespace])
		for _, u := range d.objects {
			if u.GetKind() != "Namespace" || u.GetName() != namespace {
				continue
			}
			if live, _ := d.w.get(ctx, u); live == nil { // or it may not be read
				err.Message += fmt.Sprintf(" If the namespace %s is only made by these manifests, make it and the Role first, or give these rights by a ClusterRole.", namespace)
			}
		}
		errs = append(errs, err)
	}
	return together(errs)
}

// verbsFor are those that write an object and take it back, and those by which
// it is watched.
func verbsFor(u *unstructured.Unstructured, watched bool) []string {
	verbs := []string{"get", "create", "patch"}
	if !keepsData(u.GetKind()) {
		verbs = append(verbs, "delete")
	}
	if watched {
		verbs = append(verbs, "list", "watch")
	}
	return verbs
}

// keepsData says which kinds are never deleted: what is in them would be lost.
func keepsData(kind string) bool {
	return slices.Contains([]string{"CustomResourceDefinition", "Namespace", "PersistentVolumeClaim"}, kind)
}
