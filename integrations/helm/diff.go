package helm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/pipeline/objectdiff"
)

// summary says in Markdown what the next revision changes.
func summary(now, next *v1.Release) string {
	was, will := objects(now), objects(next)
	text, changed := objectdiff.Markdown(was, will)
	out := fmt.Sprintf("**Helm release %s**: a first install; ", next.Name)
	if now != nil {
		out = fmt.Sprintf("**Helm release %s**: revision %d to revision %d; ", next.Name, now.Version, next.Version)
	}
	if changed == 0 {
		out += "no object changes.\n"
	} else {
		maps.Copy(was, will)
		out += fmt.Sprintf("%d of %d objects change.\n\n%s", changed, len(was), text)
	}
	for _, h := range next.Hooks {
		out += fmt.Sprintf("\nHook: %s `%s`", h.Kind, h.Name)
	}
	return out
}

// document is an object of a release, as the chart has it.
type document struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

func documents(manifest string, each func(d document, text []byte)) {
	split := releaseutil.SplitManifests(manifest)
	for _, key := range slices.SortedFunc(maps.Keys(split), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) {
		var d document
		if err := yaml.Unmarshal([]byte(split[key]), &d); err == nil && d.Kind != "" {
			each(d, []byte(split[key]))
		}
	}
}

// objects are a release's objects by kind and name.
func objects(r *v1.Release) objectdiff.Objects {
	out := objectdiff.Objects{}
	if r == nil {
		return out
	}
	documents(r.Manifest, func(d document, text []byte) {
		var object map[string]any
		if yaml.Unmarshal(text, &object) == nil {
			out[d.Kind+" "+strings.TrimPrefix(d.Metadata.Namespace+"/"+d.Metadata.Name, "/")] = object
		}
	})
	return out
}

// inside refuses objects that name a namespace the run may not touch, hooks
// included, before anything is changed.
func inside(place Place, r *v1.Release) error {
	var err error
	look := func(d document, _ []byte) {
		if ns := d.Metadata.Namespace; err == nil && ns != "" && !place.Allows(ns) {
			err = place.refused(ns)
		}
	}
	documents(r.Manifest, look)
	for _, h := range r.Hooks {
		documents(h.Manifest, look)
	}
	return err
}
