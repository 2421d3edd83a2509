package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// deploy is one call's work: what is to be applied, where, and with what right.
type deploy struct {
	*pipeline.StepContext
	cfg     Config
	target  cluster.Target
	w       writer
	objects []*unstructured.Unstructured // in the order they are applied
	at      manifest.Places              // where they were found
	left    []string                     // what could not be brought back, when it went back
	met     []string                     // what others had set that it met then
	pruned  []string                     // what was deleted at the end
}

// reach finds the place of the run's environment, without the objects.
func (cfg Config) reach(ctx context.Context, c *pipeline.StepContext) (*deploy, error) {
	target, err := cfg.Clusters.For(ctx, c.Run)
	if err != nil {
		return nil, err
	}
	force, _ := c.With["force"].(bool)
	return &deploy{StepContext: c, cfg: cfg, target: target, w: writer{
		target: target, whose: strconv.FormatInt(c.Run.Repo.ID, 10) + "/" + c.Run.EnvironmentName(), fence: c.Fence, set: setName(c.Run, c.Step.Name), force: force,
	}}, nil
}

// open is reach, with the objects.
func (cfg Config) open(ctx context.Context, c *pipeline.StepContext) (*deploy, error) {
	d, err := cfg.reach(ctx, c)
	if err != nil {
		return nil, err
	}
	return d, d.read(ctx)
}

// read reads the objects of the run's commit, and checks that every one of them
// may go where it wants to, and is what people approved. Nothing has been
// written when it refuses.
func (d *deploy) read(ctx context.Context) (err error) {
	if d.objects, d.at, err = d.cfg.load(ctx, d.StepContext); err != nil {
		return err
	}
	return errors.Join(d.place(), d.approved())
}

// load reads the objects from a checkout that is removed again.
func (cfg Config) load(ctx context.Context, c *pipeline.StepContext) ([]*unstructured.Unstructured, manifest.Places, error) {
	dir, err := os.MkdirTemp("", "shipmate-manifests-")
	if err != nil {
		return nil, nil, pipeline.Temporary(err)
	}
	defer os.RemoveAll(dir)
	if err := cfg.Source.Checkout(ctx, c.Run.Repo, c.Run.SHA, dir); err != nil {
		return nil, nil, err
	}
	o := options(c.With)
	if o.Chart, err = chartOf(c.With); err != nil {
		return nil, nil, err
	}
	if o.Chart != nil {
		o.Chart.Release = cmp.Or(o.Chart.Release, c.Run.Service, c.Run.Repo.Name)
		o.Chart.Namespace = c.Run.Environment.Kubernetes.Namespace
	}
	return manifest.Load(ctx, dir, o)
}

// options are the parameters that say where the objects are.
func options(with map[string]any) manifest.Options {
	o := manifest.Options{Files: texts(with["manifests"])}
	o.Kustomize, _ = with["kustomize"].(string)
	if images, ok := with["images"].(map[string]any); ok {
		o.Images = map[string]string{}
		for name, to := range images {
			o.Images[name] = fmt.Sprint(to)
		}
	}
	o.Replicas, _ = replicasOf(with) // they were checked
	return o
}

func texts(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

// global reports whether objects of the kind belong to no namespace. What the
// cluster does not know yet may be defined by the manifests themselves.
func (d *deploy) global(u *unstructured.Unstructured) (bool, error) {
	kind := u.GroupVersionKind()
	m, err := d.w.mapping(kind)
	if err == nil {
		return m.Scope.Name() == meta.RESTScopeNameRoot, nil
	}
	for _, crd := range d.objects {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		name, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(crd.Object, "spec", "scope")
		if crd.GetKind() == "CustomResourceDefinition" && group == kind.Group && name == kind.Kind {
			return scope == "Cluster", nil
		}
	}
	return false, err
}

// applyAll applies the objects in order and says what came of each. Definitions
// and namespaces are waited for before what needs them is applied.
func (d *deploy) applyAll(ctx context.Context, objects []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var after []*unstructured.Unstructured
	first := true
	for i, u := range objects {
		if first && !manifest.First(u) {
			first = false
			if err := d.ready(ctx, after, nil); err != nil {
				return after, err
			}
			if i > 0 {
				d.target.Mapper.Reset()
				d.discovered(ctx, objects[i:])
			}
		}
		live, did, err := d.w.apply(ctx, u)
		if err != nil {
			return after, d.blame(u, err)
		}
		d.logf("%s: %s", manifest.Name(u), did)
		after = append(after, live)
	}
	return after, nil
}

// discovered waits a little until the cluster lists the kinds of the objects: it
// does so a moment after their definitions are established. What stays unknown
// is refused where it is applied.
func (d *deploy) discovered(ctx context.Context, objects []*unstructured.Unstructured) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, u := range objects {
		for {
			if _, err := d.w.mapping(u.GroupVersionKind()); !meta.IsNoMatchError(err) {
				break
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}
}

// applyReady applies what the new pods may need, and returns when it is ready.
func (d *deploy) applyReady(ctx context.Context, objects []*unstructured.Unstructured) error {
	after, err := d.applyAll(ctx, objects)
	if err != nil {
		return err
	}
	return d.ready(ctx, after, d.Say)
}

// finish deletes what is not wanted any more, and notes that what was applied
// is good, so that it is the way back of the next.
func (d *deploy) finish(ctx context.Context, r record) error {
	if d.prunes() {
		if err := d.prune(ctx, r); err != nil {
			return err
		}
		r.Known = nil
	}
	r.Now.Good = true
	return d.writeRecord(ctx, r)
}

func (d *deploy) logf(format string, args ...any) {
	// Output that cannot be kept does not stop a deploy.
	_, _ = fmt.Fprintf(d.Log, format+"\n", args...)
}

func (d *deploy) say(format string, args ...any) {
	if d.Say != nil {
		d.Say(fmt.Sprintf(format, args...))
	}
}

// kinds are the resources of the objects, each once.
func (d *deploy) kinds(objects []*unstructured.Unstructured) (map[schema.GroupVersionResource][]*unstructured.Unstructured, error) {
	out := map[schema.GroupVersionResource][]*unstructured.Unstructured{}
	for _, u := range objects {
		at, err := d.w.gvr(u.GroupVersionKind())
		if err != nil {
			return nil, d.target.Explain("find the kind of "+manifest.Name(u), err)
		}
		out[at] = append(out[at], u)
	}
	return out, nil
}

// workloads are the objects that run pods.
func workloads(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	return slices.DeleteFunc(slices.Clone(objects), func(u *unstructured.Unstructured) bool {
		return !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "ReplicaSet"}, u.GetKind())
	})
}
