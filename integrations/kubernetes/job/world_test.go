//go:build kube

package job

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"gocloud.dev/blob/memblob"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/test/kube"
)

var plane *kube.Plane

func TestMain(m *testing.M) {
	asShim()
	os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p }))
}

const (
	shipmateImage = "docker.io/library/shipmate:test"
	busyboxImage  = "docker.io/library/busybox:1"
	testSHA       = "0123456789abcdef0123456789abcdef01234567"
)

// node makes the plane's real node once, with the images of these tests.
var node = sync.OnceValue(func() error {
	busybox, err := kube.Busybox()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shipmate-image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "shipmate")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/shipmate/shipmate/cmd/shipmate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return plane.RealNode(busybox, kube.Image{Name: shipmateImage, Entrypoint: "/shipmate", Content: []string{bin + ":shipmate"}})
})

// world is a namespace in which Pod Security is enforced, and a bot with the
// rights of docs/kubernetes/jobs.yaml and no other.
type world struct {
	*testing.T
	namespace  string
	kubeconfig string
	artifacts  *artifact.Store
	cfg        Config
	tree       map[string]string // of the commit
	keys       []pipeline.Secret // of all bots
	patience   time.Duration     // of bots with an API server that is away
}

var worlds = struct {
	sync.Mutex
	n int
}{}

func newWorld(t *testing.T) *world {
	t.Helper()
	kube.NeedRealNode(t, node())
	return simulatedWorld(t, map[string]string{"node": "real"})
}

func simulatedWorld(t *testing.T, nodes map[string]string) *world {
	t.Helper()
	worlds.Lock()
	worlds.n++
	ns := fmt.Sprintf("jobs-%d", worlds.n)
	worlds.Unlock()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	s := &world{T: t, namespace: ns, artifacts: &artifact.Store{Bucket: bucket}, tree: map[string]string{"README": "hello\n"}, keys: []pipeline.Secret{pipeline.NewSecret("the key of these bots")}}
	s.make()
	s.cfg = Config{
		Cluster: "test", Namespace: ns, Image: shipmateImage, DefaultImage: busyboxImage, PullPatience: 3 * time.Second, Grace: 2 * time.Second,
		Limits: Amounts{Memory: "256Mi"}, Places: []Place{{Repo: "**", NodeSelector: nodes}},
	}
	return s
}

func (s *world) make() {
	s.Helper()
	ctx := s.Context()
	must := func(_ any, err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	must(plane.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: s.namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{}))
	s.until("pods have their account", func() bool {
		_, err := plane.Client.CoreV1().ServiceAccounts(s.namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	for _, name := range []string{"shipmate", "deployer"} {
		must(plane.Client.CoreV1().ServiceAccounts(s.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}))
	}
	text, err := os.ReadFile("../../../docs/kubernetes/jobs.yaml")
	must(nil, err)
	docs := bytes.Split(text, []byte("\n---\n"))
	var role rbacv1.Role
	must(nil, yaml.UnmarshalStrict(docs[0], &role))
	must(plane.Client.RbacV1().Roles(s.namespace).Create(ctx, &role, metav1.CreateOptions{}))
	var binding rbacv1.RoleBinding
	must(nil, yaml.UnmarshalStrict(docs[1], &binding))
	binding.Subjects[0].Namespace = s.namespace
	must(plane.Client.RbacV1().RoleBindings(s.namespace).Create(ctx, &binding, metav1.CreateOptions{}))
	token, err := plane.Client.CoreV1().ServiceAccounts(s.namespace).CreateToken(ctx, "shipmate", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(nil, err)
	s.kubeconfig = filepath.Join(s.TempDir(), "kubeconfig")
	must(nil, os.WriteFile(s.kubeconfig, []byte(plane.KubeconfigFor(token.Status.Token)), 0o600))
}

// bot is a bot that has just started: it knows nothing of another.
func (s *world) bot() *Runner {
	s.Helper()
	log := slog.New(slog.NewTextHandler(testWriter{s.T}, nil))
	clusters, err := cluster.New(cluster.Config{Clusters: map[string]cluster.Access{s.cfg.Cluster: {Kubeconfig: s.kubeconfig}}, Patience: s.patience}, log)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(clusters.Close)
	r, err := New(s.cfg, Needs{Clusters: clusters, Keys: s.keys, Source: s, Artifacts: s.artifacts, Dir: s.TempDir(), Logger: log})
	if err != nil {
		s.Fatal(err)
	}
	return r
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Logf("%s", bytes.TrimSpace(b))
	}
	return len(b), nil
}

// Checkout is a Source without git.
func (s *world) Checkout(_ context.Context, _ pipeline.Repo, sha, dir string) error {
	for name, text := range s.tree {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "SHA"), []byte(sha), 0o644)
}

// call is one step of a run.
type call struct {
	*pipeline.StepContext
	world *world
	log   *memLog

	mu    sync.Mutex
	saved json.RawMessage
	saves int
}

func (s *world) step(script string, change ...func(*pipeline.Step)) *call {
	step := pipeline.Step{Name: "build", Run: script, Timeout: pipeline.Duration(2 * time.Minute)}
	for _, f := range change {
		f(&step)
	}
	c := &call{world: s, log: newLog()}
	c.StepContext = &pipeline.StepContext{
		Run: &pipeline.Run{
			Request: pipeline.Request{
				ID: "r-1", Repo: pipeline.Repo{ID: 7, Owner: "octo", Name: "shop"}, Service: "shop", SHA: testSHA,
				Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{step}},
				Actor:    pipeline.Actor{ID: 1, Login: "mona"},
			},
			Progress: pipeline.Progress{Steps: []pipeline.StepRun{{Name: step.Name}}},
		},
		Step: step, Attempt: 1, Call: 1, Fence: 1, Log: c.log,
	}
	c.Save = func(_ context.Context, cp json.RawMessage) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.saved, c.saves = cp, c.saves+1
		return nil
	}
	return c
}

// next is the call that another bot makes after this one.
func (c *call) next() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := *c.StepContext
	n.Checkpoint, n.Call, n.Fence = c.saved, c.Call+1, c.Fence+1
	again := &call{StepContext: &n, world: c.world, log: c.log}
	again.Save = func(_ context.Context, cp json.RawMessage) error {
		again.mu.Lock()
		defer again.mu.Unlock()
		again.saved, again.saves = cp, again.saves+1
		return nil
	}
	again.saved = c.saved
	return again
}

// run makes calls as an engine does until the step is done.
func (c *call) run(r *Runner) pipeline.Result {
	c.world.Helper()
	return c.runIn(c.world.Context(), r)
}

func (c *call) runIn(ctx context.Context, r *Runner) pipeline.Result {
	c.world.Helper()
	for {
		res, err := r.Run(ctx, c.StepContext)
		switch {
		case pipeline.IsTemporary(err) && ctx.Err() == nil:
			c.world.Log("temporary:", err)
		case err != nil:
			return pipeline.Result{Done: true, State: pipeline.Failed, Code: pipeline.Code(err), Message: pipeline.Message(err) + " " + err.Error()}
		case res.Done:
			return res
		default:
			c.world.Log("not done:", res.Message)
		}
		if res.Checkpoint != nil {
			c.saved = res.Checkpoint
		}
		c.Checkpoint = c.saved
		c.Fence++
		pause := time.NewTimer(200 * time.Millisecond)
		<-pause.C
	}
}

// want fails unless the result has this state and code.
func (c *call) want(res pipeline.Result, state pipeline.State, code, message string) {
	c.world.Helper()
	if !res.Done || res.State != state || res.Code != code || !strings.Contains(res.Message, message) {
		c.world.Fatalf("done %v, state %q, code %q, message %q; want %q %q %q\noutput:\n%s", res.Done, res.State, res.Code, res.Message, state, code, message, c.log)
	}
}

func (s *world) pods() []corev1.Pod {
	s.Helper()
	list, err := plane.Client.CoreV1().Pods(s.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return list.Items
}

func (s *world) jobs() int {
	s.Helper()
	list, err := plane.Client.BatchV1().Jobs(s.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return len(list.Items)
}

// until waits for something Kubernetes does in its own time.
func (s *world) until(what string, yes func() bool) {
	s.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !yes() {
		if time.Now().After(deadline) {
			s.Fatal("not within a minute:", what)
		}
		pause := time.NewTimer(50 * time.Millisecond)
		<-pause.C
	}
}

// memLog is a log whose readers can wait.
type memLog struct {
	mu   sync.Mutex
	cond *sync.Cond
	b    bytes.Buffer
	lag  int64 // bytes at the end that are not safe
}

func newLog() *memLog {
	l := &memLog{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *memLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cond.Broadcast()
	return l.b.Write(b)
}

func (l *memLog) Offset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, int64(l.b.Len())-l.lag)
}

func (l *memLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *memLog) await(want string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.b.String(), want) {
		l.cond.Wait()
	}
}

// awaitAgain waits until the text comes after the second of the marks.
func (l *memLog) awaitAgain(want, mark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		parts := strings.SplitN(l.b.String(), mark, 3)
		if len(parts) == 3 && strings.Contains(parts[2], want) {
			return
		}
		l.cond.Wait()
	}
}
