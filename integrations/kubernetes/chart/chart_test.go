package chart_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
	"github.com/shipmate/shipmate/pipeline"
)

// checkout writes files into a new folder. "-> x" makes a link to x.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func shop() map[string]string {
	return map[string]string{
		"deploy/shop/Chart.yaml":                    "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"deploy/shop/values.yaml":                   "image: {tag: old, pull: Always}\nreplicas: 1\n",
		"deploy/shop/templates/_names.tpl":          `{{ define "name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}`,
		"deploy/shop/templates/web.yaml":            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ include \"name\" . }}}\nspec:\n  replicas: {{ .Values.replicas }}\n  image: {{ .Values.image.tag | quote }}\n",
		"deploy/shop/templates/config.yaml":         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: {{ .Release.Namespace }}}\ndata: {found: {{ len (lookup \"v1\" \"Secret\" \"x\" \"y\") | quote }}, kube: {{ .Capabilities.KubeVersion.Version }}, monitors: {{ .Capabilities.APIVersions.Has \"monitoring.coreos.com/v1\" | quote }}}\n",
		"deploy/shop/templates/migrate.yaml":        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: {helm.sh/hook: pre-upgrade}\n",
		"deploy/shop/templates/NOTES.txt":           "Thank you.",
		"deploy/shop/crds/thing.yaml":               "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n",
		"deploy/shop/charts/sub/Chart.yaml":         "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"deploy/shop/charts/sub/templates/svc.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: sub}\n",
		"deploy/shop/.helmignore":                   "*.bak\n",
		"deploy/shop/templates/old.yaml.bak":        "{{ nonsense",
		"deploy/prod.yaml":                          "image: {tag: \"1.10\"}\nreplicas: 3\n",
	}
}

func TestRender(t *testing.T) {
	root := checkout(t, shop())
	out, hooks, err := chart.Render(context.Background(), filepath.Join(root, "deploy/shop"), chart.Options{
		Root: root, Release: "shop", Namespace: "prod", Values: []string{"deploy/prod.yaml"}, Set: map[string]any{"replicas": 5, `labels.app\.kubernetes\.io/part-of`: "x"},
		KubeVersion: "v1.36.4", APIVersions: []string{"monitoring.coreos.com/v1"},
	})
	if err != nil {
		t.Fatal(pipeline.Message(err), err)
	}
	want := `---
# Source: web/crds/thing.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
# Source: web/templates/config.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: prod}
data: {found: "0", kube: v1.36.4, monitors: "true"}
---
# Source: web/charts/sub/templates/svc.yaml
apiVersion: v1
kind: Service
metadata: {name: sub}
---
# Source: web/templates/web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop-web}
spec:
  replicas: 5
  image: "1.10"
`
	if string(out) != want {
		t.Errorf("got\n%s", out)
	}
	if len(hooks) != 1 || hooks[0].String() != "Job migrate (pre-upgrade)" {
		t.Error(hooks)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string // over those of the shop
		chart  string
		values []string
		set    map[string]any
		code   string
		says   string
	}{
		"a template that does not parse": {
			files: map[string]string{"deploy/shop/templates/web.yaml": "a: 1\nb: {{ if }}\n"},
			code:  "template_error", says: "The template deploy/shop/templates/web.yaml:2 cannot be rendered: missing value for if.",
		},
		"a value that is required": {
			files: map[string]string{"deploy/shop/templates/web.yaml": "a: 1\nb: {{ required \"say which host\" .Values.host }}\n"},
			code:  "template_error", says: "The template deploy/shop/templates/web.yaml:2:6 cannot be rendered: say which host.",
		},
		"a mistake in a helper shows where it is": {
			files: map[string]string{"deploy/shop/templates/_names.tpl": "{{ define \"name\" }}\n{{ .Values.none.such }}{{ end }}"},
			code:  "template_error", says: "The template deploy/shop/templates/_names.tpl:2:10 cannot be rendered: executing \"name\" at <.Values.none.such>: nil pointer evaluating interface {}.such.",
		},
		"a comparison of things that cannot be compared": {
			files: map[string]string{"deploy/shop/templates/web.yaml": "a: {{ lt .Values.replicas \"x\" }}\n"},
			code:  "template_error", says: "The template deploy/shop/templates/web.yaml:1:6 cannot be rendered: executing \"web/templates/web.yaml\" at <lt .Values.replicas \"x\">: error calling lt: incompatible types for comparison",
		},
		"what was rendered is no YAML": {
			files: map[string]string{"deploy/shop/templates/web.yaml": "apiVersion: v1\nkind: Pod\n  metadata: {name: x}\n"},
			code:  "template_error", says: "The template deploy/shop/templates/web.yaml renders to something that is no YAML: yaml: line 3: mapping values are not allowed in this context",
		},
		"a chart that is not there": {chart: "deploy/shpo", code: "no_chart", says: "There is no Chart.yaml in deploy/shpo. Did you mean deploy/shop?"},
		"a chart outside":           {chart: "../shop", code: "no_chart", says: `is outside of the repository.`},
		"values that are not there": {values: []string{"deploy/prd.yaml"}, code: "no_values", says: "There is no values file deploy/prd.yaml. Did you mean deploy/prod.yaml?"},
		"values outside":            {values: []string{"../../etc/passwd"}, code: "no_values", says: `The values file "../../etc/passwd" is outside of the repository.`},
		"values behind a link that leads out": {
			files: map[string]string{"deploy/out.yaml": "-> /etc/hostname"}, values: []string{"deploy/out.yaml"},
			code: "no_values", says: "There is no values file deploy/out.yaml.",
		},
		"a link out of the repository in the chart": {
			files: map[string]string{"deploy/shop/files/token": "-> /etc/passwd"},
			code:  "invalid_chart", says: "The chart's file deploy/shop/files/token cannot be read; is it a link that leads nowhere, or out of the repository?",
		},
		"a link to a folder outside": {
			files: map[string]string{"deploy/shop/files": "-> /etc"},
			code:  "invalid_chart", says: "The chart's file deploy/shop/files cannot be read",
		},
		"values that are no YAML": {files: map[string]string{"deploy/prod.yaml": "a: [1"}, values: []string{"deploy/prod.yaml"}, code: "invalid_values", says: "The values file deploy/prod.yaml cannot be read: "},
		"values that break the schema": {
			files: map[string]string{"deploy/shop/values.schema.json": `{"properties": {"replicas": {"type": "integer"}}}`}, set: map[string]any{"replicas": "many"},
			code: "invalid_values", says: "The values do not fit the schema of the chart deploy/shop: web: - at '/replicas': got string, want integer. Correct the values files or `set`.",
		},
		"a schema that reads other files": {
			files: map[string]string{"deploy/shop/values.schema.json": `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`},
			code:  "invalid_chart", says: `refers to "file:///etc/passwd"`,
		},
		"a dependency that was not committed": {
			files: map[string]string{"deploy/shop/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.0.0, repository: https://charts.example.com}]\n"},
			code:  "missing_dependency", says: "The chart deploy/shop depends on redis, which is not in deploy/shop/charts. Run `helm dependency update deploy/shop` and commit that folder",
		},
		"a set that does not fit": {set: map[string]any{"replicas": 1, "replicas.more": 2}, code: "invalid_values", says: "The value \"replicas.more\" under `set` does not fit: replicas is no map in the values."},
		"a cluster that is too old": {
			files: map[string]string{"deploy/shop/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '>=99.0.0'\n"},
			code:  "chart_incompatible", says: "The chart web needs Kubernetes >=99.0.0",
		},
		"no name of a chart": {files: map[string]string{"deploy/shop/Chart.yaml": "apiVersion: v2\n"}, code: "invalid_chart", says: "The chart deploy/shop cannot be read: validation: chart.metadata.name is required."},
	} {
		t.Run(name, func(t *testing.T) {
			files := shop()
			for f, text := range c.files {
				files[f] = text
			}
			root := checkout(t, files)
			if c.chart == "" {
				c.chart = "deploy/shop"
			}
			_, _, err := chart.Render(context.Background(), filepath.Join(root, c.chart), chart.Options{Root: root, Release: "shop", Namespace: "prod", Values: c.values, Set: c.set})
			if pipeline.Code(err) != c.code || !strings.Contains(pipeline.Message(err), c.says) {
				t.Errorf("got %s: %s (%v)", pipeline.Code(err), pipeline.Message(err), err)
			}
		})
	}
}

func TestValuesStayWhatTheyAre(t *testing.T) {
	root := checkout(t, map[string]string{
		"c/Chart.yaml":           "apiVersion: v2\nname: c\nversion: 1.0.0\n",
		"c/templates/types.yaml": "kind: X\nis: {{ kindOf .Values.v }} {{ .Values.v | toJson }}\n",
	})
	for v, want := range map[any]string{
		"1.10": `string "1.10"`, "true": `string "true"`, "a,b=c{d}": `string "a,b=c{d}"`, "{{ .Release.Name }}": `string "{{ .Release.Name }}"`,
		int64(3): "int64 3", true: "bool true", 1.5: "float64 1.5",
	} {
		out, _, err := chart.Render(context.Background(), root+"/c", chart.Options{Root: root, Release: "r", Set: map[string]any{"v": v}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "is: "+want+"\n") {
			t.Errorf("%v became %s", v, out)
		}
	}
}

func TestAChartAloneInItsFolder(t *testing.T) {
	root := checkout(t, shop())
	if _, _, err := chart.Render(context.Background(), filepath.Join(root, "deploy/shop"), chart.Options{Release: "shop"}); err != nil {
		t.Fatal(err)
	}
}
