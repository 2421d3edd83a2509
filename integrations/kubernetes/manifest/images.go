package manifest

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/pipeline"
)

// setImages replaces images by name in everything that runs containers. A name
// that nothing uses is a mistake: the image that was meant would stay old.
func setImages(objects []*unstructured.Unstructured, images map[string]string) error {
	used, all := map[string]bool{}, []string{}
	for _, u := range objects {
		EachContainer(u, func(c map[string]any) {
			image, _ := c["image"].(string)
			name := WithoutTag(image)
			all = append(all, name)
			if to, ok := images[name]; ok {
				c["image"], used[name] = to, true
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if used[name] {
			continue
		}
		if near, ok := pipeline.Nearest(name, all); ok {
			return refuse("No container of the manifests runs the image %q, which `images:` names. Did you mean %q?", name, near)
		}
		return refuse("No container of the manifests runs the image %q, which `images:` names.", name)
	}
	return nil
}

func setReplicas(objects []*unstructured.Unstructured, replicas map[string]int64) error {
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		i := slices.IndexFunc(objects, func(u *unstructured.Unstructured) bool {
			return u.GetName() == name && slices.Contains([]string{"Deployment", "StatefulSet", "ReplicaSet"}, u.GetKind())
		})
		if i < 0 {
			return refuse("The manifests hold no Deployment or StatefulSet %q, which `replicas:` names.", name)
		}
		if err := unstructured.SetNestedField(objects[i].Object, replicas[name], "spec", "replicas"); err != nil {
			return refuse("%s has no spec that takes replicas.", Name(objects[i]))
		}
	}
	return nil
}

// Images lists what the objects' containers run.
func Images(objects []*unstructured.Unstructured) []string {
	var images []string
	for _, u := range objects {
		EachContainer(u, func(c map[string]any) {
			if image, _ := c["image"].(string); image != "" && !slices.Contains(images, image) {
				images = append(images, image)
			}
		})
	}
	slices.Sort(images)
	return images
}

// EachContainer calls do with every container of the object's pod template.
func EachContainer(u *unstructured.Unstructured, do func(container map[string]any)) {
	spec := podSpec(u)
	for _, kind := range []string{"initContainers", "containers"} {
		list, _ := spec[kind].([]any)
		for _, c := range list {
			if container, ok := c.(map[string]any); ok {
				do(container)
			}
		}
	}
}

func podSpec(u *unstructured.Unstructured) map[string]any {
	where := map[string][]string{"Pod": {"spec"}, "CronJob": {"spec", "jobTemplate", "spec", "template", "spec"}}
	at, ok := where[u.GetKind()]
	if !ok {
		at = []string{"spec", "template", "spec"}
	}
	spec, _, _ := unstructured.NestedFieldNoCopy(u.Object, at...)
	m, _ := spec.(map[string]any)
	return m
}

// WithoutTag is the name of an image: "host:5000/shop:1@sha256:..." is "host:5000/shop".
func WithoutTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}
