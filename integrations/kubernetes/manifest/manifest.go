// Package manifest reads Kubernetes objects from the files of a repository:
// plain manifests, Kustomize directories and Helm charts. It does not talk to
// any cluster, nor to the network: what a repository does not hold is refused.
// Start reading at [Load].
package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipmate/shipmate/pipeline"
)

// Options say where the objects are. One of Files, Kustomize and Chart is given.
type Options struct {
	Files     []string          // globs
	Kustomize string            // a folder with a kustomization.yaml
	Chart     *Chart            // rendered here: no release, no hooks
	Images    map[string]string // name of an image without its tag -> what to run instead
	Replicas  map[string]int64  // name of a workload -> how many pods it is to have
}

// limits keep one repository from using up the bot's memory.
const (
	maxFile    = 4 << 20
	maxObjects = 1000
)

// Load reads the objects from dir, a checkout, in the order they are to be
// applied, and where each was found. Errors are for people and name the file.
func Load(ctx context.Context, dir string, o Options) (objects []*unstructured.Unstructured, at Places, err error) {
	at = Places{}
	objects, err = at.load(ctx, dir, o)
	return objects, at, err
}

func (at Places) load(ctx context.Context, dir string, o Options) ([]*unstructured.Unstructured, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var objects []*unstructured.Unstructured
	switch {
	case o.Kustomize != "":
		objects, err = at.kustomized(ctx, root, dir, o.Kustomize)
	case o.Chart != nil:
		objects, err = at.rendered(ctx, dir, *o.Chart)
	case len(o.Files) > 0:
		objects, err = at.plain(root, o.Files)
	default:
		return nil, refuse("Say where the manifests are: `manifests: [deploy/*.yaml]`, `kustomize: deploy/prod` or `chart: {path: deploy/chart}`.")
	}
	switch {
	case err != nil:
		return nil, err
	case len(objects) == 0:
		return nil, refuse("The manifests hold no objects.")
	case len(objects) > maxObjects:
		return nil, refuse("The manifests hold %d objects, more than %d. Split them over several steps.", len(objects), maxObjects)
	}
	if err := at.Unique(objects); err != nil {
		return nil, err
	}
	if err := setImages(objects, o.Images); err != nil {
		return nil, err
	}
	if err := setReplicas(objects, o.Replicas); err != nil {
		return nil, err
	}
	Sort(objects)
	return objects, nil
}

// Sort puts objects in the order they are to be applied.
func Sort(objects []*unstructured.Unstructured) {
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return cmp.Compare(rank(a), rank(b)) })
}

func refuse(format string, args ...any) error {
	return pipeline.Refuse("invalid_manifest", format, args...)
}

// plain reads the files the globs match, in the order of their names.
func (at Places) plain(root *os.Root, globs []string) ([]*unstructured.Unstructured, error) {
	names, err := matchAll(root, globs)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, name := range names {
		content, err := readFile(root, name)
		if err != nil {
			return nil, err
		}
		found, err := at.file(name, content)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// matchAll lists the files the globs match, each once. One that begins with "!"
// takes out what those before it match.
func matchAll(root *os.Root, globs []string) ([]string, error) {
	var names []string
	for _, glob := range globs {
		glob, out := strings.CutPrefix(glob, "!")
		files, err := match(root, glob)
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return out && slices.Contains(files, name) })
		for _, name := range files {
			if !out && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// match lists the files a glob names. One that names none is a mistake, not nothing to do.
func match(root *os.Root, glob string) ([]string, error) {
	var files, all []string
	matches, err := pipeline.CompileGlob(path.Clean(glob))
	if err != nil {
		return nil, refuse("`manifests:` %s.", strings.TrimSuffix(err.Error(), "."))
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0:
			return nil
		}
		all = append(all, name)
		if !matches(name) {
			return nil
		}
		info, err := root.Stat(name) // what a link leads to
		if err != nil {
			return refuse("The file %s cannot be read: it may lead out of the repository.", name)
		}
		if info.Mode().IsRegular() {
			files = append(files, name)
		}
		return nil
	})
	switch {
	case pipeline.Code(err) != "":
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("find manifests: %w", err)
	case len(files) > 0:
		return files, nil
	}
	if near, ok := pipeline.Nearest(glob, all); ok {
		return nil, refuse("No file of the repository matches %q. Did you mean %q?", glob, near)
	}
	return nil, refuse("No file of the repository matches %q.", glob)
}

func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("There is no file %s in the repository.", name)
	}
	if err != nil {
		return nil, refuse("The file %s cannot be read: it may lead out of the repository.", name)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		return nil, refuse("The file %s is larger than 4 MiB.", name)
	}
	return content, err
}

// Unique refuses an object that is there twice: which of them counts would
// depend on the order of files.
func (at Places) Unique(objects []*unstructured.Unstructured) error {
	seen := map[string]*unstructured.Unstructured{}
	for _, u := range objects {
		key := u.GroupVersionKind().GroupKind().String() + "/" + u.GetNamespace() + "/" + u.GetName()
		if seen[key] != nil {
			return refuse("%s is there twice in the manifests: in %s and in %s. Delete one of them.", Name(u), at[seen[key]], at[u])
		}
		seen[key] = u
	}
	return nil
}

// Name is how people call an object: "Deployment shop".
func Name(u *unstructured.Unstructured) string { return u.GetKind() + " " + u.GetName() }

// rank orders kinds: what others live in or use comes before them. Those not
// named come in between, what routes traffic to them after.
func rank(u *unstructured.Unstructured) int {
	first := []string{"Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "ResourceQuota", "LimitRange", "NetworkPolicy",
		"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Service"}
	last := []string{"DaemonSet", "StatefulSet", "Deployment", "Job", "CronJob", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute",
		"APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
	if i := slices.Index(first, u.GetKind()); i >= 0 {
		return i
	}
	if i := slices.Index(last, u.GetKind()); i >= 0 {
		return 200 + i
	}
	return 100
}

// First reports whether others cannot be applied before this one is there.
func First(u *unstructured.Unstructured) bool {
	return u.GetKind() == "CustomResourceDefinition" || u.GetKind() == "Namespace" && u.GetAPIVersion() == "v1"
}
