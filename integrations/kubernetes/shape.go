package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

const (
	colourLabel = "shipmate.dev/colour" // blue or green
	trackLabel  = "shipmate.dev/track"  // of a canary's pods: canary
	hashLabel   = "pod-template-hash"   // Kubernetes' own, one for each revision of a Deployment
)

// parts are the objects of a rollout that moves traffic.
type parts struct {
	deployment *unstructured.Unstructured
	service    *unstructured.Unstructured   // leads to the Deployment's pods
	last       []*unstructured.Unstructured // scale it or lead traffic to the Service: applied when the traffic has moved
	others     []*unstructured.Unstructured // applied before
}

// parts finds out what is what.
func (d *deploy) parts() (parts, error) {
	var p parts
	var services []*unstructured.Unstructured
	for _, u := range d.objects {
		switch u.GetKind() {
		case "Deployment":
			if p.deployment != nil {
				return p, pipeline.Refuse("bad_manifests", "The manifests hold the Deployments %s and %s. `strategy: %v` exchanges the pods of one: deploy each in a step of its own.", p.deployment.GetName(), u.GetName(), d.With["strategy"])
			}
			p.deployment = u
		case "StatefulSet", "DaemonSet":
			return p, pipeline.Refuse("bad_manifests", "A %s can only be rolled out with `strategy: rolling`. Deploy %s in a step of its own.", u.GetKind(), u.GetName())
		case "Service":
			services = append(services, u)
		case "HorizontalPodAutoscaler", "Ingress", "HTTPRoute":
			p.last = append(p.last, u)
		default:
			p.others = append(p.others, u)
		}
	}
	if p.deployment == nil {
		return p, pipeline.Refuse("bad_manifests", "The manifests hold no Deployment, and `strategy: %v` exchanges the pods of one.", d.With["strategy"])
	}
	return p, p.choose(services, d.With)
}

// choose picks the Service whose traffic moves; others that lead to the same
// pods stay as they are.
func (p *parts) choose(services []*unstructured.Unstructured, with map[string]any) error {
	pods := labels.Set(stringMap(p.deployment, "spec", "template", "metadata", "labels"))
	var leading []*unstructured.Unstructured
	for _, s := range services {
		selector := stringMap(s, "spec", "selector")
		if len(selector) > 0 && labels.SelectorFromSet(selector).Matches(pods) {
			leading = append(leading, s)
		}
	}
	name, named := with["service"].(string)
	if named {
		leading = slices.DeleteFunc(leading, func(s *unstructured.Unstructured) bool { return s.GetName() != name })
	}
	switch {
	case len(leading) == 0 && named:
		return pipeline.Refuse("bad_manifests", "The manifests hold no Service %s that leads to the pods of %s.", name, p.deployment.GetName())
	case len(leading) == 0:
		return pipeline.Refuse("bad_manifests", "The manifests hold no Service that leads to the pods of %s, so there is no traffic to move. Add one, or use `strategy: rolling`.", p.deployment.GetName())
	case len(leading) > 1:
		return pipeline.Refuse("bad_manifests", "%s both lead to the pods of %s. Say which one's traffic moves: `service: %s`.", names(leading), p.deployment.GetName(), leading[0].GetName())
	}
	p.service = leading[0]
	for _, s := range services {
		if s != p.service {
			p.others = append(p.others, s)
		}
	}
	return nil
}

// images are all that run because of the rollout.
func (d *deploy) images(ctx context.Context, p parts) []string {
	return d.running(ctx, manifest.Images(append(slices.Clone(p.others), p.deployment)))
}

func names(objects []*unstructured.Unstructured) string {
	return strings.Join(called(objects), " and ")
}

func stringMap(u *unstructured.Unstructured, path ...string) map[string]string {
	m, _, _ := unstructured.NestedStringMap(u.Object, path...)
	return m
}

// variant is the Deployment under another name, with pods that a label tells apart.
func variant(deployment *unstructured.Unstructured, name, label, value string) *unstructured.Unstructured {
	u := deployment.DeepCopy()
	u.SetName(name)
	marked := u.GetLabels()
	if marked == nil {
		marked = map[string]string{}
	}
	marked[label] = value
	u.SetLabels(marked)
	for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "template", "metadata", "labels"}} {
		m := stringMap(u, path...)
		if m == nil {
			m = map[string]string{}
		}
		m[label] = value
		_ = unstructured.SetNestedStringMap(u.Object, m, path...) // its parents are there: it was matched
	}
	return u
}

// sideService leads to the variant's pods only, beside the Service itself.
func sideService(service *unstructured.Unstructured, name, label, value string) *unstructured.Unstructured {
	u := service.DeepCopy()
	u.SetName(name)
	for _, field := range []string{"clusterIP", "clusterIPs", "externalIPs", "loadBalancerIP", "healthCheckNodePort", "externalTrafficPolicy", "loadBalancerClass"} {
		unstructured.RemoveNestedField(u.Object, "spec", field)
	}
	_ = unstructured.SetNestedField(u.Object, "ClusterIP", "spec", "type")
	ports, _, _ := unstructured.NestedSlice(u.Object, "spec", "ports")
	for _, p := range ports {
		if port, ok := p.(map[string]any); ok {
			delete(port, "nodePort")
		}
	}
	_ = unstructured.SetNestedSlice(u.Object, ports, "spec", "ports")
	selector := stringMap(u, "spec", "selector")
	selector[label] = value
	_ = unstructured.SetNestedStringMap(u.Object, selector, "spec", "selector")
	return u
}

// selecting is the Service with the label in its selector.
func selecting(service *unstructured.Unstructured, label, value string) *unstructured.Unstructured {
	u := service.DeepCopy()
	selector := stringMap(u, "spec", "selector")
	selector[label] = value
	_ = unstructured.SetNestedStringMap(u.Object, selector, "spec", "selector")
	return u
}

// stub is an object in the target's namespace known by name.
func (d *deploy) stub(apiVersion, kind, name string) *unstructured.Unstructured {
	return object{APIVersion: apiVersion, Kind: kind, Namespace: d.target.Namespace, Name: name}.stub()
}

func (d *deploy) deployment(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	return d.w.get(ctx, d.stub("apps/v1", "Deployment", name))
}

// hashOf is the label of the pods of the Deployment's present revision, or "".
func (d *deploy) hashOf(ctx context.Context, deployment *unstructured.Unstructured) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	list, err := d.target.Dynamic.Resource(cluster.ReplicaSets).Namespace(d.target.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", d.target.Explain("list the revisions of "+deployment.GetName(), err)
	}
	var sets []*unstructured.Unstructured
	for i := range list.Items {
		sets = append(sets, &list.Items[i])
	}
	return deploymentHash(deployment, sets), nil
}

// lead has the Service send its traffic to the pods with these labels, in one write.
func (d *deploy) lead(ctx context.Context, service string, selector map[string]any) error {
	_, err := d.w.update(ctx, d.stub("v1", "Service", service), func(live *unstructured.Unstructured) bool {
		_ = unstructured.SetNestedMap(live.Object, selector, "spec", "selector")
		return true // also where nothing changes: its fence keeps earlier calls away
	})
	return err
}

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// pinnedTo is the selector for the pods of one revision.
func pinnedTo(selector map[string]any, hash string) map[string]any {
	out := maps.Clone(selector)
	if out == nil {
		out = map[string]any{}
	}
	out[hashLabel] = hash
	return out
}
