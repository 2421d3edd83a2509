package manifest

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
)

// Chart is a Helm chart of the repository.
type Chart struct {
	Path      string         // its folder
	Release   string         // what .Release.Name is
	Namespace string         // what .Release.Namespace is
	Values    []string       // files of the repository; a later one wins
	Set       map[string]any // single values, which win over files
}

// rendered are the objects of a chart. One that is another each time it is
// rendered is refused: every deploy, and every call that goes on with one, would
// make a new password, and what was approved could never be what is applied.
func (at Places) rendered(ctx context.Context, dir string, c Chart) ([]*unstructured.Unstructured, error) {
	now := time.Now()
	objects, err := at.render(ctx, dir, c, now)
	if err != nil {
		return nil, err
	}
	again, err := Places{}.render(ctx, dir, c, now.Add(time.Second))
	if err != nil {
		return nil, err
	}
	if name := differing(objects, again); name != "" {
		return nil, refuse("%s of the chart %s is different each time it is rendered, as by randAlphaNum, genCA or now; lookup finds nothing here. Set the value, or use helm.upgrade.", name, c.Path)
	}
	return objects, nil
}

// render reads what the chart comes to. Hooks belong to releases of Helm's own,
// so a chart that has some is refused rather than deployed in part.
func (at Places) render(ctx context.Context, dir string, c Chart, now time.Time) ([]*unstructured.Unstructured, error) {
	if !filepath.IsLocal(c.Path) {
		return nil, refuse("`chart: {path: %s}` leads out of the repository.", c.Path)
	}
	content, hooks, err := chart.Render(ctx, filepath.Join(dir, c.Path), chart.Options{Root: dir, Release: c.Release, Namespace: c.Namespace, Values: c.Values, Set: c.Set, Now: now})
	switch {
	case err != nil:
		return nil, err
	case len(hooks) > 0:
		return nil, refuse("The chart %s has a hook, %s, which only Helm runs. Use helm.upgrade.", c.Path, hooks[0])
	}
	place := "chart " + c.Path
	return at.made(content, func(doc []byte) string {
		if said := source.FindSubmatch(doc); said != nil { // documents after the first of a file do not say it
			place = path.Join(c.Path, string(said[1]))
		}
		return place
	})
}

// source is what chart.Render writes above what is from a file; the file's name
// begins with the chart's.
var source = regexp.MustCompile(`(?m)\A(?:---\n)?# Source: [^/\n]+/(.+)$`)

// differing names an object that is only in one of both, or not the same in both.
func differing(a, b []*unstructured.Unstructured) string {
	for _, lists := range [][2][]*unstructured.Unstructured{{a, b}, {b, a}} {
		for _, u := range lists[0] {
			same := func(o *unstructured.Unstructured) bool { return apiequality.Semantic.DeepEqual(u.Object, o.Object) }
			if !slices.ContainsFunc(lists[1], same) {
				return Name(u)
			}
		}
	}
	return ""
}
