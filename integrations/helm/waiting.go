package helm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// client is Helm's, whose waits say that they were waits when they fail.
type client struct{ *kube.Client }

// GetWaiterWithOptions implements kube.InterfaceWaitOptions.
func (c *client) GetWaiterWithOptions(by kube.WaitStrategy, o ...kube.WaitOption) (kube.Waiter, error) {
	w, err := c.Client.GetWaiterWithOptions(by, o...)
	return waiter{w}, err
}

type waiter struct{ kube.Waiter }

func (w waiter) Wait(r kube.ResourceList, d time.Duration) error {
	return notReady(w.Waiter.Wait(r, d))
}

func (w waiter) WaitWithJobs(r kube.ResourceList, d time.Duration) error {
	return notReady(w.Waiter.WaitWithJobs(r, d))
}

func (w waiter) WatchUntilReady(r kube.ResourceList, d time.Duration) error {
	return notReady(w.Waiter.WatchUntilReady(r, d))
}

func (w waiter) WaitForDelete(r kube.ResourceList, d time.Duration) error {
	return notReady(w.Waiter.WaitForDelete(r, d))
}

// unready: something did not become what was waited for.
type unready struct{ error }

func (u unready) Unwrap() error { return u.error }

func notReady(err error) error {
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) {
		return err
	}
	return unready{err}
}

var stuckForm = regexp.MustCompile(`resource (\S+)/\S*/(\S+) not ready\. status: (\w+), message: (.*)`)

// sentences say what is not ready.
func (u unready) sentences() string {
	var out []string
	for _, line := range strings.Split(u.Error(), "\n") {
		if m := stuckForm.FindStringSubmatch(line); m != nil {
			out = append(out, fmt.Sprintf("%s %s is not ready (%s).", m[1], m[2], strings.TrimSuffix(m[4], ".")))
		}
	}
	const most = 5
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("And %d more.", len(out)-most))
	}
	return strings.Join(out, " ")
}

// progress turns what Helm's library logs into lines for people. It is silent
// after close: the library may still be ending.
type progress struct {
	mu     sync.Mutex
	out    io.Writer
	last   string
	closed bool
}

func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if p.closed || line == p.last {
		return
	}
	p.last = line
	_, _ = io.WriteString(p.out, line+"\n") // a log that is full or away stops no upgrade
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// Enabled implements slog.Handler.
func (p *progress) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (p *progress) Handle(_ context.Context, r slog.Record) error {
	at := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { at[a.Key] = a.Value.String(); return true })
	switch {
	case r.Message == "waiting for resource":
		p.say("Waiting for %s %s: %s.", at["kind"], at["name"], at["actualStatus"])
	case r.Message == "upgrade failed", r.Level < slog.LevelWarn: // the first is the step's message in the end
	default:
		p.say("helm: %s %s", r.Message, at["error"])
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (p *progress) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler.
func (p *progress) WithGroup(string) slog.Handler { return p }
