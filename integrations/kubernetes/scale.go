package kubernetes

import (
	"context"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
)

// Manifests that say nothing of a number of pods leave it to others, such as an
// autoscaler. Kubernetes takes the absence of a number that we set before for
// the wish to have one pod, which nobody means.

// keepScale has a workload whose number of pods nobody but us ever set keep it.
// One without any pods gets the default.
func keepScale(live, u *unstructured.Unstructured) {
	if u.GetKind() != "Deployment" && u.GetKind() != "StatefulSet" || saysScale(u) || !setsScale(live) {
		return
	}
	if n := podsOf(live); n > 0 {
		_ = unstructured.SetNestedField(u.Object, n, "spec", "replicas")
	}
}

func saysScale(u *unstructured.Unstructured) bool {
	_, said, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "replicas")
	return said
}

func podsOf(u *unstructured.Unstructured) int64 {
	n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	return n
}

// setsScale reports whether the number of pods is ours to the server.
func setsScale(live *unstructured.Unstructured) bool {
	return slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		var fields struct {
			Spec struct {
				Replicas *struct{} `json:"f:replicas"`
			} `json:"f:spec"`
		}
		return m.Manager == fieldManager && m.Subresource == "" && m.FieldsV1 != nil &&
			json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec.Replicas != nil
	})
}

// takeOver has Deployments whose traffic is at the pods of a colour begin with
// as many as those are.
func (s *rolling) takeOver(ctx context.Context) error {
	coloured, err := s.coloured(ctx)
	if err != nil {
		return err
	}
	for _, u := range s.objects {
		var most int64
		for i := range coloured {
			if c := &coloured[i]; u.GetName()+"-"+c.GetLabels()[colourLabel] == c.GetName() {
				most = max(most, podsOf(c))
			}
		}
		if u.GetKind() != "Deployment" || saysScale(u) || most == 0 {
			continue
		}
		live, err := s.w.get(ctx, u)
		if err != nil {
			return err
		}
		if live == nil || podsOf(live) == 0 {
			_ = unstructured.SetNestedField(u.Object, most, "spec", "replicas")
		}
	}
	return nil
}

// coloured are Deployments that earlier rollouts by blue-green left, of whichever
// pipeline, for those that are rolled out now.
func (s *rolling) coloured(ctx context.Context) ([]unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	list, err := s.target.Dynamic.Resource(cluster.Deployments).Namespace(s.target.Namespace).List(ctx, metav1.ListOptions{LabelSelector: setLabel + "," + colourLabel})
	if err != nil {
		return nil, s.target.Explain("list the Deployments", err)
	}
	return slices.DeleteFunc(list.Items, func(live unstructured.Unstructured) bool {
		return !s.w.ours(&live) || !slices.ContainsFunc(s.objects, func(u *unstructured.Unstructured) bool {
			return u.GetKind() == "Deployment" && u.GetNamespace() == live.GetNamespace() && u.GetName()+"-"+live.GetLabels()[colourLabel] == live.GetName()
		})
	}), nil
}
