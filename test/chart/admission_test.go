package chart

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// TestThePolicyByHandIsTheSame holds the file for those who do not use the chart
// against it.
func TestThePolicyByHandIsTheSame(t *testing.T) {
	out, err := render("small.yaml", map[string]any{"environments": []any{map[string]any{"namespace": "shipmate-jobs", "jobs": true}}})
	if err != nil {
		t.Fatal(pipeline.Message(err))
	}
	want, text := map[string]any{}, ""
	for _, doc := range strings.Split(out, "\n---\n") {
		for _, o := range objects(t, doc) {
			if strings.HasPrefix(o.GetKind(), "ValidatingAdmissionPolicy") {
				want[o.GetKind()] = o.Object["spec"]
				text += "---\n" + doc + "\n"
			}
		}
	}
	const file = "../../docs/kubernetes/admission.yaml"
	byHand, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, o := range objects(t, string(byHand)) {
		got[o.GetKind()] = o.Object["spec"]
	}
	if len(want) != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("%s differs from what the chart renders:\n%s", file, text)
	}
}

func TestWhereThePolicyIs(t *testing.T) {
	env := func(more ...string) map[string]any {
		e := map[string]any{"namespace": "x", "jobs": true}
		for _, m := range more {
			e[m] = true
		}
		return map[string]any{"environments": []any{e}}
	}
	off := env()
	off["admissionPolicy.enabled"] = false
	for name, c := range map[string]struct {
		set  map[string]any
		want int
	}{
		"jobs alone": {env(), 2}, "jobs and deploy": {env("deploy"), 0}, "jobs and helm": {env("helm"), 0}, "switched off": {off, 0},
	} {
		out, err := render("small.yaml", c.set)
		if err != nil {
			t.Fatal(pipeline.Message(err))
		}
		if got := strings.Count(out, "kind: ValidatingAdmissionPolicy"); got != c.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
