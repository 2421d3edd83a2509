package job

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

const shimEnv = "SHIPMATE_TEST_SHIM"

// asShim makes the test binary a shim where another of these tests started it.
func asShim() {
	if args := os.Getenv(shimEnv); args != "" {
		os.Exit(ShimMain(strings.Split(args, " ")))
	}
}

// pod is a shim without a pod around it.
type pod struct {
	*testing.T
	*link
	dir string
	cmd *exec.Cmd
	out *bytes.Buffer // the container's own log
}

func newPod(t *testing.T, flags ...string) *pod {
	t.Helper()
	p := startPod(t, flags...)
	if err := p.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// startPod does not wait until the shim answers.
func startPod(t *testing.T, flags ...string) *pod {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	p := &pod{T: t, dir: t.TempDir(), out: &bytes.Buffer{}}
	args := append([]string{"pod", "--token", hash("token"), "--dir", p.dir, "--message", filepath.Join(p.dir, "message"), "--port", strconv.Itoa(port)}, flags...)
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = []string{shimEnv + "=" + strings.Join(args, " "), "PATH=" + os.Getenv("PATH"), "KUBERNETES_PORT=1", "OF_THE_IMAGE=yes"}
	p.cmd.Stdout, p.cmd.Stderr = p.out, os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	p.link = &link{token: "token", client: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	}}}}
	return p
}

func (p *pod) give(text string, change ...func(*order)) error {
	at := placeIn(func(parts ...string) string { return filepath.Join(append([]string{p.dir}, parts...)...) })
	o := order{Argv: []string{"/bin/sh", "-e"}, Script: text, Timeout: time.Minute, Grace: time.Second, MaxLog: 1 << 20, MaxArtifacts: 1 << 20,
		Env: script.Environ{"SHIPMATE_OUTPUT": at.Outputs, "HOME": at.Home, "TOKEN": "hunter-22-secret"}.Encode(), Secrets: []string{"hunter-22-secret"}}
	for _, f := range change {
		f(&o)
	}
	src := p.TempDir()
	if err := os.WriteFile(filepath.Join(src, "README"), []byte("hello\n"), 0o600); err != nil {
		return err
	}
	return p.order(p.Context(), func(w io.Writer) error { return send(w, o, src, nil) })
}

func (p *pod) all(from int64) string {
	p.Helper()
	var b bytes.Buffer
	if err := p.output(p.Context(), from, &b); err != nil {
		p.Fatal(err)
	}
	return b.String()
}

func (p *pod) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func TestAShimRunsItsOrder(t *testing.T) {
	p := newPod(t)
	p.must(p.give(`cat README; echo $OF_THE_IMAGE ${KUBERNETES_PORT-none} $TOKEN; echo v=1 >> $SHIPMATE_OUTPUT; mkdir out; echo x > out/x`, func(o *order) { o.Artifacts = []string{"out"} }))
	p.must(p.letGo(t.Context()))
	p.must(p.letGo(t.Context())) // said twice, done once
	if got := p.all(0); got != "hello\nyes none hunter-22-secret\n" {
		t.Errorf("%q", got)
	}
	if got := p.all(6); got != "yes none hunter-22-secret\n" {
		t.Errorf("from the middle: %q", got)
	}
	e, err := p.result(t.Context())
	p.must(err)
	if !e.Exit.Well() || string(e.Told.Outputs) != "v=1\n" {
		t.Error(e)
	}
	files, err := p.artifacts(t.Context())
	p.must(err)
	to := t.TempDir()
	p.must(artifact.Unpack(files, to, 100))
	if b, _ := os.ReadFile(filepath.Join(to, "out", "x")); string(b) != "x\n" {
		t.Error(string(b))
	}
	p.must(p.cmd.Process.Signal(syscall.SIGTERM))
	p.must(p.cmd.Wait())
	if got := p.out.String(); !strings.Contains(got, "hello\n") || strings.Contains(got, "hunter") {
		t.Errorf("the container's log: %q", got)
	}
	if m, _ := os.ReadFile(filepath.Join(p.dir, "message")); !strings.Contains(string(m), `"began":true`) || strings.Contains(string(m), "hunter") {
		t.Errorf("the termination message: %s", m)
	}
}

func TestAShimObeysItsOwnBotOnly(t *testing.T) {
	p := newPod(t)
	stranger := &link{token: "guess", client: p.client}
	for _, c := range [][2]string{{"GET", "/ready"}, {"PUT", "/order"}, {"POST", "/go"}, {"GET", "/output?from=0"}, {"GET", "/result"}, {"GET", "/artifacts"}} {
		err := stranger.ask(t.Context(), c[0], c[1], nil)
		var said *shimError
		if !errors.As(err, &said) || said.status != http.StatusUnauthorized {
			t.Errorf("%s %s: %v", c[0], c[1], err)
		}
	}
}

func TestAShimKeepsTheOrder(t *testing.T) {
	p := newPod(t)
	if err := p.letGo(t.Context()); !conflict(err) {
		t.Error("go without an order:", err)
	}
	if _, err := p.result(t.Context()); !conflict(err) {
		t.Error("a result without an order:", err)
	}
	torn := p.order(t.Context(), func(w io.Writer) error { _, _ = w.Write([]byte("no archive")); return nil })
	if torn == nil || conflict(torn) {
		t.Error("a torn order:", torn)
	}
	p.must(p.give("echo one"))
	if err := p.give("echo two"); !conflict(err) {
		t.Error("a second order:", err)
	}
	if _, err := p.result(t.Context()); !conflict(err) {
		t.Error("a result before the end:", err)
	}
	p.must(p.letGo(t.Context()))
	if got := p.all(0); got != "one\n" {
		t.Errorf("%q", got)
	}
}

func TestAShimThatNobodyOrdersEnds(t *testing.T) {
	p := startPod(t, "--patience", "100ms")
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUnused {
		t.Error(err)
	}
	m, _ := os.ReadFile(filepath.Join(p.dir, "message"))
	var f farewell
	if json.Unmarshal(m, &f) != nil || f.Shipmate != 1 || f.Began {
		t.Errorf("%s", m)
	}
}

func TestAShimThatIsTerminatedEndsItsScript(t *testing.T) {
	p := newPod(t)
	p.must(p.give(`trap 'echo told; exit 4' TERM; echo begin; while true; do sleep 0.05; done`))
	p.must(p.letGo(t.Context()))
	r, w := io.Pipe()
	end := make(chan error, 1)
	go func() { end <- p.output(t.Context(), 0, w); w.Close() }()
	buf := make([]byte, 6)
	_, err := io.ReadFull(r, buf)
	p.must(err)
	p.must(p.cmd.Process.Signal(syscall.SIGTERM))
	rest, _ := io.ReadAll(r)
	p.must(<-end)
	e, err := p.result(t.Context())
	p.must(err)
	if !strings.HasSuffix(string(rest), "told\n") || e.Exit.Stopped != stopTerminated || e.Exit.Code != 4 {
		t.Errorf("%q %+v", rest, e.Exit)
	}
	began := time.Now()
	_ = p.cmd.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it lingered for %s though the result was fetched", took)
	}
}

func TestAShimKeepsTheTimeout(t *testing.T) {
	p := newPod(t)
	p.must(p.give(`while true; do sleep 0.05; done`, func(o *order) { o.Timeout = 100 * time.Millisecond }))
	p.must(p.letGo(t.Context()))
	p.all(0)
	e, err := p.result(t.Context())
	p.must(err)
	if e.Exit.Stopped != script.StopTimeout {
		t.Errorf("%+v", e.Exit)
	}
}

func TestMissingArtifactsAreSaidAtTheEnd(t *testing.T) {
	p := newPod(t)
	p.must(p.give("true", func(o *order) { o.Artifacts = []string{"*.jar"} }))
	p.must(p.letGo(t.Context()))
	p.all(0)
	files, err := p.artifacts(t.Context())
	p.must(err)
	if _, err := io.Copy(io.Discard, files); pipeline.Code(err) != "missing_artifact" {
		t.Error(err)
	}
}

func TestAnOrderStaysInItsFolder(t *testing.T) {
	src := t.TempDir()
	for name, h := range map[string]string{"climbs": "src/../../evil", "is absolute": "/evil", "is of no kind": "evil"} {
		dir := t.TempDir()
		at := placeIn(func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) })
		var b bytes.Buffer
		err := send(&b, order{Argv: []string{"true"}}, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := receive(bytes.NewReader(withEntry(t, b.Bytes(), h)), dir, at); err == nil {
			t.Errorf("a name that %s was taken", name)
		}
		if _, err := receive(bytes.NewReader(b.Bytes()), dir, at); err != nil {
			t.Error(err)
		}
	}
}

// What will not fare better is told from what was torn on its way.
func TestAShimSaysWhetherItIsWorthAskingAgain(t *testing.T) {
	p := newPod(t)
	var b bytes.Buffer
	p.must(send(&b, order{Argv: []string{"true"}}, t.TempDir(), nil))
	give := func(archive []byte) error {
		return p.order(t.Context(), func(w io.Writer) error { _, err := w.Write(archive); return err })
	}
	err := give(withEntry(t, b.Bytes(), "src/../../evil"))
	if said, refused := refusal(err); !refused || !strings.Contains(said, "leads out of its folder") {
		t.Error(err)
	}
	err = give(b.Bytes()[:b.Len()-9])
	if _, refused := refusal(err); refused || !errors.As(err, new(*shimError)) {
		t.Error(err)
	}
	away := errors.New("the store of artifacts is away")
	if err := p.order(t.Context(), func(io.Writer) error { return away }); !errors.Is(err, away) {
		t.Error(err)
	}
	p.must(give(b.Bytes()))
}

// withEntry adds a file of that name to an archive.
func withEntry(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	in := tar.NewReader(z)
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	out := tar.NewWriter(zw)
	for {
		h, err := in.Next()
		if err != nil {
			break
		}
		_ = out.WriteHeader(h)
		_, _ = io.Copy(out, in)
	}
	_ = out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o600})
	_, _ = out.Write([]byte("x"))
	_ = out.Close()
	_ = zw.Close()
	return b.Bytes()
}
