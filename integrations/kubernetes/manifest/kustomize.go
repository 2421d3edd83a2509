package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomized builds a Kustomize directory with the library kubectl has. Plugins
// and everything remote are off: they would run programs and fetch addresses
// that a repository chooses.
func (at Places) kustomized(ctx context.Context, root *os.Root, dir, folder string) ([]*unstructured.Unstructured, error) {
	folder = path.Clean(folder)
	dir, err := filepath.EvalSymlinks(dir) // as Kustomize knows it
	if err != nil {
		return nil, fmt.Errorf("kustomize %s: %w", folder, err)
	}
	if err := localPath(root, dir, ".", "`kustomize:`", folder, map[string]bool{}); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.PluginConfig = types.DisabledPluginConfig()
	// As with kubectl, files lie in or below the folder that names them; other
	// folders of the repository may be resources.
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	built, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, folder))
	if err != nil {
		return nil, refuse("Kustomize cannot build %s: %s.", folder, strings.ReplaceAll(strings.TrimSuffix(err.Error(), "."), dir+"/", ""))
	}
	out, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("kustomize %s: %w", folder, err)
	}
	return at.made(out, func([]byte) string { return "kustomize " + folder })
}

// local walks the kustomizations that lead from folder to others and refuses
// whatever is not a file of the repository.
func local(root *os.Root, dir, folder string, seen map[string]bool) error {
	if seen[folder] {
		return nil
	}
	seen[folder] = true
	name, content, err := kustomization(root, folder)
	if err != nil {
		return err
	}
	k, err := decoded(content)
	if err != nil {
		return refuse("%s: %v.", name, err)
	}
	switch {
	case len(k.HelmCharts) > 0, len(k.HelmChartInflationGenerator) > 0, k.HelmGlobals != nil:
		return refuse("%s: helmCharts makes Kustomize run helm, which shipmate does not let it. Deploy the chart with helm.upgrade.", name)
	case len(k.Generators) > 0, len(k.Transformers) > 0, len(k.Validators) > 0:
		return refuse("%s: generators, transformers and validators are plugins, which shipmate does not run. Use the fields of the kustomization itself, such as configMapGenerator, patches and labels.", name)
	}
	for _, p := range places(k) {
		if err := localPath(root, dir, folder, name, p, seen); err != nil {
			return err
		}
	}
	return nil
}

// decoded reads a kustomization as Kustomize does: names of fields in any case.
func decoded(content []byte) (*types.Kustomization, error) {
	k := &types.Kustomization{}
	return k, k.Unmarshal(content)
}

// places are all texts that Kustomize takes for the place of a file or folder.
func places(k *types.Kustomization) []string {
	out := slices.Concat(k.Resources, k.Components, k.Bases, k.Crds, k.Configurations, []string{k.OpenAPI["path"]}) //nolint:staticcheck // deprecated fields are still read
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) {                                                 //nolint:staticcheck // likewise
		out = append(out, p.Path)
	}
	for _, r := range k.Replacements {
		out = append(out, r.Path)
	}
	for _, p := range k.PatchesStrategicMerge { //nolint:staticcheck // likewise
		if !strings.Contains(string(p), "\n") { // one that is written out
			out = append(out, string(p))
		}
	}
	sources := func(s types.KvPairSources) {
		for _, file := range s.FileSources {
			if _, path, named := strings.Cut(file, "="); named { // key=path
				file = path
			}
			out = append(out, file)
		}
		out = append(append(out, s.EnvSources...), s.EnvSource)
	}
	for _, g := range k.ConfigMapGenerator {
		sources(g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		sources(g.KvPairSources)
	}
	return slices.DeleteFunc(out, func(p string) bool { return p == "" })
}

// remote is what Kustomize might fetch instead of reading it as a file: a URL,
// user@host:path, or a repository of GitHub, which needs no scheme.
var remote = regexp.MustCompile(`(?i)^[^/]*[:@]|^github\.com/|[?]`)

func localPath(root *os.Root, dir, folder, name, p string, seen map[string]bool) error {
	if remote.MatchString(p) {
		return refuse("%s: %q is not a file of the repository, and shipmate fetches nothing else. Copy it into the repository.", name, p)
	}
	at := path.Join(folder, p)
	if path.IsAbs(p) || !filepath.IsLocal(at) {
		return refuse("%s: %q leads out of the repository.", name, p)
	}
	info, err := root.Stat(at)
	if err != nil {
		return refuse("%s: there is no %q in the repository.", name, p)
	}
	if !info.IsDir() {
		return nil
	}
	// What the folder names is found from where it really lies.
	real, err := filepath.EvalSymlinks(filepath.Join(dir, at))
	if err != nil {
		return refuse("%s: %q cannot be read.", name, p)
	}
	if at, err = filepath.Rel(dir, real); err != nil || !filepath.IsLocal(at) {
		return refuse("%s: %q leads out of the repository.", name, p)
	}
	return local(root, dir, at, seen)
}

func kustomization(root *os.Root, folder string) (name string, content []byte, err error) {
	for _, base := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		name = path.Join(folder, base)
		if _, err := root.Stat(name); err == nil {
			content, err = readFile(root, name)
			return name, content, err
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", nil, refuse("%s cannot be read.", name)
		}
	}
	return "", nil, refuse("There is no kustomization.yaml in %s.", folder)
}
