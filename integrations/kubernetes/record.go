package kubernetes

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	exactjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// record is kept in a ConfigMap beside the objects of a step: what was applied
// last, and what there was before it. It is written before the first object is,
// so whatever a crash leaves, the way back is known. It is the inventory for
// pruning too. Secrets are in it by name only.
type record struct {
	Now    revision `json:"now"`
	Before revision `json:"before"`          // the way back
	Known  []object `json:"known,omitempty"` // by name: applied once, in neither of them, and not deleted yet
}

// revision is one set of objects.
type revision struct {
	By      string   `json:"by,omitempty"` // run and step; "" for what was there before shipmate
	SHA     string   `json:"sha,omitempty"`
	Objects []object `json:"objects"`
	Good    bool     `json:"good,omitempty"` // it became ready
}

// object is one of a revision. Without a manifest it is known by name only: a
// Secret. Absent says that it was not there.
type object struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Namespace  string         `json:"namespace,omitempty"`
	Name       string         `json:"name"`
	Manifest   map[string]any `json:"manifest,omitempty"`
	Absent     bool           `json:"absent,omitempty"`
}

func (o object) stub() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind}}
	u.SetName(o.Name)
	u.SetNamespace(o.Namespace)
	return u
}

func (o object) is(p object) bool {
	return o.Kind == p.Kind && o.Name == p.Name && o.Namespace == p.Namespace && groupOf(o.APIVersion) == groupOf(p.APIVersion)
}

func groupOf(apiVersion string) string {
	gv, _ := schema.ParseGroupVersion(apiVersion)
	return gv.Group
}

func named(u *unstructured.Unstructured) object {
	return object{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}
}

// described is the object with all that is needed to apply it again.
func described(u *unstructured.Unstructured) object {
	o := named(u)
	if o.Kind != "Secret" {
		o.Manifest = bare(u)
	}
	return o
}

func revisionOf(objects []*unstructured.Unstructured) (r revision) {
	for _, u := range objects {
		r.Objects = append(r.Objects, described(u))
	}
	return r
}

// setName names the set of objects a step keeps in a namespace.
func setName(r *pipeline.Run, step string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%s/%s", r.Repo.ID, r.EnvironmentName(), r.Pipeline.Name, step))
	return "shipmate-" + hex.EncodeToString(sum[:])[:16]
}

// readRecord returns nil if there is none.
func (d *deploy) readRecord(ctx context.Context) (*record, error) {
	live, err := d.w.get(ctx, d.w.record())
	if err != nil || live == nil {
		return nil, err
	}
	if err := d.w.mayWrite(live); err != nil {
		return nil, err
	}
	packed, _, _ := unstructured.NestedString(live.Object, "binaryData", "record")
	return unpack(packed)
}

func (d *deploy) writeRecord(ctx context.Context, r record) error {
	packed, err := pack(r)
	if err != nil {
		return err
	}
	u := d.w.record()
	u.SetAnnotations(map[string]string{"shipmate.dev/step": fmt.Sprintf("%s %s %s/%s", d.Run.Repo, d.Run.EnvironmentName(), d.Run.Pipeline.Name, d.Step.Name)})
	if err := unstructured.SetNestedField(u.Object, packed, "binaryData", "record"); err != nil {
		return err
	}
	w := d.w
	w.force = true
	_, _, err = w.apply(ctx, u)
	return err
}

// claim puts this call's fence on the record, so that earlier calls make
// nothing new any more.
func (d *deploy) claim(ctx context.Context) error {
	_, err := d.w.update(ctx, d.w.record(), func(*unstructured.Unstructured) bool { return true })
	return err
}

// begin writes down what is about to be applied and what is there now, unless
// an earlier call of this step has.
func (d *deploy) begin(ctx context.Context) (record, error) {
	old, err := d.readRecord(ctx)
	if err != nil {
		return record{}, err
	}
	if old != nil && old.Now.By == d.by() {
		return *old, d.claim(ctx)
	}
	r := record{Now: revision{By: d.by(), SHA: d.Run.SHA}}
	var failed revision
	if old != nil {
		r.Before = old.good()
		if !old.Now.Good {
			failed = old.Now
		}
	}
	r.Now.Objects = revisionOf(d.objects).Objects
	if err := r.Now.fits(); err != nil {
		return record{}, err
	}
	r.Known = old.unwanted(r.Now)
	if err := d.approvedToDelete(r.Known); err != nil {
		return record{}, err
	}
	if err := d.lookBefore(ctx, &r.Before, failed); err != nil {
		return record{}, err
	}
	if packed, err := pack(r); err != nil || len(packed) > maxRecord {
		return record{}, cmp.Or(err, r.Now.tooLarge())
	}
	return r, d.writeRecord(ctx, r)
}

// lookBefore makes the way back what ran before. What this step applied once
// counts as long as it still stands, or as what a try that failed left stands
// in its place. Otherwise somebody has been there since, another pipeline for
// instance, and what stands there now counts. So it does of objects that the
// step did not apply before.
func (d *deploy) lookBefore(ctx context.Context, before *revision, failed revision) error {
	var out []object
	for _, o := range before.Objects {
		if o.Absent {
			continue
		}
		live, err := d.w.get(ctx, o.stub())
		if err != nil && pipeline.Code(err) != "unknown_kind" {
			return err
		}
		switch {
		case live == nil, o.Manifest == nil, d.stands(o, live), d.stands(failed.find(o), live):
			out = append(out, o)
		case d.w.ours(live), d.applies(o):
			out = append(out, stood(live))
		}
	}
	before.Objects = out
	for _, u := range d.objects {
		if before.holds(named(u)) {
			continue
		}
		live, err := d.w.get(ctx, u)
		if pipeline.Code(err) == "unknown_kind" {
			live, err = nil, nil // its definition comes with the manifests
		}
		if err != nil {
			return err
		}
		o := named(u)
		o.Absent = live == nil
		if live != nil {
			o = stood(live)
		}
		before.Objects = append(before.Objects, o)
	}
	return nil
}

func (d *deploy) applies(o object) bool {
	return slices.ContainsFunc(d.objects, func(u *unstructured.Unstructured) bool { return o.is(named(u)) })
}

// stands reports whether this step wrote the object last, and all that it
// applied is so.
func (d *deploy) stands(o object, live *unstructured.Unstructured) bool {
	return o.Manifest != nil && live.GetLabels()[setLabel] == d.w.set && holds(live, &unstructured.Unstructured{Object: o.Manifest})
}

// stood is an object as it stands, without what a rollout that nobody finished
// left in it.
func stood(live *unstructured.Unstructured) object {
	o := described(live)
	if o.Kind == "Service" {
		unstructured.RemoveNestedField(o.Manifest, "spec", "selector", hashLabel)
	}
	return o
}

// good is the revision that the next one goes back to.
func (r *record) good() revision {
	if r.Now.Good {
		return r.Now
	}
	return r.Before
}

func (r revision) holds(o object) bool { return slices.ContainsFunc(r.Objects, o.is) }

// find returns the object of the same name; one without a manifest if there is none.
func (r revision) find(o object) object {
	if i := slices.IndexFunc(r.Objects, o.is); i >= 0 {
		return r.Objects[i]
	}
	return object{}
}

// names are the objects that are there, without what they say.
func (r revision) names() []object {
	var out []object
	for _, o := range r.Objects {
		if !o.Absent {
			o.Manifest = nil
			out = append(out, o)
		}
	}
	return out
}

// by names the step whose calls share one entry in the record. A run that undoes
// another one goes on with that one's steps.
func (d *deploy) by() string { return string(cmp.Or(d.Run.Reverts, d.Run.ID)) + "/" + d.Step.Name }

// restore brings back what there was before: objects are applied as they were,
// those that were not there are deleted. It returns what it applied.
func (d *deploy) restore(ctx context.Context, r record) (after []*unstructured.Unstructured, err error) {
	before := r.Before
	d.left = nil
	d.w.force = false // what another environment has taken over since is its own
	var objects []*unstructured.Unstructured
	for _, o := range before.Objects {
		switch {
		case o.Absent:
		case o.Manifest == nil:
			d.left = append(d.left, o.Kind+" "+o.Name+" (of Secrets no copy is kept)")
		default:
			objects = append(objects, &unstructured.Unstructured{Object: o.Manifest})
		}
	}
	manifest.Sort(objects)
	for _, u := range objects {
		live, did, err := d.applyBack(ctx, u)
		if pipeline.Code(err) == "other_owner" {
			d.left = append(d.left, manifest.Name(u)+" (another environment deploys it by now)")
			continue
		}
		if err != nil {
			return after, err
		}
		after = append(after, live)
		d.logf("%s: %s, as it was before", manifest.Name(u), did)
	}
	for _, o := range slices.Backward(r.Now.Objects) {
		absent := !slices.ContainsFunc(before.Objects, func(p object) bool { return p.is(o) && !p.Absent })
		if !absent || keepsData(o.Kind) {
			continue
		}
		if err := d.w.remove(ctx, o.stub()); err != nil {
			return after, err
		}
		d.logf("%s %s: deleted, because it was not there before", o.Kind, o.Name)
	}
	r.Now.Good = false
	return after, d.writeRecord(ctx, r)
}

// holds reports whether all that the manifest says is so.
func holds(live, u *unstructured.Unstructured) bool {
	text, err := u.MarshalJSON() // a record's numbers are not of the types a server's are
	var said unstructured.Unstructured
	return err == nil && said.UnmarshalJSON(text) == nil && apiequality.Semantic.DeepDerivative(bare(&said), bare(live))
}

const maxRecord = 900 << 10 // bytes: a ConfigMap holds 1 MiB

// fits refuses manifests of which no second version could be kept: they would
// be deployed once and never again.
func (r revision) fits() error {
	packed, err := pack(record{Now: r})
	if err != nil || 2*len(packed) <= maxRecord {
		return err
	}
	return r.tooLarge()
}

func (r revision) tooLarge() error {
	var largest object
	most := 0
	for _, o := range r.Objects {
		if packed, err := pack(record{Now: revision{Objects: []object{o}}}); err == nil && len(packed) > most {
			largest, most = o, len(packed)
		}
	}
	return pipeline.Refuse("manifests_too_large", "The manifests are too large: a ConfigMap in the cluster keeps two versions of them, without which nothing could be brought back, and each may be %d KiB, compressed. The largest is %s %s with %d KiB. Make it smaller, or deploy the manifests in several steps.",
		maxRecord/2>>10, largest.Kind, largest.Name, (most+1023)>>10)
}

func pack(r record) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(r); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func unpack(packed string) (*record, error) {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, fmt.Errorf("record of what was applied: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("record of what was applied: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("record of what was applied: %w", err)
	}
	var r record
	if err := exactjson.Unmarshal(text, &r); err != nil { // whole numbers stay what they are
		return nil, fmt.Errorf("record of what was applied: %w", err)
	}
	return &r, nil
}
