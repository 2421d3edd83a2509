package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

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
	return d.propose(ctx, prospect{objects: d.objects, applied: d.objects})
}

// propose is a plan that could be carried out.
func (d *deploy) propose(ctx context.Context, p prospect) (pipeline.Result, error) {
	if err := revisionOf(p.applied).fits(); err != nil {
		return pipeline.Result{}, err
	}
	return d.plan(ctx, p)
}

// Plan says how a rollout would go, and shows what would be other in the end.
func (r rollout) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	p, err := d.prospect(ctx)
	if err != nil {
		return pipeline.Result{}, err
	}
	return d.propose(ctx, p)
}

// plan compares what is with what would be, as the API server says.
func (d *deploy) plan(ctx context.Context, p prospect) (pipeline.Result, error) {
	goes, sum, err := d.goes(ctx, p)
	if err != nil {
		return pipeline.Result{}, err
	}
	was, will, err := d.compared(ctx, p, goes)
	if err != nil {
		return pipeline.Result{}, err
	}
	text, changes := objectdiff.Markdown(was, will)
	res := pipeline.Result{Done: true, Message: p.how, Summary: text, Digest: digest(d.objects)}
	nothing := "Nothing changes"
	if len(goes) > 0 {
		res.Message += fmt.Sprintf("It deletes %s, because the manifests do not hold it any more. ", few(called(goes)))
		res.Summary = "It deletes:\n```diff\n- " + strings.Join(called(goes), "\n- ") + "\n```\n" + text
		nothing = "Nothing else changes"
	}
	if sum != "" {
		res.Digest += "+" + sum
	}
	changes -= len(goes)
	switch same := len(p.objects) - changes; {
	case changes == 0:
		res.Message += fmt.Sprintf("%s in %s: %s as the manifests say.", nothing, d.target, count(same, "object is", "objects are"))
	default:
		res.Message += fmt.Sprintf("In %s %s, %d of them new; %d stay as they are.", d.target, count(changes, "object changes", "objects change"), len(will)-len(was)+len(goes), same)
	}
	return res, nil
}

// compared are the objects as they are and as they would be.
func (d *deploy) compared(ctx context.Context, p prospect, goes []*unstructured.Unstructured) (was, will objectdiff.Objects, err error) {
	was, will = objectdiff.Objects{}, objectdiff.Objects{}
	all := slices.Concat(p.objects, goes)
	for _, u := range goes {
		was[title(u, all)] = bare(u)
	}
	comes := map[string]bool{} // namespaces that are in the manifests, and not there yet
	for _, u := range p.objects {
		w, name := d.w, title(u, all)
		w.dryRun = true
		if u == p.exchanged {
			name, w.force = p.called, true // it is not written itself
		}
		live, err := w.get(ctx, u)
		if live == nil && u.GetKind() == "Namespace" {
			comes[u.GetName()] = true
		}
		switch {
		case pipeline.Code(err) == "unknown_kind", comes[u.GetNamespace()]: // what it needs comes with the manifests
			will[name] = bare(u)
			continue
		case err != nil:
			return nil, nil, err
		}
		after, _, err := w.apply(ctx, u)
		if err != nil {
			return nil, nil, d.blame(u, err)
		}
		if live == nil {
			will[name] = bare(u) // without what the server fills in
			continue
		}
		was[name], will[name] = bare(live), bare(after)
	}
	return was, will, nil
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
	if yes, _, _ := strings.Cut(d.Planned, "+"); yes == "" || yes == digest(d.objects) {
		return nil
	}
	return planChanged("applied")
}

func planChanged(done string) error {
	return pipeline.Refuse(pipeline.PlanChanged, "What would be %s now is not what was approved. Start the deploy again, so that people see the new plan.", done)
}
