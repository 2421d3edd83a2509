package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/test/needs"
)

// Image is a container image made of files of this machine, without a registry.
type Image struct {
	Name       string   // as containerd knows it: "docker.io/library/busybox:1"
	Entrypoint string   // an absolute path
	Content    []string // FILE:DEST or link:TARGET:DEST, DEST without its first slash
}

// Busybox is an image with a shell and the usual tools.
func Busybox() (Image, error) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return Image{}, fmt.Errorf("%w: busybox", errNoNode)
	}
	i := Image{Name: "docker.io/library/busybox:1", Entrypoint: "/bin/sh", Content: []string{busybox + ":bin/busybox"}}
	for _, tool := range strings.Fields("sh ls cat echo sleep env id wget ps true false date head tail grep sed awk mkdir rm cp mv test touch nc tar dd kill sort wc chmod ln printf seq pwd tr md5sum sha256sum mkfifo") {
		i.Content = append(i.Content, "link:/bin/busybox:bin/"+tool)
	}
	return i, nil
}

// errNoNode: this machine cannot be a node.
var errNoNode = errors.New("this machine cannot be a node")

// RealNodeName is the name of the real node; its pods are those that select the
// label node=real.
const RealNodeName = "real-1"

// RealNode adds a real node: containerd, runc and the kubelet, so that pods,
// probes, logs and port forwarding are real. Every plane may have one at the
// same time.
func (p *Plane) RealNode(images ...Image) error {
	if err := needs.Check(needs.Root(), needs.KubernetesNode()); err != nil {
		return fmt.Errorf("%w: %w", errNoNode, err)
	}
	n := &node{plane: p, dir: filepath.Join(p.dir, "node"), id: (p.port - firstPort) / 4}
	p.node = n
	if err := n.files(); err != nil {
		return err
	}
	if err := n.network(); err != nil {
		return err
	}
	if err := p.start("containerd", "containerd", "--config", n.file("containerd.toml")); err != nil {
		return err
	}
	if err := until(10*time.Second, "containerd answers", func() bool { return n.ctr("version") == nil }, p.logOf("containerd")); err != nil {
		return err
	}
	pause := Image{Name: "registry.k8s.io/pause:3.10", Entrypoint: "/bin/pause", Content: []string{filepath.Join(p.bin, "pause") + ":bin/pause"}}
	for i, image := range append([]Image{pause}, images...) {
		if err := n.load(fmt.Sprintf("image-%d.tar", i), image); err != nil {
			return err
		}
	}
	if err := n.startKubelet(); err != nil {
		return err
	}
	return until(60*time.Second, "the real node is ready", func() bool {
		node, err := p.Client.CoreV1().Nodes().Get(context.Background(), RealNodeName, metav1.GetOptions{})
		return err == nil && slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
	}, p.logOf("kubelet"))
}

// NeedRealNode skips a test where there can be no real node; on CI it fails.
func NeedRealNode(t testing.TB, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, errNoNode) {
		t.Fatal(err)
	}
	needs.Skip(t, err)
}

// StopKubelet kills the kubelet: to the cluster the node is away, while its
// containers go on. StartKubelet brings it back.
func (p *Plane) StopKubelet() { p.stop("kubelet") }

// StartKubelet starts the kubelet again.
func (p *Plane) StartKubelet() error { return p.node.startKubelet() }

// node is the real node of a plane.
type node struct {
	plane *Plane
	dir   string
	id    int // of the plane, among all on this machine
}

func (n *node) file(name string) string { return filepath.Join(n.dir, name) }

// Each plane has a network of its own: an address for the kubelet, which
// refuses the loopback, and a subnet for the pods.
func (n *node) address() string { return fmt.Sprintf("10.%d.%d.1", 77+n.id/256, n.id%256) }
func (n *node) subnet() string  { return fmt.Sprintf("10.%d.%d.0/24", 144+n.id/256, n.id%256) }
func (n *node) link(s string) string {
	return fmt.Sprintf("sm%d%s", n.id, s)
}

// cgroup keeps two kubelets from tidying up each other's pods.
func (n *node) cgroup() string { return n.link("") }

func (n *node) files() error {
	for _, dir := range []string{"cni", "kubelet", "logs"} {
		if err := os.MkdirAll(n.file(dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range cgroups(n.cgroup()) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("%w: cgroup: %w", errNoNode, err)
		}
		inheritCPUs(dir)
	}
	for name, text := range map[string]string{
		"containerd.toml": fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true # CAP_SYS_RESOURCE may be missing
  netns_mounts_under_state_dir = true # so that they go with it
  sandbox_image = "registry.k8s.io/pause:3.10"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
`, n.file("containerd"), n.file("containerd-state"), n.file("containerd.sock"), n.file("cni")),
		"cni/10-bridge.conflist": fmt.Sprintf(`{"cniVersion":"0.4.0","name":%q,"plugins":[{"type":"bridge","bridge":%q,"isGateway":true,"ipMasq":false,
 "ipam":{"type":"host-local","dataDir":%q,"ranges":[[{"subnet":%q}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"loopback"}]}
`, n.link("pods"), n.link("b"), n.file("ipam"), n.subnet()),
		"kubelet.yaml": fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
port: 26560
readOnlyPort: 0
healthzPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /%s
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix://%s
resolvConf: /dev/null
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
localStorageCapacityIsolation: false
maxPods: 250
podLogsDir: %s
`, n.address(), n.cgroup(), n.file("containerd.sock"), n.file("logs")),
	} {
		if err := os.WriteFile(n.file(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// cgroups are the folders of a control group, in every hierarchy there is.
func cgroups(name string) []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{filepath.Join(root, name)}
	}
	var dirs []string
	hierarchies, _ := filepath.Glob(filepath.Join(root, "*")) // the pattern is well-formed
	for _, h := range hierarchies {
		if info, err := os.Lstat(h); err == nil && info.IsDir() {
			dirs = append(dirs, filepath.Join(h, name))
		}
	}
	return dirs
}

// inheritCPUs: in the first version of cgroups a new cpuset is empty.
func inheritCPUs(dir string) {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file)); err == nil {
			_ = os.WriteFile(filepath.Join(dir, file), b, 0o600)
		}
	}
}

func (n *node) network() error {
	a, b := n.link("n0"), n.link("n1")
	_ = run("ip", "link", "del", a) // of one that was killed
	for _, args := range [][]string{
		{"link", "add", a, "type", "veth", "peer", "name", b},
		{"addr", "add", n.address() + "/24", "dev", a},
		{"link", "set", a, "up"},
		{"link", "set", b, "up"},
	} {
		if err := run("ip", args...); err != nil {
			return fmt.Errorf("%w: %w", errNoNode, err)
		}
	}
	return nil
}

func (n *node) load(tar string, i Image) error {
	if err := run(filepath.Join(n.plane.bin, "mkimage"), append([]string{n.file(tar), i.Name, i.Entrypoint}, i.Content...)...); err != nil {
		return err
	}
	return n.ctr("-n", "k8s.io", "images", "import", n.file(tar))
}

func (n *node) startKubelet() error {
	return n.plane.start("kubelet", filepath.Join(n.plane.bin, "kubelet"), "--config", n.file("kubelet.yaml"), "--kubeconfig", n.plane.Kubeconfig,
		"--root-dir", n.file("kubelet"), "--hostname-override", RealNodeName, "--node-ip", n.address(), "--cert-dir", n.file("kubelet/pki"),
		"--node-labels", "node=real")
}

func (n *node) ctr(args ...string) error {
	return run("ctr", append([]string{"-a", n.file("containerd.sock")}, args...)...)
}

// stop ends the kubelet, every container, and what they have mounted.
func (n *node) stop() {
	n.plane.stop("kubelet")
	for range 50 {
		out, err := exec.CommandContext(context.Background(), "ctr", "-a", n.file("containerd.sock"), "-n", "k8s.io", "tasks", "ls", "-q").Output()
		if err != nil || len(out) == 0 {
			break
		}
		for task := range strings.FieldsSeq(string(out)) {
			_ = n.ctr("-n", "k8s.io", "tasks", "delete", "--force", task)
		}
	}
	n.plane.stop("containerd")
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], n.dir+"/") {
			_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
		}
	}
	_ = run("ip", "link", "del", n.link("n0"))
	_ = run("ip", "link", "del", n.link("b"))
	for _, dir := range cgroups(n.cgroup()) {
		removeGroups(dir)
	}
}

// removeGroups removes a control group and those below; they are no real folders.
func removeGroups(dir string) {
	below, _ := filepath.Glob(filepath.Join(dir, "*")) // the pattern is well-formed
	for _, d := range below {
		if info, err := os.Lstat(d); err == nil && info.IsDir() {
			removeGroups(d)
		}
	}
	_ = os.Remove(dir)
}

func run(program string, args ...string) error {
	out, err := exec.CommandContext(context.Background(), program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
