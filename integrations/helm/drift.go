package helm

import (
	"context"
	"fmt"
	"strings"

	"helm.sh/helm/v4/pkg/kube"
	v1 "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/objectdiff"
)

// Drift compares what stands there with the revision that the step deployed:
// fields that its manifest sets and somebody changed since, be it with Helm.
func (r *Runner) Drift(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	j, err := r.job(ctx, c)
	if err != nil {
		return pipeline.Result{}, err
	}
	defer j.progress.close()
	s, h, err := j.look(ctx)
	if err != nil {
		return pipeline.Result{}, err
	}
	rel := h.revision(j.state.Revision)
	if rel == nil || !j.mark.same(made(rel)) {
		return pipeline.Result{Message: fmt.Sprintf("Revision %d of the release %s is not kept any more, so what was changed since cannot be told.", j.state.Revision, j.state.Release)}, nil
	}
	was, will, err := s.compare(rel)
	if err != nil {
		return pipeline.Result{}, j.explain(ctx, s, "compare "+j.state.Release, nil, err)
	}
	text, changed := objectdiff.Markdown(was, will)
	if changed == 0 {
		return pipeline.Result{Message: "What stands there is what was deployed."}, nil
	}
	text, err = s.hide(text)
	return pipeline.Result{Message: "What stands there was changed since it was deployed. To make it as it was (lines with +), deploy the same commit again.", Summary: text}, err
}

// compare returns the objects of a revision as they are, and as the API server
// says that they would be if they were applied again. Nothing is changed.
func (s *session) compare(rel *v1.Release) (was, will objectdiff.Objects, err error) {
	all, err := s.client.Build(strings.NewReader(rel.Manifest), false)
	if err != nil {
		return nil, nil, err
	}
	api, err := dynamic.NewForConfig(restricted(s.ctx, s.place))
	if err != nil {
		return nil, nil, err
	}
	was, will = objectdiff.Objects{}, objectdiff.Objects{}
	for _, info := range all {
		u, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			return nil, nil, fmt.Errorf("%s is a %T", info.Name, info.Object)
		}
		var at dynamic.ResourceInterface = api.Resource(info.Mapping.Resource)
		if info.Namespaced() {
			at = api.Resource(info.Mapping.Resource).Namespace(info.Namespace)
		}
		name := strings.Replace(nameOf(u), " "+s.place.Namespace+"/", " ", 1)
		live, err := at.Get(s.ctx, info.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			will[name] = bare(u)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		after, err := at.Apply(s.ctx, info.Name, s.owned(u, rel), metav1.ApplyOptions{FieldManager: kube.ManagedFieldsManager, Force: true, DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, nil, err
		}
		was[name], will[name] = bare(live), bare(after)
	}
	return was, will, nil
}

// owned has the marks by which Helm knows its objects, which it adds to what charts say.
func (s *session) owned(u *unstructured.Unstructured, rel *v1.Release) *unstructured.Unstructured {
	u = u.DeepCopy()
	labels, notes := u.GetLabels(), u.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if notes == nil {
		notes = map[string]string{}
	}
	labels["app.kubernetes.io/managed-by"] = "Helm"
	notes["meta.helm.sh/release-name"], notes["meta.helm.sh/release-namespace"] = rel.Name, s.place.Namespace
	u.SetLabels(labels)
	u.SetAnnotations(notes)
	return u
}

// bare is what people wrote, without what the server keeps about it.
func bare(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "deprecated.daemonset.template.generation")
	delete(u.Object, "status")
	return u.Object
}
