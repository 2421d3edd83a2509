//go:build kube

package kubernetes

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

func TestPlanSaysWhatChangesAndChangesNothing(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			plan := func() pipeline.Result {
				res, err := rollout{r.config()}.Plan(within10s(t), r.newStep(with2(strategy, nil)).StepContext)
				must(t, err)
				return res
			}
			first := plan()
			if want := "In " + r.namespace + " of test 3 objects change, 3 of them new; 0 stay as they are."; first.Message != want {
				t.Error(first.Message)
			}
			if got := r.serving(); got != nil {
				t.Fatal("the plan made something:", got)
			}
			r.mustRoll(with2(strategy, nil))
			if res := plan(); !strings.HasPrefix(res.Message, "Nothing changes in") || res.Digest != first.Digest {
				t.Errorf("%s\n%s", res.Message, res.Summary)
			}
			r.version(2, "v2")
			res := plan()
			for _, line := range []string{"-      - image: registry.example/shop:v1", "+      - image: registry.example/shop:v2", "-  version: v1", "+  version: v2"} {
				if !strings.Contains(res.Summary, line) {
					t.Errorf("without %q:\n%s", line, res.Summary)
				}
			}
			if res.Digest == first.Digest || !strings.Contains(res.Message, "2 objects change, 0 of them new; 1 stay") {
				t.Error(res.Digest, res.Message)
			}
			r.expect(map[string]int{"v1": 2})
		})
	}
}

func TestWhatWasNotApprovedIsNotApplied(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	s := r.newStep(with2("rolling", nil))
	res, err := rollout{r.config()}.Plan(within10s(t), s.StepContext)
	must(t, err)
	s.Planned = res.Digest
	r.version(1, "evil")
	_, err = rollout{r.config()}.Run(within10s(t), s.StepContext)
	if pipeline.Code(err) != pipeline.PlanChanged || len(r.deployments()) > 0 {
		t.Errorf("%v, and there are %v", err, r.deployments())
	}
}

func TestPlanShowsDriftByHand(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	must(t, second(plane.Client.AppsV1().Deployments(r.namespace).Patch(t.Context(), "shop", types.JSONPatchType,
		[]byte(`[{"op":"replace","path":"/spec/replicas","value":5}]`), metav1.PatchOptions{FieldManager: "kubectl-edit"})))
	s := r.newStep(with2("rolling", map[string]any{"force": true}))
	res, err := rollout{r.config()}.Plan(within10s(t), s.StepContext)
	must(t, err)
	if !strings.Contains(res.Summary, "-  replicas: 5") || !strings.Contains(res.Summary, "+  replicas: 2") {
		t.Error(res.Summary)
	}
}
