//go:build kube

package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

// serving are the versions of the ready pods that the Service leads to, with
// how many pods each has.
func (r *room) serving() map[string]int {
	r.t.Helper()
	return r.ledTo("shop")
}

// deployments are those that have pods.
func (r *room) deployments() []string {
	r.t.Helper()
	list, err := plane.Client.AppsV1().Deployments(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	var out []string
	for _, d := range list.Items {
		if *d.Spec.Replicas > 0 {
			out = append(out, d.Name)
		}
	}
	return out
}

func with2(strategy string, more map[string]any) map[string]any {
	out := manifests()
	out["strategy"] = strategy
	for k, v := range more {
		out[k] = v
	}
	return out
}

// roll runs the step to its end, with a new call whenever it asks for one.
func (r *room) roll(s *step) (pipeline.Result, error) {
	r.t.Helper()
	return r.rollFor(s, 30*time.Second)
}

func (r *room) rollFor(s *step, patience time.Duration) (pipeline.Result, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		s.Now = time.Now()
		res, err := rollout{r.config()}.Run(ctx, s.StepContext)
		if err != nil && !pipeline.IsTemporary(err) || res.Done {
			return res, err
		}
		if res.Checkpoint != nil {
			s.Checkpoint = res.Checkpoint
		}
		pause(r.t, max(res.RetryAfter, 10*time.Millisecond))
		s = s.again()
	}
}

func pause(t testing.TB, d time.Duration) {
	select {
	case <-time.After(min(d, time.Second)):
	case <-t.Context().Done():
	}
}

func (r *room) mustRoll(with map[string]any) (*step, pipeline.Result) {
	r.t.Helper()
	s := r.newStep(with)
	res, err := r.roll(s)
	if err != nil || res.State != "" && res.State != pipeline.Succeeded {
		r.t.Fatalf("%v %+v\n%s", err, res, s.log)
	}
	return s, res
}

func (r *room) expect(want map[string]int) {
	r.t.Helper()
	var got map[string]int
	for range 100 {
		if got = r.serving(); fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		pause(r.t, 50*time.Millisecond)
	}
	r.t.Errorf("the Service leads to %v, want %v", got, want)
}

func TestTwentyPodsRolling(t *testing.T) {
	r := newRoom(t)
	r.version(20, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(20, "v2")
	var said []string
	s := r.newStep(with2("rolling", nil))
	s.onSay = func(m string) { said = append(said, m) }
	res, err := r.roll(s)
	must(t, err)
	r.expect(map[string]int{"v2": 20})
	if !slices.ContainsFunc(said, func(m string) bool { return strings.Contains(m, "/20 new pods ready") }) {
		t.Error("no progress was said:", said)
	}
	t.Log(res.Message, said)
}

func TestRollingGoesBackByItself(t *testing.T) {
	for tag, why := range map[string]string{
		"bad":   "cannot pull the image registry.example/shop:bad",
		"crash": "starts shop again and again: exit code 3, no DATABASE_URL, 4 restarts",
		"never": "Readiness probe failed: HTTP probe failed with statuscode: 503",
	} {
		t.Run(tag, func(t *testing.T) {
			r := newRoom(t)
			r.version(4, "v1")
			r.mustRoll(with2("rolling", nil))
			r.version(4, tag)
			res, err := r.roll(r.newStep(with2("rolling", map[string]any{"ready_within": "8s"})))
			must(t, err)
			if res.State != pipeline.Failed || !strings.Contains(res.Message, why) || !strings.HasSuffix(res.Message, "What ran before runs, with all the traffic.") {
				t.Errorf("%s: %s", res.State, res.Message)
			}
			r.expect(map[string]int{"v1": 4})
		})
	}
}

func TestTwentyPodsBlueGreen(t *testing.T) {
	r := newRoom(t)
	r.version(20, "v1")
	r.mustRoll(with2("blue-green", nil))
	r.expect(map[string]int{"v1": 20})
	r.version(20, "v2")
	s, res := r.mustRoll(with2("blue-green", nil))
	r.expect(map[string]int{"v2": 20})
	if res.Later != 30*time.Minute || res.Outputs["colour"] != "green" {
		t.Errorf("%+v", res)
	}
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue", "shop-green"}) {
		t.Error("the old pods were not kept:", got)
	}
	began := time.Now()
	back := s.again()
	back.Now = time.Now()
	if !(rollout{}).CanRevert(back.StepContext) {
		t.Fatal("it cannot be taken back")
	}
	must(t, second(rollout{r.config()}.Revert(within10s(t), back.StepContext)))
	t.Log("taken back in", time.Since(began))
	r.expect(map[string]int{"v1": 20})
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue"}) {
		t.Error("the new pods were left:", got)
	}
}

// What was to be removed later, and was overtaken, the next rollout removes.
func TestBlueGreenLeavesNoOldPodsBehind(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	for _, tag := range []string{"v2", "v3"} {
		r.version(2, tag)
		r.mustRoll(with2("blue-green", nil))
	}
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue", "shop-green"}) {
		t.Error("there are pods of", got)
	}
	r.expect(map[string]int{"v3": 2})
}

func TestBlueGreenTakesAPlainDeploymentOver(t *testing.T) {
	r := newRoom(t)
	r.version(4, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(4, "v2")
	s, _ := r.mustRoll(with2("blue-green", nil))
	r.expect(map[string]int{"v2": 4})
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expect(map[string]int{"v1": 4})
	s, _ = r.mustRoll(with2("blue-green", nil))
	res, err := rollout{r.config()}.Later(within10s(t), s.StepContext)
	must(t, err)
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue"}) {
		t.Error("after keep_old there are", got, res.Message)
	}
	r.version(4, "v3")
	r.mustRoll(with2("rolling", nil))
	r.expect(map[string]int{"v3": 4})
	if got := r.deployments(); !slices.Equal(got, []string{"shop"}) {
		t.Error("after a rolling one there are", got)
	}
}

func TestBlueGreenWithBadPodsMovesNoTraffic(t *testing.T) {
	r := newRoom(t)
	r.version(4, "v1")
	r.mustRoll(with2("blue-green", nil))
	r.version(4, "bad")
	res, err := r.roll(r.newStep(with2("blue-green", nil)))
	must(t, err)
	if res.State != pipeline.Failed || !strings.Contains(res.Message, "cannot pull the image") {
		t.Errorf("%s: %s", res.State, res.Message)
	}
	r.expect(map[string]int{"v1": 4})
	if got := r.deployments(); !slices.Equal(got, []string{"shop-blue"}) {
		t.Error("left behind:", got)
	}
}

func TestTwentyPodsCanaryByPods(t *testing.T) {
	r := newRoom(t)
	r.version(20, "v1")
	steps := map[string]any{"steps": []any{map[string]any{"weight": 20, "pause": "1s"}, map[string]any{"weight": 50, "pause": "1s"}}}
	r.mustRoll(with2("canary", steps))
	r.expect(map[string]int{"v1": 20})
	r.version(20, "v2")
	s := r.newStep(with2("canary", steps))
	res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
	must(t, err)
	if res.Done || !strings.Contains(res.Message, "The canary has 20 % of the traffic until") {
		t.Fatalf("%+v", res)
	}
	r.expect(map[string]int{"v1": 20, "v2": 5})
	res, err = r.roll(s.again())
	must(t, err)
	r.expect(map[string]int{"v2": 20})
	if got := r.deployments(); !slices.Equal(got, []string{"shop"}) {
		t.Error("left behind:", got)
	}
	t.Log(res.Message)
}

func TestCancelInAPauseReturnsAllTraffic(t *testing.T) {
	r := newRoom(t)
	r.version(10, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(10, "v2")
	s := r.newStep(with2("canary", map[string]any{"steps": []any{map[string]any{"weight": 50, "pause": "1h"}}}))
	res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
	must(t, err)
	if res.Done {
		t.Fatal(res)
	}
	r.expect(map[string]int{"v1": 10, "v2": 10})
	must(t, rollout{r.config()}.Cancel(within10s(t), s.again().StepContext))
	r.expect(map[string]int{"v1": 10})
}

func TestTheLogOfARolloutThatIsStoppedSaysSo(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(2, "never")
	s := r.newStep(with2("rolling", nil))
	ctx, cancel := context.WithCancelCause(within10s(t))
	defer cancel(nil)
	s.onSay = func(string) { cancel(errors.New("cancelled")) }
	res, err := rollout{r.config()}.Run(ctx, s.StepContext)
	must(t, err)
	if res.State != pipeline.Cancelled || !strings.Contains(s.log.String(), "Going back: It was stopped.\n") {
		t.Errorf("%+v\n%s", res, s.log)
	}
}
