package helm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

const maxDiff = 12_000 // bytes of a summary; what GitHub takes of a comment is shared by all steps

// summary says in Markdown what the next revision changes.
func summary(now, next *v1.Release) string {
	was, will, from := objects(nil), objects(next), "a first install"
	if now != nil {
		was, from = objects(now), fmt.Sprintf("revision %d", now.Version)
	}
	masked(was, will)
	var diff strings.Builder
	changed := 0
	for _, name := range slices.Sorted(maps.Keys(union(was, will))) {
		text := unified(name, was[name], will[name])
		if text != "" {
			changed++
		}
		diff.WriteString(text)
	}
	out := fmt.Sprintf("**Helm release %s**: %s to revision %d; ", next.Name, from, next.Version)
	if now == nil {
		out = fmt.Sprintf("**Helm release %s**: a first install; ", next.Name)
	}
	if changed == 0 {
		out += "no object changes.\n"
	} else {
		out += fmt.Sprintf("%d of %d objects change.\n\n%s", changed, len(union(was, will)), fenced(diff.String()))
	}
	for _, h := range next.Hooks {
		out += fmt.Sprintf("\nHook: %s `%s`", h.Kind, h.Name)
	}
	return out
}

// fenced is a block of code that nothing in the text can end.
func fenced(text string) string {
	if len(text) > maxDiff {
		kept := strings.ToValidUTF8(text[:maxDiff], "")
		kept = kept[:strings.LastIndexByte(kept, '\n')+1]
		text = fmt.Sprintf("%s... and %d lines more\n", kept, strings.Count(text[len(kept):], "\n"))
	}
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "diff\n" + text + fence + "\n"
}

func unified(name, was, will string) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(was), B: lines(will), FromFile: name, ToFile: name, Context: 3,
	})
	if err != nil {
		return "" // it writes to memory
	}
	return text
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return difflib.SplitLines(strings.TrimSuffix(text, "\n"))
}

func union[V any](a, b map[string]V) map[string]bool {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return all
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

// objects are the texts of a release's objects by kind and name, keys in order.
func objects(r *v1.Release) map[string]string {
	out := map[string]string{}
	if r == nil {
		return out
	}
	documents(r.Manifest, func(d document, text []byte) {
		var any map[string]any
		if yaml.Unmarshal(text, &any) != nil {
			return
		}
		if clean, err := yaml.Marshal(any); err == nil {
			out[d.Kind+" "+strings.TrimPrefix(d.Metadata.Namespace+"/"+d.Metadata.Name, "/")] = string(clean)
		}
	})
	return out
}

// masked hides the values of Secrets, and keeps that they differ.
func masked(was, will map[string]string) {
	for name := range union(was, will) {
		if !strings.HasPrefix(name, "Secret ") {
			continue
		}
		old, now := secret(was[name]), secret(will[name])
		for _, part := range []string{"data", "stringData"} {
			a, _ := old[part].(map[string]any)
			b, _ := now[part].(map[string]any)
			for key := range union(a, b) {
				same := fmt.Sprint(a[key]) == fmt.Sprint(b[key])
				if _, ok := a[key]; ok {
					a[key] = "(secret)"
				}
				if _, ok := b[key]; ok {
					b[key] = "(secret)"
					if _, had := old[part]; had && !same {
						b[key] = "(secret, another value)"
					}
				}
			}
		}
		put(was, name, old)
		put(will, name, now)
	}
}

func secret(text string) map[string]any {
	var any map[string]any
	if yaml.Unmarshal([]byte(text), &any) != nil {
		return nil
	}
	return any
}

func put(all map[string]string, name string, object map[string]any) {
	if _, there := all[name]; !there {
		return
	}
	all[name] = "(secret)\n"
	if clean, err := yaml.Marshal(object); err == nil {
		all[name] = string(clean)
	}
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
