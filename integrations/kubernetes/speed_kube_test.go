//go:build kube

package kubernetes

import (
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
)

// BenchmarkReady is the time from the moment the server says that the last pod
// is ready, as another watch sees it, to the runner's return.
func BenchmarkReady(b *testing.B) {
	r := newRoom(b)
	r.version(1, "v0")
	r.mustRoll(with2("rolling", nil))
	other := r.connect("deployer", nil) // its watch is not the runner's
	var all time.Duration
	n := 0
	for b.Loop() {
		n++
		r.version(1+n%2, "v0") // one pod more or less
		s := r.newStep(with2("rolling", nil))
		target, err := other.For(b.Context(), s.Run)
		must(b, err)
		view, err := target.Watch(b.Context(), cluster.Deployments)
		must(b, err)
		before := view.Get("shop").GetGeneration()
		var ready atomic.Int64
		seen := make(chan struct{})
		go func() {
			defer close(seen)
			for {
				changed := view.Changed()
				if u := view.Get("shop"); u.GetGeneration() > before && settledAt(u) {
					ready.Store(time.Now().UnixNano())
					return
				}
				select {
				case <-changed:
				case <-b.Context().Done():
					return
				}
			}
		}()
		must(b, second(r.roll(s)))
		returned := time.Now()
		<-seen
		view.Close()
		all += returned.Sub(time.Unix(0, ready.Load()))
	}
	late := all / time.Duration(n)
	b.ReportMetric(float64(late.Microseconds())/1000, "ms-late/op")
	if late > 200*time.Millisecond {
		b.Errorf("the runner returns %s after all is ready", late)
	}
}

func settledAt(u *unstructured.Unstructured) bool {
	number := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(u.Object, path...)
		return n
	}
	want := number("spec", "replicas")
	return number("status", "observedGeneration") >= u.GetGeneration() && number("status", "availableReplicas") == want && number("status", "replicas") == want
}

// BenchmarkSwitchBack is the time a blue-green Revert takes, and to when the
// Service leads to the old pods.
func BenchmarkSwitchBack(b *testing.B) {
	r := newRoom(b)
	r.version(2, "v1")
	r.mustRoll(with2("blue-green", nil))
	r.version(2, "v2")
	for b.Loop() {
		b.StopTimer()
		s, _ := r.mustRoll(with2("blue-green", nil))
		s = s.again()
		s.Now = time.Now()
		b.StartTimer()
		must(b, second(rollout{r.config()}.Revert(b.Context(), s.StepContext)))
	}
}
