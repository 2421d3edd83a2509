// Package objectdiff shows people what a plan changes: objects before and after,
// as a diff in Markdown. Values of Secrets are not shown.
package objectdiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"sigs.k8s.io/yaml"
)

// Objects are objects by what people call them, "Deployment shop".
type Objects map[string]map[string]any

const maxDiff = 12_000 // bytes: what GitHub takes of a comment is shared by all steps

// Markdown shows how will differs from was, and says in how many of them it
// does; "" if in none. Neither is changed.
func Markdown(was, will Objects) (text string, changed int) {
	var parts []part
	for _, name := range names(was, will) {
		before, after := was[name], will[name]
		if secret(name, before) || secret(name, after) {
			before, after = masked(before, after)
		}
		if diff := unified(name, before, after); diff != "" {
			parts = append(parts, part{name, diff})
		}
	}
	if len(parts) == 0 {
		return "", 0
	}
	return fenced(shortened(parts)), len(parts)
}

// secret goes by the kind, whatever the object is called here.
func secret(name string, object map[string]any) bool {
	return strings.HasPrefix(name, "Secret ") || object["kind"] == "Secret"
}

// part is the diff of one object.
type part struct{ name, diff string }

// most objects are named, and shown, where there is no room for all.
const most = 50

// shortened is the whole diff if there is room for it. If not, what changes is
// named first, and the room is shared: a long object gets what the others leave.
func shortened(parts []part) string {
	size := 0
	for _, p := range parts {
		size += len(p.diff)
	}
	var out strings.Builder
	share := maxDiff
	if size > maxDiff {
		out.WriteString(changes(parts))
		parts = parts[:min(len(parts), most)]
		share = shareOf(parts, max(maxDiff-out.Len(), maxDiff/2))
	}
	for _, p := range parts {
		out.WriteString(cut(p, share))
	}
	return out.String()
}

// shareOf is how many bytes each object may take so that all of them fit.
func shareOf(parts []part, room int) int {
	sizes := make([]int, len(parts))
	for i, p := range parts {
		sizes[i] = len(p.diff)
	}
	slices.Sort(sizes)
	for i, size := range sizes {
		if share := room / (len(sizes) - i); size > share {
			return share
		}
		room -= size
	}
	return room
}

// changes names what changes, in a line for each.
func changes(parts []part) string {
	var out strings.Builder
	for _, p := range parts[:min(len(parts), most)] {
		fmt.Fprintf(&out, "%s: %d lines\n", p.name, strings.Count(p.diff, "\n"))
	}
	if len(parts) > most {
		fmt.Fprintf(&out, "and %d objects more, which are not shown\n", len(parts)-most)
	}
	return out.String()
}

// cut ends the diff of an object at a line.
func cut(p part, share int) string {
	if len(p.diff) <= share {
		return p.diff
	}
	kept := p.diff[:share]
	kept = kept[:strings.LastIndexByte(kept, '\n')+1]
	return fmt.Sprintf("%s... and %d lines more of %s\n", kept, strings.Count(p.diff[len(kept):], "\n"), p.name)
}

func names(was, will Objects) []string {
	all := maps.Clone(was)
	if all == nil {
		all = Objects{}
	}
	maps.Copy(all, will)
	return slices.Sorted(maps.Keys(all))
}

// fenced is a block of code that nothing in the text can end.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "diff\n" + text + fence + "\n"
}

func unified(name string, before, after map[string]any) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: lines(before), B: lines(after), FromFile: name, ToFile: name, Context: 3})
	if err != nil {
		return "" // it writes to memory
	}
	return text
}

func lines(object map[string]any) []string {
	if object == nil {
		return nil
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return []string{"(this object cannot be shown)\n"}
	}
	return difflib.SplitLines(strings.TrimSuffix(string(text), "\n"))
}

// masked hides the values of a Secret, and keeps that they differ.
func masked(before, after map[string]any) (was, will map[string]any) {
	was, will = clone(before), clone(after)
	for _, part := range []string{"data", "stringData"} {
		a, _ := before[part].(map[string]any)
		b, _ := after[part].(map[string]any)
		hide(was, part, a, func(string) string { return "(secret)" })
		hide(will, part, b, func(key string) string {
			if old, had := a[key]; had && fmt.Sprint(old) != fmt.Sprint(b[key]) {
				return "(secret, another value)"
			}
			return "(secret)"
		})
	}
	return was, will
}

func clone(object map[string]any) map[string]any {
	if object == nil {
		return nil
	}
	out := maps.Clone(object)
	if meta, ok := out["metadata"].(map[string]any); ok { // a copy of everything stands in this note too
		if notes, ok := meta["annotations"].(map[string]any); ok {
			meta, notes = maps.Clone(meta), maps.Clone(notes)
			delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
			meta["annotations"], out["metadata"] = notes, meta
		}
	}
	return out
}

func hide(object map[string]any, part string, values map[string]any, say func(key string) string) {
	if values == nil {
		return
	}
	hidden := map[string]any{}
	for key := range values {
		hidden[key] = say(key)
	}
	object[part] = hidden
}
