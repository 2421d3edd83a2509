package kubernetes

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// mark makes the object one of ours.
func (w writer) mark(u *unstructured.Unstructured) {
	w.stamp(u)
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[setLabel] = w.set
	u.SetLabels(labels)
}

func (w writer) stamp(u *unstructured.Unstructured) {
	notes := u.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	notes[fenceAnnotation] = w.whose + ":" + strconv.FormatInt(w.fence, 10)
	u.SetAnnotations(notes)
}

// mayWrite refuses a call that has been overtaken, and objects of somebody else.
func (w writer) mayWrite(live *unstructured.Unstructured) error {
	if live == nil {
		return nil
	}
	whose, fence, ok := readFence(live)
	switch {
	case !ok:
		return nil
	case whose != w.whose && !w.force:
		return pipeline.Refuse("other_owner", "%s is deployed by another environment of shipmate (repository id and environment: %s). Give it another name, or say `force: true` to take it over.", manifest.Name(live), whose)
	case whose == w.whose && fence > w.fence && !w.dryRun: // a plan is made before a run has a fence
		return &pipeline.Error{Code: "fenced", Err: pipeline.ErrLeaseLost, Message: fmt.Sprintf("A later call of shipmate has been at %s, so this one stops and changes nothing.", manifest.Name(live))}
	}
	return nil
}

// ours reports whether shipmate made the object, or applied it, for the same
// environment. One that only carries a fence may be somebody else's.
func (w writer) ours(live *unstructured.Unstructured) bool {
	whose, _, ok := readFence(live)
	return ok && whose == w.whose && live.GetLabels()[setLabel] != ""
}

// unclaimed refuses names that a rollout needs for itself and that somebody
// else's objects have.
func (w writer) unclaimed(ctx context.Context, stubs ...*unstructured.Unstructured) error {
	for _, u := range stubs {
		live, err := w.get(ctx, u)
		if err != nil {
			return err
		}
		if live != nil && !w.ours(live) {
			return pipeline.Refuse("name_taken", "There is a %s already that shipmate did not make, and the rollout needs that name. Rename it, or delete it if nobody needs it.", manifest.Name(live))
		}
	}
	return nil
}

func readFence(u *unstructured.Unstructured) (whose string, fence int64, ok bool) {
	note := u.GetAnnotations()[fenceAnnotation]
	i := strings.LastIndexByte(note, ':')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(note[i+1:], 10, 64)
	return note[:i], n, err == nil
}
