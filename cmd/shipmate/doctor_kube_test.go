//go:build kube

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }

// account makes a service account and returns a kubeconfig for it.
func account(t *testing.T, name string) string {
	t.Helper()
	ctx, api := context.Background(), plane.Client.CoreV1()
	if _, err := api.ServiceAccounts("default").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := api.ServiceAccounts("default").CreateToken(ctx, name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(plane.KubeconfigFor(token.Status.Token)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// allow gives the account rules in a namespace, which is made if it is not there.
func allow(t *testing.T, name, namespace string, rules []rbacv1.PolicyRule) {
	t.Helper()
	ctx := context.Background()
	_, err := plane.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-"}, Rules: rules}
	if role, err = plane.Client.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = plane.Client.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "default"}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func rulesFor(f ...cluster.Feature) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, n := range cluster.Needs(f...) {
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{n.Group}, Resources: []string{n.Resource}, Verbs: n.Verbs})
	}
	return out
}

// settings writes the operator's file; scripts run as Jobs in the namespace jobs
// of the cluster eu, and more of kubernetes.jobs may follow.
func settings(t *testing.T, clusters, allow string, jobs ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("kubernetes:\n  clusters: {%s}\n  allow: [%s]\n", clusters, allow)
	if len(jobs) > 0 {
		text = "runner: kubernetes\n" + text + "  jobs: {cluster: eu, image: \"shipmate:1\", " + strings.Join(jobs, ", ") + "}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (d doctor) says(t *testing.T) (string, error) {
	t.Helper()
	var out bytes.Buffer
	if d.output == "" {
		d.output = "text"
	}
	err := d.run(context.Background(), &out)
	return out.String(), err
}

func TestDoctor(t *testing.T) {
	kubeconfig := account(t, "bot")
	allow(t, "bot", "full", rulesFor(cluster.Features...))
	allow(t, "bot", "jobs", rulesFor(cluster.ForJobs))
	everything := []string{"deploy", "jobs", "helm"}
	config := settings(t, fmt.Sprintf("eu: {kubeconfig: %q}", kubeconfig), `{repo: acme/shop, cluster: eu, namespaces: [full]}`)
	out, err := doctor{config: config}.says(t)
	want := "Redis        one of the bot's own, on its data folder\nCluster eu   v1.37."
	if err != nil || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "NAMESPACE   FEATURE   RIGHTS\neu        full        deploy    ok\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = (doctor{config: config, features: everything}).says(t); err == nil || !strings.Contains(out, "Scripts do not run as Jobs") {
		t.Errorf("jobs, which there are none of: %v\n%s", err, out)
	}

	config = settings(t, fmt.Sprintf("eu: {kubeconfig: %q}", kubeconfig), `{repo: acme/shop, cluster: eu, namespaces: [full, jobs]}`, "namespace: jobs")
	out, err = doctor{config: config, features: everything}.says(t)
	for _, want := range []string{
		"eu        jobs        jobs      ok\n",
		"eu        jobs        helm      missing: configmaps (create, delete, get, list, patch, watch), persistentvolumeclaims (create, delete, get, list, patch, watch), ",
		"\nAdd to the bot's Role in the namespace jobs of eu:\n\n- {apiGroups: [\"\"], resources: [configmaps], ",
		"- {apiGroups: [\"batch\"], resources: [jobs], verbs: [patch]}\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if err == nil || strings.Contains(out, "Role in the namespace full") {
		t.Error(err, out)
	}
	if _, err = (doctor{config: config, features: []string{"jobs"}}).says(t); err != nil {
		t.Error("jobs alone is all there:", err)
	}

	// What it says to add is what is missing.
	_, yml, _ := strings.Cut(out, "of eu:\n\n")
	var rules []rbacv1.PolicyRule
	if err := yaml.UnmarshalStrict([]byte(yml), &rules); err != nil {
		t.Fatal(err)
	}
	allow(t, "bot", "jobs", rules)
	deadline := 100
	for ; deadline > 0; deadline-- { // the authorizer learns of a Role a moment later
		if out, err = (doctor{config: config, features: everything}).says(t); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDoctorLooksWhereScriptsRun(t *testing.T) {
	kubeconfig := account(t, "runner")
	allow(t, "runner", "scripts", rulesFor(cluster.ForJobs))
	allow(t, "runner", "scripts-prod", nil)
	allow(t, "runner", "shop-only", rulesFor(cluster.ForDeploy))
	eu, rule := fmt.Sprintf("eu: {kubeconfig: %q}", kubeconfig), `{repo: acme/shop, cluster: eu, namespaces: [shop-only]}`
	ok := func(what, config, want string, named ...string) {
		t.Helper()
		if out, err := (doctor{config: config, namespaces: named}).says(t); err != nil || !strings.HasSuffix(out, want) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	ok("what the bot does, and no more", settings(t, eu, rule, "namespace: scripts", `places: [{repo: "**", environments: [a]}]`),
		"eu        shop-only   deploy    ok\neu        scripts     jobs      ok\n")
	ok("scripts alone", settings(t, eu, "", "namespace: scripts"),
		"eu        scripts     jobs      ok\n\nNo rule lets a repository deploy to a cluster, so nothing is looked at for that: see kubernetes.allow.\n")

	out, err := doctor{config: settings(t, eu, rule, "namespace: scripts", `places: [{repo: "**", namespace: scripts-prod}]`)}.says(t)
	if err == nil || !strings.Contains(out, "eu        scripts-prod   jobs      nothing is allowed; the namespace may not exist\n") || strings.Contains(out, "scripts-prod   deploy") ||
		!strings.Contains(out, "Nothing is allowed in the namespace scripts-prod of eu: see that a RoleBinding names the bot's account.\nIt may not exist, which shipmate may not look up: kubectl get namespace scripts-prod. Make it, or correct its name in the bot's settings.\n\nAdd to the bot's Role in the namespace scripts-prod of eu:\n") {
		t.Errorf("a place without rights: %v\n%s", err, out)
	}
	admin := fmt.Sprintf("eu: {kubeconfig: %q}", plane.Kubeconfig)
	out, err = doctor{config: settings(t, admin, "", "namespace: nowhere")}.says(t)
	if err == nil || !strings.Contains(out, "eu        nowhere     jobs      there is no such namespace; make it") {
		t.Errorf("a namespace that is not there: %v\n%s", err, out)
	}
	ok("a namespace of Jobs by its name", settings(t, eu, "", "namespace: scripts"), "eu        scripts     jobs      ok\n\nNo rule lets a repository deploy to a cluster, so nothing is looked at for that: see kubernetes.allow.\n", "scripts")
	out, err = doctor{config: settings(t, eu, `{repo: acme/shop, cluster: eu, namespaces: [nowhere]}`)}.says(t)
	if err == nil || !strings.Contains(out, "eu        nowhere     deploy    nothing is allowed; the namespace may not exist\n") {
		t.Errorf("a namespace that is not there, and that it may not look for: %v\n%s", err, out)
	}
	going := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "going"}, Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{"example.com/never"}}}
	if _, err := plane.Client.CoreV1().Namespaces().Create(t.Context(), going, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := plane.Client.CoreV1().Namespaces().Delete(t.Context(), "going", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	out, err = doctor{config: settings(t, admin, "", "namespace: going")}.says(t)
	if err == nil || !strings.Contains(out, "eu        going       jobs      the namespace is being deleted; make it anew when it is gone") {
		t.Errorf("a namespace that is going: %v\n%s", err, out)
	}
}

func TestDoctorAndObjectsWithoutANamespace(t *testing.T) {
	kubeconfig := account(t, "wide")
	allow(t, "wide", "wide", rulesFor(cluster.ForDeploy))
	const rule = `{repo: acme/shop, cluster: eu, namespaces: [wide], cluster_wide: true}`
	for name, c := range map[string]struct{ file, says string }{
		"an administrator": {plane.Kubeconfig, "shipmate may deploy namespaces, customresourcedefinitions, "},
		"a Role alone":     {kubeconfig, "(cluster_wide). It may not deploy namespaces, customresourcedefinitions, "},
	} {
		if out, err := (doctor{config: settings(t, fmt.Sprintf("eu: {kubeconfig: %q}", c.file), rule)}).says(t); err != nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestDoctorAndGlobs(t *testing.T) {
	kubeconfig := account(t, "globs")
	allow(t, "globs", "glob-a", rulesFor(cluster.ForDeploy))
	allow(t, "globs", "glob-b", nil)
	rule := `{repo: acme/shop, cluster: eu, namespaces: ["glob-*"]}`
	config := settings(t, fmt.Sprintf("eu: {kubeconfig: %q}", kubeconfig), rule)
	out, err := doctor{config: config, features: []string{"deploy"}}.says(t)
	if err != nil || !strings.Contains(out, "The namespaces glob-* of the cluster eu are not examined: shipmate may not list namespaces there, and need not. Name some with --namespace.") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = (doctor{config: config, features: []string{"deploy"}, namespaces: []string{"glob-a"}}).says(t); err != nil || !strings.Contains(out, "glob-a") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = (doctor{config: config, features: []string{"deploy"}, namespaces: []string{"glob-a", "golb-a"}}).says(t); err == nil || !strings.Contains(out, "No rule allows the namespace golb-a, so it is not looked at: see kubernetes.allow.") {
		t.Errorf("%v\n%s", err, out)
	}
	config = settings(t, fmt.Sprintf("eu: {kubeconfig: %q}", plane.Kubeconfig), rule)
	if out, err = (doctor{config: config, features: []string{"deploy"}}).says(t); err != nil || !strings.Contains(out, "glob-a") || !strings.Contains(out, "glob-b") {
		t.Errorf("an administrator: %v\n%s", err, out)
	}
}

func TestDoctorWithoutAnswers(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHIPMATE_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
	config := settings(t, fmt.Sprintf(`away: {server: "https://127.0.0.1:1", token_file: %q}, eu: {kubeconfig: %q}`, token, plane.Kubeconfig), `{repo: a/b, cluster: away, namespaces: [x]}, {repo: a/b, cluster: eu, namespaces: [x]}`)
	out, err := doctor{config: config, output: "json", features: []string{"deploy"}}.says(t)
	var got findings
	if jsonErr := json.Unmarshal([]byte(out), &got); jsonErr != nil || err == nil {
		t.Fatal(jsonErr, err, out)
	}
	if !strings.HasPrefix(got.Clusters[0].Problem, "The cluster away does not answer") || got.Clusters[1].Problem != "" || len(got.Namespaces) != 1 || got.Redis.Problem == "" || strings.Contains(out, "secret") {
		t.Error(out)
	}
	if _, err := (doctor{config: config, features: []string{"job"}}).says(t); err == nil || !strings.Contains(err.Error(), `did you mean "jobs"?`) {
		t.Error(err)
	}
}
