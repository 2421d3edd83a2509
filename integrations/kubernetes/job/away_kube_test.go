//go:build kube

package job

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// A bot that cannot look at the pod of an earlier call knows nothing of its
// script, which goes on: whatever the reason, the step is not over.
func TestABotThatMayNotLookAtItsPod(t *testing.T) {
	for name, c := range map[string]struct {
		lock func(s *world) *Runner
		said string
	}{
		"its token is not accepted": {func(s *world) *Runner {
			right := s.kubeconfig
			defer func() { s.kubeconfig = right }()
			s.kubeconfig = filepath.Join(s.TempDir(), "kubeconfig")
			if err := os.WriteFile(s.kubeconfig, []byte(plane.KubeconfigFor("a token of yesterday")), 0o600); err != nil {
				s.Fatal(err)
			}
			return s.bot()
		}, "does not accept shipmate's credentials"},
		"the cluster has another name": {func(s *world) *Runner {
			defer func() { s.cfg.Cluster = "test" }()
			s.cfg.Cluster = "renamed"
			return s.bot()
		}, "knows no cluster \"test\""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t)
			first := s.step(counting)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { first.log.await("line 5\n"); cancel(pipeline.ErrHandedOver) }()
			if _, err := s.bot().Run(ctx, first.StepContext); !pipeline.IsTemporary(err) {
				t.Fatal(err)
			}
			n, locked := first.next(), c.lock(s)
			_, err := locked.Run(t.Context(), n.StepContext)
			if m := pipeline.Message(err); !pipeline.IsTemporary(err) || !strings.Contains(m, c.said) || !strings.Contains(m, "may be at work meanwhile") {
				t.Errorf("temporary %v: %s", pipeline.IsTemporary(err), m)
			}
			// At the deadline it is not known to have ended.
			if err := locked.Cancel(t.Context(), n.StepContext); err == nil {
				t.Error("it counts as stopped")
			}
			n.want(n.run(s.bot()), pipeline.Succeeded, "", "")
			once(t, n)
		})
	}
}

// withoutAPIServer says how a call ends while the API server is away.
func (s *world) withoutAPIServer(what string, call func() error) {
	s.Helper()
	began := time.Now()
	err := call()
	if m := pipeline.Message(err); !pipeline.IsTemporary(err) || pipeline.Code(err) != "cluster_away" || !strings.HasPrefix(m, "The cluster test does not answer (watch pods: connection refused).") {
		s.Errorf("%s: temporary %v, %s: %v", what, pipeline.IsTemporary(err), m, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		s.Errorf("%s held its worker for %s", what, took)
	}
}

// While the API server is away nobody is held up: not who starts a step, not
// who takes one up, not who stops one. What runs goes on.
func TestAnAPIServerThatIsAwayWhenItIsNeeded(t *testing.T) {
	s := newWorld(t)
	s.patience = time.Second
	c := s.step(counting)
	plane.StopAPIServer()
	bot := s.bot()
	s.withoutAPIServer("a start", func() error { _, err := bot.Run(t.Context(), c.StepContext); return err })
	s.withoutAPIServer("a cancel", func() error { return bot.Cancel(t.Context(), c.StepContext) })
	if err := plane.StartAPIServer(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { c.log.await("line 5\n"); plane.StopAPIServer(); cancel(pipeline.ErrHandedOver) }()
	for err := error(nil); !errors.Is(err, pipeline.ErrHandedOver); {
		_, err = bot.Run(ctx, c.StepContext)
	}
	n, restarted := c.next(), s.bot()
	s.withoutAPIServer("a bot that was restarted", func() error { _, err := restarted.Run(t.Context(), n.StepContext); return err })
	s.withoutAPIServer("its cancel", func() error { return restarted.Cancel(t.Context(), n.StepContext) })
	if err := plane.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	n.want(n.run(restarted), pipeline.Succeeded, "", "")
	once(t, n)
}
