//go:build kube

package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func TestAnUnknownKindIsSaid(t *testing.T) {
	for name, manifest := range map[string]string{
		"wrong version": "apiVersion: apps/v9\nkind: Deployment\nmetadata: {name: x}\n",
		"no definition": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: x}\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(1, "v1")
			r.files.put("deploy/odd.yaml", manifest)
			r.failed(with2("rolling", nil), "unknown_kind", "deploy/odd.yaml:1: The cluster test does not know a kind of object", "Install its CustomResourceDefinition first, or correct apiVersion and kind.")
			if got := r.deployments(); len(got) != 0 {
				t.Error("something was deployed:", got)
			}
		})
	}
}

func TestAnObjectInAForeignNamespaceIsRefused(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.files.put("deploy/odd.yaml", "# one\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: z, namespace: kube-public}\n")
	r.failed(with2("rolling", nil), "cluster_refused", "deploy/odd.yaml:2: ConfigMap x wants to go to the namespace kube-system, and this environment lives in "+r.namespace+". Take the namespace out of the manifest, or ask the operator for a rule.", "deploy/odd.yaml:6: ConfigMap z wants to go to the namespace kube-public,")
}

func TestAnObjectTwiceInItsNamespaceIsRefused(t *testing.T) {
	r := newRoom(t)
	r.version(1, "v1")
	r.files.put("deploy/more.yaml", settings("extra", "1")+"---\n"+strings.Replace(settings("extra", "2"), "{name: extra}", "{name: extra, namespace: "+r.namespace+"}", 1))
	r.failed(with2("rolling", nil), "invalid_manifest", "ConfigMap extra is there twice in the manifests: in deploy/more.yaml:1 and in deploy/more.yaml:6.")
}

func TestAFieldThatCannotBeChanged(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"the selector of a Deployment": {"selector: {matchLabels: {app: shop}}", "selector: {matchLabels: {app: shop, x: z}}", "spec.selector"},
		"the address of a Service":     {"ports: [{port: 80}]}", "clusterIP: 10.96.77.77, ports: [{port: 80}]}", "spec.clusterIP"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(1, "v1")
			r.mustRoll(with2("rolling", nil))
			text := strings.Replace(fmt.Sprintf(shop, 1, "v2", "v2"), c.old, c.new, 1)
			if strings.Contains(name, "selector") {
				text = strings.Replace(text, "metadata: {labels: {app: shop}}", "metadata: {labels: {app: shop, x: z}}", 1)
			}
			r.files.put("deploy/shop.yaml", text)
			r.failed(with2("rolling", nil), "invalid_manifest", "The cluster test refuses it (apply ", c.want, "It can only be set when the object is made: give it another name, or delete the old one first.")
			r.expect(map[string]int{"v1": 1})
			if got := r.version1(); got != "v1" {
				t.Error("the ConfigMap says", got)
			}
		})
	}
}

func TestAFieldThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"a label that is no text": {"labels: {app: shop}", "labels: {app: shop, live: true}", ".spec.template.metadata.labels.live: expected string, got &value.valueUnstructured{Value:true}"},
		"pods in words":           {"replicas: 1", "replicas: one", ".spec.replicas: expected numeric (int or float), got string"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.version(1, "v1")
			r.mustRoll(with2("rolling", nil))
			r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 1, "v2", "v2"), c.old, c.new, 1))
			r.failed(with2("rolling", nil), "invalid_manifest", "deploy/shop.yaml:1: The cluster test refuses it (apply Deployment shop): ", c.want)
			r.expect(map[string]int{"v1": 1})
		})
	}
}

func TestFieldsThatThereAreNot(t *testing.T) {
	wrong := strings.NewReplacer("replicas: 1", "replica: 1", "spec: {containers", "spec: {hostnames: x, zzz: 1, containers", "image: ", "imagee: x, image: ").Replace(fmt.Sprintf(shop, 1, "v2", "v2"))
	for _, strategy := range []string{"rolling", "blue-green"} {
		for _, before := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, something there: %v", strategy, before), func(t *testing.T) {
				r := newRoom(t)
				name := "shop"
				if before {
					r.version(1, "v1")
					r.mustRoll(with2(strategy, nil))
				}
				if strategy == "blue-green" {
					name = map[bool]string{false: "shop-blue", true: "shop-green"}[before]
				}
				r.files.put("deploy/shop.yaml", wrong)
				r.failed(quick(strategy, nil), "invalid_manifest", "deploy/shop.yaml:1: Deployment "+name+" of apps/v1 has no such field: `spec.replica` (did you mean `replicas`?), "+
					"`spec.template.spec.containers[0].imagee` (did you mean `image`?), `spec.template.spec.hostnames` (did you mean `hostname`?), `spec.template.spec.zzz`. Correct it in the manifest.")
			})
		}
	}
	r := newRoom(t)
	r.files.put("deploy/shop.yaml", strings.Replace(fmt.Sprintf(shop, 1, "v2", "v2"), "\ndata: {", "\ndate: {", 1))
	plan := second(rollout{r.config()}.Plan(within10s(t), r.newStep(with2("rolling", nil)).StepContext))
	if want := "deploy/shop.yaml:17: ConfigMap shop of v1 has no such field: `date` (did you mean `data`?)."; !strings.HasPrefix(pipeline.Message(plan), want) {
		t.Error(pipeline.Message(plan))
	}
}
