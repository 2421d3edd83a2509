package manifest

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestAChartIsTheSameEachTime(t *testing.T) {
	const password = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {p: \"PASSWORD\"}\n"
	for name, c := range map[string]struct {
		text string
		want string // in the refusal; "": there is none
	}{
		"a value":                         {strings.Replace(password, "PASSWORD", "{{ .Values.p }}", 1), ""},
		"something random":                {strings.Replace(password, "PASSWORD", "{{ randAlphaNum 32 }}", 1), "Secret login of the chart c is different each time it is rendered"},
		"something random in a default":   {strings.Replace(password, "PASSWORD", "{{ (lookup \"v1\" \"Secret\" .Release.Namespace \"login\").data | default (randAlphaNum 32) }}", 1), "Set the value, or use helm.upgrade."},
		"a random name":                   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a-{{ randNumeric 12 }}}\n", "ConfigMap a-"},
		"the time in seconds":             {strings.Replace(password, "PASSWORD", "{{ now | unixEpoch }}", 1), "Secret login of the chart c is different each time it is rendered"},
		"something random that is unused": {"{{- $p := randAlphaNum 32 }}\n" + strings.Replace(password, "PASSWORD", "same", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n", "c/values.yaml": "p: one\n", "c/templates/a.yaml": c.text}
			objects, _, err := Load(t.Context(), tree(t, files), Options{Chart: &Chart{Path: "c", Release: "shop", Namespace: "prod"}})
			switch {
			case c.want == "" && (err != nil || len(objects) != 1):
				t.Error(objects, err)
			case c.want != "" && (pipeline.Code(err) != "invalid_manifest" || !strings.Contains(pipeline.Message(err), c.want)):
				t.Errorf("%v: %s", err, pipeline.Message(err))
			}
		})
	}
}
