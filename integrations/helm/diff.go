package helm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/pipeline/objectdiff"
)

// summary says what the next revision changes.
func summary(now, next *v1.Release) string {
	was, will := objects(now), objects(next)
	text, changed := objectdiff.Markdown(was, will)
	out := fmt.Sprintf("Helm release %s: a first install; ", next.Name)
	if now != nil {
		out = fmt.Sprintf("Helm release %s: revision %d to revision %d; ", next.Name, now.Version, next.Version)
	}
	if changed == 0 {
		out += "no object changes.\n"
	} else {
		maps.Copy(was, will)
		out += fmt.Sprintf("%d of %d objects change.\n\n%s", changed, len(was), text)
	}
	for _, h := range next.Hooks {
		out += fmt.Sprintf("\nHook: %s %s", h.Kind, h.Name)
	}
	return out
}

// documents calls each with the objects of a manifest. Lists become their
// items, as they do for Helm.
func documents(manifest string, each func(*unstructured.Unstructured)) {
	split := releaseutil.SplitManifests(manifest)
	for _, key := range slices.SortedFunc(maps.Keys(split), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) {
		text, err := yaml.YAMLToJSON([]byte(split[key]))
		if err != nil {
			continue
		}
		var u unstructured.Unstructured
		if u.UnmarshalJSON(text) != nil {
			continue
		}
		items(&u, text, each)
	}
}

// items reads lists as what they hold, also those whose items leave their kind
// to the list's.
func items(u *unstructured.Unstructured, text []byte, each func(*unstructured.Unstructured)) {
	if !u.IsList() {
		each(u)
		return
	}
	var list unstructured.UnstructuredList
	if list.UnmarshalJSON(text) != nil {
		return
	}
	for i := range list.Items {
		if text, err := list.Items[i].MarshalJSON(); err == nil {
			items(&list.Items[i], text, each)
		}
	}
}

// objects are a release's objects by kind and name.
func objects(r *v1.Release) objectdiff.Objects {
	out := objectdiff.Objects{}
	if r == nil {
		return out
	}
	documents(r.Manifest, func(u *unstructured.Unstructured) {
		out[nameOf(u)] = u.Object
	})
	return out
}

func nameOf(u *unstructured.Unstructured) string {
	return u.GetKind() + " " + strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
}

// inside refuses objects that name a namespace the run may not touch, hooks
// included, before anything is changed.
func inside(place Place, r *v1.Release) error {
	var err error
	look := func(u *unstructured.Unstructured) {
		if ns := u.GetNamespace(); err == nil && ns != "" && !place.Allows(ns) {
			err = place.refused(ns)
		}
	}
	documents(r.Manifest, look)
	for _, h := range r.Hooks {
		documents(h.Manifest, look)
	}
	return err
}
