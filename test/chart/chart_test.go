// Package chart checks the Helm chart in charts/shipmate: what it renders, what
// it refuses, and, with the build tag kube, what a real API server says to it.
package chart

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const folder = "charts/shipmate"

// render renders the chart with a file of values and single ones.
func render(values string, set map[string]any) (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	o := chart.Options{Root: root, Release: "shipmate", Namespace: "shipmate", Set: set, KubeVersion: "v1.33.0"}
	if values != "" {
		o.Values = []string{"test/chart/testdata/" + values}
	}
	out, _, err := chart.Render(context.Background(), folder, o)
	return string(out), err
}

func objects(t *testing.T, manifests string) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for _, doc := range strings.Split(manifests, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(doc), &o.Object); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if o.GetKind() != "" {
			all = append(all, o)
		}
	}
	return all
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"small", "full", "trial"} {
		got, err := render(name+".yaml", nil)
		if err != nil {
			t.Fatal(name, pipeline.Message(err))
		}
		objects(t, got)
		golden(t, name+".golden", got)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at what changed with: go test ./test/chart -update && git diff\n%s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d: %q", i+1, a[i])
		}
	}
	return "it ends early"
}

func TestLint(t *testing.T) {
	values, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(values, &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range lint.RunAll("../../"+folder, all, "shipmate").Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

func TestWhatItRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]any
		says string
	}{
		"no Secret":                      {map[string]any{"secrets.existingSecret": ""}, "name a Secret with the keys github-private-key, github-webhook-secret and redis-url"},
		"a value that is not known":      {map[string]any{"replica": 3}, "additional properties 'replica' not allowed"},
		"a secret in the values":         {map[string]any{"secrets.slackBotToken": "xoxb"}, "additional properties 'slackBotToken' not allowed"},
		"a Redis URL in the file":        {map[string]any{"config.redis_url": "redis://x"}, "'/config'"},
		"two bots that share nothing":    {map[string]any{"store.url": ""}, "up to 2 bots need one place for logs and artifacts"},
		"more bots when it is needed":    {map[string]any{"store.url": "", "replicas": 1, "autoscaling.enabled": true}, "up to 10 bots need one place"},
		"a variable that is the chart's": {map[string]any{"extraEnv": []any{map[string]any{"name": "SHIPMATE_DATA_DIR", "value": "/x"}}}, "at '/extraEnv/0/name'"},
		"images that begin like others":  {map[string]any{"environments": []any{map[string]any{"namespace": "x", "jobs": true, "images": []any{"registry.example.com"}}}}, "does not match pattern"},
		"two stores":                     {map[string]any{"store.existingClaim": "x"}, "take one of them out"},
		"credentials of the store":       {map[string]any{"store.url": "s3://key:secret@shipmate"}, "at '/store/url'"},
		"a store in the file":            {map[string]any{"config.store_url": "s3://x"}, "'/config'"},
		"no replicas":                    {map[string]any{"replicas": 0}, "at '/replicas'"},
		"text for a number":              {map[string]any{"replicas": "2"}, "got string, want integer"},
		"an environment of no use":       {map[string]any{"environments": []any{map[string]any{"namespace": "x"}}}, "say what the bot does in the namespace x"},
		"an environment twice":           {map[string]any{"environments": []any{map[string]any{"namespace": "x", "jobs": true}, map[string]any{"namespace": "x", "helm": true}}}, "the namespace x is there twice"},
		"all resources":                  {map[string]any{"environments": []any{map[string]any{"namespace": "x", "resources": []any{map[string]any{"group": "", "resource": "*"}}}}}, "does not match pattern"},
		"a part of a resource":           {map[string]any{"environments": []any{map[string]any{"namespace": "x", "resources": []any{map[string]any{"group": "", "resource": "pods/exec"}}}}}, "does not match pattern"},
		"roles":                          {map[string]any{"environments": []any{map[string]any{"namespace": "x", "resources": []any{map[string]any{"group": "rbac.authorization.k8s.io", "resource": "roles"}}}}}, "'not' failed"},
		"a scaling from more to less":    {map[string]any{"autoscaling.enabled": true, "autoscaling.maxReplicas": 1}, "autoscaling.maxReplicas is less than"},
		"an Ingress without a name":      {map[string]any{"ingress.enabled": true}, "ingress.host: say under which name"},
		"a digest that is none":          {map[string]any{"image.digest": "latest"}, "does not match pattern"},
		"a namespace that cannot be one": {map[string]any{"environments": []any{map[string]any{"namespace": "*", "jobs": true}}}, "does not match pattern"},
	} {
		if _, err := render("small.yaml", c.set); !strings.Contains(pipeline.Message(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRoles holds the chart's Roles against the one list of what is needed.
func TestRoles(t *testing.T) {
	for name, features := range map[string][]cluster.Feature{
		"deploy": {cluster.ForDeploy}, "jobs": {cluster.ForJobs}, "helm": {cluster.ForHelm}, "all": cluster.Features,
	} {
		env := map[string]any{"namespace": "shop"}
		for _, f := range features {
			env[string(f)] = true
		}
		out, err := render("small.yaml", map[string]any{"environments": []any{env}})
		if err != nil {
			t.Fatal(pipeline.Message(err))
		}
		var have, want []string
		for _, r := range roles(t, out) {
			if r.Namespace != "shop" {
				t.Errorf("a Role in %s", r.Namespace)
			}
			for _, rule := range r.Rules {
				for _, resource := range rule.Resources {
					have = append(have, fmt.Sprint(rule.APIGroups[0], " ", resource, " ", rule.Verbs))
				}
			}
		}
		for _, n := range cluster.Needs(features...) {
			want = append(want, fmt.Sprint(n.Group, " ", n.Resource, " ", n.Verbs))
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("%s: the Role allows\n%s\nneeded is\n%s", name, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
	}
}

func roles(t *testing.T, manifests string) []rbacv1.Role {
	t.Helper()
	var all []rbacv1.Role
	for _, o := range objects(t, manifests) {
		if o.GetKind() != "Role" {
			continue
		}
		var r rbacv1.Role
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestNothingGoesBeyondNamespaces holds for everything that is rendered, but for
// the policy that takes away what a Role cannot.
func TestNothingGoesBeyondNamespaces(t *testing.T) {
	out, err := render("full.yaml", nil)
	if err != nil {
		t.Fatal(pipeline.Message(err))
	}
	for _, o := range objects(t, out) {
		if strings.HasPrefix(o.GetKind(), "ValidatingAdmissionPolicy") {
			continue
		}
		if o.GetNamespace() == "" || strings.HasPrefix(o.GetKind(), "Cluster") {
			t.Errorf("%s %s belongs to no namespace", o.GetKind(), o.GetName())
		}
	}
	for _, r := range roles(t, out) {
		for _, rule := range r.Rules {
			all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
			for _, never := range []string{"*", "escalate", "bind", "impersonate", "pods/exec", "pods/attach", "serviceaccounts/token", "roles", "rolebindings"} {
				if slices.Contains(all, never) {
					t.Errorf("a Role has %s: %v", never, rule)
				}
			}
		}
	}
}

var metricName = regexp.MustCompile(`shipmate_[a-z_]+`)

// TestMetrics: alerts, dashboard and scaling ask for metrics that the bot has.
func TestMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, name := range metrics(t) {
		known[name] = true
	}
	asked := map[string]bool{}
	for _, file := range []string{"files/alerts.yaml", "files/dashboard.json", "templates/availability.yaml"} {
		text, err := os.ReadFile(filepath.Join("../..", folder, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			asked[name] = true
			if !known[name] {
				t.Errorf("%s asks for %s, which the bot does not have", file, name)
			}
		}
	}
	if len(asked) < 10 {
		t.Errorf("only %d metrics were found", len(asked))
	}
	var dashboard map[string]any
	text, err := os.ReadFile(filepath.Join("../..", folder, "files/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Error(err)
	}
}

// metrics are the names of all series of a bot that has worked a little.
func metrics(t *testing.T) []string {
	t.Helper()
	m := bot.NewMetrics(func(context.Context) (pipeline.Stats, error) {
		return pipeline.Stats{Queues: []pipeline.QueueStats{{Pool: pipeline.Steps}}}, nil
	})
	m.Acked("github", "202", time.Second)
	m.Called("github", "200")
	m.Budget(1, 2)
	m.Job(&pipeline.Lease{}, time.Second, nil)
	run := &pipeline.Run{}
	run.Pipeline.Steps = []pipeline.Step{{Name: "a", Run: "true"}}
	m.Observer().RunEnded(run)
	m.Observer().StepEnded(run, &pipeline.StepRun{Name: "a", Started: time.Now()})
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
		if f.GetType().String() == "HISTOGRAM" {
			names = append(names, f.GetName()+"_bucket", f.GetName()+"_sum", f.GetName()+"_count")
		}
	}
	return names
}

// TestSecretsAreDocumented: every key that is read is in values.yaml.
func TestSecretsAreDocumented(t *testing.T) {
	values, err := os.ReadFile("../../" + folder + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out, err := render("trial.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	small, err := render("small.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`key: ([a-z-]+)`).FindAllStringSubmatch(out+small, -1)
	if len(keys) < 20 {
		t.Errorf("only %d keys", len(keys))
	}
	for _, k := range keys {
		if !strings.Contains(string(values), k[1]+" ") && !strings.Contains(string(values), k[1]+"\n") {
			t.Errorf("values.yaml does not say what %s is", k[1])
		}
	}
}
