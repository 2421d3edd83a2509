package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

const (
	fieldManager = "shipmate"
	// The fence of the call that wrote an object last, "<whose>:<number>". A
	// call with a lower number has lost its lease and must not write.
	fenceAnnotation = "shipmate.dev/fence"
	setLabel        = "shipmate.dev/set" // of which set of objects it is part

	callPatience = 30 * time.Second // for one request
	writeTries   = 20               // when others write the same object at the same time
)

// writer writes objects so that a call that lost its lease changes nothing:
// every write says which version of the object it was decided on, and leaves
// its fence on it. Whoever reads a higher fence than its own stops.
type writer struct {
	target cluster.Target
	whose  string // fences are compared within: "<repository id>/<environment>"
	fence  int64
	set    string // label of what is applied
	force  bool   // take fields over from other managers
	dryRun bool
}

// change is what a write came to.
type change string

const (
	created   change = "created"
	changed   change = "changed"
	unchanged change = "unchanged"
	removed   change = "removed"
)

// resource is where objects of this kind and namespace are written.
func (w writer) resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	at, err := w.gvr(u.GroupVersionKind())
	if err != nil {
		return nil, w.target.Explain("find the kind of "+manifest.Name(u), err)
	}
	if u.GetNamespace() == "" {
		return w.target.Dynamic.Resource(at), nil
	}
	return w.target.Dynamic.Resource(at).Namespace(u.GetNamespace()), nil
}

func (w writer) gvr(kind schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	m, err := w.mapping(kind)
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	return m.Resource, nil
}

func (w writer) mapping(kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	m, err := w.target.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		w.target.Mapper.Reset() // it may be new
		m, err = w.target.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	return m, err
}

// get returns the object as it is, or nil.
func (w writer) get(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	res, err := w.resource(u)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	live, err := res.Get(ctx, u.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, w.explain("read "+manifest.Name(u), u, err)
}

// apply brings the object to what u says, by server-side apply: fields that u
// does not name stay as others set them.
func (w writer) apply(ctx context.Context, u *unstructured.Unstructured) (after *unstructured.Unstructured, did change, err error) {
	u = u.DeepCopy()
	w.mark(u)
	made := false
	for range writeTries {
		live, err := w.get(ctx, u)
		if err != nil {
			return nil, "", err
		}
		if err := w.mayWrite(live); err != nil {
			return nil, "", err
		}
		after, err = w.send(ctx, live, u)
		switch {
		case stale(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && live != nil:
			made = made || live == nil && stale(err) // by us; a controller was at it before we had finished
			continue                                 // somebody wrote in between: look again
		case w.dryRun && ourOwn(err):
			w.force = true // what migrate would have made ours
			continue
		case err != nil:
			return nil, "", w.explain("apply "+manifest.Name(u), u, w.fields(ctx, live, u, err))
		case live == nil, made:
			return after, created, nil
		case same(live, after):
			return after, unchanged, nil
		}
		return after, changed, nil
	}
	return nil, "", w.busy(u)
}

// send makes the object, or applies it to the version that was read.
func (w writer) send(ctx context.Context, live, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if live == nil && !w.dryRun {
		u.SetResourceVersion("")
		return w.create(ctx, u)
	}
	if live != nil {
		live, err := w.migrate(ctx, live)
		if err != nil {
			return nil, err
		}
		u = u.DeepCopy()
		u.SetResourceVersion(live.GetResourceVersion())
		keepScale(live, u)
	}
	return w.patchApply(ctx, u)
}

// create makes an object that must not be there yet: server-side apply would
// change one that somebody made in between. An object that is not there holds
// no fence either, so the set's record is asked, before and after: what a call
// made while it was being overtaken is deleted again.
func (w writer) create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	res, err := w.resource(u)
	if err != nil {
		return nil, err
	}
	if err := w.notOvertaken(ctx); err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	made, err := res.Create(call, u, metav1.CreateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return nil, err
	}
	if err := w.notOvertaken(ctx); errors.Is(err, pipeline.ErrLeaseLost) {
		uid, version := made.GetUID(), made.GetResourceVersion()
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callPatience)
		defer cancel()
		gone := res.Delete(call, u.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
		return nil, errors.Join(err, gone)
	} else if err != nil {
		return nil, err
	}
	return w.migrate(ctx, made)
}

// notOvertaken refuses if a later call has been at the set's record.
func (w writer) notOvertaken(ctx context.Context) error {
	record, err := w.get(ctx, w.record())
	if err != nil {
		return err
	}
	return w.mayWrite(record)
}

// record is where what the set holds is written down.
func (w writer) record() *unstructured.Unstructured {
	return object{APIVersion: "v1", Kind: "ConfigMap", Namespace: w.target.Namespace, Name: w.set}.stub()
}

// migrate makes the fields that we created or updated ones that we apply. To
// the server the two are different managers, and a field that a manifest does
// not hold any more goes only if nobody else holds it.
func (w writer) migrate(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if w.dryRun {
		return u, nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(u, sets.New(fieldManager), fieldManager)
	if err != nil || patch == nil {
		return u, err
	}
	res, err := w.resource(u)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	return res.Patch(ctx, u.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
}

func (w writer) patchApply(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	res, err := w.resource(u)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: w.force}
	if w.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return res.Apply(ctx, u.GetName(), u, options)
}

// update reads the object, has it edited, and writes it back if nobody was
// faster. edit reports whether there is anything to write; it may be called
// again. The result is nil if the object is gone.
func (w writer) update(ctx context.Context, u *unstructured.Unstructured, edit func(live *unstructured.Unstructured) bool) (*unstructured.Unstructured, error) {
	res, err := w.resource(u)
	if err != nil {
		return nil, err
	}
	for range writeTries {
		live, err := w.get(ctx, u)
		if err != nil || live == nil {
			return nil, err
		}
		if err := w.mayWrite(live); err != nil {
			return nil, err
		}
		patch, err := w.edited(live, edit)
		if err != nil || patch == nil {
			return live, err
		}
		call, cancel := context.WithTimeout(ctx, callPatience)
		after, err := res.Patch(call, u.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		cancel()
		switch {
		case stale(err):
			continue
		case apierrors.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, w.explain("change "+manifest.Name(u), u, err)
		}
		return after, nil
	}
	return nil, w.busy(u)
}

// edited is the patch that an edit comes to, for this very version of the
// object; nil: there is nothing to write.
func (w writer) edited(live *unstructured.Unstructured, edit func(*unstructured.Unstructured) bool) ([]byte, error) {
	before, err := live.MarshalJSON()
	if err != nil {
		return nil, err
	}
	next := live.DeepCopy()
	if !edit(next) {
		return nil, nil
	}
	w.stamp(next)
	after, err := next.MarshalJSON()
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return nil, err
	}
	version := fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q}}`, live.GetResourceVersion())
	return jsonpatch.MergeMergePatches(patch, version)
}

// remove deletes the object if it is ours. What it owns goes too.
func (w writer) remove(ctx context.Context, u *unstructured.Unstructured) error {
	res, err := w.resource(u)
	if pipeline.Code(err) == "unknown_kind" {
		return nil // its definition is gone, and it with that
	}
	if err != nil {
		return err
	}
	for range writeTries {
		live, err := w.get(ctx, u)
		if err != nil || live == nil || live.GetDeletionTimestamp() != nil || !w.ours(live) {
			return err
		}
		if err := w.mayWrite(live); err != nil {
			return err
		}
		uid, version, how := live.GetUID(), live.GetResourceVersion(), metav1.DeletePropagationBackground
		call, cancel := context.WithTimeout(ctx, callPatience)
		err = res.Delete(call, u.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}, PropagationPolicy: &how})
		cancel()
		switch {
		case stale(err):
			continue
		case err == nil, apierrors.IsNotFound(err):
			return nil
		}
		return w.explain("delete "+manifest.Name(u), u, err)
	}
	return w.busy(u)
}

// retire takes the pods of a Deployment of ours away but leaves it standing, with our fence
// on it: one that was deleted could be made again by a call that has lost its
// lease, and its pods would get traffic at once.
func (w writer) retire(ctx context.Context, u *unstructured.Unstructured) error {
	_, err := w.update(ctx, u, func(live *unstructured.Unstructured) bool {
		return w.ours(live) && unstructured.SetNestedField(live.Object, int64(0), "spec", "replicas") == nil
	})
	return err
}

func (w writer) busy(u *unstructured.Unstructured) error {
	return pipeline.Temporary(pipeline.Refuse("cluster_busy", "%s changes faster than it can be written. It is tried again.", manifest.Name(u)))
}
