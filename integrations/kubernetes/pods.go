package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
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

// readyPods asks the server which of the workload's pods are ready.
func (d *deploy) readyPods(ctx context.Context, u *unstructured.Unstructured) (ready int64, pods []corev1.Pod, err error) {
	with, err := selectorOf(u)
	if err != nil || with == nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	list, err := d.target.Typed.CoreV1().Pods(u.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: with.String()})
	if err != nil {
		return 0, nil, d.target.Explain("list the pods of "+u.GetName(), err)
	}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue }) {
			ready++
		}
	}
	return ready, list.Items, nil
}

// settled returns the label of the Deployment's pods, once all of them are of one
// revision: that they can be told apart from those to come hangs on it.
func (d *deploy) settled(ctx context.Context, name string) (hash string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.cfg.patience(), errTooLate)
	defer cancel()
	view, err := d.target.Watch(ctx, cluster.Deployments)
	if err != nil {
		return "", err
	}
	defer view.Close()
	for {
		changed := view.Changed()
		if live := view.Get(name); live != nil && ofOneRevision(live) {
			if hash, err = d.hashOf(ctx, live); hash != "" || err != nil {
				return hash, err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errTooLate) {
				return "", pipeline.Refuse("not_settled", "Deployment %s is exchanging its pods and does not get to an end, so those that have the traffic cannot be told apart. Roll out once with `strategy: rolling`.", name)
			}
			return "", fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
		}
	}
}

func ofOneRevision(deployment *unstructured.Unstructured) bool {
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(deployment.Object, path...)
		return n
	}
	return number("status", "observedGeneration") >= deployment.GetGeneration() && number("status", "updatedReplicas") == number("status", "replicas")
}

// free deletes the pods of a StatefulSet that hold up its way back: it exchanges
// none before the one it waits for is ready, which that one never is. See
// https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback.
func (d *deploy) free(ctx context.Context, u *unstructured.Unstructured) error {
	with, err := selectorOf(u)
	if u.GetKind() != "StatefulSet" || err != nil || with == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	pods := d.target.Typed.CoreV1().Pods(u.GetNamespace())
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: with.String()})
	if err != nil {
		return d.target.Explain("list the pods of "+u.GetName(), err)
	}
	stable, _, _ := unstructured.NestedString(u.Object, "status", "currentRevision")
	for _, p := range list.Items {
		if templateHash(p) == stable || !metav1.IsControlledBy(&p, u) || !hopeless(p) {
			continue
		}
		err := pods.Delete(ctx, p.Name, *metav1.NewPreconditionDeleteOptions(string(p.UID)))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return d.target.Explain("delete the pod "+p.Name, err)
		}
		d.logf("Pod %s: deleted, because it cannot start and nothing goes on before it does", p.Name)
	}
	return nil
}

// nameOfOwner reports whether the pod belongs to a revision of the Deployment:
// its ReplicaSet is called after it.
func nameOfOwner(pod *unstructured.Unstructured, deployment string) bool {
	hash := pod.GetLabels()[hashLabel]
	return slices.ContainsFunc(pod.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.Name == deployment+"-"+hash })
}

// running are the images with the digests that nodes found for them, where
// pods tell: a tag may lead elsewhere tomorrow.
func (d *deploy) running(ctx context.Context, images []string) []string {
	view, err := d.target.Watch(ctx, cluster.Pods)
	if err != nil {
		d.logf("the digests of images could not be asked: %s", pipeline.Message(err))
		return images
	}
	defer view.Close()
	return manifest.Digested(images, decodePods(view.List(labels.SelectorFromSet(labels.Set{}))))
}
