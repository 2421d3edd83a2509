package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// stuck names pods of the release that are not ready, and why. It says nothing
// if it cannot look.
func (s *session) stuck(r *v1.Release) string {
	if r == nil {
		return ""
	}
	pods := s.pods()
	selectors := selectors(r)
	const most = 3
	var said []string
	for _, p := range pods {
		if slices.ContainsFunc(selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(p.Labels)) }) {
			if why := reason(p); why != "" && len(said) < most {
				said = append(said, fmt.Sprintf("Pod %s: %s.", p.Name, why))
			}
		}
	}
	return strings.Join(said, " ")
}

// pods are those of the namespace; none if they cannot be asked for.
func (s *session) pods() []corev1.Pod {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
	defer cancel()
	api, err := kubernetes.NewForConfig(restricted(ctx, s.place))
	if err != nil {
		return nil
	}
	pods, err := api.CoreV1().Pods(s.place.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return pods.Items
}

// selectors are those of the release's workloads.
func selectors(r *v1.Release) []labels.Selector {
	var out []labels.Selector
	documents(r.Manifest, func(u *unstructured.Unstructured) {
		var w struct {
			Spec struct {
				Selector metav1.LabelSelector `json:"selector"`
			} `json:"spec"`
		}
		if u.GetKind() == "Job" {
			out = append(out, labels.SelectorFromSet(labels.Set{"batch.kubernetes.io/job-name": u.GetName()}))
			return
		}
		workload := slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, u.GetKind())
		if workload && runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &w) == nil {
			if s, err := metav1.LabelSelectorAsSelector(&w.Spec.Selector); err == nil && !s.Empty() {
				out = append(out, s)
			}
		}
	})
	return out
}

// reason is why a pod is not ready; "" if it is, or is about to end.
func reason(p corev1.Pod) string {
	ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	if ready || p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		switch last := c.LastTerminationState.Terminated; {
		case c.Ready:
		case last != nil:
			return clean(fmt.Sprintf("%s ended with exit code %d (%s)", c.Name, last.ExitCode, strings.TrimSpace(last.Reason+" "+last.Message)))
		case c.State.Waiting != nil:
			return clean(fmt.Sprintf("%s: %s", c.State.Waiting.Reason, c.State.Waiting.Message))
		case c.State.Running != nil:
			return clean(fmt.Sprintf("%s runs and is not ready", c.Name))
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return clean(fmt.Sprintf("%s: %s", c.Reason, c.Message))
		}
	}
	return ""
}

// clean is one short line.
func clean(s string) string {
	const most = 200
	s = strings.Trim(strings.Join(strings.Fields(s), " "), " .:")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
