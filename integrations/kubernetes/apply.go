package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// apply is the runner behind kubernetes.apply.
type apply struct{ cfg Config }

func applyParams() []pipeline.Param {
	return append(sourceParams(), pipeline.Param{Name: "prune", Type: "bool", Help: "Deletes what this step applied once and the manifests do not hold any more."})
}

// progress is what a step remembers between calls.
type progress struct {
	Until time.Time `json:"until,omitzero"`  // when it has to be ready
	Begun bool      `json:"begun,omitempty"` // there is a record, so it can be brought back
}

// Run applies the objects, deletes what is not wanted any more, and waits until
// all is ready. A later call does it again, which changes nothing that is as it
// should be. If it is stopped, what was there before is back when it returns.
func (a apply) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	var p progress
	if err := c.Restore(&p); err != nil {
		return pipeline.Result{}, err
	}
	d, err := a.cfg.open(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	if !p.Begun {
		if err := d.preflight(ctx); err != nil {
			return pipeline.Result{}, err
		}
	}
	r, err := d.start(ctx, &p)
	if err != nil {
		return pipeline.Result{}, err
	}
	res, err := d.bring(ctx, r, p.Until)
	if err == nil || ctx.Err() == nil || pipeline.HandedOver(ctx) != nil {
		return res, err
	}
	undo := insist(ctx, d.undo)
	if undo != nil {
		return halfway(ctx, "It was stopped.", undo)
	}
	return pipeline.Result{Done: true, State: pipeline.Cancelled, Message: "It was stopped. " + d.undoneMessage()}, nil
}

// Cancel brings back what was there before, while no call is in flight: the
// cluster was away, for instance.
func (a apply) Cancel(ctx context.Context, c *pipeline.StepContext) error {
	if !a.CanRevert(c) {
		return nil
	}
	_, err := a.Revert(ctx, c)
	return err
}

// bring applies all objects and returns when they are ready.
func (d *deploy) bring(ctx context.Context, r record, until time.Time) (pipeline.Result, error) {
	ctx, cancel := d.until(ctx, d.late(until))
	defer cancel()
	after, err := d.applyAll(ctx, d.objects)
	if err == nil {
		err = d.ready(ctx, after, d.Say)
	}
	if err == nil {
		err = d.finish(ctx, r)
	}
	if err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, Message: fmt.Sprintf("%s in %s.", count(len(after), "object is ready", "objects are ready"), d.target) + d.prunedMessage(), Summary: d.table(ctx, after), Images: d.running(ctx, manifest.Images(d.objects))}, nil
}

// begin is a step's checkpoint before its first change.
func (p *progress) begin(until time.Time) { p.Begun, p.Until = true, until }

func (p *progress) begun() bool { return p.Begun }

// start makes the record and the checkpoint before the first change, in this
// order: a step that has begun has a way back.
func (d *deploy) start(ctx context.Context, p checkpoint) (record, error) {
	r, err := d.begin(ctx)
	if err != nil || p.begun() {
		return r, err
	}
	p.begin(d.cfg.Now().Add(within(d.With, "ready_within")))
	return r, d.save(ctx, p)
}

type checkpoint interface {
	begun() bool
	begin(until time.Time)
}

func (d *deploy) save(ctx context.Context, checkpoint any) error {
	if err := d.Save(ctx, pipeline.EncodeCheckpoint(checkpoint)); err != nil {
		return pipeline.Temporary(fmt.Errorf("save the checkpoint: %w", err))
	}
	return nil
}

// until ends the ctx at that time, with a cause that tells it from a cancelled step.
func (d *deploy) until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, max(t.Sub(d.cfg.Now()), 0), errTooLate)
}

// late is the time by which all has to be ready. A call that begins after it,
// because the cluster or the bot was away, still looks whether it is.
func (d *deploy) late(t time.Time) time.Time {
	const look = 10 * time.Second
	if soon := d.cfg.Now().Add(look); t.Before(soon) && !t.After(d.cfg.Now()) {
		return soon
	}
	return t
}

// CanRevert reports whether the step came as far as to change anything.
func (apply) CanRevert(c *pipeline.StepContext) bool {
	var p progress
	return c.Restore(&p) == nil && p.Begun
}

// Revert brings back what was there before.
func (a apply) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	d, err := a.cfg.reach(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	if err := d.undo(ctx); err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, Message: d.undoneMessage()}, nil
}

func (d *deploy) undoneMessage() string {
	return "What was there before is back and ready" + d.outcome()
}

// undo brings back what was there before, and waits until it is ready.
func (d *deploy) undo(ctx context.Context) error {
	r, err := d.readRecord(ctx)
	switch {
	case err != nil:
		return err
	case r == nil || r.Now.By != d.by():
		return pipeline.Refuse("cannot_revert", "The record of what was there before this run is gone from %s, so it cannot be brought back. Deploy the revision you want.", d.target)
	}
	if err := d.claim(ctx); err != nil {
		return err
	}
	after, err := d.restore(ctx, *r)
	if err != nil {
		return err
	}
	ctx, cancel := d.until(ctx, d.cfg.Now().Add(within(d.With, "ready_within")))
	defer cancel()
	for _, u := range after {
		if err := d.free(ctx, u); err != nil {
			return err
		}
	}
	return d.ready(ctx, after, d.Say)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func row(b *strings.Builder, name, state string) {
	fmt.Fprintf(b, "| %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), state)
}

// table is what was applied, as it stands at the end, for the report.
func (d *deploy) table(ctx context.Context, objects []*unstructured.Unstructured) string {
	var b strings.Builder
	b.WriteString("| object | |\n|---|---|\n")
	for _, u := range objects {
		state := "there"
		if slices.Contains(workloads(objects), u) {
			if live, err := d.w.get(ctx, u); err == nil && live != nil {
				u = live
			}
		}
		if ready, want := replicas(u); want > 0 {
			state = fmt.Sprintf("%d/%d pods", ready, want)
		}
		row(&b, manifest.Name(u), state)
	}
	for _, name := range d.pruned {
		row(&b, name, "deleted")
	}
	return b.String()
}
