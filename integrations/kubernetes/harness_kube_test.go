//go:build kube

package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }

// room is a namespace with what one test does in it. The runners act as a
// service account that may do no more than docs/kubernetes.md asks for.
type room struct {
	t         testing.TB
	namespace string
	clusters  *cluster.Clusters
	files     files
	fence     int64
	sha       string

	clusterWide bool                                                                  // whether the operator's rule says so
	runner      func(context.Context, *pipeline.StepContext) (pipeline.Result, error) // behind `uses: fake`
}

// files is a source: the same files at every commit.
type files struct {
	mu   *sync.Mutex
	tree map[string]string
}

func (f files) Checkout(_ context.Context, _ pipeline.Repo, _, dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, content := range f.tree {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (f files) put(name, content string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tree[name] = content
}

var rooms atomic.Int64

func newRoom(t testing.TB) *room {
	t.Helper()
	r := &room{t: t, namespace: fmt.Sprintf("room-%d", rooms.Add(1)), files: files{&sync.Mutex{}, map[string]string{}}}
	ctx := t.Context()
	must(t, second(plane.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}}, metav1.CreateOptions{})))
	for { // pods are refused before
		_, err := plane.Client.CoreV1().ServiceAccounts(r.namespace).Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			break
		}
		if !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		pause(t, 20*time.Millisecond)
	}
	r.account("deployer", role(t))
	r.clusters = r.connect("deployer", nil)
	return r
}

// role is the one docs/kubernetes.md shows.
func role(t testing.TB) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../docs/kubernetes/deploy.yaml")
	must(t, err)
	var r rbacv1.Role
	text, _, _ = bytes.Cut(text, []byte("\n---\n"))
	must(t, yaml.UnmarshalStrict(text, &r))
	return r.Rules
}

func (r *room) account(name string, rules []rbacv1.PolicyRule) {
	r.t.Helper()
	ctx := r.t.Context()
	meta := metav1.ObjectMeta{Name: name, Namespace: r.namespace}
	must(r.t, second(plane.Client.CoreV1().ServiceAccounts(r.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})))
	must(r.t, second(plane.Client.RbacV1().Roles(r.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})))
	must(r.t, second(plane.Client.RbacV1().RoleBindings(r.namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: r.namespace}}}, metav1.CreateOptions{})))
}

// connect reaches the cluster as the service account.
func (r *room) connect(account string, wrap func(http.RoundTripper) http.RoundTripper) *cluster.Clusters {
	r.t.Helper()
	token, err := plane.Client.CoreV1().ServiceAccounts(r.namespace).CreateToken(r.t.Context(), account, &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(r.t, err)
	file := filepath.Join(r.t.TempDir(), "kubeconfig")
	must(r.t, os.WriteFile(file, []byte(plane.KubeconfigFor(token.Status.Token)), 0o600))
	cs, err := cluster.New(cluster.Config{
		Clusters: map[string]cluster.Access{"test": {Kubeconfig: file, QPS: 500}},
		Allow:    []cluster.Rule{{Repo: "acme/*", Cluster: "test", Namespaces: []string{r.namespace, r.namespace + "-new"}, ClusterWide: r.clusterWide}},
		Wrap:     wrap,
	}, slog.New(slog.DiscardHandler))
	must(r.t, err)
	r.t.Cleanup(cs.Close)
	return cs
}

func (r *room) config() Config {
	return Config{Clusters: r.clusters, Source: r.files, Now: time.Now, Patience: time.Second, Runner: func(name string) (pipeline.Uses, bool) {
		return pipeline.Uses{Name: "fake", Runner: fake(r.runner)}, name == "fake" && r.runner != nil
	}}
}

// fake is a runner.
type fake func(context.Context, *pipeline.StepContext) (pipeline.Result, error)

func (f fake) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return f(ctx, c)
}

// step is a step of a run, with what the engine would keep of it.
type step struct {
	*pipeline.StepContext
	log   *output
	saved []json.RawMessage
	onSay func(string)
}

type output struct {
	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(b)
}
func (o *output) Offset() int64 { return 0 }
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.String()
}

// newStep is the step "rollout" of a new run.
func (r *room) newStep(with map[string]any) *step {
	r.fence++
	s := &step{log: &output{}}
	for _, p := range rolloutParams() {
		if _, ok := with[p.Name]; !ok && p.Default != nil {
			with[p.Name] = p.Default
		}
	}
	run := &pipeline.Run{Request: pipeline.Request{
		ID: pipeline.RunID(fmt.Sprintf("r-%08d", r.fence)), Repo: pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, SHA: strings.Repeat("a", 40),
		Pipeline:    pipeline.Pipeline{Name: "deploy"},
		Environment: &pipeline.Environment{Name: "prod", Kubernetes: &pipeline.KubernetesTarget{Cluster: "test", Namespace: r.namespace}},
	}}
	s.StepContext = &pipeline.StepContext{Run: run, Step: pipeline.Step{Name: "rollout"}, With: with, Attempt: 1, Call: 1, Fence: r.fence * 100, Log: s.log}
	s.Say = func(m string) {
		if s.onSay != nil {
			s.onSay(m)
		}
	}
	s.Save = func(_ context.Context, checkpoint json.RawMessage) error {
		s.Checkpoint = checkpoint
		s.saved = append(s.saved, checkpoint)
		return nil
	}
	return s
}

// again is the call after this one, by another worker.
func (s *step) again() *step {
	next := *s.StepContext
	n := &step{StepContext: &next, log: s.log, onSay: s.onSay}
	next.Fence++
	next.Call++
	n.Save = func(_ context.Context, checkpoint json.RawMessage) error {
		next.Checkpoint = checkpoint
		n.saved = append(n.saved, checkpoint)
		return nil
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func (r *room) gone(err error) bool { return apierrors.IsNotFound(err) }
