package manifest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/shipmate/shipmate/pipeline"
)

func unstructuredInt(o map[string]any, path ...string) (int64, bool, error) {
	return unstructured.NestedInt64(o, path...)
}

// kustomizedTree is a base with an overlay.
func kustomizedTree(overlay string) map[string]string {
	return map[string]string{
		"deploy/base/kustomization.yaml": "resources: [shop.yaml]\n",
		"deploy/base/shop.yaml":          web,
		"deploy/prod/kustomization.yaml": overlay,
		"deploy/prod/shop.env":           "A=1\n",
		"deploy/prod/more.yaml":          "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec: {replicas: 9}\n",
		"deploy/prod/ops.yaml":           "- {op: add, path: /spec/replicas, value: 9}\n",
	}
}

func TestKustomizeBuilds(t *testing.T) {
	for name, c := range map[string]struct{ overlay, want string }{
		"a base": {"resources: [../base]\nnamePrefix: x-\n", "name: x-shop"},
		"labels whose names are words of Kustomize": {"resources: [../base]\ncommonLabels: {env: prod, path: /, files: x}\n", "env: prod"},
		"annotations likewise":                      {"resources: [../base]\ncommonAnnotations: {env: prod}\n", "env: prod"},
		"pairs of labels likewise":                  {"resources: [../base]\nlabels: [{pairs: {env: prod}}]\n", "env: prod"},
		"a config map of files":                     {"resources: [../base]\nconfigMapGenerator: [{name: c, files: [settings=shop.env]}]\n", "settings: |"},
		"a config map of variables":                 {"resources: [../base]\nconfigMapGenerator: [{name: c, envs: [shop.env]}]\n", `A: "1"`},
		"a config map of literals":                  {"resources: [../base]\nconfigMapGenerator: [{name: c, literals: [\"url=https://example.com/?ref=1\"]}]\n", "url: https://example.com/?ref=1"},
		"a patch in a file":                         {"resources: [../base]\npatches: [{path: more.yaml}]\n", "replicas: 9"},
		"a JSON patch in a file":                    {"resources: [../base]\npatches: [{path: ops.yaml, target: {kind: Deployment}}]\n", "replicas: 9"},
		"a patch written out":                       {"resources: [../base]\npatches:\n- patch: |\n    - {op: add, path: /spec/replicas, value: 9}\n  target: {kind: Deployment}\n", "replicas: 9"},
		"a patch of earlier versions":               {"resources: [../base]\npatchesStrategicMerge: [more.yaml]\n", "replicas: 9"},
		"one of those written out":                  {"resources: [../base]\npatchesStrategicMerge:\n- |\n  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: shop}\n  spec: {replicas: 9}\n", "replicas: 9"},
		"bases of earlier versions":                 {"bases: [../base]\nnamePrefix: x-\n", "name: x-shop"},
		"images and replicas":                       {"resources: [../base]\nimages: [{name: registry.example:5000/shop, newTag: v9}]\nreplicas: [{name: shop, count: 9}]\n", "image: registry.example:5000/shop:v9"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, _, err := Load(t.Context(), tree(t, kustomizedTree(c.overlay)), Options{Kustomize: "deploy/prod"})
			if err != nil {
				t.Fatal(pipeline.Message(err))
			}
			var all []byte
			for _, u := range objects {
				text, _ := yaml.Marshal(u.Object)
				all = append(all, text...)
			}
			if !strings.Contains(string(all), c.want) {
				t.Errorf("no %q in\n%s", c.want, all)
			}
		})
	}
}

// watchNetwork has whatever Kustomize fetches, or clones, counted.
func watchNetwork(t *testing.T) (url string, fetched func() bool) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		_, _ = w.Write([]byte(object("ConfigMap", "fetched")))
	}))
	t.Cleanup(s.Close)
	bin := t.TempDir()
	for _, program := range []string{"git", "helm"} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\necho ran >> "+bin+"/ran\nexit 1\n"), 0o700); err != nil { //nolint:gosec // it is to be run
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return s.URL, func() bool {
		_, err := os.Stat(filepath.Join(bin, "ran"))
		return n.Load() > 0 || err == nil
	}
}

// remotes are fields that hold a place, with %s for it.
var remotes = map[string]string{
	"resources": "resources: [%s]", "bases": "bases: [%s]", "components": "components: [%s]", "crds": "crds: [%s]",
	"configurations": "configurations: [%s]", "openapi": "openapi: {path: %s}", "patches": "patches: [{path: %s}]",
	"patchesJson6902":       "patchesJson6902: [{path: %s, target: {kind: Deployment, name: shop, version: v1}}]",
	"patchesStrategicMerge": "patchesStrategicMerge: [%s]", "replacements": "replacements: [{path: %s}]",
	"files": "configMapGenerator: [{name: c, files: [%s]}]", "envs": "configMapGenerator: [{name: c, envs: [%s]}]", "env": "configMapGenerator: [{name: c, env: %s}]",
	"secret files": "secretGenerator: [{name: c, files: [%s]}]", "secret envs": "secretGenerator: [{name: c, envs: [%s]}]",
	"generators": "generators: [%s]", "transformers": "transformers: [%s]", "validators": "validators: [%s]",
	"a field in capitals": "RESOURCES: [%s]", "an inner field in capitals": "configMapGenerator: [{name: c, FILES: [%s]}]",
}

func TestKustomizeFetchesNothing(t *testing.T) {
	url, fetched := watchNetwork(t)
	for field, text := range remotes {
		for _, place := range []string{url + "/x.yaml", "key=" + url + "/x.yaml", "git@127.0.0.1:acme/shop=deploy", "git::" + url + "/acme/shop", "GitHub.com/acme/shop", "HTTP://" + strings.TrimPrefix(url, "http://") + "/a?ref=b"} {
			t.Run(field+" "+place, func(t *testing.T) {
				files := kustomizedTree("resources: [../base]\n")
				files["deploy/prod/deploy/kustomization.yaml"] = "resources: [x.yaml]\n"
				if field == "resources" || field == "a field in capitals" {
					files["deploy/prod/kustomization.yaml"] = ""
				}
				files["deploy/prod/kustomization.yaml"] += strings.Replace(text, "%s", `"`+place+`"`, 1) + "\n"
				objects, _, err := Load(t.Context(), tree(t, files), Options{Kustomize: "deploy/prod"})
				if fetched() {
					t.Fatalf("it was fetched: %v %v", objects, err)
				}
				if pipeline.Code(err) != "invalid_manifest" {
					t.Errorf("%v %v", objects, err)
				}
			})
		}
	}
}

// Folders that are called like a remote place are taken for that by Kustomize.
func TestKustomizeFetchesNothingThatIsThereToo(t *testing.T) {
	_, fetched := watchNetwork(t)
	for name, place := range map[string]string{
		"a host and a user": "me@127.0.0.1:acme/shop", "of git": "git@127.0.0.1:acme/shop", "on GitHub": "github.com/acme/shop",
		"with the end of a line": "git@127.0.0.1:acme/shop\\n", "a user on GitHub": "me@github.com/acme/shop",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"kustomization.yaml": `resources: ["` + place + "\"]\n", strings.TrimSuffix(place, "\\n") + "/kustomization.yaml": "resources: [a.yaml]\n", strings.TrimSuffix(place, "\\n") + "/a.yaml": web}
			_, _, err := Load(t.Context(), tree(t, files), Options{Kustomize: "."})
			if fetched() || !strings.Contains(pipeline.Message(err), "shipmate fetches nothing else") {
				t.Errorf("fetched: %v, %v", fetched(), err)
			}
		})
	}
}

func TestKustomizeRefuses(t *testing.T) {
	url, fetched := watchNetwork(t)
	for name, c := range map[string]struct {
		overlay, want string
		more          map[string]string
	}{
		"helm":                            {"helmCharts: [{name: x, repo: " + url + "}]\n", "Deploy the chart with helm.upgrade.", nil},
		"helm in other letters":           {"HelmCharts: [{name: x, repo: " + url + "}]\n", "Deploy the chart with helm.upgrade.", nil},
		"a way out":                       {"resources: [../../../etc]\n", `"../../../etc" leads out of the repository.`, nil},
		"an absolute way":                 {"resources: [/etc]\n", `"/etc" leads out of the repository.`, nil},
		"a file that is not there":        {"resources: [nope.yaml]\n", `deploy/prod/kustomization.yaml: there is no "nope.yaml" in the repository.`, nil},
		"a folder without kustomization":  {"resources: [../empty]\n", "There is no kustomization.yaml in deploy/empty.", map[string]string{"deploy/empty/x": ""}},
		"an unknown field":                {"resorces: [../base]\n", `deploy/prod/kustomization.yaml: invalid Kustomization: json: unknown field "resorces".`, nil},
		"a transformer that fetches":      {"resources: [../base]\ntransformers: [t.yaml]\n", "plugins, which shipmate does not run", map[string]string{"deploy/prod/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: " + url + "/x.yaml\n"}},
		"a generator written out":         {"generators:\n- |\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n  metadata: {name: x}\n  files: [" + url + "/x.yaml]\n", "plugins, which shipmate does not run", nil},
		"a program":                       {"resources: [../base]\ntransformers: [t.yaml]\n", "plugins, which shipmate does not run", map[string]string{"deploy/prod/t.yaml": "apiVersion: v1\nkind: X\nmetadata: {name: x, annotations: {config.kubernetes.io/function: 'exec: {path: git}'}}\n"}},
		"a base of a base that fetches":   {"resources: [../middle]\n", `"` + url + `/x.yaml" is not a file of the repository`, map[string]string{"deploy/middle/kustomization.yaml": "resources: [" + url + "/x.yaml]\n"}},
		"a component of a base":           {"components: [../c]\n", `"` + url + `/x.yaml" is not a file of the repository`, map[string]string{"deploy/c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [" + url + "/x.yaml]\n"}},
		"folders that lead to each other": {"resources: [../a]\n", "Kustomize cannot build deploy/prod", map[string]string{"deploy/a/kustomization.yaml": "resources: [../prod]\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := kustomizedTree(c.overlay)
			for name, content := range c.more {
				files[name] = content
			}
			_, _, err := Load(t.Context(), tree(t, files), Options{Kustomize: "deploy/prod"})
			if pipeline.Code(err) != "invalid_manifest" || !strings.Contains(pipeline.Message(err), c.want) {
				t.Errorf("%s", pipeline.Message(err))
			}
			if fetched() {
				t.Fatal("something was fetched, or run")
			}
		})
	}
}

func TestKustomizeOutsideOfTheRepository(t *testing.T) {
	for _, folder := range []string{"..", "/etc", "../x", "https://example.com/x", "nope"} {
		_, _, err := Load(t.Context(), tree(t, kustomizedTree("")), Options{Kustomize: folder})
		if pipeline.Code(err) != "invalid_manifest" {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

func TestKustomizedMessagesDoNotShowTheCheckout(t *testing.T) {
	dir := tree(t, kustomizedTree("resources: [../base]\npatches: [{path: shop.env}]\n"))
	_, _, err := Load(t.Context(), dir, Options{Kustomize: "deploy/prod"})
	if err == nil || strings.Contains(pipeline.Message(err), dir) {
		t.Error(err)
	}
}

func TestImagesOfKustomized(t *testing.T) {
	objects, _, err := Load(t.Context(), tree(t, kustomizedTree("resources: [../base]\n")), Options{Kustomize: "deploy/prod", Images: map[string]string{"registry.example:5000/shop": "x:2"}})
	if err != nil || !slices.Contains(Images(objects), "x:2") {
		t.Error(Images(objects), err)
	}
}
