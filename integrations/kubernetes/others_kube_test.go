//go:build kube

package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/pipeline"
)

// by rolls a version out as the step of a pipeline.
func (r *room) by(pipe, tag string, with map[string]any) (*step, pipeline.Result) {
	r.t.Helper()
	r.version(2, tag)
	s := r.newStep(with)
	s.Run.Pipeline.Name = pipe
	res, err := r.roll(s)
	must(r.t, err)
	return s, res
}

// Two pipelines deploy the same objects: what ran before is what the other one
// deployed, not what the same one did.
func TestTheWayBackLeadsToWhatAnotherPipelineDeployed(t *testing.T) {
	for _, first := range []string{"rolling", "blue-green"} {
		for _, next := range []string{"rolling", "blue-green", "canary"} {
			for _, third := range []string{"rolling", "blue-green", "canary"} {
				t.Run(first+" "+next+" "+third, func(t *testing.T) {
					t.Parallel()
					strategy := func(name string, quickly bool) map[string]any {
						with := with2(name, nil)
						if quickly {
							with = quick(name, nil)
						}
						if name == "canary" {
							with["steps"] = []any{map[string]any{"weight": 30, "pause": "0s"}}
						}
						return with
					}
					r := newRoom(t)
					r.by("deploy", "v1", strategy(first, false))
					_, res := r.by("hotfix", "v2", strategy(next, false))
					if res.State == pipeline.Failed {
						t.Fatal(res)
					}
					r.expect(map[string]int{"v2": 2})
					_, res = r.by("deploy", "bad", strategy(third, true))
					if res.State != pipeline.Failed && res.Code != "not_ready" {
						t.Errorf("%+v", res)
					}
					r.expect(map[string]int{"v2": 2})
					s, _ := r.by("deploy", "v3", strategy(third, false))
					r.expect(map[string]int{"v3": 2})
					if third != "canary" {
						s = s.again()
						must(t, second(rollout{r.config()}.Revert(within10s(t), s.StepContext)))
						r.expect(map[string]int{"v2": 2})
					}
				})
			}
		}
	}
}

// Somebody switches back by hand, and the next deploy is taken back: the
// traffic is where they had put it.
func TestTheWayBackLeadsToWhatSomebodyChoseByHand(t *testing.T) {
	r := newRoom(t)
	r.by("deploy", "v1", with2("blue-green", nil))
	r.by("deploy", "v2", with2("blue-green", nil))
	must(t, second(plane.Client.CoreV1().Services(r.namespace).Patch(t.Context(), "shop", types.JSONPatchType,
		[]byte(`[{"op":"replace","path":"/spec/selector/shipmate.dev~1colour","value":"blue"}]`), metav1.PatchOptions{FieldManager: "kubectl-patch"})))
	r.expect(map[string]int{"v1": 2})
	s, _ := r.by("deploy", "v3", with2("blue-green", nil))
	r.expect(map[string]int{"v3": 2})
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expect(map[string]int{"v1": 2})
}

// A rollout needs names of its own. Objects of somebody else that have them are
// left alone, and it says so before it changes anything.
func TestNamesThatSomebodyElseHas(t *testing.T) {
	deployment := func(name string) func(*room) {
		return func(r *room) {
			var d appsv1.Deployment
			must(r.t, yaml.Unmarshal(fmt.Appendf(nil, `metadata: {name: %s}
spec:
  replicas: 3
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: x, image: "registry.example/other:v1"}]}
`, name), &d))
			must(r.t, second(plane.Client.AppsV1().Deployments(r.namespace).Create(r.t.Context(), &d, metav1.CreateOptions{FieldManager: "kubectl"})))
		}
	}
	service := func(name string) func(*room) {
		return func(r *room) {
			must(r.t, second(plane.Client.CoreV1().Services(r.namespace).Create(r.t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "other"}, Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{FieldManager: "kubectl"})))
		}
	}
	ingress := func(r *room) {
		var i netv1.Ingress
		must(r.t, yaml.Unmarshal([]byte(strings.Replace(shopIngress, "name: shop,", "name: shop-canary,", 1)), &i))
		must(r.t, second(plane.Client.NetworkingV1().Ingresses(r.namespace).Create(r.t.Context(), &i, metav1.CreateOptions{FieldManager: "kubectl"})))
	}
	byIngresses := byTraffic(byIngress, share(50, "10ms"))
	for name, c := range map[string]struct {
		put  func(*room)
		with map[string]any
	}{
		"Service shop-preview":   {service("shop-preview"), with2("blue-green", nil)},
		"Deployment shop-blue":   {deployment("shop-blue"), with2("blue-green", nil)},
		"Deployment shop-canary": {deployment("shop-canary"), with2("canary", map[string]any{"steps": twoShares, "force": true})},
		"Service shop-canary":    {service("shop-canary"), byIngresses},
		"Ingress shop-canary":    {ingress, byIngresses},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.split(byIngress)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			c.put(r)
			before := r.traces()
			r.version(2, "v2")
			r.failed(c.with, "name_taken", "There is a "+name+" already that shipmate did not make, and the rollout needs that name. Rename it, or delete it if nobody needs it.")
			if after := r.traces(); !slices.Equal(after, before) {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
}
