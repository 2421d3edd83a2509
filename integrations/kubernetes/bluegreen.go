package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// blueGreen brings the new pods up beside the old ones, as a Deployment of the
// other colour, has them looked at, and moves the traffic in one write of the
// Service. The old ones are kept for a while: the way back is one write too.
type blueGreen struct {
	*deploy
	at *state
}

func (s *blueGreen) forward(ctx context.Context) (pipeline.Result, error) {
	p, err := s.parts()
	if err != nil {
		return pipeline.Result{}, err
	}
	if err := s.plan(ctx, p); err != nil {
		return pipeline.Result{}, err
	}
	p.service = selecting(p.service, colourLabel, s.at.Colour)
	for i, u := range p.last {
		p.last[i] = retarget(u, p.deployment.GetName(), s.at.New)
	}
	// The record holds what is applied under its own name; the colours have
	// their own way back.
	s.objects = slices.Concat(p.others, []*unstructured.Unstructured{p.service}, p.last)
	manifest.Sort(s.objects)
	r, err := s.start(ctx, s.at)
	if err != nil {
		return pipeline.Result{}, err
	}
	if s.at.Phase == raising {
		if err := s.raise(ctx, p); err != nil {
			return pipeline.Result{}, err
		}
	}
	if s.at.Phase == checking {
		if res, done, err := s.child(ctx, s.at, "smoke", "smoke", s.previewEnv(p)); !done || err != nil {
			return res, err
		}
		if err := s.enter(ctx, switching); err != nil {
			return pipeline.Result{}, err
		}
	}
	return s.finishSwitch(ctx, p, r)
}

// plan decides once which colour is next and notes what has the traffic now.
func (s *blueGreen) plan(ctx context.Context, p parts) error {
	if s.at.Begun {
		return nil
	}
	name := p.deployment.GetName()
	s.at.Service = p.service.GetName()
	live, err := s.w.get(ctx, p.service)
	if err != nil {
		return err
	}
	s.at.Colour = "blue"
	if live != nil {
		selector := stringMap(live, "spec", "selector")
		s.at.Selector = anyMap(selector)
		switch selector[colourLabel] {
		case "blue":
			s.at.Colour, s.at.Old = "green", name+"-blue"
		case "green":
			s.at.Old = name + "-green"
		default:
			if err := s.plain(ctx, name); err != nil {
				return err
			}
		}
	}
	s.at.New, s.at.Phase = name+"-"+s.at.Colour, raising
	return s.w.unclaimed(ctx, s.stub("apps/v1", "Deployment", s.at.New), s.stub("v1", "Service", s.preview()))
}

// plain notes a Deployment without a colour that has the traffic so far.
func (s *blueGreen) plain(ctx context.Context, name string) error {
	old, err := s.deployment(ctx, name)
	if err != nil || old == nil {
		return err
	}
	s.at.Old = name
	s.at.OldHash, err = s.settled(ctx, name)
	return err
}

func (s *blueGreen) enter(ctx context.Context, p phase) error {
	s.at.Phase = p
	return s.save(ctx, s.at)
}

// raise brings the new pods up. The Service keeps them out: if it does not ask
// for a colour yet, it is first pinned to the pods it leads to now.
func (s *blueGreen) raise(ctx context.Context, p parts) error {
	ctx, cancel := s.until(ctx, s.late(s.at.Until))
	defer cancel()
	if s.at.OldHash != "" {
		if err := s.lead(ctx, s.at.Service, pinnedTo(s.at.Selector, s.at.OldHash)); err != nil {
			return err
		}
	}
	if err := s.applyReady(ctx, p.others); err != nil {
		return err
	}
	next, err := s.next(ctx, p)
	if err != nil {
		return err
	}
	up, err := s.applyAll(ctx, []*unstructured.Unstructured{next, sideService(p.service, s.preview(), colourLabel, s.at.Colour)})
	if err != nil {
		return err
	}
	if err := s.ready(ctx, up, s.Say); err != nil {
		return err
	}
	return s.enter(ctx, checking)
}

// next is the Deployment of the new colour. Where an autoscaler decides how
// many pods there are, it begins with as many as the old one has.
func (s *blueGreen) next(ctx context.Context, p parts) (*unstructured.Unstructured, error) {
	u := variant(p.deployment, s.at.New, colourLabel, s.at.Colour)
	if saysScale(u) || s.at.Old == "" {
		return u, nil
	}
	old, err := s.deployment(ctx, s.at.Old)
	if err != nil || old == nil {
		return u, err
	}
	return u, unstructured.SetNestedField(u.Object, max(podsOf(old), 1), "spec", "replicas")
}

func (s *blueGreen) preview() string { return s.at.Service + "-preview" }

// previewEnv tells the smoke step where the new pods are.
func (s *blueGreen) previewEnv(p parts) map[string]string {
	return map[string]string{
		"PREVIEW_SERVICE": s.preview(), "PREVIEW_NAMESPACE": s.target.Namespace, "PREVIEW_COLOUR": s.at.Colour,
		"PREVIEW_URL": fmt.Sprintf("http://%s.%s.svc:%d", s.preview(), s.target.Namespace, firstPort(p.service)),
	}
}

func firstPort(service *unstructured.Unstructured) int64 {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	if len(ports) == 0 {
		return 80
	}
	port, _ := ports[0].(map[string]any)
	n, _ := port["port"].(int64)
	return n
}

// finishSwitch moves the traffic and cleans up. What has to be known to go back
// is saved before.
func (s *blueGreen) finishSwitch(ctx context.Context, p parts, r record) (pipeline.Result, error) {
	if err := s.healthy(ctx, s.at.New); err != nil {
		return pipeline.Result{}, err
	}
	if s.at.Switched.IsZero() {
		s.at.Switched = s.cfg.Now()
		if err := s.enter(ctx, switching); err != nil {
			return pipeline.Result{}, err
		}
	}
	w := s.w
	w.force = true // the selector is ours to set
	after, did, err := w.apply(ctx, p.service)
	if err != nil {
		return pipeline.Result{}, s.blame(p.service, err)
	}
	s.logf("%s: %s, it leads to %s now", manifest.Name(after), did, s.at.New)
	if err := s.w.remove(ctx, s.stub("v1", "Service", s.preview())); err != nil {
		return pipeline.Result{}, err
	}
	for _, u := range p.last {
		if _, _, err := w.apply(ctx, u); err != nil {
			return pipeline.Result{}, s.blame(u, err)
		}
	}
	if err := s.retireUncoloured(ctx, p.deployment.GetName()); err != nil {
		return pipeline.Result{}, err
	}
	// A Deployment without a colour may be one that the step applied once: it is
	// kept as long as one of the other colour is.
	r.Known = slices.DeleteFunc(r.Known, func(o object) bool { return o.Kind == "Deployment" && o.Name == s.at.Old })
	if err := s.finish(ctx, r); err != nil {
		return pipeline.Result{}, err
	}
	res := pipeline.Result{Done: true, Images: s.images(ctx, p), Outputs: map[string]string{"colour": s.at.Colour}, Message: fmt.Sprintf("%s has all the traffic of %s.", s.at.New, s.at.Service)}
	res.Message += s.prunedMessage()
	if s.at.Old != "" {
		keep := within(s.With, "keep_old")
		res.Message += fmt.Sprintf(" %s is kept until %s: until then a rollback takes seconds.", s.at.Old, s.at.Switched.Add(keep).UTC().Format("15:04 MST"))
		res.Later = max(keep, time.Millisecond)
	}
	return res, nil
}

// retireUncoloured takes the pods of a Deployment without a colour away that the
// traffic left before: whoever was to do that later was overtaken by this rollout.
func (s *blueGreen) retireUncoloured(ctx context.Context, name string) error {
	live, err := s.deployment(ctx, name)
	if err != nil || live == nil || name == s.at.Old || !s.w.ours(live) || podsOf(live) == 0 {
		return err
	}
	s.logf("Deployment %s: it gets no traffic any more, so its pods go", name)
	return s.w.retire(ctx, live)
}

// retarget has an autoscaler scale the new Deployment.
func retarget(u *unstructured.Unstructured, from, to string) *unstructured.Unstructured {
	name, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "name")
	if u.GetKind() != "HorizontalPodAutoscaler" || name != from {
		return u
	}
	u = u.DeepCopy()
	_ = unstructured.SetNestedField(u.Object, to, "spec", "scaleTargetRef", "name")
	return u
}

// back gives the old pods the traffic and removes the new ones. It refuses
// before it touches anything if the old ones are not there any more.
func (s *blueGreen) back(ctx context.Context) error {
	if !s.at.Begun {
		return nil
	}
	if err := s.claimOld(ctx); err != nil {
		return err
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	if s.at.Selector != nil {
		to := s.at.Selector
		if s.at.OldHash != "" {
			to = pinnedTo(to, s.at.OldHash) // the new pods have the other labels too, until they are gone
		}
		if err := s.lead(ctx, s.at.Service, to); err != nil {
			return err
		}
		s.logf("Service %s leads to %s again", s.at.Service, s.at.Old)
	}
	if err := s.w.remove(ctx, s.stub("v1", "Service", s.preview())); err != nil {
		return err
	}
	if err := s.w.retire(ctx, s.stub("apps/v1", "Deployment", s.at.New)); err != nil {
		return err
	}
	if err := s.podsGone(ctx, map[string]string{colourLabel: s.at.Colour}, s.at.New); err != nil {
		return err
	}
	r, err := s.readRecord(ctx)
	if err != nil || r == nil || r.Now.By != s.by() {
		return err // nothing under its own name had been changed
	}
	if s.at.Selector != nil {
		r.Before.lead(s.at.Service, s.at.Selector)
	}
	_, err = s.restore(ctx, *r)
	return err
}

// lead has the Service, as it is brought back, lead to these pods.
func (r revision) lead(service string, selector map[string]any) {
	for _, o := range r.Objects {
		if o.Kind == "Service" && o.Name == service && o.Manifest != nil {
			_ = unstructured.SetNestedMap(o.Manifest, selector, "spec", "selector")
		}
	}
}

// claimOld puts this call's fence on the old Deployment, so that whoever was
// about to clean it up cannot any more, and refuses if it cannot serve.
func (s *blueGreen) claimOld(ctx context.Context) error {
	if s.at.Old == "" || s.at.Old == s.at.New {
		return nil
	}
	old, err := s.w.update(ctx, s.stub("apps/v1", "Deployment", s.at.Old), func(*unstructured.Unstructured) bool { return true })
	if err != nil {
		return err
	}
	if s.at.Switched.IsZero() {
		return nil // it still has the traffic, as it is
	}
	if old == nil {
		return pipeline.Refuse("cannot_revert", "The old pods of %s are gone, so the traffic cannot go back to them.", s.at.Old)
	}
	ready, _, _ := unstructured.NestedInt64(old.Object, "status", "readyReplicas")
	if ready == 0 || podsOf(old) == 0 {
		return pipeline.Refuse("cannot_revert", "%s has no pod that is ready, so the traffic cannot go back to it.", s.at.Old)
	}
	return nil
}

// Later removes the old pods when they have been kept long enough.
func (r rollout) Later(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.reach(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	var at state
	if err := c.Restore(&at); err != nil {
		return pipeline.Result{}, err
	}
	service, err := d.w.get(ctx, d.stub("v1", "Service", at.Service))
	if err != nil {
		return pipeline.Result{}, err
	}
	if service == nil || stringMap(service, "spec", "selector")[colourLabel] != at.Colour || at.Old == "" {
		return pipeline.Result{Done: true, Message: "The traffic has moved on since; nothing was removed."}, nil
	}
	old, err := d.deployment(ctx, at.Old)
	switch {
	case err != nil:
		return pipeline.Result{}, err
	case old == nil:
		return pipeline.Result{Done: true}, nil
	case !d.w.ours(old):
		return pipeline.Result{Done: true, Message: fmt.Sprintf("The Deployment %s gets no traffic any more. shipmate did not make it, so it is left to you.", at.Old)}, nil
	}
	if err := d.w.retire(ctx, old); err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, Message: fmt.Sprintf("The pods of %s were removed; a rollback deploys the previous revision again from now on.", at.Old)}, nil
}
