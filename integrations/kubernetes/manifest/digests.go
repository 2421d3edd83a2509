package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Running is what the containers of a manifest run, with the digests that nodes
// found. It is nothing if the manifest cannot be read.
func Running(text string, pods []corev1.Pod) []string {
	objects, err := Places{}.made([]byte(text), func([]byte) string { return "the release" })
	if err != nil {
		return nil
	}
	return Digested(Images(objects), pods)
}

// Digested are the images with the digests that nodes found for them, where
// pods tell: a tag may lead elsewhere tomorrow.
func Digested(images []string, pods []corev1.Pod) []string {
	// Of two pods with one tag and different digests the younger one counts.
	pods = slices.SortedStableFunc(slices.Values(pods), func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	found := map[string]string{}
	for _, p := range pods {
		for _, c := range p.Spec.Containers {
			if _, digest, ok := strings.Cut(idOf(p, c.Name), "@"); ok {
				found[c.Image] = WithoutTag(c.Image) + "@" + digest
			}
		}
	}
	out := slices.Clone(images)
	for i, image := range out {
		if with, ok := found[image]; ok && !strings.Contains(image, "@") {
			out[i] = with
		}
	}
	return out
}

func idOf(p corev1.Pod, container string) string {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
			return s.ImageID
		}
	}
	return ""
}
