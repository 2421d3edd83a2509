package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// What API servers say of fields that a kind does not have: of an apply, and of
// other writes.
const undeclared = "field not declared in schema"

var unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)

// fields makes an error about fields that the object's kind does not have one
// that names all of them, with the nearest there are. Any other stays as it is.
func (w writer) fields(ctx context.Context, live, u *unstructured.Unstructured, err error) error {
	strict := err
	if strings.Contains(err.Error(), undeclared) { // it names one of several
		strict = w.strictly(ctx, live, u)
	}
	if strict == nil {
		return err
	}
	var said []string
	for _, m := range unknownField.FindAllStringSubmatch(strict.Error(), -1) {
		said = append(said, m[1])
	}
	if len(said) == 0 {
		return err
	}
	slices.Sort(said)
	said = slices.Compact(said)
	schemas := w.schemas(ctx, u.GroupVersionKind().GroupVersion())
	for i, field := range said {
		said[i] = "`" + field + "`"
		if near, ok := pipeline.Nearest(field[strings.LastIndexByte(field, '.')+1:], schemas.beside(u.GroupVersionKind(), field)); ok {
			said[i] += fmt.Sprintf(" (did you mean `%s`?)", near)
		}
	}
	return &pipeline.Error{Code: "invalid_manifest", Err: err, Message: fmt.Sprintf("%s of %s has no such field: %s. Correct it in the manifest.", manifest.Name(u), u.GetAPIVersion(), strings.Join(said, ", "))}
}

// strictly is what the API server says of the object when it is asked for all
// that is wrong; nothing is written.
func (w writer) strictly(ctx context.Context, live, u *unstructured.Unstructured) error {
	res, err := w.resource(u)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	dry, strict := []string{metav1.DryRunAll}, metav1.FieldValidationStrict
	if live == nil {
		_, err = res.Create(ctx, u, metav1.CreateOptions{DryRun: dry, FieldManager: fieldManager, FieldValidation: strict})
		return err
	}
	patch, err := u.MarshalJSON()
	if err == nil {
		_, err = res.Patch(ctx, u.GetName(), types.MergePatchType, patch, metav1.PatchOptions{DryRun: dry, FieldManager: fieldManager, FieldValidation: strict})
	}
	return err
}

// schemas describe the kinds of a group and version, by name. They serve to
// name what may have been meant, so none are as good as those that cannot be had.
type schemas map[string]map[string]any

func (w writer) schemas(ctx context.Context, gv schema.GroupVersion) schemas {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	root := "/openapi/v3/apis"
	if gv.Group == "" {
		root = "/openapi/v3/api"
	}
	body, err := w.target.Typed.Discovery().RESTClient().Get().AbsPath(path.Join(root, gv.String())).Do(ctx).Raw()
	var doc struct {
		Components struct {
			Schemas schemas `json:"schemas"`
		} `json:"components"`
	}
	if err != nil || json.Unmarshal(body, &doc) != nil {
		return nil
	}
	return doc.Components.Schemas
}

// beside are the fields that there are where the named one was looked for, such
// as "spec.containers[0].imag".
func (s schemas) beside(kind schema.GroupVersionKind, field string) []string {
	at := s.of(kind)
	steps := strings.Split(strings.ReplaceAll(field, "[", ".["), ".")
	for _, step := range steps[:len(steps)-1] {
		fields, _ := at["properties"].(map[string]any)
		next := fields[step]
		switch {
		case strings.HasPrefix(step, "["):
			next = at["items"]
		case next == nil:
			next = at["additionalProperties"]
		}
		at = s.resolve(next)
	}
	fields, _ := at["properties"].(map[string]any)
	return slices.Collect(maps.Keys(fields))
}

func (s schemas) of(kind schema.GroupVersionKind) map[string]any {
	want := map[string]any{"group": kind.Group, "version": kind.Version, "kind": kind.Kind}
	for _, one := range s {
		kinds, _ := one["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			if m, _ := k.(map[string]any); maps.Equal(m, want) {
				return one
			}
		}
	}
	return nil
}

// resolve follows a schema that is another one by reference.
func (s schemas) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	if all, _ := m["allOf"].([]any); len(all) == 1 {
		m, _ = all[0].(map[string]any)
	}
	if ref, ok := m["$ref"].(string); ok {
		return s[path.Base(ref)]
	}
	return m
}
