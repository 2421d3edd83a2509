package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipmate/shipmate/pipeline"
)

func TestNewNamesTheSettingThatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := map[string]Access{"prod-eu": {InCluster: true}}
	for name, c := range map[string]struct {
		config Config
		want   string // "": nothing is wrong
	}{
		"nothing at all":            {Config{}, ""},
		"in a cluster":              {Config{Clusters: good}, ""},
		"a kubeconfig":              {Config{Clusters: map[string]Access{"a": {Kubeconfig: file, Context: "x"}}}, ""},
		"a server":                  {Config{Clusters: map[string]Access{"a": {Server: "https://h", TokenFile: file, CAFile: file}}}, ""},
		"no way":                    {Config{Clusters: map[string]Access{"a": {}}}, "kubernetes.clusters.a: say one of in_cluster"},
		"two ways":                  {Config{Clusters: map[string]Access{"a": {InCluster: true, Kubeconfig: file}}}, "kubernetes.clusters.a: say one of in_cluster"},
		"a server without a token":  {Config{Clusters: map[string]Access{"a": {Server: "https://h"}}}, "kubernetes.clusters.a.token_file: missing"},
		"a server without TLS":      {Config{Clusters: map[string]Access{"a": {Server: "http://h", TokenFile: file}}}, `kubernetes.clusters.a.server: "http://h" must begin with https://`},
		"a context without a file":  {Config{Clusters: map[string]Access{"a": {InCluster: true, Context: "x"}}}, "kubernetes.clusters.a.context: belongs to a kubeconfig"},
		"a file that is not there":  {Config{Clusters: map[string]Access{"a": {Kubeconfig: file + "x"}}}, "kubernetes.clusters.a.kubeconfig: "},
		"a rate below zero":         {Config{Clusters: map[string]Access{"a": {InCluster: true, QPS: -1}}}, "kubernetes.clusters.a.qps: -1 must be above zero"},
		"a rule for no cluster":     {Config{Clusters: good, Allow: []Rule{{Repo: "a/b", Cluster: "prod-us", Namespaces: []string{"x"}}}}, `kubernetes.allow[0].cluster: there is no cluster "prod-us"; did you mean "prod-eu"?`},
		"a rule for no namespace":   {Config{Clusters: good, Allow: []Rule{{Repo: "a/b", Cluster: "prod-eu"}}}, "kubernetes.allow[0]: say which repo may use which namespaces"},
		"a rule for no repository":  {Config{Clusters: good, Allow: []Rule{{Cluster: "prod-eu", Namespaces: []string{"x"}}}}, "kubernetes.allow[0]: say which repo may use which namespaces"},
		"a rule with a broken glob": {Config{Clusters: good, Allow: []Rule{{Repo: "a/b", Cluster: "prod-eu", Namespaces: []string{"x["}}}}, "kubernetes.allow[0]: "},
		"the second of several":     {Config{Clusters: good, Allow: []Rule{{Repo: "a/b", Cluster: "prod-eu", Namespaces: []string{"x"}}, {Repo: "a/b"}}}, "kubernetes.allow[1].cluster: "},
		"more than one thing":       {Config{Clusters: map[string]Access{"a": {}, "b": {}}}, "kubernetes.clusters.b: say one of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.config, slog.New(slog.DiscardHandler))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func runOf(repo, environment, cluster, namespace string) *pipeline.Run {
	owner, name, _ := strings.Cut(repo, "/")
	return &pipeline.Run{Request: pipeline.Request{Repo: pipeline.Repo{Owner: owner, Name: name},
		Environment: &pipeline.Environment{Name: environment, Kubernetes: &pipeline.KubernetesTarget{Cluster: cluster, Namespace: namespace}}}}
}

func TestWhoMayDeployWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cs, err := New(Config{Clusters: map[string]Access{"eu": {Kubeconfig: file}, "us": {Kubeconfig: file}}, Allow: []Rule{
		{Repo: "acme/shop", Cluster: "eu", Namespaces: []string{"shop", "shop-*"}, Environments: []string{"prod"}},
		{Repo: "acme/*", Cluster: "eu", Namespaces: []string{"preview-*"}},
		{Repo: "acme/platform", Cluster: "eu", Namespaces: []string{"*"}, ClusterWide: true},
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer cs.Close()
	for name, c := range map[string]struct {
		repo, environment, cluster, namespace string
		code                                  string
	}{
		"its namespace":               {"acme/shop", "prod", "eu", "shop", ""},
		"one that a glob names":       {"acme/shop", "prod", "eu", "shop-2", ""},
		"another environment":         {"acme/shop", "staging", "eu", "shop", "cluster_refused"},
		"another namespace":           {"acme/shop", "prod", "eu", "kube-system", "cluster_refused"},
		"one that begins alike":       {"acme/shop", "prod", "eu", "shopping", "cluster_refused"},
		"another cluster":             {"acme/shop", "prod", "us", "shop", "cluster_refused"},
		"a rule for all of them":      {"acme/blog", "x", "eu", "preview-1", ""},
		"another owner":               {"evil/shop", "prod", "eu", "shop", "cluster_refused"},
		"another one's glob":          {"evilacme/shop", "prod", "eu", "preview-1", "cluster_refused"},
		"a repository all is open to": {"acme/platform", "x", "eu", "kube-system", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cs.For(t.Context(), runOf(c.repo, c.environment, c.cluster, c.namespace))
			if pipeline.Code(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
	shop, _ := cs.For(t.Context(), runOf("acme/shop", "prod", "eu", "shop"))
	platform, _ := cs.For(t.Context(), runOf("acme/platform", "x", "eu", "infra"))
	for name, c := range map[string]struct {
		at        Target
		namespace string
		want      bool
	}{
		"where it lives": {shop, "shop", true}, "where it may": {shop, "shop-2", true}, "by a second rule": {shop, "preview-1", true},
		"elsewhere": {shop, "kube-system", false}, "no namespace": {shop, "", false}, "no namespace, with the right": {platform, "", true}, "all namespaces": {platform, "kube-system", true},
	} {
		if got := c.at.Allows(c.namespace); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	nowhere := &pipeline.Run{Request: pipeline.Request{Environment: &pipeline.Environment{Name: "prod"}}}
	if _, err := cs.For(t.Context(), nowhere); pipeline.Code(err) != "no_cluster" || !strings.Contains(pipeline.Message(err), "The environment prod does not say where it lives.") {
		t.Error(err)
	}
	if _, err := cs.For(t.Context(), &pipeline.Run{}); !strings.Contains(pipeline.Message(err), "A run without an environment does not say where it lives.") {
		t.Error(err)
	}
	cs.config.Repos = func(_ context.Context, repo pipeline.Repo) (pipeline.RuleRepo, error) {
		return pipeline.RuleRepo{Repo: repo, Means: map[string]int64{"acme/shop": 42, "acme/platform": 43}}, nil
	}
	for id, code := range map[int64]string{42: "", 44: "repository_replaced"} {
		r := runOf("acme/shop", "prod", "eu", "shop")
		r.Repo.ID = id
		at, err := cs.For(t.Context(), r)
		if pipeline.Code(err) != code || err == nil && at.Allows("kube-system") {
			t.Errorf("%d: %v", id, err)
		}
	}
	if _, err := (*Clusters)(nil).For(t.Context(), runOf("a/b", "c", "d", "e")); pipeline.Code(err) != "cluster_refused" {
		t.Error(err)
	}
}

// request is an error of a request that nobody answered.
func request(err error) error { return &url.Error{Op: "Get", URL: "https://h", Err: err} }

func TestExplain(t *testing.T) {
	at := Target{Cluster: &Cluster{Name: "eu"}, Namespace: "shop"}
	pods, name := schema.GroupResource{Resource: "pods"}, "x"
	for what, c := range map[string]struct {
		err       error
		code      string
		temporary bool
		want      string
	}{
		"away":                     {request(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), "cluster_away", true, "The cluster eu does not answer (apply it: connection refused). It is tried again."},
		"too slow":                 {context.DeadlineExceeded, "cluster_away", true, "does not answer (apply it: no answer in time)"},
		"no such address":          {request(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "h", Server: "10.0.0.2:53"}}), "cluster_away", true, "does not answer (apply it: no such host)"},
		"a wrong authority":        {request(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "no_cluster", false, "The operator's settings for the cluster eu do not work (apply it): they do not name the authority that signed its certificate. Correct `ca_file`"},
		"a wrong address":          {request(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}), "no_cluster", false, "its certificate is not for the address by which it is reached ("},
		"an old certificate":       {request(x509.CertificateInvalidError{Reason: x509.Expired}), "no_cluster", false, "its certificate is not valid (certificate has expired"},
		"a plugin missing":         {request(errors.New("getting credentials: exec: executable aws not found\n\nIt looks like")), "no_cluster", false, "exec plugin aws is not installed where shipmate runs"},
		"a plugin in a bad format": {request(errors.New("getting credentials: decoding stdout: no kind.")), "no_cluster", false, "gives no credentials (decoding stdout: no kind)"},
		"a plugin that failed":     {request(errors.New("getting credentials: exec: executable aws failed with exit code 255")), "cluster_away", true, "(apply it: executable aws failed with exit code 255)"},
		"a quota":                  {apierrors.NewForbidden(pods, name, errors.New("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2")), "quota_exceeded", false, "requested: pods=1, used: pods=2, limited: pods=2. Ask for less, or for a larger ResourceQuota."},
		"forbidden":                {apierrors.NewForbidden(pods, name, errors.New(`User "x" cannot patch resource "pods" in API group ""`)), "forbidden", false, "Add to the bot's Role in that namespace: `- {apiGroups: [\"\"], resources: [pods], verbs: [patch]}`."},
		"forbidden elsewhere":      {apierrors.NewForbidden(pods, "", errors.New(`User "x" cannot create resource "secrets" in API group "" in the namespace "new1"`)), "forbidden", false, "shipmate may not do this in the namespace new1 of eu (apply it): pods is forbidden: User \"x\" cannot create resource \"secrets\" in API group \"\" in the namespace \"new1\". Add to the bot's Role in that namespace: `- {apiGroups: [\"\"], resources: [secrets], verbs: [create]}`."},
		"forbidden cluster-wide":   {apierrors.NewForbidden(pods, "", errors.New(`User "x" cannot create resource "namespaces" in API group "" at the cluster scope`)), "forbidden", false, "at the cluster scope. Add to a ClusterRole that a ClusterRoleBinding gives to the bot's account: `- {apiGroups: [\"\"], resources: [namespaces], verbs: [create]}`."},
		"a Namespace":              {apierrors.NewForbidden(pods, "", errors.New(`User "x" cannot get resource "namespaces" in API group "" in the namespace "new1"`)), "forbidden", false, "shipmate may not do this in the cluster eu, outside of namespaces (apply it): "},
		"a path":                   {apierrors.NewForbidden(schema.GroupResource{}, "", errors.New(`User "x" cannot get path "/version"`)), "forbidden", false, "shipmate may not do this in the cluster eu (apply it): "},
		"more than it has":         {apierrors.NewForbidden(pods, "", errors.New(`user "x" (groups=["y"]) is attempting to grant RBAC permissions not currently held: {APIGroups:[""]}`)), "forbidden", false, "shipmate may not give rights that it does not have itself (apply it): "},
		"pod security":             {apierrors.NewForbidden(pods, name, errors.New(`violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`)), "refused_by_policy", false, "A policy of the cluster eu refuses it (apply it): "},
		"a limit":                  {apierrors.NewForbidden(pods, name, errors.New(`maximum memory usage per Container is 1Gi, but limit is 2Gi`)), "refused_by_policy", false, "but limit is 2Gi. Change what the policy names, or ask the operator."},
		"a webhook":                {apierrors.NewBadRequest(`admission webhook "validate.kyverno.svc-fail" denied the request: no latest`), "refused_by_policy", false, "no latest. Change"},
		"unauthorized":             {apierrors.NewUnauthorized("x"), "unauthorized", false, "The operator has to renew them."},
		"a bad request":            {apierrors.NewBadRequest("unknown field spec.x"), "invalid_manifest", false, "The cluster eu refuses it (apply it): unknown field spec.x."},
		"busy":                     {apierrors.NewTooManyRequests("slowly", 1), "cluster_busy", true, "It is tried again."},
		"broken":                   {apierrors.NewInternalError(errors.New("etcd")), "cluster_busy", true, "It is tried again."},
		"an unknown kind":          {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "g", Kind: "Widget"}, SearchedVersions: []string{"v1"}}, "unknown_kind", false, "Install its CustomResourceDefinition first, or correct apiVersion and kind."},
		"something else":           {apierrors.NewGone("it is gone"), "cluster_refused_it", false, "The cluster eu answered (apply it): it is gone."},
		"for people already":       {pipeline.Refuse("x", "Said."), "x", false, "Said."},
	} {
		t.Run(what, func(t *testing.T) {
			err := at.Explain("apply it", c.err)
			if pipeline.Code(err) != c.code || pipeline.IsTemporary(err) != c.temporary || !strings.Contains(pipeline.Message(err), c.want) {
				t.Errorf("%s, temporary: %v, %s", pipeline.Code(err), pipeline.IsTemporary(err), pipeline.Message(err))
			}
		})
	}
	if err := at.Explain("x", context.Canceled); !errors.Is(err, context.Canceled) || pipeline.Code(err) != "" {
		t.Error(err)
	}
	if at.Explain("x", nil) != nil {
		t.Error("nothing is no error")
	}
}
