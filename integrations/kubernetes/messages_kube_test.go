//go:build kube

package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shipmate/shipmate/pipeline"
)

// settings is a manifest with one ConfigMap.
func settings(name, version string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {version: %q}\n", name, version)
}

// failed rolls out and expects it to fail for that reason, with these words.
func (r *room) failed(with map[string]any, code string, words ...string) *step {
	r.t.Helper()
	s := r.newStep(with)
	res, err := r.roll(s)
	if err != nil { // before anything was done
		res = pipeline.Result{State: pipeline.Failed, Code: pipeline.Code(err), Message: pipeline.Message(err)}
	}
	r.t.Log(res.Message)
	if res.State != pipeline.Failed || res.Code != code {
		r.t.Errorf("%s %s %q\n%s", res.State, res.Code, res.Message, s.log)
	}
	for _, w := range words {
		if !strings.Contains(res.Message, w) {
			r.t.Errorf("no %q in %q", w, res.Message)
		}
	}
	return s
}

func quick(strategy string, more map[string]any) map[string]any {
	out := with2(strategy, more)
	out["ready_within"] = "6s"
	return out
}

func (r *room) quota(hard corev1.ResourceList) {
	r.t.Helper()
	must(r.t, second(plane.Client.CoreV1().ResourceQuotas(r.namespace).Create(r.t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{})))
	for range 100 { // until it counts
		q, err := plane.Client.CoreV1().ResourceQuotas(r.namespace).Get(r.t.Context(), "small", metav1.GetOptions{})
		must(r.t, err)
		if len(q.Status.Hard) > 0 {
			return
		}
		pause(r.t, 50*time.Millisecond)
	}
	r.t.Fatal("the quota does not count")
}

func TestAQuotaOfPodsIsSaid(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			r.quota(corev1.ResourceList{"pods": resource.MustParse("2")})
			r.version(2, "v2")
			r.failed(quick(strategy, nil), "not_ready", "did not become ready", "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2", "What ran before runs, with all the traffic.")
			r.expect(map[string]int{"v1": 2})
		})
	}
}

func TestAQuotaOfObjectsIsSaid(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.mustRoll(with2("rolling", nil))
	r.quota(corev1.ResourceList{"count/services": resource.MustParse("1")})
	r.version(1, "v2")
	r.failed(quick("blue-green", nil), "quota_exceeded", "has no room for this (apply Service shop-preview)", "count/services=1", "Ask for less, or for a larger ResourceQuota.")
	r.expect(map[string]int{"v1": 1})
}

func TestAQuotaOfAnotherNamespaceIsSaid(t *testing.T) {
	r := newRoom(t)
	home, other := r.namespace, r.elsewhere("full")
	r.namespace = other
	r.quota(corev1.ResourceList{"count/services": resource.MustParse("0")})
	r.namespace = home
	r.files.put("deploy/odd.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: "+other+"}\nspec: {ports: [{port: 80}]}\n")
	r.failed(with2("rolling", nil), "quota_exceeded", "The namespace "+other+" of test has no room for this (apply Service x)")
}

// without is the role without verbs on a resource.
func without(t *testing.T, resource string, verbs ...string) []rbacv1.PolicyRule {
	t.Helper()
	var out []rbacv1.PolicyRule
	for _, rule := range role(t) {
		for _, res := range rule.Resources {
			one := rbacv1.PolicyRule{APIGroups: rule.APIGroups, Resources: []string{res}, Verbs: slices.Clone(rule.Verbs)}
			if res == resource {
				one.Verbs = slices.DeleteFunc(one.Verbs, func(v string) bool { return slices.Contains(verbs, v) })
			}
			out = append(out, one)
		}
	}
	return out
}

func TestAForbiddenVerbIsSaid(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green"} {
		for resource, verb := range map[string]string{"deployments": "patch", "services": "delete", "configmaps": "create", "pods": "watch", "replicasets": "watch"} {
			t.Run(strategy+" "+resource, func(t *testing.T) {
				r := newRoom(t)
				r.version(2, "v1")
				r.mustRoll(with2("rolling", nil))
				r.account("weak", without(t, resource, verb))
				r.clusters = r.connect("weak", nil)
				r.version(2, "v2")
				before := r.generations()
				s := r.failed(quick(strategy, nil), "forbidden", "shipmate may not do this in the namespace "+r.namespace+" of test", "Add to the bot's Role in that namespace: `- {apiGroups: [", `resources: [`+resource+`], verbs: [`+verb+"]}`. `shipmate doctor --namespace "+r.namespace+"` lists what else is missing of the usual rights.")
				r.expect(map[string]int{"v1": 2})
				if got := r.version1(); got != "v1" {
					t.Error("the ConfigMap says", got)
				}
				if after := r.generations(); !slices.Equal(before, after) || len(s.saved) > 0 {
					t.Errorf("it was refused after it had begun: %v became %v, and it saved %s", before, after, s.saved)
				}
			})
		}
	}
}

func TestAllThatIsForbiddenIsSaidAtOnce(t *testing.T) {
	r := newRoom(t)
	other := r.namespace + "-new"
	r.clusterWide = true
	r.clusters = r.connect("deployer", nil)
	r.files.put("deploy/odd.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: "+other+"}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: "+other+"}\n")
	r.failed(with2("rolling", nil), "forbidden",
		"shipmate may not do this in the cluster test, outside of namespaces. Add to a ClusterRole that a ClusterRoleBinding gives to the bot's account: `- {apiGroups: [\"\"], resources: [namespaces], verbs: [create, get, list, patch, watch]}`. Nothing was changed.",
		"shipmate may not do this in the namespace "+r.namespace+" of test. Add to the bot's Role in that namespace: `- {apiGroups: [\"\"], resources: [secrets], verbs: [create, delete, get, list, patch, watch]}`. Nothing was changed.",
		"shipmate may not do this in the namespace "+other+" of test. Add to the bot's Role in that namespace: `- {apiGroups: [\"\"], resources: [configmaps], verbs: [create, delete, get, list, patch, watch]}`. `shipmate doctor --namespace "+other+"` lists what else is missing of the usual rights. Nothing was changed. If the namespace "+other+" is only made by these manifests, make it and the Role first, or give these rights by a ClusterRole.")
}

// version1 is what the ConfigMap shop says.
func (r *room) version1() string {
	r.t.Helper()
	cm, err := plane.Client.CoreV1().ConfigMaps(r.namespace).Get(r.t.Context(), "shop", metav1.GetOptions{})
	must(r.t, err)
	return cm.Data["version"]
}

func TestAConflictWithAnotherManager(t *testing.T) {
	r := newRoom(t)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	force := true
	patch := fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"shop"},"spec":{"replicas":3}}`)
	must(t, second(plane.Client.AppsV1().Deployments(r.namespace).Patch(t.Context(), "shop", types.ApplyPatchType, patch, metav1.PatchOptions{FieldManager: "kubectl", Force: &force})))
	r.version(2, "v2")
	r.failed(quick("rolling", nil), "field_conflict", "Others manage fields of Deployment shop that the manifest sets too: spec.replicas (set by kubectl). Take these fields out of the manifest, or say `force: true` to take them over.")
	r.expect(map[string]int{"v1": 3})
	r.mustRoll(with2("rolling", map[string]any{"force": true}))
	r.expect(map[string]int{"v2": 2})
}

const widgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.%[1]s.example.com}
spec:
  group: %[1]s.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: %[1]s.example.com/v1
kind: Widget
metadata: {name: first}
spec: {size: 1}
`

func TestADefinitionAndItsObjectInOneSet(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.files.put("deploy/widget.yaml", fmt.Sprintf(widgets, r.namespace))
	r.failed(with2("rolling", nil), "cluster_refused", "CustomResourceDefinition widgets."+r.namespace+".example.com belongs to no namespace, and the operator has not allowed acme/shop to change such objects in test (`cluster_wide: true`).")
	r.clusterWide = true
	r.clusters = r.connect("deployer", nil)
	r.failed(with2("rolling", nil), "forbidden", "shipmate may not do this in the cluster test, outside of namespaces. Add to a ClusterRole that a ClusterRoleBinding gives to the bot's account: `- {apiGroups: [\"apiextensions.k8s.io\"], resources: [customresourcedefinitions], verbs: [create, get, list, patch, watch]}`. Nothing was changed.")
	r.account("platform", append(role(t), rbacv1.PolicyRule{APIGroups: []string{r.namespace + ".example.com"}, Resources: []string{"*"}, Verbs: []string{"*"}}))
	meta := metav1.ObjectMeta{Name: r.namespace}
	must(t, second(plane.Client.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: []string{"get", "list", "watch", "create", "patch", "update"}}}}, metav1.CreateOptions{})))
	must(t, second(plane.Client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: r.namespace},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "platform", Namespace: r.namespace}}}, metav1.CreateOptions{})))
	r.clusters = r.connect("platform", nil)
	_, res := r.mustRoll(with2("rolling", nil))
	if !strings.Contains(res.Message, "5 objects are ready") {
		t.Error(res.Message)
	}
}

func TestPodsThatFitNowhere(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.mustRoll(with2("rolling", nil))
	r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 1, "v2", "v2"), "spec: {containers", "spec: {nodeSelector: {disk: gold}, containers", 1))
	r.failed(quick("rolling", nil), "not_ready", "Deployment shop did not become ready: 0 of 1 pods are.", "finds no node: 0/4 nodes are available", "What ran before runs")
	r.expect(map[string]int{"v1": 1})
}

const podSets = `apiVersion: apps/v1
kind: %[1]s
metadata: {name: db}
spec:
  selector: {matchLabels: {app: shop}}
  %[3]s
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "registry.example/shop:%[2]s"}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {clusterIP: None, selector: {app: shop}, ports: [{port: 80}]}
`

func TestSetsOfPodsByRolling(t *testing.T) {
	for kind, c := range map[string]struct {
		more string
		pods int
	}{"StatefulSet": {"{replicas: 3, serviceName: shop}", 3}, "DaemonSet": {"{}", 4}} {
		t.Run(kind, func(t *testing.T) {
			r := newRoom(t)
			put := func(tag string) {
				r.files.put("deploy/shop.yaml", fmt.Sprintf(podSets, kind, tag, strings.Trim(strings.ReplaceAll(c.more, ", ", "\n  "), "{}")))
			}
			put("v1")
			r.mustRoll(with2("rolling", nil))
			r.expect(map[string]int{"v1": c.pods})
			put("v2")
			r.mustRoll(with2("rolling", nil))
			r.expect(map[string]int{"v2": c.pods})
			put("bad")
			r.failed(with2("rolling", map[string]any{"ready_within": "8s"}), "not_ready", kind+" db did not become ready", "cannot pull the image registry.example/shop:bad")
			r.expect(map[string]int{"v2": c.pods})
			r.failed(with2("blue-green", nil), "bad_manifests", "A "+kind+" can only be rolled out with `strategy: rolling`. Deploy db in a step of its own.")
		})
	}
}

func TestAJobThatFails(t *testing.T) {
	job := func(tag, deadline string) string {
		return fmt.Sprintf("apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  %s\n  backoffLimit: 0\n  template: {spec: {nodeSelector: {%s}, restartPolicy: Never, containers: [{name: shop, image: 'registry.example/shop:%s'}]}}\n", deadline, map[bool]string{true: "disk: gold"}[tag == "late"], tag)
	}
	r := newRoom(t)
	r.files.put("deploy/job.yaml", job("late", "activeDeadlineSeconds: 1"))
	r.failed(with2("rolling", nil), "not_ready", "Job migrate did not become ready: Job Failed")
	r.files.put("deploy/job.yaml", job("v1", "completions: 1"))
	r.mustRoll(with2("rolling", nil))
	r.files.put("deploy/job.yaml", job("v2", "completions: 1"))
	r.failed(with2("rolling", nil), "invalid_manifest", "field is immutable", "It can only be set when the object is made: give it another name, or delete the old one first.")
}

func TestADeploymentThatIsDeletedMeanwhile(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			r.mustRoll(with2(strategy, nil))
			r.version(2, "never")
			s := r.newStep(with2(strategy, map[string]any{"ready_within": "15s"}))
			name := map[string]string{"rolling": "shop", "blue-green": "shop-green"}[strategy]
			deleted := false
			s.onSay = func(string) {
				if !deleted {
					deleted = true
					must(t, plane.Client.AppsV1().Deployments(r.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
				}
			}
			res, err := r.roll(s)
			must(t, err)
			if res.State != pipeline.Failed || !strings.Contains(res.Message, "Deployment "+name+" did not become ready: somebody deleted it") {
				t.Errorf("%+v", res)
			}
			r.expect(map[string]int{"v1": 2})
		})
	}
}

func TestADeletedCanaryOrStableDeployment(t *testing.T) {
	for _, name := range []string{"shop", "shop-canary"} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			r.version(2, "v2")
			s := r.newStep(with2("canary", map[string]any{"steps": []any{share(50, "1h")}}))
			must(t, second(rollout{r.config()}.Run(within10s(t), s.StepContext)))
			must(t, plane.Client.AppsV1().Deployments(r.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
			res, err := rollout{r.config()}.Run(within10s(t), s.again().StepContext)
			must(t, err)
			if res.State != pipeline.Failed || !strings.Contains(res.Message, "The Deployment "+name+" was deleted by somebody.") {
				t.Errorf("%+v", res)
			}
			r.expect(map[string]int{"v1": 2})
		})
	}
}

// A call may come long after the time in which all was to be ready: the bot, or
// the cluster, was away. It looks once more, then ends.
func TestACallThatComesTooLate(t *testing.T) {
	for tag, ok := range map[string]bool{"v2": true, "never": false} {
		t.Run(tag, func(t *testing.T) {
			r := newRoom(t)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			r.version(2, tag)
			s := r.newStep(with2("rolling", nil))
			s.Checkpoint, _ = json.Marshal(map[string]any{"strategy": "rolling", "begun": true, "until": time.Now().Add(-time.Hour)})
			res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
			must(t, err)
			if got := res.State != pipeline.Failed; got != ok {
				t.Errorf("%+v", res)
			}
		})
	}
}

// The Deployment that is there exchanges its pods just now, and cannot: which
// of them have the traffic is not for us to choose.
func TestADeploymentThatIsStuckIsNotReplaced(t *testing.T) {
	for _, strategy := range []string{"blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(4, "v1")
			r.mustRoll(with2("rolling", nil))
			patch := `{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"registry.example/shop:bad"}]}}}}`
			must(t, second(plane.Client.AppsV1().Deployments(r.namespace).Patch(t.Context(), "shop", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "shipmate"})))
			r.expect(map[string]int{"v1": 3})
			r.version(4, "v2")
			r.failed(with2(strategy, nil), "not_settled", "Deployment shop is exchanging its pods and does not get to an end", "Roll out once with `strategy: rolling`.")
			r.expect(map[string]int{"v1": 3})
		})
	}
}
