package manifest

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(image, id string, age time.Duration) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age))},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "side", Image: "side:1"}, {Name: "main", Image: image}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Image: image, ImageID: id}, {Name: "side"}}},
	}
}

func TestImagesWithTheDigestsNodesFound(t *testing.T) {
	pods := []corev1.Pod{
		pod("host:5000/shop:v1", "host:5000/shop@sha256:new", time.Minute),
		pod("host:5000/shop:v1", "host:5000/shop@sha256:old", time.Hour),
		pod("plain", "docker.io/library/plain@sha256:p", 0),
		pod("simulated:1", "", 0),
		pod("pinned@sha256:a", "pinned@sha256:b", 0),
	}
	got := Digested([]string{"host:5000/shop:v1", "plain", "simulated:1", "pinned@sha256:a", "side:1", "nobody:1"}, pods)
	if want := []string{"host:5000/shop@sha256:new", "plain@sha256:p", "simulated:1", "pinned@sha256:a", "side:1", "nobody:1"}; !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestWhatAManifestRuns(t *testing.T) {
	text := "---\n# Source: a.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: main, image: 'shop:v1'}]}}}\n---\n# Source: b.yaml\n---\napiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a, image: 'other:1'}]}}]\n"
	if got := Running(text, []corev1.Pod{pod("shop:v1", "host/shop@sha256:1", 0)}); !slices.Equal(got, []string{"other:1", "shop@sha256:1"}) {
		t.Error(got)
	}
	if got := Running("a: [", nil); got != nil {
		t.Error(got)
	}
}
