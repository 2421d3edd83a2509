//go:build kube

package kubernetes

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

func (r *room) edit(deployment, patch, by string) {
	r.t.Helper()
	must(r.t, second(plane.Client.AppsV1().Deployments(r.namespace).Patch(r.t.Context(), deployment, types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: by})))
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

// The advice is one that works: what somebody else holds is refused without force.
func TestDriftSaysWhoHoldsWhatAndWhatHelps(t *testing.T) {
	const template = "/spec/template/spec/containers/0"
	for name, c := range map[string]struct {
		patch string
		force bool
		want  string
	}{
		"a field of the manifest": {`[{"op":"replace","path":"` + template + `/image","value":"registry.example/shop:hand"}]`, false,
			"To make it as it was (lines with +), undo by hand what others hold: Deployment NAME: spec.template.spec.containers[name=\"shop\"].image (set by kubectl-set). Or deploy the same commit again with `force: true` in the step: without, it is refused."},
		"with force": {`[{"op":"replace","path":"` + template + `/image","value":"registry.example/shop:hand"}]`, true,
			"To make it as it was (lines with +), deploy the same commit again."},
		"a field that is gone": {`[{"op":"remove","path":"` + template + `/ports"}]`, false,
			"To make it as it was (lines with +), deploy the same commit again."},
		"a field that no manifest has": {`[{"op":"add","path":"` + template + `/env","value":[{"name":"BY","value":"hand"}]}]`, false,
			"All that the manifests say is so; what they do not say is not compared."},
	} {
		for strategy, deployment := range map[string]string{"rolling": "shop", "blue-green": "shop-blue"} {
			t.Run(name+" "+strategy, func(t *testing.T) {
				r := newRoom(t)
				r.version(1, "v1")
				with := func() map[string]any { return with2(strategy, map[string]any{"force": c.force}) }
				r.mustRoll(with())
				r.edit(deployment, c.patch, "kubectl-set")
				res, err := rollout{r.config()}.Drift(within10s(t), r.newStep(with()).StepContext)
				must(t, err)
				if !strings.HasSuffix(res.Message, strings.Replace(c.want, "NAME", deployment, 1)) {
					t.Errorf("%s\n%s", res.Message, res.Summary)
				}
				if strategy == "rolling" && c.want != "" && res.Summary != "" {
					res, err := r.roll(r.newStep(with()))
					if refused := pipeline.Code(err) == "field_conflict" || res.Code == "field_conflict"; refused != strings.Contains(c.want, "it is refused") {
						t.Errorf("deployed again: %+v %v", res, err)
					}
				}
			})
		}
	}
}
