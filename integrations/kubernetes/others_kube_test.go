//go:build kube

package kubernetes

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
)

// by rolls a version out as the step of a pipeline.
func (r *room) by(pipe, tag string, with map[string]any) (*step, pipeline.Result) {
	r.t.Helper()
	r.version(2, tag)
	s := r.newStep(with)
	s.Run.Pipeline.Name = pipe
	res, err := r.roll(s)
	must(r.t, err)
	return s, res
}

// Two pipelines deploy the same objects: what ran before is what the other one
// deployed, not what the same one did.
func TestTheWayBackLeadsToWhatAnotherPipelineDeployed(t *testing.T) {
	for _, first := range []string{"rolling", "blue-green"} {
		for _, next := range []string{"rolling", "blue-green", "canary"} {
			for _, third := range []string{"rolling", "blue-green", "canary"} {
				t.Run(first+" "+next+" "+third, func(t *testing.T) {
					t.Parallel()
					strategy := func(name string, quickly bool) map[string]any {
						with := with2(name, nil)
						if quickly {
							with = quick(name, nil)
						}
						if name == "canary" {
							with["steps"] = []any{map[string]any{"weight": 30, "pause": "0s"}}
						}
						return with
					}
					r := newRoom(t)
					r.by("deploy", "v1", strategy(first, false))
					_, res := r.by("hotfix", "v2", strategy(next, false))
					if res.State == pipeline.Failed {
						t.Fatal(res)
					}
					r.expect(map[string]int{"v2": 2})
					_, res = r.by("deploy", "bad", strategy(third, true))
					if res.State != pipeline.Failed && res.Code != "not_ready" {
						t.Errorf("%+v", res)
					}
					r.expect(map[string]int{"v2": 2})
					s, _ := r.by("deploy", "v3", strategy(third, false))
					r.expect(map[string]int{"v3": 2})
					if third != "canary" {
						s = s.again()
						must(t, second(rollout{r.config()}.Revert(within10s(t), s.StepContext)))
						r.expect(map[string]int{"v2": 2})
					}
				})
			}
		}
	}
}

// Somebody switches back by hand, and the next deploy is taken back: the
// traffic is where they had put it.
func TestTheWayBackLeadsToWhatSomebodyChoseByHand(t *testing.T) {
	r := newRoom(t)
	r.by("deploy", "v1", with2("blue-green", nil))
	r.by("deploy", "v2", with2("blue-green", nil))
	must(t, second(plane.Client.CoreV1().Services(r.namespace).Patch(t.Context(), "shop", types.JSONPatchType,
		[]byte(`[{"op":"replace","path":"/spec/selector/shipmate.dev~1colour","value":"blue"}]`), metav1.PatchOptions{FieldManager: "kubectl-patch"})))
	r.expect(map[string]int{"v1": 2})
	s, _ := r.by("deploy", "v3", with2("blue-green", nil))
	r.expect(map[string]int{"v3": 2})
	must(t, second(rollout{r.config()}.Revert(within10s(t), s.again().StepContext)))
	r.expect(map[string]int{"v1": 2})
}

// A rollout needs names of its own. Objects of somebody else that have them are
// left alone, and it says so before it changes anything.
func TestNamesThatSomebodyElseHas(t *testing.T) {
	deployment := func(name string) func(*room) {
		return func(r *room) {
			var d appsv1.Deployment
			must(r.t, yaml.Unmarshal(fmt.Appendf(nil, `metadata: {name: %s}
spec:
  replicas: 3
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: x, image: "registry.example/other:v1"}]}
`, name), &d))
			must(r.t, second(plane.Client.AppsV1().Deployments(r.namespace).Create(r.t.Context(), &d, metav1.CreateOptions{FieldManager: "kubectl"})))
		}
	}
	service := func(name string) func(*room) {
		return func(r *room) {
			must(r.t, second(plane.Client.CoreV1().Services(r.namespace).Create(r.t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "other"}, Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{FieldManager: "kubectl"})))
		}
	}
	ingress := func(r *room) {
		var i netv1.Ingress
		must(r.t, yaml.Unmarshal([]byte(strings.Replace(shopIngress, "name: shop,", "name: shop-canary,", 1)), &i))
		must(r.t, second(plane.Client.NetworkingV1().Ingresses(r.namespace).Create(r.t.Context(), &i, metav1.CreateOptions{FieldManager: "kubectl"})))
	}
	byIngresses := byTraffic(byIngress, share(50, "10ms"))
	for name, c := range map[string]struct {
		put  func(*room)
		with map[string]any
	}{
		"Service shop-preview":   {service("shop-preview"), with2("blue-green", nil)},
		"Deployment shop-blue":   {deployment("shop-blue"), with2("blue-green", nil)},
		"Deployment shop-canary": {deployment("shop-canary"), with2("canary", map[string]any{"steps": twoShares, "force": true})},
		"Service shop-canary":    {service("shop-canary"), byIngresses},
		"Ingress shop-canary":    {ingress, byIngresses},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.split(byIngress)
			r.version(2, "v1")
			r.mustRoll(with2("rolling", nil))
			c.put(r)
			before := r.traces()
			r.version(2, "v2")
			r.failed(c.with, "name_taken", "There is a "+name+" already that shipmate did not make, and the rollout needs that name. Rename it, or delete it if nobody needs it.")
			if after := r.traces(); !slices.Equal(after, before) {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
}

// Objects of one name in several namespaces are told apart in a plan.
func TestAPlanTellsObjectsOfOneNameApart(t *testing.T) {
	r := newRoom(t)
	other := r.elsewhere("jobs")
	put := func(a, b string) {
		r.files.put("deploy/shop.yaml", settings("app", a)+"---\n"+strings.Replace(settings("app", b), "name: app", "name: app, namespace: "+other, 1))
	}
	put("1", "1")
	must(t, second(apply{r.config()}.Run(within10s(t), r.newStep(manifests()).StepContext)))
	put("2", "1")
	res, err := apply{r.config()}.Plan(within10s(t), r.newStep(manifests()).StepContext)
	must(t, err)
	if !strings.Contains(res.Summary, `+  version: "2"`) || !strings.Contains(res.Summary, "ConfigMap app in "+r.namespace) || strings.Contains(res.Summary, "app in "+other) || !strings.Contains(res.Message, "1 object changes, 0 of them new; 1 stay") {
		t.Errorf("%s\n%s", res.Message, res.Summary)
	}
}

// What a new namespace holds is planned before the namespace is there.
func TestAPlanWithANewNamespace(t *testing.T) {
	r := newRoom(t)
	other := r.namespace + "-new"
	r.admin(r.namespace, other)
	r.files.put("deploy/shop.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+other+"}\n---\n"+strings.Replace(settings("app", "1"), "name: app", "name: app, namespace: "+other, 1))
	res, err := apply{r.config()}.Plan(within10s(t), r.newStep(manifests()).StepContext)
	if err != nil || !strings.Contains(res.Message, "2 objects change, 2 of them new") {
		t.Fatal(err, res)
	}
	must(t, second(apply{r.config()}.Run(within10s(t), r.newStep(manifests()).StepContext)))
}

// elsewhere is one more namespace, in which the room's bot may do everything.
func (r *room) elsewhere(name string) string {
	r.t.Helper()
	name = r.namespace + "-" + name
	must(r.t, second(plane.Client.CoreV1().Namespaces().Create(r.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})))
	r.admin(r.namespace, name)
	return name
}

// admin has the room's bot be one that may do everything in these namespaces.
func (r *room) admin(namespaces ...string) {
	r.t.Helper()
	cs, err := cluster.New(cluster.Config{
		Clusters: map[string]cluster.Access{"test": {Kubeconfig: plane.Kubeconfig, QPS: 500}},
		Allow:    []cluster.Rule{{Repo: "acme/*", Cluster: "test", Namespaces: namespaces, ClusterWide: true}},
	}, slog.New(slog.DiscardHandler))
	must(r.t, err)
	r.t.Cleanup(cs.Close)
	r.clusters = cs
}

// A Secret is not brought back, and whoever reads that all is as before reads that too.
func TestARolloutSaysThatASecretIsNotBroughtBack(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.admin(r.namespace)
			secret := func(password string) {
				r.files.put("deploy/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: "+password+"}\n")
			}
			secret("old")
			r.by("deploy", "v1", with2("rolling", nil))
			secret("new")
			r.version(2, "bad")
			r.failed(quick(strategy, nil), "not_ready", "What ran before runs, with all the traffic, except Secret db (of Secrets no copy is kept).")
		})
	}
}

// What another environment took over with force stays its own when this one goes back.
func TestForceTakesNothingBack(t *testing.T) {
	r := newRoom(t)
	r.files.put("deploy/extra.yaml", settings("extra", "1"))
	r.by("deploy", "v1", with2("rolling", map[string]any{"force": true}))
	r.files.put("deploy/extra.yaml", settings("extra", "2"))
	s, _ := r.by("deploy", "v2", with2("rolling", map[string]any{"force": true}))
	r.files.put("deploy/extra.yaml", settings("extra", "theirs"))
	theirs := r.newStep(map[string]any{"manifests": []any{"deploy/extra.yaml"}, "force": true, "ready_within": "10s"})
	theirs.Run.Environment.Name = "staging"
	must(t, second(apply{r.config()}.Run(within10s(t), theirs.StepContext)))
	res, err := rollout{r.config()}.Revert(within10s(t), s.again().StepContext)
	must(t, err)
	if want := "except ConfigMap extra (another environment deploys it by now)."; !strings.HasSuffix(res.Message, want) {
		t.Error(res.Message)
	}
	extra, err := plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "extra", metav1.GetOptions{})
	must(t, err)
	if extra.Data["version"] != "theirs" {
		t.Error(extra.Data)
	}
}

// A misspelt field is refused at the first deploy as at any other.
func TestAMisspeltFieldOfANewObject(t *testing.T) {
	r := newRoom(t)
	r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 2, "v1", "v1"), "replicas:", "replcas:", 1))
	_, err := apply{r.config()}.Run(within10s(t), r.newStep(manifests()).StepContext)
	if pipeline.Code(err) != "invalid_manifest" || !strings.Contains(pipeline.Message(err), "replcas") {
		t.Error(pipeline.Code(err), err)
	}
}

// Somebody deletes what splits the traffic: the canary does not go on as if it had its share.
func TestASplitThatSomebodyDeletes(t *testing.T) {
	r := newRoom(t)
	r.split(byIngress)
	r.version(2, "v1")
	r.mustRoll(with2("rolling", nil))
	r.version(2, "v2")
	s := r.newStep(byTraffic(byIngress, share(25, "1s"), share(50, "10ms")))
	res, err := rollout{r.config()}.Run(within10s(t), s.StepContext)
	must(t, err)
	if res.Done {
		t.Fatalf("%+v", res)
	}
	must(t, plane.Client.NetworkingV1().Ingresses(r.namespace).Delete(t.Context(), "shop-canary", metav1.DeleteOptions{}))
	res, _, err = r.toTheEnd(within10s(t), r.config(), s.again())
	must(t, err)
	if res.Code != "traffic_gone" || !strings.Contains(res.Message, "The Ingress shop-canary was deleted by somebody") {
		t.Errorf("%+v", res)
	}
	r.expect(map[string]int{"v1": 2})
}

func TestPruneDeletesWhatWasOursOnly(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.files.put("deploy/old.yaml", settings("old", "1"))
	r.mustRoll(with2("rolling", nil))
	must(t, second(plane.Client.CoreV1().ConfigMaps(r.namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}}, metav1.CreateOptions{})))
	r.files.put("deploy/old.yaml", "")
	names := func() []string {
		list, err := plane.Client.CoreV1().ConfigMaps(r.namespace).List(t.Context(), metav1.ListOptions{})
		must(t, err)
		var out []string
		for _, cm := range list.Items {
			if !strings.HasPrefix(cm.Name, "shipmate-") && cm.Name != "kube-root-ca.crt" {
				out = append(out, cm.Name)
			}
		}
		return out
	}
	r.mustRoll(with2("rolling", nil))
	if got := names(); !slices.Equal(got, []string{"old", "shop", "theirs"}) {
		t.Error("without prune:", got)
	}
	r.files.put("deploy/data.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], storageClassName: \"\", volumeName: none, resources: {requests: {storage: 1Mi}}}\n")
	must(t, second(r.roll(r.newStep(quick("rolling", nil)))))
	r.files.put("deploy/data.yaml", "")
	s, _ := r.mustRoll(with2("rolling", map[string]any{"prune": true}))
	if got := names(); !slices.Equal(got, []string{"shop", "theirs"}) {
		t.Error("with prune:", got)
	}
	if !strings.Contains(s.log.String(), "PersistentVolumeClaim data: left, though the manifests do not hold it any more") {
		t.Error(s.log)
	}
	must(t, second(plane.Client.CoreV1().PersistentVolumeClaims(r.namespace).Get(t.Context(), "data", metav1.GetOptions{})))
	if !strings.Contains(s.log.String(), "ConfigMap old: removed, because the manifests do not hold it any more") {
		t.Error(s.log)
	}
}

func TestPruneLeavesWhatSomebodyElseTookOver(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.files.put("deploy/old.yaml", settings("old", "1"))
	r.mustRoll(with2("rolling", nil))
	must(t, second(plane.Client.CoreV1().ConfigMaps(r.namespace).Patch(t.Context(), "old", types.JSONPatchType, []byte(`[{"op":"replace","path":"/metadata/labels","value":{"by":"hand"}}]`), metav1.PatchOptions{})))
	r.files.put("deploy/old.yaml", "")
	r.mustRoll(with2("rolling", map[string]any{"prune": true}))
	must(t, second(plane.Client.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "old", metav1.GetOptions{})))
}

func TestAnObjectOfAnotherEnvironmentIsLeftAlone(t *testing.T) {
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		t.Run(strategy, func(t *testing.T) {
			r := newRoom(t)
			r.version(1, "v1")
			r.mustRoll(with2("rolling", nil))
			before := r.traces()
			r.version(1, "v2")
			s := r.newStep(with2(strategy, nil))
			s.Run.Environment.Name = "staging"
			res, err := r.roll(s)
			if code := pipeline.Code(err); code != "other_owner" || !strings.Contains(pipeline.Message(err), "is deployed by another environment of shipmate (repository id and environment: 7/prod). Give it another name, or say `force: true` to take it over.") {
				t.Errorf("%+v %v", res, err)
			}
			if after := r.traces(); !slices.Equal(before, after) {
				t.Errorf("it was touched:\n%v\n%v", before, after)
			}
			r.expect(map[string]int{"v1": 1})
			r.mustRoll(with2("rolling", nil)) // still ours
		})
	}
}
