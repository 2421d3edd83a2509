package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/manifest"
	"github.com/shipmate/shipmate/pipeline"
)

// place gives every object its namespace and refuses what may not be there.
func (d *deploy) place() error {
	var errs []error
	for _, u := range d.objects {
		global, err := d.global(u)
		if err != nil {
			errs = append(errs, d.blame(u, d.target.Explain("find the kind of "+manifest.Name(u), err)))
			continue
		}
		switch {
		case global:
			u.SetNamespace("")
		case u.GetNamespace() == "":
			u.SetNamespace(d.target.Namespace)
		}
		if d.target.Allows(u.GetNamespace()) {
			continue
		}
		if global {
			err = pipeline.Refuse("cluster_refused", "%s belongs to no namespace, and the operator has not allowed %s to change such objects in %s (`cluster_wide: true`).", manifest.Name(u), d.Run.Repo, d.target.Name)
		} else {
			err = pipeline.Refuse("cluster_refused", "%s wants to go to the namespace %s, and this environment lives in %s. Take the namespace out of the manifest, or ask the operator for a rule.", manifest.Name(u), u.GetNamespace(), d.target.Namespace)
		}
		errs = append(errs, d.blame(u, err))
	}
	if len(errs) > 0 {
		return together(errs)
	}
	return d.at.Unique(d.objects) // now that each has its namespace
}

// blame has an error about what a manifest says begin with where that is.
func (d *deploy) blame(u *unstructured.Unstructured, err error) error {
	about := []string{"cluster_refused", "field_conflict", "invalid_manifest", "refused_by_policy", "unknown_kind"}
	place := d.found(u)
	if err == nil || place == "" || pipeline.IsTemporary(err) || !slices.Contains(about, pipeline.Code(err)) {
		return err
	}
	return &pipeline.Error{Code: pipeline.Code(err), Err: err, Message: place + ": " + pipeline.Message(err)}
}

// found is where the manifests hold the object, or the one that it is a variant
// of: what a rollout makes of "shop" is called "shop-green".
func (d *deploy) found(u *unstructured.Unstructured) string {
	var of *unstructured.Unstructured
	for o := range d.at {
		made := strings.HasPrefix(u.GetName()+"-", o.GetName()+"-") && u.GetKind() == o.GetKind() && u.GetNamespace() == o.GetNamespace()
		if made && (of == nil || len(o.GetName()) > len(of.GetName())) {
			of = o
		}
	}
	return d.at[of]
}

// together is one error that says what several say; nil: there are none.
func together(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	const most = 10
	var said []string
	for _, err := range errs {
		if pipeline.Code(err) == "" || pipeline.IsTemporary(err) || len(errs) == 1 {
			return err
		}
		said = append(said, pipeline.Message(err))
	}
	if len(said) > most {
		said = append(said[:most], fmt.Sprintf("There are %d more.", len(said)-most))
	}
	return &pipeline.Error{Code: pipeline.Code(errs[0]), Err: errors.Join(errs...), Message: strings.Join(said, " ")}
}
