package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
)

// prospect is what a plan shows. Which colour is next is no part of what people
// approve: they approve what the pods become, whichever has the traffic by then.
type prospect struct {
	how     string                       // a sentence about the strategy, or ""
	objects []*unstructured.Unstructured // what is compared with what is there
	applied []*unstructured.Unstructured // what the record will hold

	exchanged *unstructured.Unstructured // one of objects: the Deployment that has the traffic, compared with the one that comes beside it
	called    string                     // what that is called
	keeps     string                     // Deployment that is not pruned
}

// prospect finds out how the rollout would go.
func (d *deploy) prospect(ctx context.Context) (prospect, error) {
	plain := prospect{objects: d.objects, applied: d.objects}
	switch d.With["strategy"] {
	case blueGreenStrategy:
		return d.blueGreenProspect(ctx)
	case canaryStrategy:
		p, now, _, err := d.colours(ctx)
		if err != nil {
			return prospect{}, err
		}
		stable, err := d.deployment(ctx, p.deployment.GetName())
		if err != nil {
			return prospect{}, err
		}
		steps, err := weightsOf(d.With)
		plain.how = canaryHow(steps)
		if stable == nil || now != "" {
			plain.how = "canary: nothing of it has traffic yet that could be compared, so it is rolled out at once. "
		}
		return plain, err
	}
	return plain, nil
}

func (d *deploy) blueGreenProspect(ctx context.Context) (prospect, error) {
	p, now, next, err := d.colours(ctx)
	if err != nil {
		return prospect{}, err
	}
	name := p.deployment.GetName()
	old, comes := p.deployment, name+"-"+next
	if now != "" {
		old = variant(p.deployment, name+"-"+now, colourLabel, now)
	}
	live, err := d.w.get(ctx, old)
	if err != nil {
		return prospect{}, err
	}
	out := prospect{objects: p.in(next), keeps: old.GetName()}
	out.applied = slices.DeleteFunc(slices.Clone(out.objects), func(u *unstructured.Unstructured) bool { return u.GetKind() == "Deployment" })
	service, keep := p.service.GetName(), d.With["keep_old"]
	if live == nil {
		out.how = fmt.Sprintf("blue-green: %s comes up, then Service %s leads to it. ", comes, service)
		return out, nil
	}
	out.exchanged, out.called = old, fmt.Sprintf("Deployment %s, compared with %s", comes, old.GetName())
	out.objects = append(slices.Clone(out.applied), old)
	manifest.Sort(out.objects)
	out.how = fmt.Sprintf("blue-green: %s comes up beside %s, then Service %s leads to it; %s is kept for %v. ", comes, old.GetName(), service, old.GetName(), keep)
	return out, nil
}

var briefly = strings.NewReplacer("h0m0s", "h", "m0s", "m")

func canaryHow(steps []weight) string {
	var parts []string
	for _, s := range steps {
		part := fmt.Sprintf("%d %%", s.Percent)
		if s.Pause > 0 {
			part += " for " + briefly.Replace(s.Pause.String())
		}
		parts = append(parts, part)
	}
	return "canary: the new pods get " + strings.Join(parts, ", then ") + ", then all of the traffic. "
}

// colours are the parts of a rollout, the colour that has the traffic, or "",
// and the one that is next.
func (d *deploy) colours(ctx context.Context) (p parts, now, next string, err error) {
	if p, err = d.parts(); err != nil {
		return p, "", "", err
	}
	live, err := d.w.get(ctx, p.service)
	if err != nil || live == nil {
		return p, "", "blue", err
	}
	switch now = stringMap(live, "spec", "selector")[colourLabel]; now {
	case "blue":
		return p, now, "green", nil
	case "green":
		return p, now, "blue", nil
	}
	return p, "", "blue", nil
}

// in are the objects with those that differ by colour in that colour.
func (p parts) in(colour string) []*unstructured.Unstructured {
	name := p.deployment.GetName() + "-" + colour
	out := append(slices.Clone(p.others), variant(p.deployment, name, colourLabel, colour), selecting(p.service, colourLabel, colour))
	for _, u := range p.last {
		out = append(out, retarget(u, p.deployment.GetName(), name))
	}
	manifest.Sort(out)
	return out
}
