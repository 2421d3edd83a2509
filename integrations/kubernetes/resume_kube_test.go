//go:build kube

package kubernetes

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

// looked is the room's config with a look at the traffic after every write.
func (r *room) looked(split string) (cfg Config, nowhere func() []string) {
	var mu sync.Mutex
	var found []string
	cfg = r.config()
	cfg.Clusters = r.connect("deployer", func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if req.Method == http.MethodGet {
				return resp, err
			}
			if got := r.reached(split); got[""] > 0 {
				mu.Lock()
				found = append(found, fmt.Sprint(req.Method, " ", req.URL.Path, ": ", got))
				mu.Unlock()
			}
			return resp, err
		})
	})
	return cfg, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return found
	}
}

// Killed at any moment near its end, a canary goes on without ever sending
// traffic to what is not there any more.
func TestNoWriteOfAResumedCanaryLeadsNowhere(t *testing.T) {
	for _, split := range []string{byRoute, byIngress} {
		t.Run(split, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.split(split)
			with := func() map[string]any { return byTraffic(split, twoShares...) }
			r.version(4, "v0")
			r.mustRoll(with2("rolling", nil))
			r.version(4, "v1")
			effects := r.count(with())
			for i := range 10 {
				tag := fmt.Sprint("w", i)
				r.version(4, tag)
				s := r.killed(with(), effects-i, true)
				cfg, nowhere := r.looked(split)
				res, _, err := r.toTheEnd(within10s(t), cfg, s.again())
				if err != nil || res.State == pipeline.Failed {
					t.Fatalf("killed after effect %d of %d: %v %+v", effects-i, effects, err, res)
				}
				for _, n := range nowhere() {
					t.Errorf("killed after effect %d of %d, traffic goes nowhere after %s", effects-i, effects, n)
				}
				r.expect(map[string]int{tag: 4})
			}
		})
	}
}

// While a canary has its share somebody restarts the stable pods: the Service,
// pinned to them, follows.
func TestStablePodsThatAreRestartedDuringACanary(t *testing.T) {
	for _, split := range []string{byRoute, byIngress} {
		t.Run(split, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.split(split)
			r.version(4, "v1")
			r.mustRoll(with2("rolling", nil))
			r.version(4, "v2")
			s := r.newStep(byTraffic(split, share(25, "1h")))
			res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
			must(t, err)
			if res.RetryAfter <= 0 || res.RetryAfter > 5*time.Second {
				t.Error("it is looked at again after", res.RetryAfter)
			}
			was := r.deployed("shop").Generation
			must(t, second(plane.Client.AppsV1().Deployments(r.namespace).Patch(t.Context(), "shop", types.MergePatchType,
				[]byte(`{"spec":{"template":{"metadata":{"annotations":{"restarted":"now"}}}}}`), metav1.PatchOptions{FieldManager: "kubectl-rollout"})))
			for { // the old pods go
				s = s.again()
				res, err = rollout{r.config()}.Run(within10s(t), s.StepContext)
				must(t, err)
				if res.Done {
					t.Fatalf("%+v", res)
				}
				if got := r.reached(split); got[""] > 0 {
					t.Fatal("traffic goes nowhere:", got)
				}
				if d := r.deployed("shop"); d.Generation > was && d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 4 && d.Status.Replicas == 4 {
					break
				}
				pause(t, 100*time.Millisecond)
			}
			s = s.again()
			must(t, rollout{r.config()}.Cancel(within10s(t), s.StepContext))
			r.expect(map[string]int{"v1": 4})
			if got := r.reached(split); got[""] > 0 || got["v2"] > 0 {
				t.Error("after it was stopped:", got)
			}
		})
	}
}

func (r *room) deployed(name string) *appsv1.Deployment {
	r.t.Helper()
	d, err := plane.Client.AppsV1().Deployments(r.namespace).Get(r.t.Context(), name, metav1.GetOptions{})
	must(r.t, err)
	return d
}

// A route or Ingress leads to the Service, so one write of that switches what
// comes in there too, and back.
func TestARouteOrIngressBeforeABlueGreenService(t *testing.T) {
	for split := range splits {
		t.Run(split, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.split(split)
			r.by("deploy", "v1", with2("blue-green", nil))
			r.expectReached(split, map[string]int64{"v1": 100})
			s, _ := r.by("deploy", "v2", with2("blue-green", nil))
			r.expectReached(split, map[string]int64{"v2": 100})
			must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
			r.expectReached(split, map[string]int64{"v1": 100})
		})
	}
}
