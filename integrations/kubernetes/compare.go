package kubernetes

import (
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// same reports whether a write changed nothing but our own marks.
func same(before, after *unstructured.Unstructured) bool {
	return apiequality.Semantic.DeepEqual(bare(before), bare(after))
}

// bare is what people wrote, without what the server and we keep about it.
func bare(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	notes := u.GetAnnotations()
	for _, note := range []string{fenceAnnotation, "deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration", "deprecated.daemonset.template.generation"} {
		delete(notes, note)
	}
	u.SetAnnotations(notes)
	labels := u.GetLabels()
	delete(labels, setLabel)
	u.SetLabels(labels)
	if len(notes) == 0 {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
	if len(labels) == 0 {
		unstructured.RemoveNestedField(u.Object, "metadata", "labels")
	}
	delete(u.Object, "status")
	return u.Object
}
