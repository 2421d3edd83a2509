package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/pipeline"
)

// rollout is the runner behind kubernetes.rollout: it applies the objects as
// kubernetes.apply does, but exchanges the pods of the Deployment by a strategy,
// and whenever that goes wrong leaves everything as it was.
type rollout struct{ cfg Config }

// strategy is a way to exchange pods. Both may be called again at any time, by
// another process, and find out from the cluster and the checkpoint how far it is.
type strategy interface {
	// forward goes on until the rollout is done, or has to wait for a time.
	forward(ctx context.Context) (pipeline.Result, error)
	// back makes everything as it was before the rollout, traffic first.
	back(ctx context.Context) error
}

const (
	rollingStrategy   = "rolling"
	blueGreenStrategy = "blue-green"
	canaryStrategy    = "canary"
)

func rolloutParams() []pipeline.Param {
	return append(applyParams(),
		pipeline.Param{Name: "strategy", Type: "string", Default: rollingStrategy, Enum: []string{rollingStrategy, blueGreenStrategy, canaryStrategy}, Help: "How the pods are exchanged."},
		pipeline.Param{Name: "service", Type: "string", Help: "The Service that leads to the pods, if the manifests hold several."},
		pipeline.Param{Name: "keep_old", Type: "duration", Default: "30m", Help: "blue-green: how long the old pods are kept, so that a rollback takes seconds."},
		pipeline.Param{Name: "smoke", Type: "map", Help: "blue-green: a step (run or uses) that must succeed against the new pods before they get traffic."},
		pipeline.Param{Name: "steps", Type: "list", Items: "map", Help: "canary: shares of the traffic, as {weight: 10, pause: 5m}."},
		pipeline.Param{Name: "analysis", Type: "map", Help: "canary: a step (run or uses) that must succeed after each pause."},
		pipeline.Param{Name: "traffic", Type: "map", Help: "canary: what splits the traffic: {http_route: name} or {ingress: name} (NGINX); without it the number of pods does."},
	)
}

// checkRollout looks at what the list of parameters cannot say.
func checkRollout(with map[string]any) error {
	if err := checkSource(with); err != nil {
		return err
	}
	chosen := with["strategy"]
	for name, of := range map[string]string{"smoke": blueGreenStrategy, "steps": canaryStrategy, "analysis": canaryStrategy, "traffic": canaryStrategy} {
		if _, ok := with[name]; ok && chosen != of {
			return pipeline.InParam(name, pipeline.Refuse("bad_param", "`%s:` belongs to `strategy: %s`, and this one is %v.", name, of, chosen))
		}
	}
	for _, name := range []string{"smoke", "analysis"} {
		if _, err := childOf(with, name); err != nil {
			return pipeline.InParam(name, err)
		}
	}
	steps, err := weightsOf(with)
	if err != nil {
		return pipeline.InParam("steps", err)
	}
	if last := steps[len(steps)-1].Percent; last > mostByPods && with["traffic"] == nil {
		return pipeline.InParam("steps", pipeline.Refuse("bad_param", "Without `traffic:` the share of the canary is made by numbers of pods, and that goes up to %d; the last of `steps:` says %d. Take it out: after the last step the canary gets all traffic anyway.", mostByPods, last))
	}
	_, err = trafficOf(with)
	return pipeline.InParam("traffic", err)
}

// Run moves the rollout forward. If that fails for good, or is stopped,
// everything is as it was before when it returns.
func (r rollout) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.reach(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	s, at, err := d.strategy()
	if err != nil {
		return pipeline.Result{}, err
	}
	var res pipeline.Result
	if err = d.read(ctx); err == nil && !at.Begun {
		err = d.preflight(ctx)
	}
	if err == nil {
		res, err = s.forward(ctx)
	}
	stopped := ctx.Err() != nil
	switch {
	case err == nil, pipeline.HandedOver(ctx) != nil, errors.Is(err, pipeline.ErrLeaseLost):
		return res, err
	case pipeline.IsTemporary(err) && !stopped, !at.Begun:
		return res, err
	}
	why := sentence(pipeline.Message(err))
	if stopped {
		why = "It was stopped."
	}
	d.logf("Going back: %s", why)
	undo := insist(ctx, s.back)
	if pipeline.HandedOver(ctx) == nil {
		if err := d.cancelChildren(context.WithoutCancel(ctx), at); err != nil {
			d.logf("A step within this one may go on: %s", pipeline.Message(err))
		}
	}
	if undo != nil {
		return halfway(ctx, why, undo)
	}
	if stopped {
		return pipeline.Result{Done: true, State: pipeline.Cancelled, Message: why + " What ran before runs, with all the traffic" + d.outcome()}, nil
	}
	return pipeline.Result{Done: true, State: pipeline.Failed, Code: pipeline.Code(err), Message: why + " What ran before runs, with all the traffic" + d.outcome()}, nil
}

// halfway says that the way back did not work either. What passes by itself is
// tried again by a later call.
func halfway(ctx context.Context, why string, undo error) (pipeline.Result, error) {
	switch {
	case pipeline.HandedOver(ctx) != nil, errors.Is(undo, pipeline.ErrLeaseLost), pipeline.IsTemporary(undo) && ctx.Err() == nil:
		return pipeline.Result{}, undo
	}
	return pipeline.Result{Done: true, State: pipeline.Unknown, Code: "half_rolled_out", Message: fmt.Sprintf(
		"%s And going back did not work: %s Look which pods get the traffic, set it right, then say `/resolve`.", why, sentence(pipeline.Message(undo)))}, nil
}

// insist goes back also when the step is stopped, before or meanwhile: then no
// later call will, so what passes by itself is tried again here, but not for
// ever, and not when another call does that.
func insist(ctx context.Context, back func(context.Context) error) error {
	const between = 2 * time.Second
	way, cancel := detached(ctx)
	defer cancel()
	for {
		err := back(way)
		if !pipeline.IsTemporary(err) || ctx.Err() == nil || way.Err() != nil {
			return err
		}
		select {
		case <-time.After(between):
		case <-way.Done():
			return err
		}
	}
}

// detached does not end with ctx, unless another call goes on.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	const patience = 10 * time.Minute
	out, end := context.WithCancelCause(context.WithoutCancel(ctx))
	out, cancel := context.WithTimeout(out, patience)
	stop := context.AfterFunc(ctx, func() {
		if pipeline.HandedOver(ctx) != nil {
			end(context.Cause(ctx))
		}
	})
	return out, func() { stop(); cancel(); end(nil) }
}

func sentence(s string) string { return strings.TrimSuffix(s, ".") + "." }

// Cancel goes back while no call is in flight: during a pause.
func (r rollout) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	d, err := r.cfg.reach(ctx, c)
	if err != nil {
		return err
	}
	s, at, err := d.strategy()
	if err != nil {
		return err
	}
	return errors.Join(s.back(ctx), d.cancelChildren(ctx, at))
}

// CanRevert reports whether there is something to go back from, and to.
func (r rollout) CanRevert(c *pipeline.StepContext) bool {
	var at state
	switch {
	case c.Restore(&at) != nil || !at.Begun:
		return false
	case at.Switched.IsZero():
		return true
	}
	return c.Now.Before(at.Switched.Add(within(c.With, "keep_old")))
}

// Revert makes everything as it was before the rollout.
func (r rollout) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.reach(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	s, _, err := d.strategy()
	if err != nil {
		return pipeline.Result{}, err
	}
	if err := s.back(ctx); err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, Message: "What ran before runs again, with all the traffic" + d.outcome()}, nil
}

// state is what a rollout remembers between calls.
type state struct {
	progress
	Strategy string           `json:"strategy"`
	Phase    phase            `json:"phase,omitempty"`
	Service  string           `json:"service,omitempty"`
	Selector map[string]any   `json:"selector,omitempty"` // of the Service, before
	Old      string           `json:"old,omitempty"`      // Deployment that had the traffic; "": none
	OldHash  string           `json:"old_hash,omitempty"` // of its pods, where nothing else tells them apart
	New      string           `json:"new,omitempty"`      // Deployment that gets it
	Colour   string           `json:"colour,omitempty"`   // blue-green
	Switched time.Time        `json:"switched,omitzero"`  // blue-green
	Step     int              `json:"step,omitempty"`     // canary: index of the weight
	Share    int64            `json:"share,omitempty"`    // canary: what it has of the traffic, in percent
	Due      time.Time        `json:"due,omitzero"`       // canary: end of the pause
	Children map[string]child `json:"children,omitempty"` // steps within the step
	Retired  []retired        `json:"retired,omitempty"`  // rolling: what blue-green had left
}

// retired is a Deployment of a colour whose pods were taken away.
type retired struct {
	Name     string `json:"name"`
	Colour   string `json:"colour"`
	Replicas int64  `json:"replicas"`
}

// phase is how far a rollout is; they follow in this order.
type phase string

const (
	raising   phase = "raising"   // the new pods come up, without traffic
	checking  phase = "checking"  // the smoke step looks at them, or a canary gets its share
	switching phase = "switching" // the traffic goes over
	clearing  phase = "clearing"  // canary: the stable pods are the new ones; what is left of it goes
)

// strategy is the one the step asks for, with what it remembers. The checkpoint of a step never
// changes its strategy.
func (d *deploy) strategy() (strategy, *state, error) {
	at := &state{}
	if err := d.Restore(at); err != nil {
		return nil, nil, err
	}
	if at.Strategy == "" {
		at.Strategy, _ = d.With["strategy"].(string)
	}
	switch at.Strategy {
	case blueGreenStrategy:
		return &blueGreen{d, at}, at, nil
	case canaryStrategy:
		return &canary{d, at}, at, nil
	}
	return &rolling{d, at}, at, nil
}

// rolling lets the Deployment, StatefulSet or DaemonSet exchange its pods itself.
type rolling struct {
	*deploy
	at *state
}

func (s *rolling) forward(ctx context.Context) (pipeline.Result, error) {
	if err := s.takeOver(ctx); err != nil {
		return pipeline.Result{}, err
	}
	r, err := s.start(ctx, s.at)
	if err != nil {
		return pipeline.Result{}, err
	}
	res, err := s.bring(ctx, r, s.at.Until)
	if err != nil {
		return res, err
	}
	return res, s.retireColours(ctx)
}

// retireColours takes down what an earlier rollout of the same step by
// blue-green left: the Service leads to all pods again.
func (s *rolling) retireColours(ctx context.Context) error {
	coloured, err := s.coloured(ctx)
	if err != nil {
		return err
	}
	for i := range coloured {
		if u := &coloured[i]; podsOf(u) > 0 {
			s.at.Retired = append(s.at.Retired, retired{u.GetName(), u.GetLabels()[colourLabel], podsOf(u)})
		}
	}
	if err := s.save(ctx, s.at); err != nil {
		return err
	}
	for i := range coloured {
		if err := s.w.retire(ctx, &coloured[i]); err != nil {
			return err
		}
	}
	return nil
}

// revive brings the pods back that had the traffic by blue-green, before the
// Service leads to no others.
func (s *rolling) revive(ctx context.Context) error {
	r, err := s.readRecord(ctx)
	if err != nil || r == nil || r.Now.By != s.by() {
		return err
	}
	var up []*unstructured.Unstructured
	for _, old := range s.at.Retired {
		if !slices.ContainsFunc(r.Before.Objects, func(o object) bool {
			return o.Kind == "Service" && stringMap(&unstructured.Unstructured{Object: o.Manifest}, "spec", "selector")[colourLabel] == old.Colour
		}) {
			continue
		}
		u, err := s.w.update(ctx, s.stub("apps/v1", "Deployment", old.Name), func(live *unstructured.Unstructured) bool {
			return unstructured.SetNestedField(live.Object, old.Replicas, "spec", "replicas") == nil
		})
		if err != nil {
			return err
		}
		if u == nil {
			return pipeline.Refuse("cannot_revert", "The old pods of %s are gone, so the traffic cannot go back to them.", old.Name)
		}
		up = append(up, u)
	}
	ctx, cancel := s.until(ctx, s.cfg.Now().Add(within(s.With, "ready_within")))
	defer cancel()
	return s.ready(ctx, up, s.Say)
}

func (s *rolling) back(ctx context.Context) error {
	if !s.at.Begun {
		return nil
	}
	if err := s.revive(ctx); err != nil {
		return err
	}
	return s.undo(ctx)
}
