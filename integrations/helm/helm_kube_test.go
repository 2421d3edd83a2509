//go:build kube

package helm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

func TestInstallAndUpgrade(t *testing.T) {
	s := newStage(t)
	_, res := s.deploy("r-1", nil)
	if !res.Done || res.State == pipeline.Failed || res.Outputs["revision"] != "1" || res.Outputs["status"] != "deployed" {
		t.Errorf("%+v", res)
	}
	s.expect("v1 x1", "1 deployed")
	c, res := s.deploy("r-2", map[string]any{"values": []any{"prod.yaml"}, "set": map[string]any{"image.tag": "1.10", "password": "other"}})
	s.expect("1.10 x2", "1 superseded, 2 deployed")
	for _, want := range []string{"Helm release shop: revision 1 to revision 2; 2 of 2 objects change.", "-  replicas: 1", "+  replicas: 2", "-      - image: example.com/web:v1", "+      - image: example.com/web:1.10", "(secret, another value)"} {
		if !strings.Contains(res.Summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, res.Summary)
		}
	}
	if strings.Contains(res.Summary+c.said(), "hunter2") || strings.Contains(res.Summary, "other\n") {
		t.Errorf("a secret is shown:\n%s", res.Summary)
	}
	for _, want := range []string{"Rendering the chart chart (web 1.2.3).", "Upgrading shop in namespace " + s.namespace, "Waiting for Deployment web: InProgress.", "Revision 2 of shop is deployed."} {
		if !strings.Contains(c.said(), want) {
			t.Errorf("the log lacks %q:\n%s", want, c.said())
		}
	}
}

func TestFailedUpgrade(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	c, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "bad"}, "timeout": "3s"})
	s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
	if res.State != pipeline.Failed || res.Code != "not_ready" || !strings.Contains(res.Message, "The release shop did not become ready within 3s. Deployment web is not ready") ||
		!strings.Contains(res.Message, "ImagePullBackOff: Back-off pulling image.") || !strings.HasSuffix(res.Message, "Revision 1 is back.") {
		t.Errorf("%+v\n%s", res, c.said())
	}
}

func TestFailedInstall(t *testing.T) {
	s := newStage(t)
	_, res := s.deploy("r-1", map[string]any{"set": map[string]any{"image.tag": "bad"}, "timeout": "3s"})
	s.expect(`deployments.apps "web" not found`, "none")
	if res.State != pipeline.Failed || !strings.HasSuffix(res.Message, "It was the first install, so it was uninstalled.") {
		t.Errorf("%+v", res)
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	bad := map[string]any{"set": map[string]any{"image.tag": "bad"}}
	for _, cause := range []error{pipeline.ErrHandedOver, pipeline.ErrLeaseLost} {
		t.Run("an upgrade, "+strings.Fields(cause.Error())[0], func(t *testing.T) {
			s := newStage(t)
			s.deploy("r-1", nil)
			c := s.killed("r-2", cause, bad)
			s.expect("bad x1", "1 deployed, 2 pending-upgrade")
			next := s.again(c)
			next.With["set"] = map[string]any{"image.tag": "v2"}
			res, err := s.runner().Run(context.Background(), next.StepContext)
			if err != nil || res.State == pipeline.Failed {
				t.Fatal(res, err, next.said())
			}
			s.expect("v2 x1", "1 superseded, 2 failed, 3 deployed")
			third := s.again(next)
			res, err = s.runner().Run(context.Background(), third.StepContext)
			if err != nil || res.Outputs["revision"] != "3" || !strings.Contains(third.said(), "has deployed revision 3 already") {
				t.Error("the result was lost, and the step did not find its work:", res, err, third.said())
			}
			s.expect("v2 x1", "1 superseded, 2 failed, 3 deployed")
			third.Checkpoint = res.Checkpoint
			back := s.again(third)
			back.Checkpoint = res.Checkpoint
			if res, err = s.runner().Revert(context.Background(), back.StepContext); err != nil || res.State == pipeline.Failed {
				t.Error(res, err)
			}
			s.expect("v1 x1", "1 superseded, 2 failed, 3 superseded, 4 deployed")
		})
	}
	t.Run("a first install", func(t *testing.T) {
		s := newStage(t)
		c := s.killed("r-1", pipeline.ErrHandedOver, bad)
		s.expect("bad x1", "1 pending-install")
		next := s.again(c)
		next.With["set"] = map[string]any{"image.tag": "v1"}
		if res, err := s.runner().Run(context.Background(), next.StepContext); err != nil || res.State == pipeline.Failed {
			t.Fatal(res, err, next.said())
		}
		s.expect("v1 x1", "1 deployed")
	})
	t.Run("and then stopped", func(t *testing.T) {
		s := newStage(t)
		s.deploy("r-1", nil)
		c := s.killed("r-2", pipeline.ErrHandedOver, bad)
		if err := s.runner().Cancel(context.Background(), s.again(c).StepContext); err != nil {
			t.Fatal(err)
		}
		s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
	})
	t.Run("and then another run", func(t *testing.T) {
		s := newStage(t)
		s.deploy("r-1", nil)
		s.killed("r-2", pipeline.ErrHandedOver, bad)
		s.deploy("r-3", map[string]any{"set": map[string]any{"image.tag": "v3"}})
		s.expect("v3 x1", "1 superseded, 2 failed, 3 deployed")
	})
}

func TestCancelled(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	c := s.call("r-2", map[string]any{"set": map[string]any{"image.tag": "bad"}})
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	end := make(chan pipeline.Result, 1)
	go func() { res, _ := s.runner().Run(ctx, c.StepContext); end <- res }()
	s.until("it waits", func() bool { return strings.Contains(c.said(), "Waiting for Deployment web") })
	cancel(errors.New("somebody stopped it"))
	if res := <-end; res.State != pipeline.Failed || res.Code != "cancelled" || res.Message != "The upgrade of shop was stopped. Revision 1 is back." {
		t.Errorf("%+v\n%s", res, c.said())
	}
	s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
}

// TestKilledWhileItRollsBack: whenever it is cut short, what was there comes back.
func TestKilledWhileItRollsBack(t *testing.T) {
	const tries = 5 // the rollback may be faster than the end of the bot
	for range tries {
		cut := false
		t.Run("try", func(t *testing.T) { cut = killedWhileItRollsBack(t) })
		if cut || t.Failed() {
			return
		}
	}
	t.Fatal("the rollback was never cut short")
}

// killedWhileItRollsBack reports whether the bot ended in the middle.
func killedWhileItRollsBack(t *testing.T) bool {
	s := newStage(t)
	s.deploy("r-1", nil)
	c := s.call("r-2", map[string]any{"set": map[string]any{"image.tag": "bad"}, "timeout": "2s"})
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	end := make(chan error, 1)
	go func() { _, err := s.runner().Run(ctx, c.StepContext); end <- err }()
	s.until("it rolls back", func() bool { return strings.Contains(s.revisions(), "3 ") })
	cancel(pipeline.ErrHandedOver)
	if err := <-end; err == nil {
		s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
		return false
	} else if !errors.Is(err, pipeline.ErrHandedOver) {
		t.Fatal(err)
	}
	next := s.again(c)
	res, err := s.runner().Run(context.Background(), next.StepContext)
	if err != nil || res.State != pipeline.Failed || res.Code != "not_ready" || !strings.HasSuffix(res.Message, "Revision 1 is back.") {
		t.Error(res, err, next.said())
	}
	s.expect("v1 x1", "1 superseded, 2 failed, 3 failed, 4 deployed")
	return true
}

func TestRevert(t *testing.T) {
	s := newStage(t)
	first, res := s.deploy("r-1", nil)
	first.Checkpoint = res.Checkpoint
	second, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "v2"}})
	second.Checkpoint = res.Checkpoint
	if !s.runner().CanRevert(second.StepContext) {
		t.Error("it cannot be reverted")
	}
	if s.runner().CanRevert(s.call("r-3", nil).StepContext) {
		t.Error("a step that did nothing can be reverted")
	}
	for range 2 { // the second finds it done
		res, err := s.runner().Revert(context.Background(), second.StepContext)
		if err != nil || res.Message != "The release shop is back at revision 1." {
			t.Fatal(res, err)
		}
		s.expect("v1 x1", "1 superseded, 2 superseded, 3 deployed")
	}
	if _, err := s.runner().Revert(context.Background(), first.StepContext); pipeline.Code(err) != "cannot_revert" {
		t.Error("what moved on since is rolled back:", err)
	}
}

// TestRevertOfWhatIsNotKept: the refusal has the engine deploy what ran before.
func TestRevertOfWhatIsNotKept(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	c, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "v2"}})
	c.Checkpoint = res.Checkpoint
	if err := plane.Client.CoreV1().Secrets(s.namespace).Delete(context.Background(), "sh.helm.release.v1.shop.v1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.runner().Revert(context.Background(), c.StepContext); pipeline.Code(err) != "cannot_revert" || pipeline.IsTemporary(err) {
		t.Error(err)
	}
	s.expect("v2 x1", ", 2 deployed")
}

func TestAnOlderCallIsRefused(t *testing.T) {
	s := newStage(t)
	late := s.call("r-1", nil)
	s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "v2"}})
	if _, err := s.runner().Run(context.Background(), late.StepContext); pipeline.Code(err) != "superseded" || pipeline.IsTemporary(err) {
		t.Error(err)
	}
	s.expect("v2 x1", "1 deployed")
}

func TestSomebodyElseIsAtWork(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	d := driver.NewSecrets(plane.Client.CoreV1().Secrets(s.namespace))
	last, err := d.Get("sh.helm.release.v1.shop.v1")
	if err != nil {
		t.Fatal(err)
	}
	theirs := last.(*v1.Release) // with the labels that a person's upgrade inherits
	theirs.Version = 2
	theirs.Info.Status = "pending-upgrade"
	if err := d.Create("sh.helm.release.v1.shop.v2", theirs); err != nil {
		t.Fatal(err)
	}
	_, err = s.runner().Run(context.Background(), s.call("r-2", nil).StepContext)
	if pipeline.Code(err) != "release_busy" || !pipeline.IsTemporary(err) || !strings.Contains(pipeline.Message(err), "Somebody else has the release shop in namespace "+s.namespace) {
		t.Error(err)
	}
	s.expect("v1 x1", "1 deployed, 2 pending-upgrade")
}

func TestPlanChangesNothing(t *testing.T) {
	s := newStage(t)
	for _, want := range []string{"a first install; 2 of 2 objects change.", "revision 1 to revision 2; 1 of 2 objects change."} {
		c := s.call("r-1", map[string]any{"set": map[string]any{"image.tag": "v2"}})
		res, err := s.runner().Plan(context.Background(), c.StepContext)
		if err != nil || !strings.Contains(res.Summary, want) || strings.Contains(res.Summary, "hunter2") {
			t.Error(res.Summary, err)
		}
		if strings.HasPrefix(want, "a first") {
			s.expect(`deployments.apps "web" not found`, "none")
			s.deploy("r-2", nil)
		}
	}
	s.expect("v1 x1", "1 deployed")
}

func TestMistakesChangeNothing(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		code, says string
	}{
		"a template":                 {"chart/templates/web.yaml", "a: 1\nb: {{ .Values.none.such }}\n", "template_error", "The template chart/templates/web.yaml:2:13 cannot be rendered: "},
		"an object in another place": {"chart/templates/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\n", "namespace_refused", "objects in the namespace kube-system"},
		"an object in no namespace":  {"chart/templates/x.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\n", "namespace_refused", "objects that belong to no namespace"},
		"a hook in another place":    {"chart/templates/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system, annotations: {helm.sh/hook: pre-upgrade}}\n", "namespace_refused", "objects in the namespace kube-system"},
		"a look at another place":    {"chart/templates/x.yaml", "{{ $s := lookup \"v1\" \"ConfigMap\" \"kube-system\" \"extension-apiserver-authentication\" }}\nx: {{ $s.data | toJson }}\n", "namespace_refused", "objects in the namespace kube-system"},
		"a look everywhere":          {"chart/templates/x.yaml", "{{ $s := lookup \"v1\" \"Secret\" \"\" \"\" }}\nx: {{ $s | toJson }}\n", "namespace_refused", "objects that belong to no namespace"},
		"a kind nobody knows":        {"chart/templates/x.yaml", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n", "unknown_kind", "no matches for kind \"Thing\""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.deploy("r-1", nil)
			s.files[c.file] = c.text
			call := s.call("r-2", nil)
			_, err := s.runner().Run(context.Background(), call.StepContext)
			if call.saved != nil || c.code != "" && pipeline.Code(err) != c.code || !strings.Contains(pipeline.Message(err), c.says) {
				t.Errorf("%s: %s (%v)", pipeline.Code(err), pipeline.Message(err), err)
			}
			s.expect("v1 x1", "1 deployed")
		})
	}
}

func TestWhatTheClusterRefusesIsTakenBack(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	s.files["chart/templates/x.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatta: {}\n"
	_, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "v2"}})
	if res.Code != "invalid_manifest" || !strings.Contains(res.Message, ".datta: field not declared in schema") || !strings.HasSuffix(res.Message, "Revision 1 is back.") {
		t.Errorf("%+v", res)
	}
	s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
}

// TestRollbackThatFails: both sentences are said, and the step ends.
func TestRollbackThatFails(t *testing.T) {
	s := newStage(t)
	s.restore = 2 * time.Second
	s.files["chart/templates/hook.yaml"] = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: before, annotations: {helm.sh/hook: pre-rollback}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: 'example.com/m:bad'}]}}}\n"
	s.deploy("r-1", nil)
	_, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "bad"}, "timeout": "2s"})
	if res.State != pipeline.Failed || res.Code != "rollback_failed" || !strings.Contains(res.Message, "did not become ready within 2s. Deployment web is not ready") || !strings.Contains(res.Message, "And what was there before could not be brought back: The release shop did not become ready within 2s.") {
		t.Errorf("%+v", res)
	}
}

// TestFieldsOfOthers: what another manager has set is not overwritten, and the sentence says so.
func TestFieldsOfOthers(t *testing.T) {
	s := newStage(t)
	s.deploy("r-1", nil)
	_, err := plane.Client.AppsV1().Deployments(s.namespace).Patch(context.Background(), "web", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "autoscaler"})
	if err != nil {
		t.Fatal(err)
	}
	_, res := s.deploy("r-2", map[string]any{"set": map[string]any{"replicas": 2}})
	if res.Code != "field_conflict" || !strings.Contains(res.Message, `conflict with "autoscaler"`) || !strings.Contains(res.Message, ".spec.replicas") {
		t.Errorf("%+v", res)
	}
	s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
}

func TestANameThatCannotBeARelease(t *testing.T) {
	s := newStage(t)
	if _, err := s.runner().Run(context.Background(), s.call("r-1", map[string]any{"release": "Shop_1"}).StepContext); pipeline.Code(err) != "invalid_release" {
		t.Error(err)
	}
}

// TestHooksAndWhatIsDeleted: a failed upgrade brings back what it deleted.
func TestHooksAndWhatIsDeleted(t *testing.T) {
	s := newStage(t)
	s.files["chart/templates/rest.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: example.com/m:1}]}}}\n"
	s.deploy("r-1", nil)
	delete(s.files, "chart/templates/rest.yaml")
	c, res := s.deploy("r-2", map[string]any{"set": map[string]any{"image.tag": "bad"}, "timeout": "3s"})
	if res.Code != "not_ready" || !strings.Contains(res.Message, "ImagePullBackOff") {
		t.Errorf("%+v\n%s", res, c.said())
	}
	s.expect("v1 x1", "1 superseded, 2 failed, 3 deployed")
	if _, err := plane.Client.CoreV1().Services(s.namespace).Get(context.Background(), "web", metav1.GetOptions{}); err != nil {
		t.Error("what the failed upgrade deleted is not back:", err)
	}
}

func TestForbidden(t *testing.T) {
	all := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	t.Run("it may not even read releases", func(t *testing.T) {
		s := newStageWith(t)
		_, err := s.runner().Run(context.Background(), s.call("r-1", nil).StepContext)
		if pipeline.Code(err) != "forbidden" || !strings.Contains(pipeline.Message(err), `cannot list resource "secrets"`) {
			t.Error(pipeline.Message(err), err)
		}
	})
	t.Run("it may not make what the chart has", func(t *testing.T) {
		s := newStageWith(t, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "pods"}, Verbs: all}, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: []string{"get", "list", "watch"}})
		_, res := s.deploy("r-1", nil)
		if res.Code != "forbidden" || !strings.Contains(res.Message, `cannot patch resource "deployments"`) && !strings.Contains(res.Message, `cannot create resource "deployments"`) {
			t.Errorf("%+v", res)
		}
		s.expect(`deployments.apps "web" not found`, "none")
	})
}
