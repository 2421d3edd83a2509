package kubernetes

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// canary gives the new pods a share of the traffic that grows step by step,
// each followed by a pause and a look. They are a Deployment of their own
// beside the stable one, which is changed only at the very end. Until then the
// way back is to take the share away.
type canary struct {
	*deploy
	at *state
}

// weight is one step of a canary.
type weight struct {
	Percent int64
	Pause   time.Duration
}

// weightsOf reads the steps; without any there are two.
func weightsOf(params map[string]any) ([]weight, error) {
	list, ok := params["steps"].([]any)
	if !ok {
		return []weight{{10, 5 * time.Minute}, {50, 5 * time.Minute}}, nil
	}
	var out []weight
	for i, item := range list {
		m, _ := item.(map[string]any)
		for key := range m {
			if key != "weight" && key != "pause" {
				near, _ := pipeline.Nearest(key, []string{"weight", "pause"})
				return nil, pipeline.Refuse("bad_param", "Step %d of `steps:` has no key %q.%s It takes weight and pause.", i+1, key, didYouMean(near))
			}
		}
		percent, err := strconv.ParseInt(fmt.Sprint(m["weight"]), 10, 64)
		if err != nil || percent < 1 || percent > 100 || len(out) > 0 && percent <= out[len(out)-1].Percent {
			return nil, pipeline.Refuse("bad_param", "Step %d of `steps:` needs a weight between 1 and 100, larger than the one before: {weight: 10, pause: 5m}.", i+1)
		}
		w := weight{Percent: percent}
		if text, ok := m["pause"]; ok {
			if w.Pause, err = pipeline.ParseDuration(fmt.Sprint(text)); err != nil {
				return nil, pipeline.Refuse("bad_param", "The `pause` of step %d of `steps:` is wrong: %v", i+1, err)
			}
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		return nil, pipeline.Refuse("bad_param", "`steps:` is empty. Write for example [{weight: 10, pause: 5m}, {weight: 50, pause: 5m}].")
	}
	return out, nil
}

func (s *canary) forward(ctx context.Context) (pipeline.Result, error) {
	p, err := s.parts()
	if err != nil {
		return pipeline.Result{}, err
	}
	stable, err := s.deployment(ctx, p.deployment.GetName())
	if err != nil {
		return pipeline.Result{}, err
	}
	at, err := s.coloured(ctx, p)
	if err != nil {
		return pipeline.Result{}, err
	}
	if (stable == nil || at) && !s.at.Begun {
		s.logf("%s has no traffic yet that could be compared: it is rolled out at once.", manifest.Name(p.deployment))
		s.at.Strategy = rollingStrategy
		return (&rolling{s.deploy, s.at}).forward(ctx)
	}
	if err := s.plan(ctx, p, stable); err != nil {
		return pipeline.Result{}, err
	}
	r, err := s.start(ctx, s.at)
	if err != nil {
		return pipeline.Result{}, err
	}
	t, err := s.traffic()
	if err != nil {
		return pipeline.Result{}, err
	}
	if s.at.Phase == raising {
		if err := s.raise(ctx, p, t); err != nil {
			return pipeline.Result{}, err
		}
	}
	if s.at.Phase == checking {
		if res, done, err := s.climb(ctx, p, t); !done || err != nil {
			return res, err
		}
	}
	return s.promote(ctx, p, t, r)
}

// coloured reports whether the traffic is at pods that blue-green left: the
// Deployment without a colour has none.
func (s *canary) coloured(ctx context.Context, p parts) (bool, error) {
	live, err := s.w.get(ctx, p.service)
	return live != nil && stringMap(live, "spec", "selector")[colourLabel] != "", err
}

// plan notes once what the stable pods are.
func (s *canary) plan(ctx context.Context, p parts, stable *unstructured.Unstructured) error {
	if s.at.Begun {
		return nil
	}
	live, err := s.w.get(ctx, p.service)
	if err != nil {
		return err
	}
	if live == nil {
		return pipeline.Refuse("bad_manifests", "There is no Service %s yet that leads to the pods of %s. Roll out once with `strategy: rolling`.", p.service.GetName(), p.deployment.GetName())
	}
	s.at.Service, s.at.Selector = p.service.GetName(), anyMap(stringMap(live, "spec", "selector"))
	delete(s.at.Selector, hashLabel) // left by a rollout that nobody finished
	s.at.Old, s.at.New = stable.GetName(), stable.GetName()+"-canary"
	s.at.Phase = raising
	if s.at.OldHash, err = s.settled(ctx, stable.GetName()); err != nil {
		return err
	}
	t, err := s.traffic()
	if err != nil {
		return err
	}
	return s.w.unclaimed(ctx, append(t.made(), s.stub("apps/v1", "Deployment", s.at.New))...)
}

func (s *canary) enter(ctx context.Context, p phase) error {
	s.at.Phase, s.at.Until = p, s.cfg.Now().Add(within(s.With, "ready_within"))
	return s.save(ctx, s.at)
}

// raise brings up as many canary pods as the first step needs, without traffic.
func (s *canary) raise(ctx context.Context, p parts, t traffic) error {
	ctx, cancel := s.until(ctx, s.late(s.at.Until))
	defer cancel()
	if err := t.prepare(ctx, p); err != nil {
		return err
	}
	if err := s.applyReady(ctx, p.others); err != nil {
		return err
	}
	steps, err := weightsOf(s.With)
	if err != nil {
		return err
	}
	if _, err := s.scale(ctx, p, t, steps[0].Percent); err != nil {
		return err
	}
	return s.enter(ctx, checking)
}

// scale has as many canary pods as a share of the traffic needs, and waits for
// them. It returns how many stable ones there are.
func (s *canary) scale(ctx context.Context, p parts, t traffic, percent int64) (n int64, err error) {
	stable, err := s.deployment(ctx, s.at.Old)
	if err != nil {
		return 0, err
	}
	n = 1
	if stable != nil {
		n = max(podsOf(stable), 1)
	}
	u := variant(p.deployment, s.at.New, trackLabel, "canary")
	if err := unstructured.SetNestedField(u.Object, t.pods(n, percent), "spec", "replicas"); err != nil {
		return 0, err
	}
	up, err := s.applyAll(ctx, []*unstructured.Unstructured{u})
	if err != nil {
		return 0, err
	}
	return n, s.ready(ctx, up, s.Say)
}

// lookEvery is how often the pods are looked at during a pause. Those that a
// Service is held to could be exchanged by somebody.
func lookEvery(t traffic) time.Duration {
	if t.pins() {
		return 3 * time.Second
	}
	return 15 * time.Second
}

// climb goes through the steps: more pods, more traffic, a pause, a look.
func (s *canary) climb(ctx context.Context, p parts, t traffic) (pipeline.Result, bool, error) {
	steps, err := weightsOf(s.With)
	if err != nil {
		return pipeline.Result{}, false, err
	}
	for ; s.at.Step < len(steps); s.at.Step++ {
		step := steps[s.at.Step]
		if s.at.Due.IsZero() {
			if err := s.share(ctx, p, t, step); err != nil {
				return pipeline.Result{}, false, err
			}
		}
		if err := s.bothThere(ctx, t); err != nil {
			return pipeline.Result{}, false, err
		}
		if left := s.at.Due.Sub(s.cfg.Now()); left > 0 {
			return pipeline.Result{RetryAfter: min(left, lookEvery(t)), Message: fmt.Sprintf("The canary has %d %% of the traffic until %s (step %d of %d).",
				s.at.Share, s.at.Due.UTC().Format("15:04:05 MST"), s.at.Step+1, len(steps))}, false, nil
		}
		env := map[string]string{"CANARY_WEIGHT": strconv.FormatInt(s.at.Share, 10), "CANARY_DEPLOYMENT": s.at.New, "STABLE_DEPLOYMENT": s.at.Old, "CANARY_NAMESPACE": s.target.Namespace}
		if res, done, err := s.child(ctx, s.at, "analysis", "analysis-"+strconv.Itoa(s.at.Step+1), env); !done || err != nil {
			return res, false, err
		}
		s.at.Due = time.Time{}
	}
	return pipeline.Result{}, true, s.enter(ctx, switching)
}

// bothThere refuses to go on without stable pods to go back to, or with a canary
// whose pods went down.
func (s *canary) bothThere(ctx context.Context, t traffic) error {
	stable, err := s.deployment(ctx, s.at.Old)
	if err != nil {
		return err
	}
	if stable == nil {
		return gone(s.at.Old)
	}
	if t.pins() {
		if err := s.follow(ctx, stable); err != nil {
			return err
		}
	}
	return s.healthy(ctx, s.at.New)
}

// share gives the canary its next share, and begins the pause.
func (s *canary) share(ctx context.Context, p parts, t traffic, step weight) error {
	until, cancel := s.until(ctx, s.cfg.Now().Add(within(s.With, "ready_within")))
	defer cancel()
	n, err := s.scale(until, p, t, step.Percent)
	if err != nil {
		return err
	}
	if err := t.set(ctx, step.Percent); err != nil {
		return err
	}
	s.at.Share = t.share(n, step.Percent)
	s.logf("The canary has %d %% of the traffic", s.at.Share)
	s.say("The canary has %d %% of the traffic.", s.at.Share)
	s.at.Due = s.cfg.Now().Add(step.Pause)
	return s.save(ctx, s.at)
}

// promote makes the canary's revision the stable one: the canary takes the
// traffic while the stable pods are exchanged, then gives it back and goes.
func (s *canary) promote(ctx context.Context, p parts, t traffic, r record) (pipeline.Result, error) {
	if s.at.Phase == switching {
		if err := s.exchange(ctx, p, t); err != nil {
			return pipeline.Result{}, err
		}
	}
	if err := s.clear(ctx, t); err != nil {
		return pipeline.Result{}, err
	}
	w := s.w
	w.force = true // what was changed during the canary is ours to set
	for _, u := range append(p.last, p.service) {
		if _, _, err := w.apply(ctx, u); err != nil {
			return pipeline.Result{}, s.blame(u, err)
		}
	}
	if err := s.finish(ctx, r); err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, Images: s.images(ctx, p), Message: fmt.Sprintf("%s has all the traffic of %s, after %s.", s.at.Old, s.at.Service, count(s.at.Step, "canary step", "canary steps")) + s.prunedMessage()}, nil
}

// exchange brings the stable pods to the new revision while the canary has the traffic.
func (s *canary) exchange(ctx context.Context, p parts, t traffic) error {
	until, cancel := s.until(ctx, s.late(s.at.Until))
	defer cancel()
	if err := t.promoting(until, p); err != nil {
		return err
	}
	up, err := s.applyAll(until, []*unstructured.Unstructured{p.deployment})
	if err != nil {
		return err
	}
	if err := s.ready(until, up, s.Say); err != nil {
		return err
	}
	return s.enter(ctx, clearing) // from here on nothing sends traffic to the canary any more
}

// clear gives all traffic to the stable pods and removes the canary.
func (s *canary) clear(ctx context.Context, t traffic) error {
	if err := t.set(ctx, 0); err != nil {
		return err
	}
	if err := s.w.retire(ctx, s.stub("apps/v1", "Deployment", s.at.New)); err != nil {
		return err
	}
	if err := s.podsGone(ctx, map[string]string{trackLabel: "canary"}, s.at.New); err != nil {
		return err
	}
	return t.cleanup(ctx)
}

// back gives all traffic to what was stable before. Unless the stable pods are
// being exchanged already, or are gone, that is the first thing it does.
func (s *canary) back(ctx context.Context) error {
	switch {
	case !s.at.Begun:
		return nil
	case s.at.Strategy == rollingStrategy: // there was nothing to compare with
		return (&rolling{s.deploy, s.at}).back(ctx)
	}
	t, err := s.traffic()
	if err != nil {
		return err
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	stable, err := s.deployment(ctx, s.at.Old)
	if err != nil {
		return err
	}
	atOnce := s.at.Phase != switching && s.at.Phase != clearing && stable != nil
	if atOnce {
		if t.pins() {
			if err := s.follow(ctx, stable); err != nil {
				return err
			}
		}
		if err := s.clear(ctx, t); err != nil {
			return err
		}
	}
	r, err := s.readRecord(ctx)
	if err != nil {
		return err
	}
	if r != nil && r.Now.By == s.by() {
		after, err := s.restore(ctx, s.withoutTraffic(*r))
		if err != nil {
			return err
		}
		until, cancel := s.until(ctx, s.cfg.Now().Add(within(s.With, "ready_within")))
		defer cancel()
		if err := s.ready(until, after, s.Say); err != nil {
			return err
		}
	}
	if !atOnce {
		if err := s.clear(ctx, t); err != nil {
			return err
		}
	}
	if r == nil || r.Now.By != s.by() {
		return nil
	}
	_, err = s.restore(ctx, *r)
	return err
}

// withoutTraffic leaves out what the split of the traffic hangs on.
func (s *canary) withoutTraffic(r record) record {
	keep := func(objects []object) []object {
		var out []object
		for _, o := range objects {
			switch o.Kind {
			case "Service", "HTTPRoute", "Ingress":
			default:
				out = append(out, o)
			}
		}
		return out
	}
	r.Now.Objects, r.Before.Objects = keep(r.Now.Objects), keep(r.Before.Objects)
	return r
}
