package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/objectdiff"
)

// Plan asks the API server what applying the objects would change, without
// changing it.
func (a apply) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := a.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	return d.plan(ctx, d.objects)
}

// Plan shows what a rollout would change in the end, whatever the strategy. By
// blue-green the new pods are compared with those that have the traffic.
func (r rollout) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	if c.With["strategy"] == rollingStrategy {
		return d.plan(ctx, d.objects)
	}
	p, err := d.parts()
	if err != nil {
		return pipeline.Result{}, err
	}
	live, err := d.w.get(ctx, p.service)
	if err != nil {
		return pipeline.Result{}, err
	}
	objects := d.objects
	if colour := coloured(live); colour != "" && c.With["strategy"] == blueGreenStrategy {
		objects = append(p.others, p.in(colour)...)
		manifest.Sort(objects)
	}
	return d.plan(ctx, objects)
}

// Drift compares what stands there with the manifests that the run applied:
// fields that they set and somebody changed since.
func (a apply) Drift(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return drifted(a.Plan(ctx, forced(c)))
}

// Drift is that of the pods that have the traffic.
func (r rollout) Drift(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return drifted(r.Plan(ctx, forced(c)))
}

// forced has fields that others took over shown instead of refused; nothing is written.
func forced(c *pipeline.StepContext) *pipeline.StepContext {
	with := maps.Clone(c.With)
	with["force"] = true
	forced := *c
	forced.With = with
	return &forced
}

func drifted(plan pipeline.Result, err error) (pipeline.Result, error) {
	switch {
	case err != nil:
	case plan.Summary == "":
		plan.Message = "What stands there is what was deployed."
	default:
		plan.Message = "What stands there was changed since it was deployed. To make it as it was (lines with +), deploy the same commit again."
	}
	return plan, err
}

// coloured is the colour of the pods that a Service leads to, or "".
func coloured(service *unstructured.Unstructured) string {
	if service == nil {
		return ""
	}
	return stringMap(service, "spec", "selector")[colourLabel]
}

// in are the objects that differ by colour, in that colour.
func (p parts) in(colour string) []*unstructured.Unstructured {
	name := p.deployment.GetName() + "-" + colour
	out := []*unstructured.Unstructured{variant(p.deployment, name, colourLabel, colour), selecting(p.service, colourLabel, colour)}
	for _, u := range p.last {
		out = append(out, retarget(u, p.deployment.GetName(), name))
	}
	return out
}

// plan compares what is with what would be, as the API server says.
func (d *deploy) plan(ctx context.Context, objects []*unstructured.Unstructured) (pipeline.Result, error) {
	w := d.w
	w.dryRun = true
	was, will := objectdiff.Objects{}, objectdiff.Objects{}
	news := 0
	comes := map[string]bool{} // namespaces that are in the manifests, and not there yet
	for _, u := range objects {
		name := title(u, objects)
		live, err := w.get(ctx, u)
		if live == nil && u.GetKind() == "Namespace" {
			comes[u.GetName()] = true
		}
		switch {
		case pipeline.Code(err) == "unknown_kind", comes[u.GetNamespace()]: // what it needs comes with the manifests
			will[name] = bare(u)
			news++
			continue
		case err != nil:
			return pipeline.Result{}, err
		}
		after, _, err := w.apply(ctx, u)
		if err != nil {
			return pipeline.Result{}, err
		}
		will[name] = bare(after)
		if live == nil {
			will[name] = bare(u) // without what the server fills in
			news++
			continue
		}
		was[name] = bare(live)
	}
	text, changes := objectdiff.Markdown(was, will)
	res := pipeline.Result{Done: true, Summary: text, Digest: digest(d.objects)}
	switch same := len(objects) - changes; {
	case changes == 0:
		res.Message = fmt.Sprintf("Nothing changes in %s: %s as the manifests say.", d.target, count(same, "object is", "objects are"))
	default:
		res.Message = fmt.Sprintf("In %s %s, %d of them new; %d stay as they are.", d.target, count(changes, "object changes", "objects change"), news, same)
	}
	return res, nil
}

// title is what a plan calls an object: by its namespace or group as well,
// where another one has the same kind and name.
func title(u *unstructured.Unstructured, all []*unstructured.Unstructured) string {
	name := manifest.Name(u)
	var place, group bool
	for _, other := range all {
		if other != u && manifest.Name(other) == name {
			place = place || other.GetNamespace() != u.GetNamespace()
			group = group || groupOf(other.GetAPIVersion()) != groupOf(u.GetAPIVersion())
		}
	}
	if group {
		name += " of " + cmp.Or(groupOf(u.GetAPIVersion()), "core")
	}
	if place {
		name += " in " + cmp.Or(u.GetNamespace(), "no namespace")
	}
	return name
}

// digest names what would be applied, whatever is there now.
func digest(objects []*unstructured.Unstructured) string {
	h := sha256.New()
	for _, u := range objects {
		b, err := json.Marshal(u.Object)
		if err != nil {
			panic(err) // it was read from JSON
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// approved refuses to apply what people did not say yes to.
func (d *deploy) approved() error {
	if d.Planned == "" || d.Planned == digest(d.objects) {
		return nil
	}
	return pipeline.Refuse(pipeline.PlanChanged, "What would be applied now is not what was approved. Start the deploy again, so that people see the new plan.")
}
