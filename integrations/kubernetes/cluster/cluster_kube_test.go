//go:build kube

package cluster

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }

func namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	_, err := plane.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it has its service account", func() bool {
		_, err := plane.Client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
}

func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !yes(); {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 seconds:", what)
		}
		pause := time.NewTimer(100 * time.Millisecond)
		<-pause.C
	}
}

// account makes a service account that may do what the features need, and
// returns its token.
func account(t *testing.T, ns string, features ...Feature) string {
	t.Helper()
	ctx, meta := t.Context(), metav1.ObjectMeta{Name: "shipmate", Namespace: ns}
	var rules []rbacv1.PolicyRule
	for _, n := range Needs(features...) {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{n.Group}, Resources: []string{n.Resource}, Verbs: n.Verbs})
	}
	_, err := plane.Client.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err == nil {
		_, err = plane.Client.RbacV1().Roles(ns).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	}
	if err == nil {
		_, err = plane.Client.RbacV1().RoleBindings(ns).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: meta.Name, Namespace: ns}}}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	token, err := plane.Client.CoreV1().ServiceAccounts(ns).CreateToken(ctx, meta.Name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func open(t *testing.T, clusters map[string]Access) *Clusters {
	t.Helper()
	cs, err := New(Config{Clusters: clusters, Patience: 2 * time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cs.Close)
	return cs
}

// withPlugin is a kubeconfig whose user is known by what a program prints.
func withPlugin(t *testing.T, program string) string {
	t.Helper()
	plugin := fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, interactiveMode: Never}", program)
	return write(t, "kubeconfig", strings.Replace(plane.KubeconfigFor("none"), `token: "none"`, plugin, 1), 0o600)
}

// place is what the administrator's kubeconfig says of the server.
func place(t *testing.T) (server, authority string) {
	t.Helper()
	text := plane.KubeconfigFor("")
	said := regexp.MustCompile(`server: "([^"]*)", certificate-authority: "([^"]*)"`).FindStringSubmatch(text)
	if said == nil {
		t.Fatal(text)
	}
	return said[1], said[2]
}

// Two clusters by name, each reached in its own way, with rights in one
// namespace each: whoever is taken for the other would be refused.
func TestWaysToReachACluster(t *testing.T) {
	namespace(t, "by-plugin", nil)
	namespace(t, "by-token", nil)
	plugin := write(t, "plugin", fmt.Sprintf("#!/bin/sh\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}'\n", account(t, "by-plugin", ForJobs)), 0o700)
	server, authority := place(t)
	token := write(t, "token", account(t, "by-token", ForJobs), 0o600)
	cs := open(t, map[string]Access{
		"plugin": {Kubeconfig: withPlugin(t, plugin)},
		"token":  {Server: server, CAFile: authority, TokenFile: token},
	})
	for _, c := range []struct {
		cluster, namespace string
		code               string
	}{
		{"plugin", "by-plugin", ""}, {"token", "by-token", ""}, {"plugin", "by-token", "forbidden"}, {"token", "by-plugin", "forbidden"},
	} {
		at, err := cs.Target(c.cluster, c.namespace)
		if err != nil {
			t.Fatal(err)
		}
		view, err := at.Watch(t.Context(), Pods)
		if pipeline.Code(err) != c.code || err == nil != (c.code == "") {
			t.Errorf("the pods of %s: %v", at, err)
		}
		if err == nil {
			view.Close()
		}
	}
}

func TestSettingsThatDoNotWork(t *testing.T) {
	server, authority := place(t)
	token := write(t, "token", "x", 0o600)
	cs := open(t, map[string]Access{
		"authority":   {Server: server, TokenFile: token},
		"credentials": {Server: server, CAFile: authority, TokenFile: token},
		"missing":     {Kubeconfig: withPlugin(t, "/nowhere/aws")},
		"plugin":      {Kubeconfig: withPlugin(t, write(t, "plugin", "#!/bin/sh\nexit 7\n", 0o700))},
		"away":        {Server: "https://127.0.0.1:1", CAFile: authority, TokenFile: token},
	})
	for name, c := range map[string]struct {
		code, said string
		temporary  bool
	}{
		"authority":   {"no_cluster", "they do not name the authority that signed its certificate", false},
		"credentials": {"unauthorized", "does not accept shipmate's credentials", false},
		"missing":     {"no_cluster", "exec plugin /nowhere/aws is not installed", false},
		"plugin":      {"cluster_away", "/plugin failed with exit code 7", true},
		"away":        {"cluster_away", "(watch pods: connection refused)", true},
	} {
		at, err := cs.Target(name, "default")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = at.Watch(t.Context(), Pods)
		if pipeline.Code(err) != c.code || pipeline.IsTemporary(err) != c.temporary || !strings.Contains(pipeline.Message(err), c.said) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: after %s %s, temporary %v: %s", name, time.Since(began), pipeline.Code(err), pipeline.IsTemporary(err), pipeline.Message(err))
		}
	}
}

// What an API server says to what it refuses, and what we make of it.
func TestRefusals(t *testing.T) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	namespace(t, "strict", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	namespace(t, "small", nil)
	namespace(t, "doomed", nil)
	_, err := plane.Client.CoreV1().LimitRanges("small").Create(ctx, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}}}}}, metav1.CreateOptions{})
	must(err)
	_, err = plane.Client.CoreV1().ConfigMaps("doomed").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "stays", Finalizers: []string{"example.com/never"}}}, metav1.CreateOptions{})
	must(err)
	must(plane.Client.CoreV1().Namespaces().Delete(ctx, "doomed", metav1.DeleteOptions{}))
	deny(t, "invalid", nil)
	forbidden := metav1.StatusReasonForbidden
	deny(t, "forbidden", &forbidden)

	at := Target{Cluster: &Cluster{Name: "eu", Typed: plane.Client}, Namespace: "shop"}
	pod := func(ns, memory string) error {
		_, err := plane.Client.CoreV1().Pods(ns).Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app",
			Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}}}}}, metav1.CreateOptions{})
		return at.Explain("create it", err)
	}
	settings := func(ns, name string) error {
		_, err := plane.Client.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: name}}, metav1.CreateOptions{})
		return at.Explain("create it", err)
	}
	for what, c := range map[string]struct {
		do         func() error
		code, said string
	}{
		"pod security":              {func() error { return pod("strict", "1Gi") }, "refused_by_policy", `violates PodSecurity "restricted:latest"`},
		"a limit":                   {func() error { return pod("small", "2Gi") }, "refused_by_policy", "maximum memory usage per Container is 1Gi"},
		"a policy":                  {func() error { return settings("small", "invalid") }, "refused_by_policy", "no settings of the name invalid"},
		"a policy that forbids":     {func() error { return settings("small", "forbidden") }, "refused_by_policy", "no settings of the name forbidden"},
		"a namespace that is going": {func() error { return settings("doomed", "x") }, "namespace_terminating", "is being deleted"},
	} {
		var err error
		until(t, what+" holds", func() bool { err = c.do(); return err != nil })
		if m := pipeline.Message(err); pipeline.Code(err) != c.code || !strings.Contains(m, c.said) || strings.Contains(m, "the bot's Role") || pipeline.IsTemporary(err) {
			t.Errorf("%s: %s: %s", what, pipeline.Code(err), m)
		}
	}
}

// deny lets nobody make a ConfigMap whose name begins so.
func deny(t *testing.T, name string, reason *metav1.StatusReason) {
	t.Helper()
	every := admissionv1.Equivalent
	_, err := plane.Client.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{MatchPolicy: &every, ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}}}}}},
			Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("!has(object.metadata.generateName) || object.metadata.generateName != %q", name), Message: "no settings of the name " + name, Reason: reason}},
		}}, metav1.CreateOptions{})
	if err == nil {
		_, err = plane.Client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}}, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
