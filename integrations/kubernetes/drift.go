package kubernetes

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// Drift compares what stands there with the manifests that the run applied:
// fields that they set and somebody changed since.
func (a apply) Drift(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := a.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	return d.drift(ctx, d.objects)
}

// Drift is that of the pods that have the traffic.
func (r rollout) Drift(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := r.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	objects := d.objects
	if c.With["strategy"] == blueGreenStrategy {
		p, now, _, err := d.colours(ctx)
		if err != nil {
			return pipeline.Result{}, err
		}
		if now != "" {
			objects = p.in(now)
		}
	}
	return d.drift(ctx, objects)
}

func (d *deploy) drift(ctx context.Context, objects []*unstructured.Unstructured) (pipeline.Result, error) {
	all := *d
	all.w.force = true // fields that others took over are shown; nothing is written
	res, err := all.plan(ctx, prospect{objects: objects, applied: objects})
	if err != nil {
		return pipeline.Result{}, err
	}
	if res.Summary == "" {
		res.Message = "All that the manifests say is so; what they do not say is not compared."
		return res, nil
	}
	const again = "What stands there was changed since it was deployed. To make it as it was (lines with +), "
	held, err := d.held(ctx, objects)
	switch {
	case err != nil:
		res.Message = again + "deploying the same commit again is not enough: " + pipeline.Message(err)
	case len(held) > 0:
		res.Message = fmt.Sprintf("%sundo by hand what others hold: %s. Or deploy the same commit again with `force: true` in the step: without, it is refused.", again, strings.Join(held, "; "))
	default:
		res.Message = again + "deploy the same commit again."
	}
	return res, nil
}

// held are the fields that keep the objects from being applied, with who set them.
func (d *deploy) held(ctx context.Context, objects []*unstructured.Unstructured) (held []string, err error) {
	w := d.w
	w.dryRun = true
	for _, u := range objects {
		_, _, err := w.apply(ctx, u)
		fields := conflicts(err)
		if err != nil && len(fields) == 0 && pipeline.Code(err) != "unknown_kind" {
			return nil, err
		}
		if len(fields) > 0 {
			held = append(held, manifest.Name(u)+": "+strings.Join(fields, ", "))
		}
	}
	return held, nil
}
