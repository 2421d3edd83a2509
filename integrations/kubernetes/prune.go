package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

func (d *deploy) prunes() bool {
	wanted, _ := d.With["prune"].(bool)
	return wanted
}

// unwanted are the objects that the step applied once, by name, and that now
// does not hold.
func (r *record) unwanted(now revision) []object {
	if r == nil {
		return nil
	}
	var out revision
	for _, o := range slices.Concat(r.Known, r.Now.names(), r.good().names()) {
		if !now.holds(o) && !out.holds(o) {
			out.Objects = append(out.Objects, o)
		}
	}
	return out.Objects
}

// unwanted are those that a call which applies the objects would find.
func (d *deploy) unwanted(ctx context.Context, objects []*unstructured.Unstructured) ([]object, error) {
	r, err := d.readRecord(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	if r.Now.By == d.by() {
		return r.Known, nil
	}
	return r.unwanted(revisionOf(objects)), nil
}

// present are those of the objects that are there and still the step's.
func (d *deploy) present(ctx context.Context, objects []object) (out []*unstructured.Unstructured, err error) {
	for _, o := range objects {
		live, err := d.w.get(ctx, o.stub())
		if err != nil && pipeline.Code(err) != "unknown_kind" {
			return nil, err
		}
		if live != nil && live.GetLabels()[setLabel] == d.w.set && d.w.ours(live) {
			out = append(out, live)
		}
	}
	return out, nil
}

// prune deletes what the step applied once and its manifests do not hold any more.
func (d *deploy) prune(ctx context.Context, r record) error {
	there, err := d.present(ctx, r.Known)
	if err != nil {
		return err
	}
	for _, u := range there {
		if keepsData(u.GetKind()) {
			d.logf("%s: left, though the manifests do not hold it any more: what is in it would be lost. Delete it yourself", manifest.Name(u))
			continue
		}
		if err := d.w.remove(ctx, u); err != nil {
			return err
		}
		d.logf("%s: %s, because the manifests do not hold it any more", manifest.Name(u), removed)
		d.pruned = append(d.pruned, manifest.Name(u))
	}
	return nil
}

// prunedMessage is the sentence about it, for the end of a message.
func (d *deploy) prunedMessage() string {
	if len(d.pruned) == 0 {
		return ""
	}
	return fmt.Sprintf(" Deleted, because the manifests do not hold it any more: %s.", few(d.pruned))
}

// few are the first of the names.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// goes are the objects that prune would delete, with the digest of that.
func (d *deploy) goes(ctx context.Context, p prospect) (goes []*unstructured.Unstructured, sum string, err error) {
	if !d.prunes() {
		return nil, "", nil
	}
	dry := *d
	dry.w.dryRun = true
	unwanted, err := dry.unwanted(ctx, p.applied)
	if err != nil {
		return nil, "", err
	}
	goes, err = dry.present(ctx, unwanted)
	return slices.DeleteFunc(goes, func(u *unstructured.Unstructured) bool {
		return keepsData(u.GetKind()) || u.GetKind() == "Deployment" && u.GetName() == p.keeps
	}), pruneDigest(unwanted), err
}

func called(objects []*unstructured.Unstructured) []string {
	var out []string
	for _, u := range objects {
		out = append(out, manifest.Name(u))
	}
	return out
}

// pruneDigest names what prune would delete; "" for nothing. It goes by what
// the record holds: what somebody deleted meanwhile changes no approval.
func pruneDigest(unwanted []object) string {
	if len(unwanted) == 0 {
		return ""
	}
	var names []string
	for _, o := range unwanted {
		names = append(names, strings.Join([]string{groupOf(o.APIVersion), o.Kind, o.Namespace, o.Name}, "/"))
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:])
}

// approvedToDelete refuses to delete what people did not say yes to.
func (d *deploy) approvedToDelete(unwanted []object) error {
	if !d.prunes() {
		unwanted = nil
	}
	if _, yes, _ := strings.Cut(d.Planned, "+"); d.Planned == "" || yes == pruneDigest(unwanted) {
		return nil
	}
	return planChanged("deleted")
}
