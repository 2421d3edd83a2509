//go:build kube

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/test/kube"
	"github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/world"
)

const inPods = `
service: shop
environments:
  prod: {kubernetes: {cluster: prod-eu, namespace: shop}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - name: build
        run: 'echo "building $SHIPMATE_SHA in a pod"; mkdir out; cat word > out/shop.txt; echo "version=$(cat word)" >> "$SHIPMATE_OUTPUT"; sleep 4; echo built'
        artifacts: ["out/*"]
        resources: {memory: 64Mi}
      - name: test
        run: 'test "$SHIPMATE_OUTPUT_BUILD_VERSION" = sale; grep sale out/shop.txt; test -z "${KUBERNETES_TOKEN:-}"; test ! -e /var/run/secrets'
        matrix: {java: ["17", "21"]}
`

// TestScriptsInPods runs a pipeline on a real node, and kills the bot in the
// middle of a script.
func TestScriptsInPods(t *testing.T) {
	p, settings := cluster(t)
	busybox, err := kube.Busybox()
	kube.NeedRealNode(t, err)
	bin := filepath.Join(t.TempDir(), "shipmate")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/shipmate/shipmate/cmd/shipmate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	kube.NeedRealNode(t, p.RealNode(busybox, kube.Image{Name: "docker.io/library/shipmate:test", Entrypoint: "/shipmate", Content: []string{bin + ":shipmate"}}))
	role, err := os.ReadFile("../../docs/kubernetes/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	grant(t, p, role)
	settings += "  jobs: {cluster: prod-eu, namespace: shop, image: 'docker.io/library/shipmate:test', default_image: 'docker.io/library/busybox:1', places: [{repo: '**', node_selector: {node: real}}]}\n"

	s := open(t, world.Config{Settings: settings, Env: []string{"SHIPMATE_RUNNER=kubernetes"}})
	s.shop(inPods)
	sha := s.must(s.w.GitHub.As("mona").Push(github.Push{Repo: s.repo, Branch: "sale", Files: map[string]string{"word": "sale"}, Message: "A word"}))
	s.settle()
	s.say("/deploy prod " + sha)
	s.wait("the script runs in its pod", func() bool {
		pods, err := p.Client.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "shipmate.dev/step=build"})
		if err != nil || len(pods.Items) == 0 {
			return false
		}
		log, err := p.Client.CoreV1().Pods("shop").GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		return err == nil && strings.Contains(string(log), "building "+sha)
	})
	if err := s.w.KillBot(); err != nil {
		t.Log(err) // it was killed
	}
	if err := s.w.StartBot(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.commented("| ✅ | `build` |", "| ✅ | `test-17` |", "| ✅ | `test-21` |")
	run := regexp.MustCompile(`run .(r-\w{8})`).FindStringSubmatch(s.comments())
	if run == nil {
		t.Fatal("no run is named:", s.comments())
	}
	logs := s.cli("--repo", "acme/shop", "logs", run[1], "build")
	said := logs.out + logs.err
	if strings.Count(said, "building "+sha+" in a pod") != 1 || strings.Count(said, "built") != 1 {
		t.Errorf("the log does not hold every line once:\n%s", said)
	}
	jobs, err := p.Client.BatchV1().Jobs("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) > 0 {
		t.Error("Jobs were left:", len(jobs.Items), err)
	}
}
