package chart

import (
	"os"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/pipeline"
)

// pod renders the chart and returns the bot's Deployment and its file.
func pod(t *testing.T, values string, set map[string]any) (appsv1.Deployment, map[string]any) {
	t.Helper()
	out, err := render(values, set)
	if err != nil {
		t.Fatal(pipeline.Message(err))
	}
	var d appsv1.Deployment
	var file map[string]any
	for _, o := range objects(t, out) {
		switch {
		case o.GetKind() == "Deployment" && o.GetName() == "shipmate":
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &d); err != nil {
				t.Fatal(err)
			}
		case o.GetKind() == "ConfigMap" && o.GetName() == "shipmate":
			data := o.Object["data"].(map[string]any)
			if err := yaml.Unmarshal([]byte(data["config.yaml"].(string)), &file); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d, file
}

func TestWhoGetsAToken(t *testing.T) {
	some := []any{map[string]any{"namespace": "shop", "jobs": true}}
	for name, c := range map[string]struct {
		set  map[string]any
		want bool
	}{
		"without environments":                 {nil, false},
		"with environments":                    {map[string]any{"environments": some}, true},
		"with Roles of the operator's own":     {map[string]any{"serviceAccount.automount": true}, true},
		"with environments of other clusters ": {map[string]any{"environments": some, "serviceAccount.automount": false}, false},
	} {
		d, _ := pod(t, "small.yaml", c.set)
		if got := d.Spec.Template.Spec.AutomountServiceAccountToken; got == nil || *got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What reads the file later, as doctor does, must not refuse the chart's own Redis.
func TestTheFileKnowsThatTheRedisHasNoTLS(t *testing.T) {
	for values, want := range map[string]any{"trial.yaml": true, "small.yaml": nil} {
		if _, file := pod(t, values, nil); file["insecure_redis"] != want {
			t.Errorf("%s: %v", values, file)
		}
	}
}

func TestThePodWaitsUntilNoWebhooksCome(t *testing.T) {
	d, _ := pod(t, "small.yaml", nil)
	spec := d.Spec.Template.Spec
	const bot = 30 // seconds the bot takes at most
	if pre := spec.Containers[0].Lifecycle; pre == nil || pre.PreStop.Sleep.Seconds < 5 || *spec.TerminationGracePeriodSeconds < pre.PreStop.Sleep.Seconds+bot {
		t.Errorf("%+v, %v", pre, *spec.TerminationGracePeriodSeconds)
	}
}

func TestNotes(t *testing.T) {
	const warning = "scripts (\"run:\" steps) run inside this pod"
	for name, c := range map[string]struct {
		values string
		set    map[string]any
		want   []string
		not    []string
	}{
		"scripts in the bot's pod": {"small.yaml", nil, []string{warning}, []string{"no_artifacts"}},
		"scripts as Jobs":          {"small.yaml", map[string]any{"runner": "kubernetes"}, nil, []string{warning}},
		"nothing is kept":          {"trial.yaml", nil, []string{"no_artifacts", "This Redis is for trying out"}, nil},
	} {
		got := notes(t, c.values, c.set)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: it does not say %q:\n%s", name, w, got)
			}
		}
		for _, w := range c.not {
			if strings.Contains(got, w) {
				t.Errorf("%s: it says %q:\n%s", name, w, got)
			}
		}
	}
}

// notes is what helm says after an install.
func notes(t *testing.T, values string, config map[string]any) string {
	t.Helper()
	c, err := loader.Load("../../" + folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/" + values)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		all["config"] = config
	}
	with, err := util.ToRenderValues(c, all, common.ReleaseOptions{Name: "shipmate", Namespace: "shipmate"}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{}.Render(c, with)
	if err != nil {
		t.Fatal(err)
	}
	return files["shipmate/templates/NOTES.txt"]
}
