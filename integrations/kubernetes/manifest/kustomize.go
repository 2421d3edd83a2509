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
	"sigs.k8s.io/yaml"
)

// kustomized builds a Kustomize directory with the library kubectl has. Plugins
// and everything remote are off: they would run programs and fetch addresses
// that a repository chooses.
func kustomized(ctx context.Context, root *os.Root, dir, folder string) ([]*unstructured.Unstructured, error) {
	folder = path.Clean(folder)
	if !filepath.IsLocal(folder) {
		return nil, refuse("`kustomize: %s` leads out of the repository.", folder)
	}
	if err := local(root, folder, map[string]bool{}); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.PluginConfig = types.DisabledPluginConfig()
	// Files of the repository beside the folder may be used, such as ../base/x.yaml.
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	built, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, folder))
	if err != nil {
		return nil, refuse("Kustomize cannot build %s: %s.", folder, strings.ReplaceAll(strings.TrimSuffix(err.Error(), "."), dir+"/", ""))
	}
	out, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("kustomize %s: %w", folder, err)
	}
	return Parse(folder, out)
}

// remote is what Kustomize would fetch instead of reading it as a file.
var remote = regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]*(://|::)|^git@|^(github\.com|gitlab\.com|bitbucket\.org|gh:)|[?&](ref|version|submodules|timeout)=`)

// local walks the kustomizations that lead from folder to others and refuses
// whatever is not a file of the repository.
func local(root *os.Root, folder string, seen map[string]bool) error {
	if seen[folder] {
		return nil
	}
	seen[folder] = true
	name, content, err := kustomization(root, folder)
	if err != nil {
		return err
	}
	var k map[string]any
	if err := yaml.Unmarshal(content, &k); err != nil {
		return refuse("%s: %v.", name, err)
	}
	for _, key := range []string{"helmCharts", "helmChartInflationGenerator", "helmGlobals"} {
		if _, ok := k[key]; ok {
			return refuse("%s: %s makes Kustomize run helm, which shipmate does not let it. Deploy the chart with helm.upgrade.", name, key)
		}
	}
	for key, value := range k {
		if err := eachPath(key, value, func(p string) error { return localPath(root, folder, name, p, seen) }); err != nil {
			return err
		}
	}
	return nil
}

// eachPath calls check with every text that Kustomize might take for a place.
func eachPath(key string, value any, check func(string) error) error {
	switch v := value.(type) {
	case string:
		switch key {
		case "resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators",
			"path", "files", "envs", "env", "patches", "patchesStrategicMerge", "openapi", "literalsFrom":
			return check(v)
		}
	case []any:
		for _, item := range v {
			if err := eachPath(key, item, check); err != nil {
				return err
			}
		}
	case map[string]any:
		for inner, item := range v {
			if slices.Contains([]string{"fields", "fieldSpecs", "target", "targets", "source", "options"}, inner) {
				continue // their paths lead through objects
			}
			if err := eachPath(inner, item, check); err != nil {
				return err
			}
		}
	}
	return nil
}

func localPath(root *os.Root, folder, name, p string, seen map[string]bool) error {
	if i := strings.IndexByte(p, '='); i >= 0 && !strings.ContainsAny(p[:i], "?&/\n") {
		p = p[i+1:] // files: [key=path]
	}
	if strings.Contains(p, "\n") { // a patch or a resource written out
		return nil
	}
	if remote.MatchString(p) {
		return refuse("%s: %q is not a file of the repository, and shipmate fetches nothing else. Copy it into the repository.", name, p)
	}
	at := path.Join(folder, p)
	if !filepath.IsLocal(at) {
		return refuse("%s: %q leads out of the repository.", name, p)
	}
	info, err := root.Stat(at)
	if err != nil {
		return refuse("%s: there is no %q in the repository.", name, p)
	}
	if info.IsDir() {
		return local(root, at, seen)
	}
	return nil
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
