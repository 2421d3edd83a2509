//go:build crash

package crash

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"github.com/shipmate/shipmate/test/sim/slack"
)

// bot is one replica: a process at a time, always on the same addresses.
type bot struct {
	l       *lane
	name    string
	gate    *gate
	proxy   *redisProxy
	addr    string
	metrics string
	data    string // folder
	env     []string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

func (l *lane) newBot(name string) *bot {
	b := &bot{l: l, name: name, data: l.path("data")}
	b.gate = newGate(b.strike, func() { b.signal(syscall.SIGSTOP) })
	proxy, err := newRedisProxy(b.gate, l.redis.Addr)
	l.must(err)
	b.proxy = proxy
	b.addr, b.metrics = freeAddr(l), freeAddr(l)
	return b
}

// replica adds a second bot on the same Redis, with its own way to the
// platforms. It is not started.
func (l *lane) replica(name string) *bot {
	b := l.newBot(name)
	l.more = append(l.more, b)
	gh := httptest.NewServer(gated(b.gate, githubBefore, githubAfter, l.github, l.seen))
	sl := httptest.NewServer(gated(b.gate, slackBefore, slackAfter, l.slack, func(*http.Request, []byte, int) {}))
	l.t.Cleanup(gh.Close)
	l.t.Cleanup(sl.Close)
	b.env = []string{"SHIPMATE_GITHUB_API_URL=" + gh.URL + "/api/v3", "SHIPMATE_GITHUB_CLONE_URL=" + gh.URL, "SHIPMATE_SLACK_API_URL=" + sl.URL + "/api/"}
	return b
}

func freeAddr(l *lane) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	l.must(err)
	defer listener.Close()
	return listener.Addr().String()
}

// address tells the platforms where this bot is.
func (b *bot) address(l *lane) {
	l.github.SetWebhookURL("http://" + b.addr + "/github/webhook")
	l.slack.SetRequestURLs(slack.RequestURLsAt("http://" + b.addr))
}

// start starts the process and waits until it is ready.
func (b *bot) start() {
	b.l.t.Helper()
	b.launch()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b.l.must(b.ready(ctx))
}

func (b *bot) launch() {
	b.l.t.Helper()
	l := b.l
	cmd := exec.Command(binary, "serve")
	cmd.Dir = l.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "SHIPMATE_LOG_LEVEL=info",
		"SHIPMATE_ADDR=" + b.addr, "SHIPMATE_METRICS_ADDR=" + b.metrics, "SHIPMATE_DATA_DIR=" + b.data,
		"SHIPMATE_REDIS_URL=redis://" + b.proxy.addr(), "SHIPMATE_DURABILITY=strict",
		"SHIPMATE_IDENTITIES_FILE=" + l.path("identities.yaml"), "SHIPMATE_GITHUB_APP_ID=" + strconv.FormatInt(l.github.AppID(), 10),
		"SHIPMATE_GITHUB_PRIVATE_KEY_FILE=" + l.path("app.pem"), "SHIPMATE_GITHUB_WEBHOOK_SECRET=" + l.github.WebhookSecret(),
		"SHIPMATE_GITHUB_API_URL=" + l.github.APIURL(), "SHIPMATE_GITHUB_CLONE_URL=" + l.github.URL(),
		"SHIPMATE_SLACK_BOT_TOKEN=xoxb-sim", "SHIPMATE_SLACK_SIGNING_SECRET=" + signingSecret, "SHIPMATE_SLACK_API_URL=" + l.slack.APIURL(), "SHIPMATE_SLACK_DIGEST=0s",
	}, b.env...)
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	l.must(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = diesWithUs()
	l.must(cmd.Start())
	exited := make(chan struct{})
	b.mu.Lock()
	b.cmd, b.exited = cmd, exited
	b.mu.Unlock()
	go func() { defer close(exited); _ = cmd.Wait() }()
}

func (b *bot) log() string { return b.l.path(b.name + ".log") }

func (b *bot) lastLines() string {
	log, _ := os.ReadFile(b.log())
	return string(log[max(0, len(log)-20_000):])
}

func (b *bot) ready(ctx context.Context) error {
	return until(ctx, "bot "+b.name+" is ready; its log: "+b.log(), func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.addr+"/readyz", nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (b *bot) process() (*exec.Cmd, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cmd, b.exited
}

// strike sends kill -9 and does not wait.
func (b *bot) strike() { b.signal(syscall.SIGKILL) }

func (b *bot) signal(sig syscall.Signal) {
	if cmd, _ := b.process(); cmd != nil {
		_ = cmd.Process.Signal(sig)
	}
}

// kill ends the process as a crash does and returns when nothing of it is left
// but its scripts.
func (b *bot) kill() {
	cmd, exited := b.process()
	if cmd == nil {
		return
	}
	b.strike()
	<-exited
	b.proxy.hangUp()
}

// stop ends the process as an operator does, with all it has in hand done.
func (b *bot) stop() {
	_, exited := b.process()
	b.signal(syscall.SIGTERM)
	<-exited
	b.proxy.hangUp()
}

// consumer is how this process is known in the queue's groups.
func (b *bot) consumer() string {
	cmd, _ := b.process()
	return fmt.Sprintf(":%d:", cmd.Process.Pid)
}
