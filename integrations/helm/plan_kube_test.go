//go:build kube

package helm_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

// secret is one that somebody else keeps in the namespace.
func (s *stage) secret(name, password string) {
	s.t.Helper()
	_, err := plane.Client.CoreV1().Secrets(s.namespace).Create(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"password": password}}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestAPlanShowsNothingThatIsLookedUp: a plan is made of commits nobody has
// said yes to, and many read it.
func TestAPlanShowsNothingThatIsLookedUp(t *testing.T) {
	s := newStage(t)
	s.secret("prod-db", "correct-horse")
	s.files["chart/templates/peek.yaml"] = `apiVersion: v1
kind: ConfigMap
metadata: {name: peek}
data:
  {{- $s := lookup "v1" "Secret" .Release.Namespace "prod-db" }}
  {{- range $k, $v := $s.data }}
  {{ $k }}: {{ $v | b64dec }}
  {{- end }}
  {{- range (lookup "v1" "Secret" .Release.Namespace "").items }}
  all-{{ .metadata.name }}: {{ .data | toJson | quote }}
  {{- end }}
  within: {{ tpl "{{ (lookup \"v1\" \"Secret\" .Release.Namespace \"prod-db\").data }}" . | quote }}
`
	secrets := []string{"correct-horse", "Y29ycmVjdC1ob3JzZQ", "prod-db", "hunter2"}
	hidden := func(c *call, res pipeline.Result) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(res.Summary+res.Message+c.said(), secret) {
				t.Errorf("%s is shown:\n%s\n%s\n%s", secret, res.Summary, res.Message, c.said())
			}
		}
		if !strings.Contains(res.Summary, "ConfigMap peek") {
			t.Errorf("the rest is not shown:\n%s", res.Summary)
		}
	}
	c := s.call("r-1", nil)
	res, err := s.runner().Plan(context.Background(), c.StepContext)
	if err != nil {
		t.Fatal(pipeline.Message(err), err)
	}
	hidden(c, res)
	c, res = s.deploy("r-2", nil)
	hidden(c, res)
	peek, err := plane.Client.CoreV1().ConfigMaps(s.namespace).Get(context.Background(), "peek", metav1.GetOptions{})
	if err != nil || peek.Data["password"] != "correct-horse" {
		t.Error("what was deployed lacks what it looked up:", peek.Data, err)
	}
	delete(s.files, "chart/templates/peek.yaml") // the manifest of what runs is on the other side of the diff
	deployed := c
	deployed.Checkpoint = res.Checkpoint
	c = s.call("r-3", nil)
	if res, err = s.runner().Plan(context.Background(), c.StepContext); err != nil || !strings.Contains(res.Summary, "-  password: ***") {
		t.Error(res, err)
	}
	for _, secret := range []string{"correct-horse", "Y29ycmVjdC1ob3JzZQ"} {
		if strings.Contains(res.Summary, secret) {
			t.Errorf("%s is shown:\n%s", secret, res.Summary)
		}
	}
	if _, err := plane.Client.CoreV1().ConfigMaps(s.namespace).Patch(context.Background(), "peek", types.MergePatchType, []byte(`{"data":{"password":"changed"}}`), metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	if res, err = s.runner().Drift(context.Background(), deployed.StepContext); err != nil || !strings.Contains(res.Summary, "+  password: ***") || strings.Contains(res.Summary, "correct-horse") {
		t.Error(res, err)
	}
}

func TestATemplateThatCannotBePlanned(t *testing.T) {
	s := newStage(t)
	s.secret("prod-db", "correct-horse")
	s.files["chart/templates/peek.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: peek}\ndata: {p: {{ (lookup \"v1\" \"Secret\" .Release.Namespace \"prod-db\").data.password | b64dec }}}\n"
	_, err := s.runner().Plan(context.Background(), s.call("r-1", nil).StepContext)
	if pipeline.Code(err) != "template_error" || !strings.Contains(pipeline.Message(err), "In a plan `lookup` finds nothing") {
		t.Error(pipeline.Message(err), err)
	}
	_, res := s.deploy("r-2", nil)
	if res.State == pipeline.Failed || !strings.HasPrefix(res.Summary, "What this deploy changes cannot be shown. The template chart/templates/peek.yaml") {
		t.Errorf("%+v", res)
	}
}

// TestWhatRuns: the images are those of the release, with the digests nodes found.
func TestWhatRuns(t *testing.T) {
	s := newStage(t)
	c, res := s.deploy("r-1", nil)
	if !slices.Equal(res.Images, []string{"example.com/web:v1"}) {
		t.Error(res.Images)
	}
	ctx, pods := context.Background(), plane.Client.CoreV1().Pods(s.namespace)
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil || len(list.Items) != 1 {
		t.Fatal(list, err)
	}
	status := `{"status":{"containerStatuses":[{"name":"web","image":"example.com/web:v1","imageID":"example.com/web@sha256:1","ready":true,"started":true,"restartCount":0,"state":{"running":{}}}]}}`
	if _, err := pods.Patch(ctx, list.Items[0].Name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	next := s.again(c)
	res, err = s.runner().Run(ctx, next.StepContext)
	if err != nil || !slices.Equal(res.Images, []string{"example.com/web@sha256:1"}) {
		t.Error(res.Images, err, next.said())
	}
}

// TestWhatIsApprovedIsDeployed: an approval is for the chart and its values,
// whatever comes out of them at random.
func TestWhatIsApprovedIsDeployed(t *testing.T) {
	s := newStage(t)
	s.files["chart/templates/login.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: {{ randAlphaNum 32 }}}\n"
	c := s.call("r-1", nil)
	res, err := s.runner().Plan(context.Background(), c.StepContext)
	if err != nil || res.Digest == "" {
		t.Fatal(res, err)
	}
	c.Planned = res.Digest
	for name, change := range map[string]func(c *call){
		"another value":    func(c *call) { c.With["set"] = map[string]any{"image.tag": "v2"} },
		"another release":  func(c *call) { c.With["release"] = "other" },
		"another template": func(*call) { s.files["chart/templates/web.yaml"] = strings.Replace(web, "web:", "evil:", 1) },
	} {
		other := s.call("r-1", nil)
		other.Planned = c.Planned
		change(other)
		if _, err := s.runner().Run(context.Background(), other.StepContext); pipeline.Code(err) != pipeline.PlanChanged {
			t.Errorf("%s: %v", name, err)
		}
		s.files["chart/templates/web.yaml"] = web
	}
	s.expect(`deployments.apps "web" not found`, "none")
	if res, err := s.runner().Run(context.Background(), s.again(c).StepContext); err != nil || res.State == pipeline.Failed {
		t.Error(res, err)
	}
	s.expect("v1 x1", "1 deployed")
}

// TestDrift: what was changed by hand is shown, with Helm or without, and none of Secrets.
func TestDrift(t *testing.T) {
	s := newStage(t)
	first, res := s.deploy("r-1", nil)
	first.Checkpoint = res.Checkpoint
	drift := func(c *call) pipeline.Result {
		t.Helper()
		res, err := s.runner().Drift(context.Background(), c.StepContext)
		if err != nil {
			t.Fatal(pipeline.Message(err), err)
		}
		return res
	}
	if res := drift(first); res.Summary != "" || res.Message != "What stands there is what was deployed." {
		t.Errorf("%+v", res)
	}
	ctx := context.Background()
	if _, err := plane.Client.AppsV1().Deployments(s.namespace).Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	if _, err := plane.Client.CoreV1().Secrets(s.namespace).Patch(ctx, "login", types.MergePatchType, []byte(`{"stringData":{"password":"other"}}`), metav1.PatchOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	text := drift(first).Summary
	for _, want := range []string{"-  replicas: 3", "+  replicas: 1", "+  password: (secret, another value)"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "managed-by: Helm\n-") || strings.Contains(text, "-  annotations") || strings.Contains(text, "aHVudGVyMg") {
		t.Error(text)
	}
	if s.image() != "v1 x3" {
		t.Error("it changed something:", s.image())
	}
	if err := plane.Client.CoreV1().Secrets(s.namespace).Delete(ctx, "login", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := drift(first).Summary; !strings.Contains(text, "+++ Secret login") || !strings.Contains(text, "+  password: (secret)") {
		t.Error(text)
	}
	second, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "v2", "replicas": 3}})
	second.Checkpoint = res.Checkpoint
	if _, err := s.runner().Revert(ctx, second.StepContext); err != nil {
		t.Fatal(err)
	}
	if res := drift(first); res.Summary != "" {
		t.Errorf("after a rollback: %+v", res)
	}
}
