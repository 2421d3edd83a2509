package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// stuck explains why an object does not become ready: from the states of its
// newest pods, and where these say nothing from the events about it.
func (w *watched) stuck(ctx context.Context, p waiting) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callPatience) // it may be called because ctx ended
	defer cancel()
	pods := w.newestPods(p.object)
	why := sentences(pods)
	if len(why) == 0 {
		why = w.d.events(ctx, p.object, pods)
	}
	return notReady(p.object, p.message, why)
}

// newestPods are the workload's pods of the revision that is coming up. Those
// that run on from before say nothing about why the new ones do not come.
func (w *watched) newestPods(u *unstructured.Unstructured) []corev1.Pod {
	with, err := selectorOf(u)
	if err != nil || with == nil || w.pods == nil {
		return nil
	}
	pods := decodePods(w.pods.List(with))
	hash := w.newestHash(u, pods)
	return slices.DeleteFunc(pods, func(p corev1.Pod) bool { return templateHash(p) != hash })
}

// newestHash is the label of the pods of the newest revision.
func (w *watched) newestHash(u *unstructured.Unstructured, pods []corev1.Pod) string {
	if hash := deploymentHash(u, w.sets.List(labels.Everything())); hash != "" {
		return hash
	}
	if revision, _, _ := unstructured.NestedString(u.Object, "status", "updateRevision"); revision != "" {
		return revision
	}
	if len(pods) == 0 {
		return ""
	}
	return templateHash(slices.MaxFunc(pods, func(a, b corev1.Pod) int {
		// Times of creation are whole seconds; of two the one in trouble is meant.
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(min(len(trouble(a)), 1), min(len(trouble(b)), 1)))
	}))
}

// deploymentHash is that of the Deployment's newest ReplicaSet.
func deploymentHash(u *unstructured.Unstructured, sets []*unstructured.Unstructured) string {
	newest, hash := int64(-1), ""
	for _, rs := range sets {
		owned := slices.ContainsFunc(rs.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == u.GetUID() })
		n, err := strconv.ParseInt(rs.GetAnnotations()["deployment.kubernetes.io/revision"], 10, 64)
		if owned && err == nil && n > newest {
			newest, hash = n, rs.GetLabels()["pod-template-hash"]
		}
	}
	return hash
}

func templateHash(p corev1.Pod) string {
	return cmp.Or(p.Labels["pod-template-hash"], p.Labels["controller-revision-hash"])
}

func selectorOf(u *unstructured.Unstructured) (labels.Selector, error) {
	m, ok, _ := unstructured.NestedMap(u.Object, "spec", "selector")
	if !ok {
		return nil, nil
	}
	var s metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &s); err != nil {
		return nil, fmt.Errorf("selector of %s: %w", u.GetName(), err)
	}
	return metav1.LabelSelectorAsSelector(&s)
}

func decodePods(list []*unstructured.Unstructured) []corev1.Pod {
	var pods []corev1.Pod
	for _, u := range list {
		var p corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err == nil {
			pods = append(pods, p)
		}
	}
	return pods
}

// sentences say what keeps the pods from being ready, the most common first.
func sentences(pods []corev1.Pod) []string {
	count, example := map[string]int{}, map[string]string{}
	for _, p := range pods {
		if why := trouble(p); why != "" {
			count[why]++
			example[why] = p.Name
		}
	}
	reasons := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	const most = 3
	var out []string
	for _, why := range reasons[:min(most, len(reasons))] {
		if count[why] == 1 {
			out = append(out, fmt.Sprintf("Pod %s %s.", example[why], why))
		} else {
			out = append(out, fmt.Sprintf("%d pods, such as %s: %s.", count[why], example[why], why))
		}
	}
	return out
}

// trouble is what keeps a pod from being ready, or "".
func trouble(p corev1.Pod) string {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if why := containerTrouble(c); why != "" {
			return why
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "finds no node: " + strings.TrimSuffix(c.Message, ".")
		}
	}
	if p.Status.Phase == corev1.PodFailed {
		return "failed: " + strings.TrimSuffix(cmp.Or(p.Status.Message, p.Status.Reason, "no reason was given"), ".")
	}
	return ""
}

func containerTrouble(c corev1.ContainerStatus) string {
	said := func(message string) string {
		if message == "" {
			return ""
		}
		return " (" + strings.TrimSuffix(strings.TrimSpace(message), ".") + ")"
	}
	if w := c.State.Waiting; w != nil {
		switch w.Reason {
		case "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable":
			return fmt.Sprintf("cannot pull the image %s: %s%s", c.Image, w.Reason, said(w.Message))
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return fmt.Sprintf("cannot start the container %s: %s%s", c.Name, w.Reason, said(w.Message))
		case "CrashLoopBackOff":
			return fmt.Sprintf("starts %s again and again: %s", c.Name, ended(c.LastTerminationState.Terminated, c.RestartCount))
		}
		return ""
	}
	if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
		return fmt.Sprintf("has a container %s that ended: %s", c.Name, ended(t, c.RestartCount))
	}
	if c.State.Running != nil && !c.Ready && c.RestartCount == 0 && c.Started != nil && *c.Started {
		return fmt.Sprintf("runs, but its container %s is not ready", c.Name)
	}
	return ""
}

func ended(t *corev1.ContainerStateTerminated, restarts int32) string {
	if t == nil {
		return fmt.Sprintf("%d restarts", restarts)
	}
	what := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason == "OOMKilled" {
		what = "it used more memory than its limit (OOMKilled)"
	}
	if t.Message != "" {
		what += ", " + strings.TrimSpace(t.Message)
	}
	if restarts > 0 {
		what += fmt.Sprintf(", %d restarts", restarts)
	}
	return what
}

// givenUp reports whether new pods of the workload cannot start, and have not
// for longer than they are given. Waiting for the rollout's own deadline would
// tell nobody anything more.
func (w *watched) givenUp(u *unstructured.Unstructured) (string, bool) {
	now := w.d.cfg.Now()
	for _, p := range w.newestPods(u) {
		if !hopeless(p) {
			delete(w.hopeless, p.Name)
			continue
		}
		since, ok := w.hopeless[p.Name]
		if !ok {
			w.hopeless[p.Name] = now
		} else if now.Sub(since) >= w.d.cfg.patience() {
			return trouble(p), true
		}
	}
	return "", false
}

// soGivenUp is why new pods of the workload cannot start, while they are given time.
func (w *watched) soGivenUp(u *unstructured.Unstructured) string {
	why := sentences(slices.DeleteFunc(w.newestPods(u), func(p corev1.Pod) bool { return !hopeless(p) }))
	if len(why) == 0 {
		return ""
	}
	return ", " + strings.TrimSuffix(why[0], ".")
}

// hopeless: a person has to change something.
func hopeless(p corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(c corev1.ContainerStatus) bool {
		if c.State.Waiting == nil {
			return false
		}
		switch c.State.Waiting.Reason {
		case "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError":
			return true
		case "CrashLoopBackOff":
			return c.RestartCount >= 3
		}
		return false
	})
}

// events are what the cluster says about a workload that has no pods in
// trouble: a quota that is used up, a probe that fails.
func (d *deploy) events(ctx context.Context, u *unstructured.Unstructured, pods []corev1.Pod) []string {
	about := []string{u.GetName()}
	for _, p := range pods {
		about = append(about, p.Name)
		for _, o := range p.OwnerReferences {
			about = append(about, o.Name)
		}
	}
	list, err := d.target.Typed.CoreV1().Events(d.target.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("type", "Warning").String(), Limit: 500})
	if err != nil {
		d.logf("events could not be read: %v", err)
		return nil
	}
	var found []corev1.Event
	for _, e := range list.Items {
		hash, named := strings.CutPrefix(e.InvolvedObject.Name, u.GetName()+"-")
		owned := e.InvolvedObject.Kind == "ReplicaSet" && named && !strings.Contains(hash, "-")
		if (owned || slices.Contains(about, e.InvolvedObject.Name)) && time.Since(eventTime(e)) < time.Hour {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b corev1.Event) int { return eventTime(b).Compare(eventTime(a)) })
	const most = 2
	var out []string
	for _, e := range found {
		sentence := fmt.Sprintf("%s: %s.", e.Reason, strings.TrimSuffix(e.Message, "."))
		if !slices.Contains(out, sentence) && len(out) < most {
			out = append(out, sentence)
		}
	}
	return out
}

func eventTime(e corev1.Event) time.Time {
	if !e.LastTimestamp.IsZero() {
		return e.LastTimestamp.Time
	}
	if !e.EventTime.IsZero() {
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}
