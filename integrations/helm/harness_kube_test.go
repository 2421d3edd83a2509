//go:build kube

package helm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shipmate/shipmate/integrations/helm"
	"github.com/shipmate/shipmate/integrations/kubernetes/chart"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }

// repo is a source whose every commit has the same files.
type repo map[string]string

func (r repo) Checkout(_ context.Context, _ pipeline.Repo, _, dir string) error {
	for name, text := range r {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: {{ .Values.replicas }}
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "example.com/web:{{ .Values.image.tag }}"}]
`

func shop() repo {
	return repo{
		"chart/Chart.yaml":           "apiVersion: v2\nname: web\nversion: 1.2.3\n",
		"chart/values.yaml":          "image: {tag: v1}\nreplicas: 1\npassword: hunter2\n",
		"chart/templates/web.yaml":   web,
		"chart/templates/login.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: {{ .Values.password }}}\n",
		"prod.yaml":                  "replicas: 2\n",
	}
}

// stage is a namespace with a cluster that allows the repository in it.
type stage struct {
	t         *testing.T
	namespace string
	files     repo
	rest      *rest.Config // who the bot is
	fence     int64
	restore   time.Duration
}

// newStage allows the bot what operators are told to allow it, and no more.
func newStage(t *testing.T) *stage {
	t.Helper()
	var rules []rbacv1.PolicyRule
	for _, n := range cluster.Needs(cluster.ForHelm) {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{n.Group}, Resources: []string{n.Resource}, Verbs: n.Verbs})
	}
	return newStageWith(t, rules...)
}

func newStageWith(t *testing.T, rules ...rbacv1.PolicyRule) *stage {
	t.Helper()
	s := &stage{t: t, namespace: strings.Trim(strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "").Replace(t.Name())), "-"), files: shop(), restore: 20 * time.Second}
	if len(s.namespace) > 50 {
		s.namespace = strings.Trim(s.namespace[:50], "-")
	}
	ns, err := plane.Client.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: s.namespace + "-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.namespace = ns.Name
	s.limited(rules...)
	return s
}

// runner is a new bot: it knows nothing of what others did.
func (s *stage) runner() *helm.Runner {
	s.t.Helper()
	clusters, err := cluster.New(cluster.Config{Clusters: map[string]cluster.Access{"test": {Kubeconfig: plane.Kubeconfig}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	target, err := clusters.Target("test", s.namespace)
	if err != nil {
		s.t.Fatal(err)
	}
	i := helm.Integration(helm.Config{
		Places: func(context.Context, *pipeline.Run) (helm.Place, error) {
			return helm.Place{Cluster: "test", Namespace: s.namespace, REST: s.rest, Allows: target.Allows, Explain: target.Explain}, nil
		},
		Source: s.files, Load: chart.Load, Explain: chart.Explain, Images: manifest.Running, Now: time.Now, Restore: s.restore,
	})
	return i.Runners[0].Runner.(*helm.Runner)
}

// call is one call of the step deploy in a run.
type call struct {
	*pipeline.StepContext
	log   bytes.Buffer
	mu    sync.Mutex
	saved json.RawMessage
}

func (c *call) Write(b []byte) (int, error) { c.mu.Lock(); defer c.mu.Unlock(); return c.log.Write(b) }
func (c *call) Offset() int64               { return 0 }
func (c *call) said() string                { c.mu.Lock(); defer c.mu.Unlock(); return c.log.String() }

func (s *stage) call(run string, with map[string]any) *call {
	s.fence++
	c := &call{}
	all := map[string]any{"chart": "chart", "timeout": "30s"}
	for k, v := range with {
		all[k] = v
	}
	c.StepContext = &pipeline.StepContext{
		Run:  &pipeline.Run{Request: pipeline.Request{ID: pipeline.RunID(run), Repo: pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, Service: "shop", SHA: strings.Repeat("a", 40), Environment: &pipeline.Environment{Name: "prod"}}},
		Step: pipeline.Step{Name: "deploy"}, With: all, Attempt: 1, Call: 1, Fence: s.fence, Log: c,
	}
	c.Save = func(_ context.Context, checkpoint json.RawMessage) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.saved = checkpoint
		return nil
	}
	return c
}

// again is the next call of the same attempt, by another bot.
func (s *stage) again(c *call) *call {
	next := s.call(string(c.Run.ID), c.With)
	c.mu.Lock()
	next.Checkpoint = c.saved
	c.mu.Unlock()
	next.saved = next.Checkpoint
	return next
}

func (s *stage) deploy(run string, with map[string]any) (*call, pipeline.Result) {
	s.t.Helper()
	c := s.call(run, with)
	res, err := s.runner().Run(context.Background(), c.StepContext)
	if err != nil {
		s.t.Fatalf("%s (%v)\n%s", pipeline.Message(err), err, c.said())
	}
	return c, res
}

func (s *stage) image() string {
	d, err := plane.Client.AppsV1().Deployments(s.namespace).Get(context.Background(), "web", metav1.GetOptions{})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s x%d", strings.TrimPrefix(d.Spec.Template.Spec.Containers[0].Image, "example.com/web:"), *d.Spec.Replicas)
}

// revisions are what "helm history" shows.
func (s *stage) revisions() string {
	s.t.Helper()
	d := driver.NewSecrets(plane.Client.CoreV1().Secrets(s.namespace))
	all, err := d.Query(map[string]string{"name": "shop", "owner": "helm"})
	if err != nil {
		return "none"
	}
	by := map[int]string{}
	most := 0
	for _, r := range all {
		r := r.(*v1.Release)
		by[r.Version] = fmt.Sprint(r.Version, " ", r.Info.Status)
		most = max(most, r.Version)
	}
	var out []string
	for i := range most {
		out = append(out, by[i+1])
	}
	return strings.Join(out, ", ")
}

func (s *stage) expect(image, revisions string) {
	s.t.Helper()
	if got := s.image(); got != image {
		s.t.Errorf("deployed is %s, want %s", got, image)
	}
	if got := s.revisions(); got != revisions {
		s.t.Errorf("the release has: %s; want %s", got, revisions)
	}
}

// killed begins a call whose pods never become ready, and ends the bot as soon
// as the release is pending.
func (s *stage) killed(run string, cause error, with map[string]any) *call {
	s.t.Helper()
	c := s.call(run, with)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	end := make(chan error, 1)
	go func() { _, err := s.runner().Run(ctx, c.StepContext); end <- err }()
	s.until("it waits", func() bool { return strings.Contains(c.said(), "Waiting for Deployment web") })
	cancel(cause)
	if err := <-end; !errors.Is(err, cause) {
		s.t.Fatalf("it ended with %v", err)
	}
	return c
}

func (s *stage) until(what string, yes func() bool) {
	s.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("not within 30s: %s", what)
		}
	}
}

// limited makes the bot a service account with these rights in the namespace.
func (s *stage) limited(rules ...rbacv1.PolicyRule) {
	s.t.Helper()
	ctx, meta := context.Background(), metav1.ObjectMeta{Name: "bot"}
	_, err := plane.Client.CoreV1().ServiceAccounts(s.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err == nil {
		_, err = plane.Client.RbacV1().Roles(s.namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	}
	if err == nil {
		_, err = plane.Client.RbacV1().RoleBindings(s.namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "bot", APIGroup: rbacv1.GroupName},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "bot", Namespace: s.namespace}}}, metav1.CreateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := plane.Client.CoreV1().ServiceAccounts(s.namespace).CreateToken(ctx, "bot", &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.rest = rest.AnonymousClientConfig(plane.REST)
	s.rest.BearerToken = token.Status.Token
	if _, err := kubernetes.NewForConfig(s.rest); err != nil {
		s.t.Fatal(err)
	}
}
