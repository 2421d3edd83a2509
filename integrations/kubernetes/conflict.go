package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// stale reports whether a write was refused because the object had changed.
// Fields of another manager are a conflict too, but one that stays.
func stale(err error) bool { return apierrors.IsConflict(err) && len(fieldConflicts(err)) == 0 }

// fieldConflicts are the fields other managers hold, as the server names them.
func fieldConflicts(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var causes []metav1.StatusCause
	for _, c := range status.Status().Details.Causes {
		if c.Type == metav1.CauseTypeFieldManagerConflict {
			causes = append(causes, c)
		}
	}
	return causes
}

// ourOwn reports whether the only other manager is ourselves, by an update.
func ourOwn(err error) bool {
	held := fieldConflicts(err)
	return len(held) > 0 && !slices.ContainsFunc(held, func(c metav1.StatusCause) bool { return holder(c) != fieldManager })
}

// holder is the manager that has the field: the message is
// `conflict with "kubectl" using apps/v1`.
func holder(c metav1.StatusCause) string {
	who, _, _ := strings.Cut(strings.TrimPrefix(c.Message, "conflict with "), " using ")
	who, _, _ = strings.Cut(strings.Trim(who, `"`), `" `)
	return who
}

// conflicts are the fields other managers hold, for people.
func conflicts(err error) (held []string) {
	for _, c := range fieldConflicts(err) {
		held = append(held, fmt.Sprintf("%s (set by %s)", strings.TrimPrefix(c.Field, "."), holder(c)))
	}
	return held
}

func (w writer) explain(doing string, u *unstructured.Unstructured, err error) error {
	held := conflicts(err)
	if len(held) == 0 {
		at := w.target
		at.Namespace = cmp.Or(u.GetNamespace(), at.Namespace)
		return at.Explain(doing, err)
	}
	return &pipeline.Error{Code: "field_conflict", Err: err, Message: fmt.Sprintf(
		"Others manage fields of %s that the manifest sets too: %s. Take these fields out of the manifest, or say `force: true` to take them over.",
		manifest.Name(u), strings.Join(held, ", "))}
}
