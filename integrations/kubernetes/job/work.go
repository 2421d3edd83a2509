package job

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// work is one Job in hand: what a checkpoint leads to, and two views of it.
type work struct {
	*Runner
	cp   checkpoint
	at   cluster.Target
	pods *cluster.View
	jobs *cluster.View
	last *corev1.Pod // as it was last seen
	link *link       // to the shim, once there is a pod
	out  *output     // of the script, once it is followed
}

// open finds the Job's namespace and begins to watch it.
func (r *Runner) open(ctx context.Context, cp checkpoint) (*work, error) {
	t, err := r.with.Clusters.Target(cp.Cluster, cp.Namespace)
	if err != nil {
		return nil, err
	}
	pods, err := t.Watch(ctx, cluster.Pods)
	if err != nil {
		return nil, err
	}
	jobs, err := t.Watch(ctx, cluster.Jobs)
	if err != nil {
		pods.Close()
		return nil, err
	}
	return &work{Runner: r, cp: cp, at: t, pods: pods, jobs: jobs}, nil
}

func (w *work) close() {
	w.pods.Close()
	w.jobs.Close()
	if w.link != nil {
		w.link.close()
	}
}

// pod is the Job's pod, or nil: the one in the checkpoint, once there is one
// and no other, whatever Kubernetes may have made in its place.
func (w *work) pod() *corev1.Pod {
	for _, u := range w.pods.Owned(w.cp.JobUID) {
		if w.cp.PodUID == "" || u.GetUID() == w.cp.PodUID {
			return w.seen(u)
		}
	}
	return nil
}

// seen converts what a view holds, if it is new.
func (w *work) seen(u *unstructured.Unstructured) *corev1.Pod {
	if w.last != nil && w.last.UID == u.GetUID() && w.last.ResourceVersion == u.GetResourceVersion() {
		return w.last
	}
	var p corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err != nil {
		w.with.Logger.Error("a pod cannot be read", "pod", u.GetName(), "err", err)
		return w.last
	}
	w.last = &p
	return w.last
}

// there reports whether the Job still exists.
func (w *work) there() bool {
	j := w.jobs.Get(w.cp.Job)
	return j != nil && (w.cp.JobUID == "" || j.GetUID() == w.cp.JobUID)
}

// over reports whether Kubernetes will make no pod of the Job any more. sure is
// whether a Job that is not to be seen is gone, or just new.
func (w *work) over(sure bool) bool {
	u := w.jobs.Get(w.cp.Job)
	if u == nil || u.GetUID() != w.cp.JobUID {
		return sure
	}
	return u.GetDeletionTimestamp() != nil || conditionOf(u, "Failed") != nil || conditionOf(u, "Complete") != nil
}

// failedFor reports whether the Job failed for that reason.
func (w *work) failedFor(reason string) bool {
	u := w.jobs.Get(w.cp.Job)
	if u == nil || u.GetUID() != w.cp.JobUID {
		return false
	}
	c := conditionOf(u, "Failed")
	if c == nil {
		c = conditionOf(u, "FailureTarget") // until its pods are gone
	}
	return c != nil && c["reason"] == reason
}

// conditionOf is an object's condition of that type, if it holds.
func conditionOf(u *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind && c["status"] == "True" {
			return c
		}
	}
	return nil
}

// wait returns when a look is worth while.
func (w *work) wait(ctx context.Context, pods, jobs <-chan struct{}, atMost time.Duration) {
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-pods:
	case <-jobs:
	case <-t.C:
	}
}

// create makes the Job. One of that name that is there already is another
// call's that saved no checkpoint: nothing began in it, and it makes way.
func (w *work) create(ctx context.Context, c script.Call, at site, timeout time.Duration) error {
	for {
		j, err := w.at.Typed.BatchV1().Jobs(w.cp.Namespace).Create(ctx, w.cfg.spec(c, at, w.cp.Pass.Hash, timeout), metav1.CreateOptions{})
		if err == nil {
			w.cp.JobUID, w.cp.Created = j.UID, w.with.Now().UTC()
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return w.at.Explain("create the Job "+w.cp.Job, err)
		}
		if err := w.remove(ctx); err != nil {
			return err
		}
	}
}

const (
	foreground = metav1.DeletePropagationForeground
	background = metav1.DeletePropagationBackground
)

// deleteJob asks for the end of the Job the checkpoint means. One that is gone is fine.
func deleteJob(ctx context.Context, t cluster.Target, cp checkpoint, how metav1.DeletionPropagation) error {
	opts := metav1.DeleteOptions{PropagationPolicy: &how}
	if cp.JobUID != "" {
		opts.Preconditions = &metav1.Preconditions{UID: &cp.JobUID}
	}
	err := t.Typed.BatchV1().Jobs(cp.Namespace).Delete(ctx, cp.Job, opts)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) && cp.JobUID != "" {
		return nil
	}
	return t.Explain("delete the Job "+cp.Job, err)
}

// remove deletes the Job and returns when its pods are gone. While their node
// does not answer they are not: Kubernetes keeps them until it comes back or is
// taken out of the cluster, and so long the script may run.
func (w *work) remove(ctx context.Context) error {
	target := w.cp
	if target.JobUID == "" { // any of that name
		j, err := w.at.Typed.BatchV1().Jobs(target.Namespace).Get(ctx, target.Job, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return w.at.Explain("look for the Job "+target.Job, err)
		}
		target.JobUID = j.UID
	}
	if err := deleteJob(ctx, w.at, target, foreground); err != nil {
		return err
	}
	return w.gone(ctx, target)
}

func (w *work) gone(ctx context.Context, cp checkpoint) error {
	patience := w.cfg.Grace + 20*time.Second
	deadline := time.Now().Add(patience)
	for {
		pods, jobs := w.pods.Changed(), w.jobs.Changed()
		node, left := w.left(cp.JobUID)
		j := w.jobs.Get(cp.Job)
		if !left && (j == nil || j.GetUID() != cp.JobUID) {
			return w.reallyGone(ctx, cp)
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return pipeline.Temporary(pipeline.Refuse("pod_lingers", "The pod of the Job %s in the namespace %s was told to end and is still there%s. It is waited for.", cp.Job, w.at, node))
		}
		w.wait(ctx, pods, jobs, time.Until(deadline))
	}
}

// reallyGone asks the API server itself: a view may not have seen yet that a
// Job was made.
func (w *work) reallyGone(ctx context.Context, cp checkpoint) error {
	j, err := w.at.Typed.BatchV1().Jobs(cp.Namespace).Get(ctx, cp.Job, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return w.at.Explain("look for the Job "+cp.Job, err)
	case j.UID != cp.JobUID:
		return nil
	}
	return pipeline.Temporary(fmt.Errorf("the Job %s is still being deleted", cp.Job))
}

// left reports whether a pod of the Job is there that has not ended.
func (w *work) left(uid types.UID) (node string, left bool) {
	for _, u := range w.pods.Owned(uid) {
		phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
		if phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed) {
			continue
		}
		left = true
		if name, _, _ := unstructured.NestedString(u.Object, "spec", "nodeName"); name != "" {
			node = " on the node " + name
		}
	}
	return node, left
}
