package job

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/script"
)

// sighting is what a pod's state means for a script that has not begun.
type sighting struct {
	pod    bool   // there is one
	ready  bool   // its shim waits for an order
	waits  string // a sentence: it waits for room
	cannot error  // its image cannot be had, or not now
	failed error  // it will never start
	ended  bool   // it is over, and another may fare better
	why    string // of ended
}

// sight judges a pod; nil: there is none yet. shim is shipmate's own image.
func sight(p *corev1.Pod, shim string) sighting {
	if p == nil {
		return sighting{}
	}
	s := sighting{pod: true}
	if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		if s.failed = startError(p); s.failed == nil {
			s.ended, s.why = true, whyEnded(p, true)
		}
		return s
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			s.waits = fmt.Sprintf("No node of the cluster takes the pod yet: %s.", strings.TrimSuffix(c.Message, "."))
		}
	}
	for _, cs := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if cs.State.Waiting != nil && s.cannot == nil && s.failed == nil {
			s.cannot, s.failed = cannotStart(cs, shim)
		}
		s.ready = s.ready || cs.Name == container && cs.State.Running != nil
	}
	return s
}

// cannotStart explains why a container waits, where that is not just its turn.
func cannotStart(cs corev1.ContainerStatus, shim string) (cannot, never error) {
	w := cs.State.Waiting
	what, todo := "image", "Check its name and tag, and that the cluster may pull it."
	if cs.Image == shim && cs.Name != container {
		what, todo = "image of shipmate itself", "The operator sets it under `kubernetes: {jobs: {image: ...}}`."
	}
	said := strings.TrimSuffix(w.Message, ".")
	switch w.Reason {
	case "ImagePullBackOff", "ErrImagePull", "RegistryUnavailable":
		return pipeline.Refuse("image_pull", "The %s %s cannot be pulled (%s): %s. %s", what, cs.Image, w.Reason, said, todo), nil
	case "InvalidImageName", "ErrImageNeverPull":
		return nil, pipeline.Refuse("image_pull", "The %s %s cannot be pulled (%s): %s. %s", what, cs.Image, w.Reason, said, todo)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return pipeline.Refuse("container_refused", "The container of the image %s could not be made (%s): %s.", cs.Image, w.Reason, said), nil
	}
	return nil, nil
}

// startError explains a container whose program could not be run at all.
func startError(p *corev1.Pod) error {
	for _, cs := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		t := cs.State.Terminated
		switch {
		case t == nil:
		case t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
			return pipeline.Refuse("container_refused", "The container of the image %s could not be started: %s.", cs.Image, strings.TrimSuffix(t.Message, "."))
		case cs.Name != container && t.ExitCode != 0:
			return pipeline.Refuse("container_refused", "The image of shipmate itself, %s, could not bring its shim to the pod (exit code %d). The operator sets it under `kubernetes: {jobs: {image: ...}}`.", cs.Image, t.ExitCode)
		}
	}
	return nil
}

// isOver reports whether nothing runs in a pod any more; nil: it is gone.
func isOver(p *corev1.Pod) bool {
	return p == nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || terminated(p) != nil
}

// terminated is how the script's container ended, or nil.
func terminated(p *corev1.Pod) *corev1.ContainerStateTerminated {
	if p == nil {
		return nil
	}
	for _, cs := range p.Status.ContainerStatuses {
		if cs.Name == container {
			return cs.State.Terminated
		}
	}
	return nil
}

// lastWord is what the shim left in the pod's termination message.
func lastWord(p *corev1.Pod) (f farewell, told bool) {
	t := terminated(p)
	if t == nil || json.Unmarshal([]byte(t.Message), &f) != nil || f.Shipmate != 1 || f.Began && f.Exit == nil {
		return farewell{}, false
	}
	return f, true
}

// judged is how a script ended whose shim left no word, where Kubernetes knows.
func judged(p *corev1.Pod) (e script.Exit, known bool) {
	switch t := terminated(p); {
	case p != nil && p.Status.Reason == "DeadlineExceeded":
		return script.Exit{Stopped: script.StopTimeout}, true
	case t != nil && t.Reason == "OOMKilled":
		return script.Exit{Code: int(t.ExitCode), Signal: "SIGKILL", Memory: true}, true
	}
	return e, false
}

// stuck: the pod should be gone for long, and is not: nobody on its node listens.
func stuck(p *corev1.Pod, now time.Time) bool {
	const patience = 30 * time.Second
	return p != nil && p.DeletionTimestamp != nil && now.After(p.DeletionTimestamp.Add(patience))
}

// whyEnded says what Kubernetes said of a pod's end: the part of a sentence
// after "Nobody saw how it ended: ". p is the pod as it was last seen.
func whyEnded(p *corev1.Pod, job bool) string {
	if p == nil && !job {
		return "its Job was deleted"
	}
	if p == nil {
		return "its pod was deleted"
	}
	on := ""
	if p.Spec.NodeName != "" {
		on = " on the node " + p.Spec.NodeName
	}
	said := func(text string) string {
		if text = strings.TrimSuffix(strings.TrimSpace(text), "."); text == "" {
			return ""
		}
		return " (" + text + ")"
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return fmt.Sprintf("Kubernetes took its pod %s%s away: %s%s", p.Name, on, c.Reason, said(c.Message))
		}
	}
	switch t := terminated(p); {
	case p.Status.Reason == "Evicted":
		return fmt.Sprintf("its pod %s was evicted%s%s", p.Name, on, said(p.Status.Message))
	case p.Status.Reason != "":
		return fmt.Sprintf("its pod %s%s failed: %s%s", p.Name, on, p.Status.Reason, said(p.Status.Message))
	case p.DeletionTimestamp != nil && stuckOnNode(p):
		return fmt.Sprintf("its pod %s was deleted, and the node %s does not answer", p.Name, p.Spec.NodeName)
	case !job:
		return fmt.Sprintf("its Job was deleted, and with it its pod %s", p.Name)
	case p.DeletionTimestamp != nil:
		return fmt.Sprintf("its pod %s%s was deleted", p.Name, on)
	case t != nil:
		return fmt.Sprintf("the container of its pod %s%s ended with code %d: %s%s", p.Name, on, t.ExitCode, t.Reason, said(t.Message))
	}
	return fmt.Sprintf("its pod %s%s was deleted", p.Name, on)
}

// stuckOnNode: Kubernetes has not heard of the pod's node for long.
func stuckOnNode(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status != corev1.ConditionTrue && c.Reason == "NodeStatusUnknown" {
			return true
		}
	}
	return false
}
