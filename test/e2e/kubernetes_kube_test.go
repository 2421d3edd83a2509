//go:build kube

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/test/kube"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const onKubernetes = `
service: shop
environments:
  prod:
    approvals: {count: 1, by: ["team:release-leads"]}
    kubernetes: {cluster: prod-eu, namespace: shop}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - name: rollout
        uses: kubernetes.rollout
        with: {manifests: ["deploy/*.yaml"], strategy: blue-green, smoke: {run: 'echo "looking at $PREVIEW_SERVICE"; test ! -e deploy/broken'}}
    on_failure: rollback
`

const shopObjects = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "registry.example/shop:%s"}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
`

// cluster starts Kubernetes with the namespace shop and returns the bot's settings for it.
func cluster(t *testing.T) (p *kube.Plane, settings string) {
	t.Helper()
	dir := t.TempDir()
	p, err := kube.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = p.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
	check(err)
	_, err = p.Client.CoreV1().ServiceAccounts("shop").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "shipmate"}}, metav1.CreateOptions{})
	check(err)
	role, err := os.ReadFile("../../docs/kubernetes/deploy.yaml")
	check(err)
	grant(t, p, role)
	token, err := p.Client.CoreV1().ServiceAccounts("shop").CreateToken(ctx, "shipmate", &authv1.TokenRequest{}, metav1.CreateOptions{})
	check(err)
	file := filepath.Join(dir, "shipmate.kubeconfig")
	check(os.WriteFile(file, []byte(p.KubeconfigFor(token.Status.Token)), 0o600))
	return p, fmt.Sprintf("kubernetes:\n  clusters: {prod-eu: {kubeconfig: %q}}\n  allow: [{repo: acme/shop, environments: [prod], cluster: prod-eu, namespaces: [shop]}]\n", file)
}

// grant gives the bot the Role of a file of the documentation.
func grant(t *testing.T, p *kube.Plane, file []byte) {
	t.Helper()
	docs := bytes.Split(file, []byte("\n---\n"))
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	if err := errors.Join(yaml.UnmarshalStrict(docs[0], &role), yaml.UnmarshalStrict(docs[1], &binding)); err != nil {
		t.Fatal(err)
	}
	binding.Subjects[0].Namespace = "shop"
	_, err := p.Client.RbacV1().Roles("shop").Create(t.Context(), &role, metav1.CreateOptions{})
	_, bound := p.Client.RbacV1().RoleBindings("shop").Create(t.Context(), &binding, metav1.CreateOptions{})
	if err := errors.Join(err, bound); err != nil {
		t.Fatal(err)
	}
}

// TestKubernetes is the life of a service there: planned, approved, deployed by
// blue-green, changed by hand, rolled back, and a version that is no good.
func TestKubernetes(t *testing.T) {
	p, settings := cluster(t)
	s := open(t, world.Config{Settings: settings})
	s.shop(onKubernetes)
	deploy := func(tag string, more map[string]string, planned ...string) {
		t.Helper()
		files := map[string]string{"deploy/shop.yaml": fmt.Sprintf(shopObjects, tag)}
		for name, content := range more {
			files[name] = content
		}
		sha := s.must(s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "sale", Files: files, Message: "Version " + tag}))
		s.settle()
		s.say("/deploy prod " + sha)
		s.settle()
		s.commented(planned...)
		s.sayAs("octavia", "/approve")
		s.settle()
	}
	serving := func() string {
		t.Helper()
		service, err := p.Client.CoreV1().Services("shop").Get(t.Context(), "shop", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Client.AppsV1().Deployments("shop").Get(t.Context(), "shop-"+service.Spec.Selector["shipmate.dev/colour"], metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s x%d", strings.TrimPrefix(d.Spec.Template.Spec.Containers[0].Image, "registry.example/"), d.Status.ReadyReplicas)
	}
	expect := func(want string) {
		t.Helper()
		if got := serving(); got != want {
			t.Fatalf("the Service leads to %s, want %s\n%s", got, want, s.comments())
		}
	}
	deploy("v1", nil, "In shop of prod-eu 2 objects change, 2 of them new")
	expect("shop:v1 x3")
	deploy("v2", nil, "blue-green: shop-green comes up beside shop-blue, then Service shop leads to it", "2 objects change, 0 of them new; 0 stay as they are", "-      - image: registry.example/shop:v1", "+      - image: registry.example/shop:v2")
	expect("shop:v2 x3")
	s.want(s.cli("status", "shop", "prod"), 0, "registry.example/shop:v2")

	if _, err := p.Client.AppsV1().Deployments("shop").Patch(t.Context(), "shop-green", types.StrategicMergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{FieldManager: "kubectl-scale"}); err != nil {
		t.Fatal(err)
	}
	s.want(s.cli("diff", "shop", "prod", "sale"), 0, "changed since it was deployed", "-  replicas: 1", "+  replicas: 3")

	began := time.Now()
	s.say("/rollback prod --reason \"carts are empty\"")
	s.settle()
	t.Log("rolled back, with all that was said, in", time.Since(began))
	expect("shop:v1 x3")
	s.want(s.cli("status", "shop", "prod"), 0, "registry.example/shop:v1", "Locked")
	s.want(s.cli("unlock", "shop", "prod"), 0)

	deploy("v3", map[string]string{"deploy/broken": "x"})
	expect("shop:v1 x3")
	s.commented("The smoke step says no")
}

const byCanary = `
service: shop
environments:
  prod:
    kubernetes: {cluster: prod-eu, namespace: shop}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: rollout, uses: kubernetes.rollout, with: {manifests: ["deploy/*.yaml"], strategy: canary}}
`

// TestKubernetesCanaryThatIsCancelled: said in a pause, when no call of the
// step is in flight, /cancel takes the canary's traffic away.
func TestKubernetesCanaryThatIsCancelled(t *testing.T) {
	p, settings := cluster(t)
	s := open(t, world.Config{Settings: settings})
	s.shop(byCanary)
	deploy := func(tag string) {
		t.Helper()
		sha := s.must(s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"deploy/shop.yaml": fmt.Sprintf(shopObjects, tag)}, Message: "Version " + tag}))
		s.settle()
		s.say("/deploy prod " + sha)
		s.settle()
	}
	pods := func(name string) string {
		t.Helper()
		d, err := p.Client.AppsV1().Deployments("shop").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s x%d", strings.TrimPrefix(d.Spec.Template.Spec.Containers[0].Image, "registry.example/"), *d.Spec.Replicas)
	}
	deploy("v1")
	deploy("v2")
	if stable, canary := pods("shop"), pods("shop-canary"); stable != "shop:v1 x3" || canary != "shop:v2 x1" {
		t.Fatalf("in the pause there are %s and %s\n%s", stable, canary, s.comments())
	}
	s.say("/cancel")
	s.settle()
	if stable, canary := pods("shop"), pods("shop-canary"); stable != "shop:v1 x3" || canary != "shop:v2 x0" {
		t.Errorf("afterwards there are %s and %s\n%s", stable, canary, s.comments())
	}
	s.commented("cancelled")
}

// comments are all on the pull request.
func (s *scene) comments() string {
	var all []string
	for _, c := range s.w.GitHub.Comments(s.repo, s.pr.Number) {
		all = append(all, c.Body)
	}
	return strings.Join(all, "\n---\n")
}

func (s *scene) commented(texts ...string) {
	s.t.Helper()
	all := s.comments()
	for _, text := range texts {
		if !strings.Contains(all, text) {
			s.t.Errorf("no comment says %q:\n%s", text, all)
		}
	}
}
