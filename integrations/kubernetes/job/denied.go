package job

import (
	"context"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/shipmate/shipmate/pipeline"
)

// denial is why Kubernetes makes no pod of a Job, as its events say; nil: they
// say nothing, or may not be read.
type denial struct {
	why   *pipeline.Error
	never bool // waiting does not help
}

// denied asks for the newest reason. A quota that others use up is waited for
// like room on a node, for it may be there to have Jobs stand in line; what no
// wait changes is refused early.
func (w *work) denied(ctx context.Context) denial {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ofJob := fields.Set{"involvedObject.uid": string(w.cp.JobUID), "reason": "FailedCreate"}.AsSelector().String()
	list, err := w.at.Typed.CoreV1().Events(w.cp.Namespace).List(ctx, metav1.ListOptions{FieldSelector: ofJob})
	if err != nil {
		w.with.Logger.Warn("events of a Job", "job", w.cp.Job, "err", err)
		return denial{}
	}
	var newest *corev1.Event
	for i := range list.Items {
		if e := &list.Items[i]; newest == nil || e.LastTimestamp.After(newest.LastTimestamp.Time) {
			newest = e
		}
	}
	if newest == nil {
		return denial{}
	}
	return w.denial(newest.Message)
}

func (w *work) denial(message string) denial {
	said := strings.TrimSuffix(strings.TrimPrefix(strings.Join(strings.Fields(message), " "), "Error creating: "), ".")
	refuse := func(code, format string) *pipeline.Error {
		return pipeline.Refuse(code, format, w.at, w.cp.Job, said)
	}
	switch {
	case strings.Contains(said, "exceeded quota"):
		return denial{refuse("quota_exceeded", "The namespace %s has no room for the pod of the Job %s: %s. Ask for less with `resources:`, or for a larger ResourceQuota."), beyond(said)}
	case strings.Contains(said, "error looking up service account"): // it may be about to be made, as in a namespace that is new
		return denial{refuse("not_started", "In the namespace %s the pod of the Job %s has no service account yet: %s."), false}
	case strings.Contains(said, " is forbidden: "), strings.Contains(said, " denied the request"), strings.Contains(said, " denied request"):
		return denial{refuse("refused_by_policy", "A policy in the namespace %s refuses the pod of the Job %s: %s. Ask the operator, who sets how Jobs are made under `kubernetes: {jobs: ...}`."), true}
	}
	return denial{refuse("not_started", "In the namespace %s Kubernetes cannot make the pod of the Job %s: %s."), false}
}

// figures are what is said of a quota: "requested: pods=1,requests.cpu=2, used: ...".
var figures = regexp.MustCompile(`(requested|limited): ((?:[^ =,:]+=[^ =,:]+,?)+)`)

// beyond reports whether more is asked for than a quota allows when nobody else
// uses any of it.
func beyond(said string) bool {
	found := map[string]map[string]resource.Quantity{"requested": {}, "limited": {}}
	for _, m := range figures.FindAllStringSubmatch(said, -1) {
		for part := range strings.SplitSeq(strings.TrimSuffix(m[2], ","), ",") {
			name, amount, _ := strings.Cut(part, "=")
			if q, err := resource.ParseQuantity(amount); err == nil {
				found[m[1]][name] = q
			}
		}
	}
	for name, asked := range found["requested"] {
		if limit, ok := found["limited"][name]; ok && asked.Cmp(limit) > 0 {
			return true
		}
	}
	return false
}
