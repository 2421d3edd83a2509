// Package kube runs a real Kubernetes for tests, without a container engine:
// etcd, kube-apiserver, controller-manager and scheduler on loopback, simulated
// nodes (kwok: hundreds of pods that run nothing) and, as root on Linux, one
// real node (kubelet, containerd, runc). Start reading at [Start].
//
// The servers are built from Go modules, once per machine, into the user's
// cache; the versions are those of test/tools/kube/go.mod.
package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Plane is a running control plane.
type Plane struct {
	Kubeconfig string       // of an administrator
	REST       *rest.Config //
	Client     kubernetes.Interface
	dir        string
	bin        string
	port       int // of the API server; the next four are ours too
	claims     []net.PacketConn
	running    []*process // in the order they were started
	node       *node      // the real one, if there is one
}

type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start returns once the API server is ready, with simulated nodes for a few
// hundred pods. Where the servers cannot be built the test is skipped; on CI it
// fails. Stop it with [Plane.Stop]; a TestMain has no cleanup of its own.
func Start(dir string) (*Plane, error) {
	bin, err := Build()
	if err != nil {
		return nil, err
	}
	p := &Plane{dir: dir, bin: bin, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	if p.port, p.claims, err = claimPorts(5); err != nil {
		return nil, err
	}
	if err := p.up(); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Run starts a plane for the tests of a package and stops it after them:
//
//	func TestMain(m *testing.M) { os.Exit(kube.Run(m, func(p *kube.Plane) { plane = p })) }
func Run(m *testing.M, use func(*Plane)) int {
	dir, err := os.MkdirTemp("", "kube")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	p, err := Start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "no Kubernetes for these tests:", err)
		return 1
	}
	defer p.Stop()
	use(p)
	return m.Run()
}

func (p *Plane) up() error {
	const etcd, peer, kwok = 1, 2, 3 // after the API server's port
	at := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", p.port+n) }
	if err := p.writeKeys(); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(p.dir, name) }
	multi := filepath.Join(p.bin, "kubemulti")
	if err := p.start("etcd", multi, "etcd", "--data-dir", file("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://"+at(etcd), "--advertise-client-urls", "http://"+at(etcd),
		"--listen-peer-urls", "http://"+at(peer), "--initial-advertise-peer-urls", "http://"+at(peer),
		"--initial-cluster", "default=http://"+at(peer)); err != nil {
		return err
	}
	if err := p.StartAPIServer(); err != nil {
		return err
	}
	var err error
	if p.REST, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return err
	}
	p.REST.QPS, p.REST.Burst = 500, 1000
	if p.Client, err = kubernetes.NewForConfig(p.REST); err != nil {
		return err
	}
	// A busy machine is late with the signs of life of simulated nodes; they do not die.
	// Simulated nodes report once; none is to be called lost while tests run.
	if err := p.start("controller-manager", multi, "kube-controller-manager", "--kubeconfig", p.Kubeconfig,
		"--authentication-kubeconfig", p.Kubeconfig, "--authorization-kubeconfig", p.Kubeconfig, "--leader-elect=false",
		"--service-account-private-key-file", file("sa.key"), "--root-ca-file", file("ca.crt"), "--secure-port=0",
		"--kube-api-qps=200", "--kube-api-burst=400", "--node-monitor-grace-period=2h"); err != nil {
		return err
	}
	if err := p.start("scheduler", multi, "kube-scheduler", "--kubeconfig", p.Kubeconfig, "--authentication-kubeconfig", p.Kubeconfig,
		"--authorization-kubeconfig", p.Kubeconfig, "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	if err := p.writeStages(); err != nil {
		return err
	}
	if err := p.start("kwok", filepath.Join(p.bin, "kwok"), "--kubeconfig", p.Kubeconfig, "--config", file("stages.yaml"),
		"--manage-all-nodes=false", "--manage-nodes-with-label-selector", "type=kwok",
		"--node-ip", "127.0.0.1", "--node-port", fmt.Sprint(p.port+kwok), "--server-address", at(kwok)); err != nil {
		return err
	}
	return p.simulateNodes(4)
}

// ForwardPort is the port of this machine that every port forwarded to a
// simulated pod leads to: a test may listen there.
func (p *Plane) ForwardPort() int { return p.port + 4 }

// StartAPIServer starts the API server, also after [Plane.StopAPIServer], and
// waits until it is ready.
func (p *Plane) StartAPIServer() error {
	file := func(name string) string { return filepath.Join(p.dir, name) }
	if err := p.start("apiserver", filepath.Join(p.bin, "kubemulti"), "kube-apiserver",
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", p.port+1), "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.port),
		"--tls-cert-file", file("server.crt"), "--tls-private-key-file", file("server.key"), "--client-ca-file", file("ca.crt"),
		"--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file", file("sa.pub"), "--service-account-signing-key-file", file("sa.key"),
		"--token-auth-file", file("tokens.csv"), "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--kubelet-preferred-address-types=InternalIP", "--enable-priority-and-fairness=true", "--allow-privileged=true"); err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // our own server on loopback, asked whether it is up
	return until(30*time.Second, "the API server is ready", func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/readyz", p.port), nil)
		if err != nil {
			return false
		}
		req.Header.Set("Authorization", "Bearer "+adminToken)
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, p.logOf("apiserver"))
}

// StopAPIServer kills the API server; everything else goes on.
func (p *Plane) StopAPIServer() { p.stop("apiserver") }

func (p *Plane) stop(name string) {
	for i, r := range p.running {
		if r.name == name {
			r.kill()
			p.running = append(p.running[:i:i], p.running[i+1:]...)
			return
		}
	}
}

// Stop ends everything, clients first.
func (p *Plane) Stop() {
	if p.node != nil {
		p.node.stop()
		p.node = nil
	}
	for i := len(p.running) - 1; i >= 0; i-- {
		p.running[i].kill()
	}
	p.running = nil
	for _, c := range p.claims {
		_ = c.Close()
	}
	p.claims = nil
}

func (p *Plane) start(name, program string, args ...string) error {
	log, err := os.OpenFile(p.logOf(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := &process{name, cmd, make(chan struct{})}
	go func() { defer close(r.done); _ = cmd.Wait() }()
	p.running = append(p.running, r)
	return nil
}

func (p *Plane) logOf(name string) string { return filepath.Join(p.dir, name+".log") }

func (r *process) kill() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(2 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.done
	}
}

// until asks often, because every start of a test waits for it.
func until(patience time.Duration, what string, yes func() bool, log string) error {
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			tail, _ := os.ReadFile(log)
			return fmt.Errorf("%s: not within %s; the end of its log:\n%s", what, patience, tail[max(0, len(tail)-2000):])
		}
	}
	return nil
}

// Build makes the servers, unless the cache has them, and returns their folder.
func Build() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	tools, err := toolsFolder()
	if err != nil {
		return "", err
	}
	version, err := moduleVersion(tools, "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(cache, "shipmate", "kube-"+strings.TrimPrefix(version, "v"))
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(bin, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} { // without these kubectl cannot parse the version
		flags += fmt.Sprintf(" -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=37 -X %s.gitTreeState=clean -X %s.buildDate=2026-01-01T00:00:00Z", pkg, version, pkg, pkg, pkg, pkg)
	}
	for name, pkg := range map[string]string{"kubemulti": ".", "kubelet": "k8s.io/kubernetes/cmd/kubelet", "kwok": "sigs.k8s.io/kwok/cmd/kwok", "mkimage": "./mkimage", "pause": "./pause"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err == nil {
			continue
		}
		if err := goBuild(tools, flags, filepath.Join(bin, name), pkg); err != nil {
			return "", err
		}
	}
	return bin, nil
}

func goBuild(dir, flags, out, pkg string) error {
	cmd := exec.CommandContext(context.Background(), "go", "build", "-ldflags", flags, "-o", out+".new", pkg)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	fmt.Fprintf(os.Stderr, "building %s for the tests, once\n", filepath.Base(out))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	return os.Rename(out+".new", out)
}

func toolsFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		tools := filepath.Join(dir, "test", "tools", "kube")
		if _, err := os.Stat(filepath.Join(tools, "go.mod")); err == nil {
			return tools, nil
		}
	}
	return "", errors.New("test/tools/kube is in none of the folders above")
}

// lockFile keeps two tests from building at once.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

const firstPort = 20000

// claimPorts finds n ports in a row and keeps others away with the UDP ports of
// the same numbers. They lie below the range that systems hand out themselves.
func claimPorts(n int) (int, []net.PacketConn, error) {
	const last = 30000
	for port := firstPort + os.Getpid()%1000*8; port < last; port += n {
		var claims []net.PacketConn
		for i := range n {
			claim, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if err != nil {
				break
			}
			claims = append(claims, claim)
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i)); err != nil || l.Close() != nil {
				break
			}
			if i == n-1 {
				return port, claims, nil
			}
		}
		for _, c := range claims {
			_ = c.Close()
		}
	}
	return 0, nil, fmt.Errorf("no %d free ports in a row between %d and %d", n, firstPort, last)
}
