package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// ready waits until every object is, by a watch on each kind. tell hears how
// far it is. What cannot become ready any more, or has not by the deadline of
// ctx, is an error that says why.
func (d *deploy) ready(ctx context.Context, objects []*unstructured.Unstructured, tell func(string)) error {
	if len(objects) == 0 {
		return nil
	}
	w, err := d.watch(ctx, objects)
	if err != nil {
		return err
	}
	defer w.close()
	for {
		waiting, failed := w.look()
		switch {
		case failed != nil:
			return w.stuck(ctx, *failed)
		case len(waiting) == 0:
			return nil
		}
		if tell != nil {
			tell(w.progress(waiting))
		}
		if err := w.next(ctx); err != nil {
			if errors.Is(err, errTooLate) {
				return w.stuck(ctx, waiting[0])
			}
			return err
		}
	}
}

// healthy refuses to go on with a Deployment whose pods went down since they
// were ready.
func (d *deploy) healthy(ctx context.Context, deployment string) error {
	live, err := d.deployment(ctx, deployment)
	if err != nil {
		return err
	}
	if live == nil {
		return gone(deployment)
	}
	if podsOf(live) == 0 {
		return pipeline.Refuse("not_ready", "Somebody took all pods of the Deployment %s away.", deployment)
	}
	until, cancel := d.until(ctx, d.cfg.Now().Add(d.cfg.patience()))
	defer cancel()
	view, err := d.target.Watch(until, cluster.Pods)
	if err != nil {
		return err
	}
	defer view.Close()
	want := podsOf(live)
	for {
		changed := view.Changed()
		if err := d.ready(until, []*unstructured.Unstructured{live}, nil); err != nil {
			return err
		}
		// What the Deployment says of its pods is a moment old.
		ready, pods, err := d.readyPods(ctx, live)
		if err != nil || ready >= want {
			return err
		}
		select {
		case <-changed:
		case <-until.Done():
			if !errors.Is(context.Cause(until), errTooLate) {
				return context.Cause(until)
			}
			return notReady(live, fmt.Sprintf("%d of its %d pods are ready", ready, want), sentences(pods))
		}
	}
}

func gone(deployment string) error {
	return pipeline.Refuse("deployment_gone", "The Deployment %s was deleted by somebody.", deployment)
}

// watched are objects whose state is looked at whenever one of them changes.
type watched struct {
	d        *deploy
	objects  []*unstructured.Unstructured
	views    map[*unstructured.Unstructured]*cluster.View
	pods     *cluster.View // these two: nil without workloads
	sets     *cluster.View // ReplicaSets
	change   chan struct{}
	hopeless map[string]time.Time // pods that cannot start, since when
	seen     map[*unstructured.Unstructured]bool
}

// waiting is an object that is not ready, and what the cluster says about it.
type waiting struct {
	object  *unstructured.Unstructured
	message string
}

func (d *deploy) watch(ctx context.Context, objects []*unstructured.Unstructured) (*watched, error) {
	w := &watched{d: d, objects: objects, views: map[*unstructured.Unstructured]*cluster.View{}, change: make(chan struct{}, 1), hopeless: map[string]time.Time{}, seen: map[*unstructured.Unstructured]bool{}}
	kinds, err := d.kinds(objects)
	if err != nil {
		return nil, err
	}
	for kind, of := range kinds {
		for _, u := range of {
			at := d.target
			at.Namespace = u.GetNamespace()
			v, err := at.Watch(ctx, kind)
			if err != nil {
				w.close()
				return nil, err
			}
			v.Notify(w.change)
			w.views[u] = v
		}
	}
	if len(workloads(objects)) > 0 {
		if w.pods, err = d.target.Watch(ctx, cluster.Pods); err != nil {
			w.close()
			return nil, err
		}
		w.pods.Notify(w.change)
		if w.sets, err = d.target.Watch(ctx, cluster.ReplicaSets); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *watched) close() {
	for _, v := range w.views {
		v.Close()
	}
	for _, v := range []*cluster.View{w.pods, w.sets} {
		if v != nil {
			v.Close()
		}
	}
}

const deleted = "somebody deleted it"

// look says which objects are not ready, and the first that will not be.
func (w *watched) look() (pending []waiting, failed *waiting) {
	for _, u := range w.objects {
		live := w.views[u].Get(u.GetName())
		if live == nil && w.seen[u] {
			return nil, &waiting{u, deleted}
		}
		w.seen[u] = live != nil
		if live == nil || live.GetGeneration() < u.GetGeneration() {
			pending = append(pending, waiting{u, "the cluster has not seen it yet"})
			continue
		}
		result, err := status.Compute(live)
		switch {
		case err != nil:
			return nil, &waiting{live, err.Error()}
		case result.Status == status.CurrentStatus && running(live):
			pending = append(pending, waiting{live, "it runs"})
		case result.Status == status.CurrentStatus:
		case result.Status == status.FailedStatus && !outdated(u, live):
			return nil, &waiting{live, result.Message}
		default:
			pending = append(pending, waiting{live, result.Message})
		}
	}
	for _, p := range pending {
		if why, ok := w.givenUp(p.object); ok {
			return nil, &waiting{p.object, why}
		}
	}
	return pending, nil
}

// running reports whether a Job has begun and not ended, which is good enough
// for kstatus; what comes after it may need what it does.
func running(u *unstructured.Unstructured) bool {
	suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
	_, ended, _ := unstructured.NestedString(u.Object, "status", "completionTime")
	return u.GetKind() == "Job" && groupOf(u.GetAPIVersion()) == "batch" && !suspended && !ended
}

// outdated reports whether what the cluster says of the progress is what it said
// of the revision before: a Deployment that goes back to pods it has keeps its
// ProgressDeadlineExceeded for a moment.
func outdated(applied, live *unstructured.Unstructured) bool {
	seen, _, _ := unstructured.NestedInt64(applied.Object, "status", "observedGeneration")
	said := progressing(live)
	return seen < applied.GetGeneration() && said != nil && equality.Semantic.DeepEqual(said, progressing(applied))
}

func progressing(u *unstructured.Unstructured) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Progressing" {
			return m
		}
	}
	return nil
}

var errTooLate = errors.New("not ready in time")

// next waits for a change. Pods that cannot start do not change any more, so
// it looks now and then as well.
func (w *watched) next(ctx context.Context) error {
	timer := time.NewTimer(w.d.cfg.patience() / 4)
	defer timer.Stop()
	select {
	case <-w.change:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errTooLate) {
			return errTooLate
		}
		return context.Cause(ctx)
	}
}

func (w *watched) progress(pending []waiting) string {
	var parts []string
	for _, p := range pending {
		parts = append(parts, progressOf(p)+w.soGivenUp(p.object))
	}
	const most = 3
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("%d more", len(parts)-most))
	}
	return fmt.Sprintf("%d of %d objects are ready. %s.", len(w.objects)-len(pending), len(w.objects), strings.Join(parts, "; "))
}

func progressOf(p waiting) string {
	ready, want := replicas(p.object)
	if want > 0 {
		return fmt.Sprintf("%s: %d/%d new pods ready", manifest.Name(p.object), ready, want)
	}
	return manifest.Name(p.object) + ": " + strings.TrimSuffix(p.message, ".")
}

// replicas are how many pods of the new revision are ready, and how many there are to be.
func replicas(u *unstructured.Unstructured) (ready, want int64) {
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(u.Object, path...)
		return n
	}
	switch u.GetKind() {
	case "Deployment", "StatefulSet":
		// Nothing says how many of the new ones are ready; those of the old ones
		// may all be.
		old := number("status", "replicas") - number("status", "updatedReplicas")
		return max(0, number("status", "readyReplicas")-old), number("spec", "replicas")
	case "ReplicaSet":
		return number("status", "readyReplicas"), number("spec", "replicas")
	case "DaemonSet":
		return min(number("status", "updatedNumberScheduled"), number("status", "numberReady")), number("status", "desiredNumberScheduled")
	}
	return 0, 0
}

// notReady makes the error of an object that did not become ready.
func notReady(u *unstructured.Unstructured, said string, why []string) error {
	message := fmt.Sprintf("%s did not become ready: %s.", manifest.Name(u), strings.TrimSuffix(said, "."))
	if ready, want := replicas(u); want > 0 && said != deleted {
		message = fmt.Sprintf("%s did not become ready: %d of %d pods are.", manifest.Name(u), ready, want)
	}
	if len(why) > 0 {
		message += " " + strings.Join(why, " ")
	}
	return pipeline.Refuse("not_ready", "%s", message)
}
