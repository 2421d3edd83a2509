package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/pipeline"
)

// traffic splits requests between the stable pods and the canary.
type traffic interface {
	// pins reports whether the Service is held to the stable revision.
	pins() bool
	// made are the objects that prepare makes, by name.
	made() []*unstructured.Unstructured
	// prepare makes the canary reachable, without giving it any traffic.
	prepare(ctx context.Context, p parts) error
	// pods is how many canary pods a share needs beside n stable ones.
	pods(n, percent int64) int64
	// share is what a canary with that many pods gets, in percent.
	share(n, percent int64) int64
	// set gives the canary that share, in one write.
	set(ctx context.Context, percent int64) error
	// promoting is called before the stable pods are exchanged.
	promoting(ctx context.Context, p parts) error
	// cleanup removes what prepare made, when the canary has no traffic any more.
	cleanup(ctx context.Context) error
}

// split says what splits the traffic.
type split struct{ kind, name string }

const (
	byRoute   = "http_route"
	byIngress = "ingress"
)

// mostByPods is the largest share that numbers of pods make, in percent: there
// are nine times as many canary pods then.
const mostByPods = 90

func trafficOf(params map[string]any) (split, error) {
	m, ok := params["traffic"].(map[string]any)
	if !ok {
		return split{}, nil
	}
	for _, kind := range []string{byRoute, byIngress} {
		if name, ok := m[kind].(string); ok && name != "" && len(m) == 1 {
			return split{kind, name}, nil
		}
	}
	return split{}, pipeline.Refuse("bad_param", "`traffic:` takes one of http_route and ingress, with a name: {http_route: shop}. Or take it out.")
}

func (s *canary) traffic() (traffic, error) {
	chosen, err := trafficOf(s.With)
	switch {
	case err != nil:
		return nil, err
	case chosen.kind == byRoute:
		return routeTraffic{s, chosen.name}, nil
	case chosen.kind == byIngress:
		return ingressTraffic{s, chosen.name}, nil
	}
	return podTraffic{s}, nil
}

// podTraffic is the share of pods: the Service leads to both kinds alike.
type podTraffic struct{ *canary }

func (podTraffic) pins() bool     { return false }
func (routeTraffic) pins() bool   { return true }
func (ingressTraffic) pins() bool { return true }

func (podTraffic) made() []*unstructured.Unstructured { return nil }

func (podTraffic) prepare(context.Context, parts) error { return nil }

// pods: the stable ones stay as many as they are, so that they can take all
// the traffic back at any moment.
func (podTraffic) pods(n, percent int64) int64 {
	percent = min(percent, mostByPods)
	return max(1, (n*percent+(100-percent)/2)/(100-percent))
}

// share: of few pods one is a larger share than was asked for.
func (t podTraffic) share(n, percent int64) int64 {
	k := t.pods(n, percent)
	return (100*k + (n+k)/2) / (n + k)
}

// set: pods that are there have their share; without any there is none.
func (t podTraffic) set(ctx context.Context, percent int64) error {
	if percent > 0 {
		return nil
	}
	return t.w.retire(ctx, t.stub("apps/v1", "Deployment", t.at.New))
}

func (podTraffic) promoting(context.Context, parts) error { return nil }
func (podTraffic) cleanup(context.Context) error          { return nil }

// pinned keeps canary pods out of the stable Service while something before it
// splits the traffic: the Service asks for the stable revision too, and the
// canary has a Service of its own.
func (s *canary) pinned(ctx context.Context, p parts) error {
	if err := s.lead(ctx, s.at.Service, pinnedTo(s.at.Selector, s.at.OldHash)); err != nil {
		return err
	}
	_, _, err := s.w.apply(ctx, sideService(p.service, s.sideName(), trackLabel, "canary"))
	return err
}

// follow has the Service go with the stable pods if somebody exchanges them,
// by a restart for instance: as long as that lasts it leads to all pods.
func (s *canary) follow(ctx context.Context, stable *unstructured.Unstructured) error {
	hash, err := s.hashOf(ctx, stable)
	if err != nil || hash == s.at.OldHash {
		return err
	}
	if hash == "" || !ofOneRevision(stable) {
		return s.lead(ctx, s.at.Service, s.at.Selector)
	}
	s.logf("The pods of %s were exchanged by somebody; %s goes with them", s.at.Old, s.at.Service)
	if err := s.lead(ctx, s.at.Service, pinnedTo(s.at.Selector, hash)); err != nil {
		return err
	}
	s.at.OldHash = hash
	return s.save(ctx, s.at)
}

func (s *canary) sideName() string { return s.at.Service + "-canary" }

func (s *canary) unpin(ctx context.Context) error {
	if err := s.lead(ctx, s.at.Service, s.at.Selector); err != nil {
		return err
	}
	return s.w.remove(ctx, s.stub("v1", "Service", s.sideName()))
}

// sharePods is how many pods a share of the traffic needs, where something else splits it.
func sharePods(n, percent int64) int64 { return max(1, (n*percent+99)/100) }

// promotedTraffic moves all traffic to the canary, scaled to take it, before
// the stable pods are exchanged. Then the Service may lead to any of them.
func (s *canary) promotedTraffic(ctx context.Context, p parts, t traffic) error {
	if _, err := s.scale(ctx, p, t, 100); err != nil {
		return err
	}
	if err := t.set(ctx, 100); err != nil {
		return err
	}
	// The stable pods are about to get another hash; none of them gets traffic now.
	return s.lead(ctx, s.at.Service, s.at.Selector)
}

// routeTraffic splits by the weights of a Gateway API HTTPRoute.
type routeTraffic struct {
	*canary
	route string
}

func (t routeTraffic) made() []*unstructured.Unstructured {
	return []*unstructured.Unstructured{t.stub("v1", "Service", t.sideName())}
}

func (t routeTraffic) prepare(ctx context.Context, p parts) error {
	live, err := t.w.get(ctx, t.object())
	if err != nil {
		return err
	}
	if live == nil || len(t.rules(live)) == 0 {
		return pipeline.Refuse("bad_manifests", "There is no HTTPRoute %s in %s with the Service %s as the only backend of a rule, so its weights cannot be set.", t.route, t.target, t.at.Service)
	}
	return t.pinned(ctx, p)
}

func (t routeTraffic) object() *unstructured.Unstructured {
	return t.stub("gateway.networking.k8s.io/v1", "HTTPRoute", t.route)
}

func (routeTraffic) pods(n, percent int64) int64    { return sharePods(n, percent) }
func (routeTraffic) share(_, percent int64) int64   { return percent }
func (ingressTraffic) pods(n, percent int64) int64  { return sharePods(n, percent) }
func (ingressTraffic) share(_, percent int64) int64 { return percent }

func (t routeTraffic) promoting(ctx context.Context, p parts) error {
	return t.promotedTraffic(ctx, p, t)
}

func (t routeTraffic) cleanup(ctx context.Context) error { return t.unpin(ctx) }

// rules are those that lead to the Service, and to nothing else but the canary.
func (t routeTraffic) rules(route *unstructured.Unstructured) []map[string]any {
	var out []map[string]any
	rules, _, _ := unstructured.NestedFieldNoCopy(route.Object, "spec", "rules")
	list, _ := rules.([]any)
	for _, item := range list {
		rule, _ := item.(map[string]any)
		backends, _ := rule["backendRefs"].([]any)
		ours := 0
		for _, b := range backends {
			ref, _ := b.(map[string]any)
			if name := ref["name"]; name == t.at.Service || name == t.sideName() {
				ours++
			}
		}
		if ours > 0 && ours == len(backends) {
			out = append(out, rule)
		}
	}
	return out
}

func (t routeTraffic) set(ctx context.Context, percent int64) error {
	after, err := t.w.update(ctx, t.object(), func(live *unstructured.Unstructured) bool {
		for _, rule := range t.rules(live) {
			rule["backendRefs"] = t.backends(rule["backendRefs"].([]any), percent) //nolint:forcetypeassert // rules returns no others
		}
		return true
	})
	if after == nil && err == nil && percent > 0 {
		err = splitGone("HTTPRoute " + t.route)
	}
	return err
}

func splitGone(name string) error {
	return pipeline.Refuse("traffic_gone", "The %s was deleted by somebody, so the canary gets no share of the traffic.", name)
}

// backends are the stable one and, with a share, the canary beside it.
func (t routeTraffic) backends(old []any, percent int64) []any {
	at := func(name string) int {
		return slices.IndexFunc(old, func(b any) bool { ref, _ := b.(map[string]any); return ref["name"] == name })
	}
	i := at(t.at.Service)
	if percent == 0 && at(t.sideName()) < 0 {
		return old // never split: its weight, which counts for nothing, stays too
	}
	stable, _ := old[max(i, 0)].(map[string]any)
	stable = maps.Clone(stable)
	stable["name"] = t.at.Service
	delete(stable, "weight")
	if percent == 0 {
		return []any{stable}
	}
	next := maps.Clone(stable)
	next["name"] = t.sideName()
	stable["weight"], next["weight"] = 100-percent, percent
	return []any{stable, next}
}

// ingressTraffic splits by a second Ingress with the canary annotations of the
// NGINX ingress controller.
type ingressTraffic struct {
	*canary
	ingress string
}

const nginx = "nginx.ingress.kubernetes.io/"

func (t ingressTraffic) made() []*unstructured.Unstructured {
	return []*unstructured.Unstructured{t.stub("v1", "Service", t.sideName()), t.side()}
}

func (t ingressTraffic) prepare(ctx context.Context, p parts) error {
	live, err := t.w.get(ctx, t.stub("networking.k8s.io/v1", "Ingress", t.ingress))
	if err != nil {
		return err
	}
	if live == nil {
		return pipeline.Refuse("bad_manifests", "There is no Ingress %s in %s, so its traffic cannot be split.", t.ingress, t.target)
	}
	if t.replaced(live) == 0 {
		return pipeline.Refuse("bad_manifests", "The Ingress %s does not lead to the Service %s, so its traffic cannot be split.", t.ingress, t.at.Service)
	}
	if err := t.pinned(ctx, p); err != nil {
		return err
	}
	side := t.side()
	spec, _, _ := unstructured.NestedMap(live.Object, "spec")
	if err := unstructured.SetNestedMap(side.Object, spec, "spec"); err != nil {
		return err
	}
	t.replaced(side)
	notes := map[string]string{nginx + "canary": "true", nginx + "canary-weight": "0"}
	const class = "kubernetes.io/ingress.class" // who serves it, where the spec does not say
	if by, ok := live.GetAnnotations()[class]; ok {
		notes[class] = by
	}
	side.SetAnnotations(notes)
	_, _, err = t.w.apply(ctx, side)
	return err
}

func (t ingressTraffic) side() *unstructured.Unstructured {
	return t.stub("networking.k8s.io/v1", "Ingress", t.ingress+"-canary")
}

// replaced has every path that leads to the Service lead to the canary's, and
// reports how many.
func (t ingressTraffic) replaced(u *unstructured.Unstructured) int {
	n := 0
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if service, ok := v["service"].(map[string]any); ok && service["name"] == t.at.Service {
				service["name"] = t.sideName()
				n++
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(u.Object["spec"])
	return n
}

func (t ingressTraffic) set(ctx context.Context, percent int64) error {
	after, err := t.w.update(ctx, t.side(), func(live *unstructured.Unstructured) bool {
		notes := live.GetAnnotations()
		notes[nginx+"canary-weight"] = fmt.Sprint(percent)
		live.SetAnnotations(notes)
		return true
	})
	if after == nil && err == nil && percent > 0 {
		err = splitGone("Ingress " + t.side().GetName())
	}
	return err
}

func (t ingressTraffic) promoting(ctx context.Context, p parts) error {
	return t.promotedTraffic(ctx, p, t)
}

func (t ingressTraffic) cleanup(ctx context.Context) error {
	if err := t.w.remove(ctx, t.side()); err != nil {
		return err
	}
	return t.unpin(ctx)
}
