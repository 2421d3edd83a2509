//go:build kube

package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/kube"
)

const shopRoute = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /}}]
    backendRefs: [{name: shop, port: 80, weight: 7}]
  - matches: [{path: {type: PathPrefix, value: /legacy}}]
    backendRefs: [{name: legacy, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /mixed}}]
    backendRefs: [{name: shop, port: 80, weight: 1}, {name: legacy, port: 80, weight: 1}]
`

const shopIngress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {kubernetes.io/ingress.class: nginx-public}}
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
      - {path: /legacy, pathType: Prefix, backend: {service: {name: legacy, port: {number: 80}}}}
`

// splits are both ways to split traffic before the Service.
var splits = map[string]string{byRoute: shopRoute, byIngress: shopIngress}

// split has traffic come in that way too.
func (r *room) split(kind string) {
	r.t.Helper()
	if kind == byRoute {
		must(r.t, plane.InstallHTTPRoutes(r.t.Context()))
	}
	r.files.put("deploy/traffic.yaml", splits[kind])
}

func (r *room) route() *unstructured.Unstructured {
	r.t.Helper()
	client, err := dynamic.NewForConfig(plane.REST)
	must(r.t, err)
	u, err := client.Resource(kube.HTTPRoutes).Namespace(r.namespace).Get(context.WithoutCancel(r.t.Context()), "shop", metav1.GetOptions{})
	must(r.t, err)
	return u
}

// shares are the Services that get traffic, with how much of 100.
func (r *room) shares(kind string) map[string]int64 {
	r.t.Helper()
	if kind == byRoute {
		rules, _, _ := unstructured.NestedSlice(r.route().Object, "spec", "rules")
		refs := rules[0].(map[string]any)["backendRefs"].([]any)
		if len(refs) == 1 {
			return map[string]int64{refs[0].(map[string]any)["name"].(string): 100}
		}
		out := map[string]int64{}
		for _, ref := range refs {
			if n := ref.(map[string]any)["weight"].(int64); n > 0 {
				out[ref.(map[string]any)["name"].(string)] += n
			}
		}
		return out
	}
	ingresses := plane.Client.NetworkingV1().Ingresses(r.namespace)
	side, err := ingresses.Get(context.WithoutCancel(r.t.Context()), "shop-canary", metav1.GetOptions{})
	if r.gone(err) {
		return map[string]int64{"shop": 100}
	}
	must(r.t, err)
	n, err := strconv.ParseInt(side.Annotations[nginx+"canary-weight"], 10, 64)
	must(r.t, err)
	if side.Annotations[nginx+"canary"] != "true" || side.Annotations["kubernetes.io/ingress.class"] != "nginx-public" {
		r.t.Error("the controller would not take this Ingress for a canary:", side.Annotations)
	}
	out := map[string]int64{"shop": 100 - n, side.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name: n}
	maps.DeleteFunc(out, func(_ string, n int64) bool { return n == 0 })
	return out
}

// reached are the versions that traffic gets to, with their shares: "v1+v2" is
// a Service that leads to both, "" one that leads to nothing that is ready.
func (r *room) reached(kind string) map[string]int64 {
	r.t.Helper()
	out := map[string]int64{}
	for service, n := range r.shares(kind) {
		out[strings.Join(slices.Sorted(maps.Keys(r.ledTo(service))), "+")] += n
	}
	return out
}

// ledTo are the versions of the ready pods that the Service leads to, with how
// many pods each has.
func (r *room) ledTo(service string) map[string]int {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	s, err := plane.Client.CoreV1().Services(r.namespace).Get(ctx, service, metav1.GetOptions{})
	if r.gone(err) {
		return nil
	}
	must(r.t, err)
	pods, err := plane.Client.CoreV1().Pods(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(s.Spec.Selector).String()})
	must(r.t, err)
	out := map[string]int{}
	for _, p := range pods.Items {
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		if ready && p.DeletionTimestamp == nil {
			out[strings.TrimPrefix(p.Spec.Containers[0].Image, "registry.example/shop:")]++
		}
	}
	return out
}

func (r *room) expectReached(kind string, want map[string]int64) {
	r.t.Helper()
	var got map[string]int64
	for range 100 {
		if got = r.reached(kind); maps.Equal(got, want) {
			return
		}
		pause(r.t, 50*time.Millisecond)
	}
	r.t.Errorf("traffic gets to %v, want %v", got, want)
}

// entrance is all that leads to the pods from outside, as it is now.
func (r *room) entrance(kind string) string {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	services, err := plane.Client.CoreV1().Services(r.namespace).List(ctx, metav1.ListOptions{})
	must(r.t, err)
	var out []string
	for _, s := range services.Items {
		out = append(out, fmt.Sprint(s.Name, s.Spec.Selector))
	}
	if kind == byRoute {
		return fmt.Sprint(out, r.route().Object["spec"])
	}
	ingresses, err := plane.Client.NetworkingV1().Ingresses(r.namespace).List(ctx, metav1.ListOptions{})
	must(r.t, err)
	for _, i := range ingresses.Items {
		out = append(out, fmt.Sprint(i.Name, i.Spec.String()))
	}
	return fmt.Sprint(out)
}

func byTraffic(kind string, steps ...any) map[string]any {
	return with2("canary", map[string]any{"steps": steps, "traffic": map[string]any{kind: "shop"}})
}

func share(weight int, pause string) any { return map[string]any{"weight": weight, "pause": pause} }

// each runs the test with both splits, v1 rolled out and v2 in the files.
func eachSplit(t *testing.T, n int, do func(t *testing.T, r *room, kind string)) {
	for kind := range splits {
		t.Run(kind, func(t *testing.T) {
			r := newRoom(t)
			r.split(kind)
			r.version(n, "v1")
			r.mustRoll(byTraffic(kind, share(20, "1s"), share(50, "1s")))
			r.expectReached(kind, map[string]int64{"v1": 100})
			r.version(n, "v2")
			do(t, r, kind)
		})
	}
}

func TestCanaryByTraffic(t *testing.T) {
	eachSplit(t, 10, func(t *testing.T, r *room, kind string) {
		before := r.entrance(kind)
		s := r.newStep(byTraffic(kind, share(20, "1s"), share(50, "1s")))
		for _, step := range []map[string]int64{{"v1": 80, "v2": 20}, {"v1": 50, "v2": 50}} {
			var res pipeline.Result
			for !strings.Contains(res.Message, fmt.Sprint(step["v2"], " %")) {
				s.Now = time.Now()
				var err error
				res, err = rollout{r.config()}.Run(within10s(t), s.StepContext)
				must(t, err)
				if res.Done {
					t.Fatalf("%+v\n%s", res, s.log)
				}
				s = s.again()
			}
			r.expectReached(kind, step)
			if got := r.ledTo("shop-canary")["v2"]; got != int(step["v2"])/10 {
				t.Errorf("%d %% go to %d pods", step["v2"], got)
			}
		}
		res, err := r.roll(s)
		must(t, err)
		if res.State != "" && res.State != pipeline.Succeeded {
			t.Fatal(res.Message)
		}
		r.expectReached(kind, map[string]int64{"v2": 100})
		if after := r.entrance(kind); after != before {
			t.Errorf("not as it was:\n%s\n%s", before, after)
		}
		if got := r.deployments(); !slices.Equal(got, []string{"shop"}) {
			t.Error("left behind:", got)
		}
		must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().again().StepContext)))
		r.expectReached(kind, map[string]int64{"v1": 100})
		if after := r.entrance(kind); after != before {
			t.Errorf("taken back it is not as it was:\n%s\n%s", before, after)
		}
	})
}

func TestCancelOfACanaryByTraffic(t *testing.T) {
	eachSplit(t, 4, func(t *testing.T, r *room, kind string) {
		before := r.entrance(kind)
		s := r.newStep(byTraffic(kind, share(50, "1h")))
		must(t, second(rollout{r.config()}.Run(within10s(t), s.StepContext)))
		r.expectReached(kind, map[string]int64{"v1": 50, "v2": 50})
		must(t, rollout{r.config()}.Cancel(within10s(t), s.again().StepContext))
		r.expectReached(kind, map[string]int64{"v1": 100})
		if after := r.entrance(kind); after != before {
			t.Errorf("not as it was:\n%s\n%s", before, after)
		}
	})
}

func TestAnalysisThatFailsEndsACanaryByTraffic(t *testing.T) {
	eachSplit(t, 4, func(t *testing.T, r *room, kind string) {
		before := r.entrance(kind)
		with := byTraffic(kind, share(25, "10ms"), share(50, "10ms"))
		with["analysis"] = map[string]any{"uses": "fake"}
		s := r.newStep(with)
		r.runner = func(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
			if c.Step.Environment["CANARY_WEIGHT"] == "50" {
				r.expectReached(kind, map[string]int64{"v1": 50, "v2": 50})
				return pipeline.Result{Done: true, State: pipeline.Failed, Message: "5 % of the requests fail"}, nil
			}
			return pipeline.Result{Done: true}, nil
		}
		res, err := r.roll(s)
		must(t, err)
		if res.State != pipeline.Failed || res.Code != "analysis_failed" || res.Message != "The analysis step says no: 5 % of the requests fail. What ran before runs, with all the traffic." {
			t.Errorf("%+v", res)
		}
		r.expectReached(kind, map[string]int64{"v1": 100})
		if after := r.entrance(kind); after != before {
			t.Errorf("not as it was:\n%s\n%s", before, after)
		}
	})
}

// sicken has ready pods of the version not be ready any more.
func (r *room) sicken(version string) {
	r.t.Helper()
	pods, err := plane.Client.CoreV1().Pods(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	for _, p := range pods.Items {
		if strings.HasSuffix(p.Spec.Containers[0].Image, ":"+version) {
			patch := `{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"ContainersReady","status":"False"}],"containerStatuses":[{"name":"shop","image":"x","imageID":"","ready":false,"restartCount":5,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":9}}}]}}`
			must(r.t, second(plane.Client.CoreV1().Pods(r.namespace).Patch(r.t.Context(), p.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")))
		}
	}
}

func TestACanaryPodThatGoesBadInAPauseEndsIt(t *testing.T) {
	eachSplit(t, 4, func(t *testing.T, r *room, kind string) {
		before := r.entrance(kind)
		s := r.newStep(byTraffic(kind, share(50, "1h")))
		must(t, second(rollout{r.config()}.Run(within10s(t), s.StepContext)))
		r.sicken("v2")
		res, err := rollout{r.config()}.Run(within10s(t), s.again().StepContext)
		must(t, err)
		if res.State != pipeline.Failed || !strings.Contains(res.Message, "Deployment shop-canary did not become ready") || !strings.Contains(res.Message, "starts shop again and again: exit code 9, 5 restarts") {
			t.Errorf("%+v", res)
		}
		r.expectReached(kind, map[string]int64{"v1": 100})
		if after := r.entrance(kind); after != before {
			t.Errorf("not as it was:\n%s\n%s", before, after)
		}
	})
}

func TestTrafficThatCannotBeSplitIsSaid(t *testing.T) {
	must(t, plane.InstallHTTPRoutes(t.Context()))
	for want, c := range map[string]struct{ kind, traffic string }{
		"There is no HTTPRoute shop in":              {byRoute, ""},
		"There is no Ingress shop in":                {byIngress, ""},
		"does not lead to the Service shop":          {byIngress, strings.ReplaceAll(shopIngress, "name: shop, port", "name: other, port")},
		"with the Service shop as the only backend":  {byRoute, strings.ReplaceAll(shopRoute, "name: shop, port", "name: other, port")},
		"with the Service shop as the only backend ": {byRoute, strings.ReplaceAll(shopRoute, "weight: 7}", "weight: 7}, {name: other, port: 80, weight: 1}")},
	} {
		t.Run(want, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			if c.traffic != "" {
				r.files.put("deploy/traffic.yaml", c.traffic)
			}
			r.mustRoll(with2("rolling", nil))
			r.version(2, "v2")
			res, err := r.roll(r.newStep(byTraffic(c.kind, share(50, "1h"))))
			must(t, err)
			if res.State != pipeline.Failed || !strings.Contains(res.Message, want) {
				t.Errorf("%+v", res)
			}
			r.expect(map[string]int{"v1": 2})
		})
	}
}
