package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
)

// podsGone waits until no pod of a Deployment that was deleted is left.
func (d *deploy) podsGone(ctx context.Context, with map[string]string, of string) error {
	const patience = 2 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errTooLate)
	defer cancel()
	view, err := d.target.Watch(ctx, cluster.Pods)
	if err != nil {
		return err
	}
	defer view.Close()
	for {
		changed := view.Changed()
		left := 0
		for _, p := range view.List(labels.SelectorFromSet(with)) {
			if nameOfOwner(p, of) {
				left++
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errTooLate) {
				return pipeline.Temporary(pipeline.Refuse("pods_linger", "%s of %s do not end.", count(left, "pod", "pods"), of))
			}
			return fmt.Errorf("wait for the end of %s: %w", of, context.Cause(ctx))
		}
	}
}

// nameOfOwner reports whether the pod belongs to a revision of the Deployment:
// its ReplicaSet is called after it.
func nameOfOwner(pod *unstructured.Unstructured, deployment string) bool {
	hash := pod.GetLabels()[hashLabel]
	return slices.ContainsFunc(pod.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.Name == deployment+"-"+hash })
}
