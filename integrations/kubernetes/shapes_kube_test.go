//go:build kube

package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

const shopScaler = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  minReplicas: 1
  maxReplicas: 50
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`

// scaled is a version without a number of pods.
func (r *room) scaled(tag string) {
	r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 1, tag, tag), "  replicas: 1\n", "", 1))
	r.files.put("deploy/scaler.yaml", shopScaler)
}

// scale does what the autoscaler would.
func (r *room) scale(deployment string, n int32) {
	r.t.Helper()
	s, err := plane.Client.AppsV1().Deployments(r.namespace).GetScale(r.t.Context(), deployment, metav1.GetOptions{})
	must(r.t, err)
	s.Spec.Replicas = n
	must(r.t, second(plane.Client.AppsV1().Deployments(r.namespace).UpdateScale(r.t.Context(), deployment, s, metav1.UpdateOptions{FieldManager: "autoscaler"})))
}

func (r *room) expectScaled(deployment string) {
	r.t.Helper()
	h, err := plane.Client.AutoscalingV2().HorizontalPodAutoscalers(r.namespace).Get(r.t.Context(), "shop", metav1.GetOptions{})
	must(r.t, err)
	if h.Spec.ScaleTargetRef.Name != deployment {
		r.t.Errorf("%s is scaled, not %s", h.Spec.ScaleTargetRef.Name, deployment)
	}
}

func TestAnAutoscalerGoesWithTheTraffic(t *testing.T) {
	r := newRoom(t)
	r.scaled("v1")
	r.mustRoll(with2("blue-green", nil))
	r.expectScaled("shop-blue")
	r.scale("shop-blue", 5)
	r.expect(map[string]int{"v1": 5})
	r.scaled("v2")
	s, _ := r.mustRoll(with2("blue-green", nil))
	r.expectScaled("shop-green")
	r.expect(map[string]int{"v2": 5})
	r.scale("shop-green", 7)
	r.expect(map[string]int{"v2": 7})
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expectScaled("shop-blue")
	r.expect(map[string]int{"v1": 5})
	for i := range 2 { // the other colour was scaled by others once
		r.scaled(fmt.Sprint("v", i+3))
		r.mustRoll(with2("blue-green", nil))
		r.expect(map[string]int{fmt.Sprint("v", i+3): 5})
	}
}

// Whoever scales, the change from one strategy to another takes no pods away.
func TestAnAutoscalerAndOtherStrategies(t *testing.T) {
	r := newRoom(t)
	r.scaled("v1")
	r.mustRoll(with2("blue-green", nil))
	r.scale("shop-blue", 4)
	for i, strategy := range []string{"rolling", "rolling", "canary", "blue-green", "canary", "rolling"} {
		tag := fmt.Sprint("v", i+2)
		more := map[string]any{}
		if strategy == "canary" {
			more["steps"] = []any{map[string]any{"weight": 20, "pause": "0s"}}
		}
		r.scaled(tag)
		r.mustRoll(with2(strategy, more))
		r.expect(map[string]int{tag: 4})
	}
}

// A number that leaves the manifest stays as it was.
func TestANumberOfPodsIsLeftToOthers(t *testing.T) {
	r := newRoom(t)
	r.version(3, "v1")
	r.mustRoll(with2("rolling", nil))
	for _, tag := range []string{"v2", "v3"} {
		r.scaled(tag)
		r.mustRoll(with2("rolling", nil))
		r.expect(map[string]int{tag: 3})
	}
	r.scale("shop", 2)
	r.scaled("v4")
	r.mustRoll(with2("rolling", nil))
	r.expect(map[string]int{"v4": 2})
}

func TestTwoServicesNeedAName(t *testing.T) {
	const more = "apiVersion: v1\nkind: Service\nmetadata: {name: shop-all}\nspec: {clusterIP: None, selector: {app: shop}, ports: [{port: 80}]}\n"
	for _, strategy := range []string{"blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.files.put("deploy/more.yaml", more)
			r.version(2, "v1")
			r.failed(with2(strategy, nil), "bad_manifests", "Service shop-all and Service shop both lead to the pods of shop. Say which one's traffic moves: `service: shop-all`.")
			r.failed(with2(strategy, map[string]any{"service": "shopp"}), "bad_manifests", "The manifests hold no Service shopp that leads to the pods of shop.")
			more := map[string]any{"service": "shop"}
			if strategy == "canary" {
				more["steps"] = twoShares
			}
			r.mustRoll(with2(strategy, more))
			r.version(2, "v2")
			r.mustRoll(with2(strategy, more))
			r.expect(map[string]int{"v2": 2})
		})
	}
}

func TestAHeadlessServiceBlueGreen(t *testing.T) {
	r := newRoom(t)
	put := func(tag string) {
		r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 2, tag, tag), "spec: {selector", "spec: {clusterIP: None, selector", 1))
	}
	put("v1")
	r.mustRoll(with2("blue-green", nil))
	put("v2")
	s, _ := r.mustRoll(with2("blue-green", nil))
	r.expect(map[string]int{"v2": 2})
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expect(map[string]int{"v1": 2})
}

func TestWhenBlueGreenCanBeTakenBack(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("blue-green", nil))
	r.version(2, "v2")
	s, _ := r.mustRoll(with2("blue-green", map[string]any{"keep_old": "10m"}))
	for after, want := range map[time.Duration]bool{time.Minute: true, 11 * time.Minute: false} {
		at := s.again()
		at.Now = time.Now().Add(after)
		if got := (rollout{}).CanRevert(at.StepContext); got != want {
			t.Errorf("after %s it can be taken back: %v", after, got)
		}
	}
	if (rollout{}).CanRevert(r.newStep(with2("blue-green", nil)).StepContext) {
		t.Error("what has not begun can be taken back")
	}
	s = s.again()
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.StepContext)))
	s = s.again()
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.StepContext)))
	r.expect(map[string]int{"v1": 2})
	r.version(2, "v3")
	s, _ = r.mustRoll(with2("blue-green", nil))
	must(t, second(rollout{r.config()}.Later(within10s(t), s.StepContext)))
	r.expect(map[string]int{"v3": 2})
	before := r.generations()
	for range 20 { // until its pods are gone
		_, err := rollout{r.config()}.Revert(within10s(t), s.again().StepContext)
		if pipeline.Code(err) == "cannot_revert" {
			if want := "shop-blue has no pod that is ready, so the traffic cannot go back to it."; pipeline.Message(err) != want {
				t.Error(pipeline.Message(err))
			}
			break
		}
		t.Fatal("it was taken back:", err)
	}
	if after := r.generations(); !slices.Equal(before, after) {
		t.Errorf("something was touched:\n%v\n%v", before, after)
	}
	r.expect(map[string]int{"v3": 2})
}

func TestAFirstDeployThatFailsLeavesNothingWithTraffic(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "bad")
			r.failed(quick(strategy, nil), "not_ready", "cannot pull the image")
			if got := r.deployments(); len(got) != 0 {
				t.Error("left behind:", got)
			}
			if got := r.serving(); len(got) != 0 {
				t.Error("the Service leads to", got)
			}
			r.version(2, "v1")
			r.mustRoll(with2(map[bool]string{true: "rolling", false: strategy}[strategy == "canary"], nil))
			r.expect(map[string]int{"v1": 2})
		})
	}
}

func TestBlueGreenFiveTimes(t *testing.T) {
	r := newRoom(t)
	for i := range 5 {
		tag := fmt.Sprint("v", i)
		r.version(2, tag)
		_, res := r.mustRoll(with2("blue-green", nil))
		r.expect(map[string]int{tag: 2})
		if want := []string{"blue", "green"}[i%2]; res.Outputs["colour"] != want {
			t.Errorf("%d: %s", i, res.Outputs["colour"])
		}
	}
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue", "shop-green"}) {
		t.Error(got)
	}
}

func TestPruneKeepsTheOldPodsOfBlueGreen(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", map[string]any{"prune": true}))
	r.version(2, "v2")
	s, _ := r.mustRoll(with2("blue-green", map[string]any{"prune": true}))
	if got := r.deployments(); !slices.Equal(got, []string{"shop", "shop-blue"}) {
		t.Error("there are", got)
	}
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expect(map[string]int{"v1": 2})
}

// Every strategy after every other: all the traffic gets to the new pods, what
// is left of the other is retired, and it can be taken back.
func TestStrategiesInEveryOrder(t *testing.T) {
	all := []string{"rolling", "blue-green", "canary"}
	for _, first := range all {
		for _, then := range all {
			for _, last := range all {
				t.Run(first+", "+then+", "+last, func(t *testing.T) {
					r := newRoom(t)
					var s *step
					for i, strategy := range []string{first, then, last} {
						tag := fmt.Sprint("v", i+1)
						r.version(2, tag)
						more := map[string]any{}
						if strategy == "canary" {
							more["steps"] = []any{share(50, "10ms")}
						}
						s, _ = r.mustRoll(with2(strategy, more))
						r.expect(map[string]int{tag: 2})
					}
					if got := r.deployments(); last != "blue-green" && !slices.Equal(got, []string{"shop"}) {
						t.Error("left behind:", got)
					}
					must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
					r.expect(map[string]int{"v2": 2})
				})
			}
		}
	}
}

// generations are the Deployments, with their pods and versions, and where the
// Service leads to.
func (r *room) generations() []string {
	r.t.Helper()
	out := []string{fmt.Sprint(r.ledTo("shop"))}
	list, err := plane.Client.AppsV1().Deployments(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	for _, d := range list.Items {
		out = append(out, fmt.Sprint(d.Name, " ", *d.Spec.Replicas, " ", d.Spec.Template.Spec.Containers[0].Image))
	}
	return out
}

// The API server is away for a minute in the middle: nothing fails, and all goes
// on by itself.
func TestAnAPIServerThatIsAwayForAMinute(t *testing.T) {
	gone := make(chan struct{})
	var rooms []*inTheMiddle
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		m := &inTheMiddle{room: newRoom(t), strategy: strategy, there: make(chan struct{}), done: make(chan struct{})}
		m.patient("v1")
		m.mustRoll(with2("rolling", nil))
		m.patient("v2")
		rooms = append(rooms, m)
	}
	for _, m := range rooms {
		go m.run(gone)
	}
	for _, m := range rooms {
		<-m.there
	}
	plane.StopAPIServer()
	close(gone)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		pause(t, time.Second)
	}
	for _, m := range rooms {
		select {
		case <-m.done:
			t.Errorf("%s ended without an API server: %v %+v", m.strategy, m.err, m.res)
		default:
		}
	}
	must(t, plane.StartAPIServer())
	for _, m := range rooms {
		<-m.done
		if m.err != nil || m.res.State != "" && m.res.State != pipeline.Succeeded {
			t.Errorf("%s: %v %+v\n%s", m.strategy, m.err, m.res, m.log)
			continue
		}
		m.expect(map[string]int{"v2": 4})
	}
}

// inTheMiddle is a rollout that waits when it has begun.
type inTheMiddle struct {
	*room
	strategy    string
	there, done chan struct{} // in the middle; at its end
	log         *output
	res         pipeline.Result
	err         error
}

// patient is a version whose controllers may come back later than the server.
func (m *inTheMiddle) patient(tag string) {
	m.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 4, tag, tag), "progressDeadlineSeconds: 5", "progressDeadlineSeconds: 300", 1))
}

func (m *inTheMiddle) run(goOn <-chan struct{}) {
	defer close(m.done)
	more, saves := map[string]any{"ready_within": "5m"}, 1
	if m.strategy == "canary" {
		more["steps"] = twoShares
	}
	if m.strategy != "rolling" {
		saves = 2 // the first is before anything is done
	}
	s := m.newStep(with2(m.strategy, more))
	m.log = s.log
	save := s.Save
	s.Save = func(ctx context.Context, cp json.RawMessage) error {
		if saves--; saves == 0 {
			close(m.there)
			<-goOn
		}
		return save(ctx, cp)
	}
	m.res, m.err = m.rollFor(s, 5*time.Minute)
	if saves > 0 {
		close(m.there)
	}
}
