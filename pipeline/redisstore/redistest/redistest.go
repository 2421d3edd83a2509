// Package redistest starts real Redis servers for tests: one ([Start]), one
// with a replica and a sentinel ([StartSentinel]), a cluster of three
// ([StartCluster]). All listen on loopback only and end with the test.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/test/needs"
)

// patience is how long a server may take to become what it is to be.
const patience = 20 * time.Second

// Server is a redis-server process.
type Server struct {
	Addr   string // host:port
	Socket string // path of its unix socket
	Dir    string // holds its append-only file

	t    testing.TB
	args []string
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

// Need skips the test if the program is not installed, except on CI, where it
// fails, and returns where it is.
func Need(t testing.TB, program string) string {
	t.Helper()
	switch program {
	case "redis-sentinel":
		needs.On(t, needs.RedisSentinel())
	case "redis-cli":
		needs.On(t, needs.RedisCLI())
	default:
		needs.On(t, needs.Redis())
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts a server that writes every change to disk before it answers.
// More settings, as on the command line, follow ("--appendfsync", "everysec").
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return start(t, Need(t, "redis-server"), FreePort(t), settings)
}

func start(t testing.TB, program string, port int, settings []string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Dir: dir, Addr: "127.0.0.1:" + strconv.Itoa(port), Socket: filepath.Join(dir, "s")}
	s.args = append([]string{
		program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--unixsocket", s.Socket, "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "",
	}, settings...)
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	})
	s.Start()
	return s
}

// Start starts the server again, with what its append-only file holds.
func (s *Server) Start() {
	s.t.Helper()
	s.log = &bytes.Buffer{}
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = diesWithUs()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	Eventually(s.t, "redis-server listens", func() bool {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	c := s.Client()
	defer func() { _ = c.Close() }()
	Eventually(s.t, "redis-server has loaded its file", func() bool {
		return c.Ping(context.Background()).Err() == nil
	})
}

// Kill ends the server as kill -9 does and waits until it is gone.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// URL of the server, over TCP.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Client connects to this very server.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1})
}

// Sentinel is a master with a replica and the sentinel that watches them.
type Sentinel struct {
	Master, Replica *Server
	URL             string
}

// StartSentinel starts a master, its replica and one sentinel.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	program := Need(t, "redis-sentinel")
	master := Start(t)
	_, port, _ := strings.Cut(master.Addr, ":")
	replica := Start(t, "--replicaof", "127.0.0.1 "+port, "--repl-diskless-sync-delay", "0")
	m := master.Client()
	defer func() { _ = m.Close() }()
	Eventually(t, "the replica follows", func() bool { // else the sentinel learns it 10 s later
		info, err := m.Info(context.Background(), "replication").Result()
		return err == nil && strings.Contains(info, "state=online")
	})
	at := FreePort(t)
	conf := filepath.Join(master.Dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor shipmate 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds shipmate 500\nsentinel failover-timeout shipmate 5000\n", at, master.Dir, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, conf)
	cmd.SysProcAttr = diesWithUs()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr := "127.0.0.1:" + strconv.Itoa(at)
	c := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = c.Close() }()
	Eventually(t, "the sentinel knows the replica", func() bool {
		replicas, err := c.Replicas(context.Background(), "shipmate").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["flags"] == "slave"
	})
	return &Sentinel{Master: master, Replica: replica, URL: "redis+sentinel://" + addr + "/shipmate"}
}

// Cluster is three masters.
type Cluster struct {
	Nodes []*Server
	URL   string
}

// StartCluster starts a cluster of three masters.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	cli := Need(t, "redis-cli")
	var nodes []*Server
	var hosts []string
	for range 3 {
		s := Start(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(FreePort(t)))
		nodes = append(nodes, s)
		hosts = append(hosts, s.Addr)
	}
	args := append([]string{"--cluster", "create"}, hosts...)
	out, err := exec.Command(cli, append(args, "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	for _, h := range hosts {
		c := redis.NewClient(&redis.Options{Addr: h})
		Eventually(t, "every node sees the whole cluster", func() bool {
			info, err := c.ClusterInfo(context.Background()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
		_ = c.Close()
	}
	return &Cluster{Nodes: nodes, URL: "redis+cluster://" + strings.Join(hosts, ",")}
}

// FreePort returns a port nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// Eventually asks until the answer is yes, and fails the test if it never is.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
