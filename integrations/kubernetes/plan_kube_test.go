//go:build kube

package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

func TestPlanSaysWhatChangesAndChangesNothing(t *testing.T) {
	for strategy, how := range map[string]struct{ first, again, second string }{
		"rolling": {"", "", ""},
		"blue-green": {"blue-green: shop-blue comes up, then Service shop leads to it. ",
			"blue-green: shop-green comes up beside shop-blue, then Service shop leads to it; shop-blue is kept for 30m. ",
			"blue-green: shop-green comes up beside shop-blue, then Service shop leads to it; shop-blue is kept for 30m. "},
		"canary": {"canary: nothing of it has traffic yet that could be compared, so it is rolled out at once. ",
			"canary: the new pods get 10 % for 5m, then 50 % for 5m, then all of the traffic. ",
			"canary: the new pods get 10 % for 5m, then 50 % for 5m, then all of the traffic. "},
	} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			plan := func() pipeline.Result {
				res, err := rollout{r.config()}.Plan(within10s(t), r.newStep(with2(strategy, nil)).StepContext)
				must(t, err)
				return res
			}
			first := plan()
			if want := how.first + "In " + r.namespace + " of test 3 objects change, 3 of them new; 0 stay as they are."; first.Message != want {
				t.Error(first.Message)
			}
			if got := r.serving(); got != nil {
				t.Fatal("the plan made something:", got)
			}
			r.mustRoll(with2(strategy, nil))
			same, service, changes := "Nothing changes in "+r.namespace+" of test: 3 objects are as the manifests say.", 0, 2
			if strategy == "blue-green" { // the Service always leads elsewhere
				same, service, changes = "In "+r.namespace+" of test 1 object changes, 0 of them new; 2 stay as they are.", 1, 3
			}
			res := plan()
			if res.Message != how.again+same || res.Digest != first.Digest || strings.Count(res.Summary, "\n+++ Service shop") != service || strings.Contains(res.Summary, "+++ Deployment") {
				t.Errorf("%s\n%s", res.Message, res.Summary)
			}
			r.version(2, "v2")
			res = plan()
			for _, line := range []string{"-      - image: registry.example/shop:v1", "+      - image: registry.example/shop:v2", "-  version: v1", "+  version: v2"} {
				if !strings.Contains(res.Summary, line) {
					t.Errorf("without %q:\n%s", line, res.Summary)
				}
			}
			if strategy == "blue-green" && (!strings.Contains(res.Summary, "+++ Deployment shop-green, compared with shop-blue\n") || !strings.Contains(res.Summary, "+    shipmate.dev/colour: green")) {
				t.Error(res.Summary)
			}
			if want := how.second + fmt.Sprintf("In %s of test %d objects change, 0 of them new; %d stay as they are.", r.namespace, changes, 3-changes); res.Digest == first.Digest || res.Message != want {
				t.Error(res.Digest, res.Message)
			}
			r.expect(map[string]int{"v1": 2})
		})
	}
}

// Which colour is next is no part of what people approved.
func TestAColourThatFlipsMeanwhileChangesNoApproval(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.mustRoll(with2("blue-green", nil))
	s := r.newStep(with2("blue-green", nil))
	res, err := rollout{r.config()}.Plan(within10s(t), s.StepContext)
	must(t, err)
	r.mustRoll(with2("blue-green", nil))
	s = r.newStep(with2("blue-green", nil))
	s.Planned = res.Digest
	res, err = r.roll(s)
	must(t, err)
	if res.Outputs["colour"] != "blue" {
		t.Errorf("%+v", res)
	}
}

func TestPruneIsInThePlanAndInTheResult(t *testing.T) {
	for _, strategy := range []string{"apply", "rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			with := map[string]any{"prune": true}
			if strategy == "canary" {
				with["steps"] = []any{share(50, "10ms")}
			}
			var does runner = rollout{r.config()}
			with = with2(strategy, with)
			if strategy == "apply" {
				does = apply{r.config()}
			}
			newStep := func() *step { return r.newStep(maps.Clone(with)) }
			plan := func(s *step) pipeline.Result {
				res, err := does.Plan(within10s(t), s.StepContext)
				must(t, err)
				return res
			}
			run := func(s *step) (pipeline.Result, error) {
				if strategy == "apply" {
					return does.Run(within10s(t), s.StepContext)
				}
				return r.roll(s)
			}
			r.version(1, "v1")
			without := plan(newStep()).Digest
			r.files.put("deploy/two.yaml", settings("two", "1"))
			must(t, second(run(newStep())))
			r.files.put("deploy/two.yaml", "")
			s := newStep()
			planned := plan(s)
			if !strings.Contains(planned.Message, "It deletes ConfigMap two, because the manifests do not hold it any more. "+map[bool]string{false: "Nothing else changes in ", true: "In "}[strategy == "blue-green"]) || !strings.HasPrefix(planned.Summary, "It deletes:\n```diff\n- ConfigMap two\n```\n") {
				t.Errorf("%s\n%s", planned.Message, planned.Summary)
			}
			if !strings.Contains(planned.Summary, "\n-  version: \"1\"") {
				t.Error("it does not show what is lost:", planned.Summary)
			}
			s.Planned = without // people saw a plan that deletes nothing
			if _, err := run(s); pipeline.Code(err) != pipeline.PlanChanged || pipeline.Message(err) != "What would be deleted now is not what was approved. Start the deploy again, so that people see the new plan." {
				t.Error(err)
			}
			must(t, second(plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "two", metav1.GetOptions{})))
			s = newStep()
			s.Planned = planned.Digest
			res, err := run(s)
			must(t, err)
			if !strings.Contains(res.Message, " Deleted, because the manifests do not hold it any more: ConfigMap two.") {
				t.Error(res.Message)
			}
			if _, err := plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "two", metav1.GetOptions{}); !r.gone(err) {
				t.Error("it is still there:", err)
			}
			if strategy != "canary" { // whose checkpoint is one of its pauses
				must(t, second(run(s.again()))) // a call after a crash is no other plan
			}
			if got := plan(newStep()); got.Digest != without || strings.Contains(got.Message, "deletes") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// runner is what a step's calls go to.
type runner interface {
	Plan(context.Context, *pipeline.StepContext) (pipeline.Result, error)
	Run(context.Context, *pipeline.StepContext) (pipeline.Result, error)
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

// What could not be deployed twice is refused before it is deployed once.
func TestManifestsThatCouldNotBeKeptAreRefusedAtOnce(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	noise := make([]byte, 360<<10)
	must(t, second(rand.Read(noise)))
	r.files.put("deploy/big.yaml", settings("big", base64.StdEncoding.EncodeToString(noise)))
	want := "The largest is ConfigMap big with 4"
	s := r.newStep(with2("rolling", nil))
	for name, call := range map[string]func(context.Context, *pipeline.StepContext) (pipeline.Result, error){"plan": rollout{r.config()}.Plan, "run": rollout{r.config()}.Run} {
		if _, err := call(within10s(t), s.StepContext); pipeline.Code(err) != "manifests_too_large" || !strings.Contains(pipeline.Message(err), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.deployments(); len(got) > 0 {
		t.Error("there are", got)
	}
	for _, seed := range []byte{1, 2} { // one that fits can be changed
		noise := make([]byte, 300<<10)
		rand := mathrand.NewChaCha8([32]byte{seed})
		must(t, second(rand.Read(noise)))
		r.files.put("deploy/big.yaml", settings("big", base64.StdEncoding.EncodeToString(noise)))
		r.mustRoll(with2("rolling", nil))
	}
}
