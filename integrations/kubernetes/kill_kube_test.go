//go:build kube

package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/pipeline"
)

var (
	kills = flag.Int("kills", 25, "how often each strategy is killed")
	seed  = flag.Uint64("seed", 1, "of the moments")
)

// worker is a bot that can be killed, or stand still, at any of its effects: the
// writes to the cluster and the saves of its checkpoint.
type worker struct {
	*step
	clusters *cluster.Clusters
	at       int    // the effect it ends at, from 1; 0: never
	late     bool   // it ends after the effect instead of before
	stopped  func() // called at that effect; returns when the worker may go on

	mu   sync.Mutex
	n    int
	dead bool
}

var errDead = errors.New("this worker is dead")

// effect counts; dead workers have none.
func (w *worker) effect(do func() error) error {
	w.mu.Lock()
	w.n++
	mine := w.n == w.at
	dead := w.dead
	w.mu.Unlock()
	if dead {
		return errDead
	}
	if mine && !w.late {
		w.stopped()
	}
	if w.isDead() {
		return errDead
	}
	err := do()
	if mine && w.late {
		w.stopped()
	}
	if w.isDead() {
		return errDead
	}
	return err
}

func (w *worker) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

func (w *worker) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
}

func (w *worker) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (resp *http.Response, err error) {
		if req.Method == http.MethodGet {
			if w.isDead() {
				return nil, errDead
			}
			return next.RoundTrip(req)
		}
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		err = w.effect(func() error {
			resp, err = next.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
			return err
		})
		return resp, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newWorker has the step's next call in hand.
func (r *room) newWorker(s *step, at int, late bool) *worker {
	w := &worker{step: s, at: at, late: late}
	w.clusters = r.connect("deployer", w.wrap)
	save := s.Save
	s.Save = func(ctx context.Context, cp json.RawMessage) error {
		return w.effect(func() error { return save(ctx, cp) })
	}
	return w
}

func (r *room) as(w *worker) Config {
	cfg := r.config()
	cfg.Clusters = w.clusters
	return cfg
}

// toTheEnd makes calls until the step is done.
func (r *room) toTheEnd(ctx context.Context, cfg Config, s *step) (pipeline.Result, *step, error) {
	for {
		s.Now = time.Now()
		res, err := rollout{cfg}.Run(ctx, s.StepContext)
		if ctx.Err() != nil || err != nil || res.Done {
			return res, s, err
		}
		if res.Checkpoint != nil {
			s.Checkpoint = res.Checkpoint
		}
		pause(r.t, res.RetryAfter)
		next := s.again()
		save := s.Save // still of the same worker
		next.Save = func(ctx context.Context, cp json.RawMessage) error {
			next.Checkpoint = cp
			return save(ctx, cp)
		}
		s = next
	}
}

// killable are rollouts: name to strategy, parameters, and what splits the traffic.
var killable = map[string]struct {
	strategy string
	more     map[string]any
	split    string
}{
	"blue-green":        {"blue-green", nil, ""},
	"canary":            {"canary", map[string]any{"steps": twoShares}, ""},
	"canary by route":   {"canary", map[string]any{"steps": twoShares, "traffic": map[string]any{byRoute: "shop"}}, byRoute},
	"canary by ingress": {"canary", map[string]any{"steps": twoShares, "traffic": map[string]any{byIngress: "shop"}}, byIngress},
}

var twoShares = []any{map[string]any{"weight": 25, "pause": "10ms"}, map[string]any{"weight": 50, "pause": "10ms"}}

// TestKilledAtAnyMoment: after a kill -9 there is one of old or new, fully, as
// soon as somebody goes on or takes it back.
func TestKilledAtAnyMoment(t *testing.T) {
	for name, c := range killable {
		strategy, more := c.strategy, c.more
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			if c.split != "" {
				r.split(c.split)
			}
			r.version(4, "v0")
			r.mustRoll(with2(strategy, more))
			r.version(4, "v1")
			effects := r.count(with2(strategy, more))
			random := rand.New(rand.NewPCG(*seed, 0))
			var entrance string
			if c.split != "" {
				entrance = r.entrance(c.split)
			}
			now, next := "v1", 2
			for i := range *kills {
				tag := fmt.Sprintf("v%d", next)
				next++
				r.version(4, tag)
				at, late, back := 1+random.IntN(effects), random.IntN(2) == 0, i%2 == 0
				name := fmt.Sprintf("kill %d at effect %d of %d, after it: %v, taken back: %v", i, at, effects, late, back)
				s := r.killed(with2(strategy, more), at, late)
				if during := r.serving(); strategy == "blue-green" && len(during) != 1 {
					t.Fatalf("%s: the Service led to %v", name, during)
				}
				if c.split != "" {
					r.leadsOn(name, c.split, now, tag)
				}
				if back {
					if _, err := (rollout{r.config()}).Revert(within10s(t), s.again().StepContext); err != nil {
						t.Fatalf("%s: %v\n%s", name, err, s.log)
					}
				} else {
					if res, _, err := r.toTheEnd(within10s(t), r.config(), s.again()); err != nil || res.State == pipeline.Failed {
						t.Fatalf("%s: %v %+v\n%s", name, err, res, s.log)
					}
					now = tag
				}
				r.expect(map[string]int{now: 4})
				if c.split != "" {
					r.expectReached(c.split, map[string]int64{now: 100})
					if after := r.entrance(c.split); after != entrance {
						t.Errorf("not as it was:\n%s\n%s", entrance, after)
					}
				}
				if t.Failed() {
					t.Fatalf("%s\n%s", name, s.log)
				}
			}
			t.Logf("%d kills over %d effects", *kills, effects)
		})
	}
}

// leadsOn: whatever a killed worker left, traffic gets to ready pods of old and
// new, and nowhere else.
func (r *room) leadsOn(name, split, old, tag string) {
	r.t.Helper()
	during := r.reached(split)
	for to := range during {
		if to != old && to != tag && to != old+"+"+tag && to != tag+"+"+old {
			r.t.Fatalf("%s: traffic got to %v", name, during)
		}
	}
}

// count is how many effects a whole rollout has.
func (r *room) count(with map[string]any) int {
	r.t.Helper()
	w := r.newWorker(r.newStep(with), 0, false)
	res, _, err := r.toTheEnd(within10s(r.t), r.as(w), w.step)
	if err != nil || res.State == pipeline.Failed {
		r.t.Fatal(err, res)
	}
	return w.n
}

// killed is the step after a worker was killed at that effect.
func (r *room) killed(with map[string]any, at int, late bool) *step {
	r.t.Helper()
	w := r.newWorker(r.newStep(with), at, late)
	ctx, cancel := context.WithCancelCause(r.t.Context())
	defer cancel(nil)
	w.stopped = func() { w.die(); cancel(pipeline.ErrHandedOver) }
	_, s, _ := r.toTheEnd(ctx, r.as(w), w.step)
	return s // where it had fewer effects than the rollout that was counted, it has ended
}

// TestALostLeaseMovesNoTraffic: a worker stands still at any moment, another one
// finishes, then the first one goes on.
func TestALostLeaseMovesNoTraffic(t *testing.T) {
	for name, c := range killable {
		strategy, more := c.strategy, c.more
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			if c.split != "" {
				r.split(c.split)
			}
			r.version(2, "v0")
			r.mustRoll(with2(strategy, more))
			r.version(2, "v1")
			effects := r.count(with2(strategy, more))
			next := 2
			for at := 1; at <= effects; at += 3 {
				r.version(2, fmt.Sprintf("v%d", next))
				next++
				r.overtaken(with2(strategy, more), at)
				if t.Failed() {
					t.Fatal("it stood still before effect", at, "of", effects)
				}
			}
		})
	}
}

func (r *room) overtaken(with map[string]any, at int) {
	r.t.Helper()
	w := r.newWorker(r.newStep(with), at, false)
	still, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	lost := false
	w.stopped = func() { close(still); <-goOn }
	save := w.Save
	w.Save = func(ctx context.Context, cp json.RawMessage) error {
		if err := save(ctx, cp); err != nil {
			return err
		}
		if lost {
			return pipeline.ErrLeaseLost
		}
		return nil
	}
	first := w.step
	go func() {
		_, _, err := r.toTheEnd(within10s(r.t), r.as(w), first)
		ended <- err
	}()
	select {
	case <-still:
	case err := <-ended: // it has fewer effects than the rollout that was counted
		must(r.t, err)
		return
	}
	second := first.again()
	second.Fence += 50 // the first one has made some calls since
	second.Checkpoint = slices.Clone(first.Checkpoint)
	res, _, err := r.toTheEnd(within10s(r.t), r.config(), second)
	if err != nil || res.State == pipeline.Failed {
		r.t.Fatal(err, res, first.log)
	}
	lost = true
	before := r.traces()
	close(goOn)
	if err := <-ended; !errors.Is(err, pipeline.ErrLeaseLost) && err != nil && !pipeline.IsTemporary(err) {
		r.t.Errorf("the first worker ended with %v", err)
	}
	if after := r.traces(); !slices.Equal(before, after) {
		r.t.Errorf("the worker that lost its lease changed something:\nbefore %v\nafter  %v", before, after)
	}
}

// traces are what deploys leave: every object with its generation and selector.
func (r *room) traces() []string {
	r.t.Helper()
	var out []string
	deployments, err := plane.Client.AppsV1().Deployments(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	for _, d := range deployments.Items {
		out = append(out, fmt.Sprint(d.Name, " ", d.Generation, " ", d.Spec.Template.Spec.Containers[0].Image))
	}
	services, err := plane.Client.CoreV1().Services(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	for _, s := range services.Items {
		out = append(out, fmt.Sprint(s.Name, " ", s.ResourceVersion, " ", s.Spec.Selector))
	}
	ingresses, err := plane.Client.NetworkingV1().Ingresses(r.namespace).List(r.t.Context(), metav1.ListOptions{})
	must(r.t, err)
	for _, i := range ingresses.Items {
		out = append(out, fmt.Sprint(i.Name, " ", i.ResourceVersion))
	}
	if strings.Contains(r.files.tree["deploy/traffic.yaml"], "HTTPRoute") {
		out = append(out, "route "+r.route().GetResourceVersion())
	}
	return out
}
