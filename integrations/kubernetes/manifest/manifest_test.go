package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// tree writes a repository.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func object(kind, name string) string {
	return "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\n"
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      initContainers: [{name: wait, image: registry.example:5000/tools}]
      containers: [{name: shop, image: "registry.example:5000/shop:1"}]
`

func loaded(t *testing.T, files map[string]string, o Options) []string {
	t.Helper()
	objects, _, err := Load(t.Context(), tree(t, files), o)
	if err != nil {
		t.Fatalf("%s: %v", pipeline.Message(err), err)
	}
	var out []string
	for _, u := range objects {
		out = append(out, Name(u))
	}
	return out
}

func TestLoadReads(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		globs []string
		want  []string
	}{
		"one star stays in the folder": {
			map[string]string{"deploy/a.yaml": object("ConfigMap", "a"), "deploy/x/b.yaml": object("ConfigMap", "b")}, []string{"deploy/*.yaml"}, []string{"ConfigMap a"},
		},
		"two stars lead into folders": {
			map[string]string{"deploy/a.yaml": object("ConfigMap", "a"), "deploy/x/b.yaml": object("ConfigMap", "b")}, []string{"deploy/**/*.yaml"}, []string{"ConfigMap a", "ConfigMap b"},
		},
		"a file that two globs name is read once": {
			map[string]string{"a.yaml": object("ConfigMap", "a")}, []string{"*.yaml", "./a.yaml"}, []string{"ConfigMap a"},
		},
		"what an exclamation mark takes out, and a later glob takes in": {
			map[string]string{"a.yaml": object("ConfigMap", "a"), "b.yaml": object("ConfigMap", "b"), "c.yaml": object("ConfigMap", "c")}, []string{"*.yaml", "!*.yaml", "c.yaml", "a.yaml", "!a.*"}, []string{"ConfigMap c"},
		},
		"several documents, empty ones, comments, and a list": {
			map[string]string{"a.yaml": "---\n# nothing\n---\n" + object("ConfigMap", "a") + "---\n\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n"},
			[]string{"a.yaml"},
			[]string{"Secret b", "ConfigMap a"},
		},
		"JSON": {map[string]string{"a.json": `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}`}, []string{"*.json"}, []string{"ConfigMap a"}},
		"what others need comes first, what leads to them last": {
			map[string]string{"a.yaml": object("Ingress", "i") + "---\n" + object("Deployment", "d") + "---\n" + object("Widget", "w") + "---\n" + object("Service", "s") + "---\n" +
				object("Namespace", "ns") + "---\n" + object("CustomResourceDefinition", "c")},
			[]string{"*.yaml"},
			[]string{"Namespace ns", "CustomResourceDefinition c", "Service s", "Widget w", "Deployment d", "Ingress i"},
		},
		"objects of one name in two namespaces": {
			map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: one}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: two}\n"},
			[]string{"*.yaml"},
			[]string{"ConfigMap a", "ConfigMap a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := loaded(t, c.files, Options{Files: c.globs}); !slices.Equal(got, c.want) {
				t.Errorf("read %v, want %v", got, c.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		o     Options
		want  string
	}{
		"a glob that matches nothing": {map[string]string{"deploy/shop.yaml": web}, Options{Files: []string{"deploy/shop.yml"}}, `No file of the repository matches "deploy/shop.yml". Did you mean "deploy/shop.yaml"?`},
		"a glob that leads out":       {map[string]string{"a.yaml": web}, Options{Files: []string{"../*.yaml"}}, `No file of the repository matches "../*.yaml"`},
		"files of git":                {map[string]string{".git/a.yaml": web, "x": ""}, Options{Files: []string{"**/*.yaml"}}, `No file of the repository matches`},
		"no objects":                  {map[string]string{"a.yaml": "# nothing\n"}, Options{Files: []string{"a.yaml"}}, "The manifests hold no objects."},
		"broken YAML": {
			map[string]string{"a.yaml": object("ConfigMap", "a") + "---\nkind: [\n"}, Options{Files: []string{"a.yaml"}},
			"a.yaml:5: did not find expected node content.",
		},
		"a document that is no object": {
			map[string]string{"a.yaml": object("ConfigMap", "a") + "---\nhello: world\n"}, Options{Files: []string{"a.yaml"}},
			"a.yaml:5: it is no Kubernetes object: it needs apiVersion and kind.",
		},
		"a key that is there twice": {
			map[string]string{"a.yaml": object("ConfigMap", "a") + "---\n# b\n" + object("ConfigMap", "b") + "data: {x: y}\n# more\ndata: {z: y}\n"}, Options{Files: []string{"a.yaml"}},
			`a.yaml:11: the key "data" is there twice in one mapping, and only one of both would count.`,
		},
		"a key that is there twice further down": {map[string]string{"a.json": `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",` + "\n" + `"name": "b"}}`}, Options{Files: []string{"a.json"}}, `a.json:2: the key "name" is there twice`},
		"a broken separator":                     {map[string]string{"a.yaml": "--- a\n"}, Options{Files: []string{"a.yaml"}}, "a.yaml: invalid Yaml document separator: a."},
		"no name":                                {map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\n"}, Options{Files: []string{"a.yaml"}}, "the ConfigMap has no metadata.name."},
		"a name that is no text":                 {map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 12}\n"}, Options{Files: []string{"a.yaml"}}, "a.yaml:1: the metadata.name of the ConfigMap is 12, which is no text: put it in quotes."},
		"a glob that is none":                    {map[string]string{"a.yaml": web}, Options{Files: []string{"a["}}, "`manifests:` \"a[\" is not a pattern: a [ needs its ]."},
		"no apiVersion":                          {map[string]string{"a.yaml": "kind: ConfigMap\nmetadata: {name: a}\n"}, Options{Files: []string{"a.yaml"}}, "the ConfigMap has no apiVersion."},
		"a generated name":                       {map[string]string{"a.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n"}, Options{Files: []string{"a.yaml"}}, "the Job has a generateName; what is applied again needs a name."},
		"the same twice":                         {map[string]string{"a.yaml": object("ConfigMap", "a"), "b.yaml": object("ConfigMap", "a")}, Options{Files: []string{"*.yaml"}}, "ConfigMap a is there twice in the manifests: in a.yaml:1 and in b.yaml:1. Delete one of them."},
		"the same in two versions": {
			map[string]string{"a.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\n"},
			Options{Files: []string{"*.yaml"}}, "Deployment a is there twice in the manifests: in a.yaml:1 and in a.yaml:5. Delete one of them.",
		},
		"a large file": {map[string]string{"a.yaml": strings.Repeat("# comment\n", 500_000)}, Options{Files: []string{"a.yaml"}}, "The file a.yaml is larger than 4 MiB."},
		"many objects": {map[string]string{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n" + strings.Repeat("- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", 1001)}, Options{Files: []string{"a.yaml"}}, "The manifests hold 1001 objects, more than 1000. Split them over several steps."},
		"an image nothing runs": {
			map[string]string{"a.yaml": web}, Options{Files: []string{"a.yaml"}, Images: map[string]string{"registry.example:5000/shopp": "x"}},
			`which ` + "`images:`" + ` names. Did you mean "registry.example:5000/shop"?`,
		},
		"replicas of nothing": {
			map[string]string{"a.yaml": web}, Options{Files: []string{"a.yaml"}, Replicas: map[string]int64{"web": 2}},
			`The manifests hold no Deployment or StatefulSet "web", which ` + "`replicas:`" + ` names.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Load(t.Context(), tree(t, c.files), c.o)
			if pipeline.Code(err) != "invalid_manifest" || !strings.Contains(pipeline.Message(err), c.want) {
				t.Errorf("%v: %s", err, pipeline.Message(err))
			}
		})
	}
}

func TestImagesAndReplicasAreReplaced(t *testing.T) {
	objects, _, err := Load(t.Context(), tree(t, map[string]string{"a.yaml": web}), Options{
		Files: []string{"a.yaml"}, Images: map[string]string{"registry.example:5000/shop": "registry.example:5000/shop@sha256:beef"}, Replicas: map[string]int64{"shop": 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := Images(objects); !slices.Equal(got, []string{"registry.example:5000/shop@sha256:beef", "registry.example:5000/tools"}) {
		t.Error(got)
	}
	if n, _, _ := unstructuredInt(objects[0].Object, "spec", "replicas"); n != 7 {
		t.Error(n, "replicas")
	}
}

func TestWithoutTag(t *testing.T) {
	for image, want := range map[string]string{
		"shop": "shop", "shop:1": "shop", "acme/shop:1": "acme/shop", "host:5000/shop": "host:5000/shop",
		"host:5000/shop:1": "host:5000/shop", "host:5000/shop:1@sha256:beef": "host:5000/shop", "shop@sha256:beef": "shop",
	} {
		if got := WithoutTag(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

func TestSymlinksOutOfTheRepositoryAreNotFollowed(t *testing.T) {
	outside := tree(t, map[string]string{"secret.yaml": object("ConfigMap", "secret"), "kustomization.yaml": "resources: [secret.yaml]\n"})
	for name, c := range map[string]struct {
		link, to string
		files    map[string]string
		o        Options
	}{
		"a file":                        {"a.yaml", outside + "/secret.yaml", nil, Options{Files: []string{"*.yaml"}}},
		"a folder":                      {"deploy", outside, nil, Options{Files: []string{"deploy/*.yaml"}}},
		"a folder with a kustomization": {"deploy", outside, nil, Options{Kustomize: "deploy"}},
		"a kustomization":               {"kustomization.yaml", outside + "/kustomization.yaml", nil, Options{Kustomize: "."}},
		"a resource of a kustomization": {"a.yaml", outside + "/secret.yaml", map[string]string{"kustomization.yaml": "resources: [a.yaml]\n"}, Options{Kustomize: "."}},
		"a folder of a kustomization":   {"base", outside, map[string]string{"kustomization.yaml": "resources: [base]\n"}, Options{Kustomize: "."}},
		"a file of a config map":        {"a.txt", outside + "/secret.yaml", map[string]string{"kustomization.yaml": "configMapGenerator: [{name: a, files: [a.txt]}]\n"}, Options{Kustomize: "."}},
		"a folder that lies deeper than what it leads to": {
			"a/b/c/d/link", "../../../../base",
			map[string]string{"base/kustomization.yaml": "resources: [../../" + filepath.Base(outside) + "]\n", "a/b/c/" + filepath.Base(outside) + "/kustomization.yaml": "namePrefix: x\n", "a/b/c/d/x": ""},
			Options{Kustomize: "a/b/c/d/link"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, c.files)
			if name == "a folder that lies deeper than what it leads to" { // outside is beside the repository
				dir = filepath.Join(filepath.Dir(outside), "repository")
				if err := os.Rename(tree(t, c.files), dir); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(c.to, filepath.Join(dir, c.link)); err != nil {
				t.Fatal(err)
			}
			objects, _, err := Load(t.Context(), dir, c.o)
			if pipeline.Code(err) != "invalid_manifest" || strings.HasPrefix(pipeline.Message(err), "Kustomize cannot build") {
				t.Errorf("%v %v", objects, err)
			}
		})
	}
}

func TestWhereObjectsAre(t *testing.T) {
	list := "kind: List\napiVersion: v1\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(object("ConfigMap", "c")), "\n", "\n  ") + "\n- " + strings.ReplaceAll(strings.TrimSpace(object("ConfigMap", "d")), "\n", "\n  ") + "\n"
	chart := map[string]string{
		"c/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "c/templates/x/a.yaml": object("ConfigMap", "a") + "---\n" + object("ConfigMap", "b") + "data: {x: y}\ndata: {x: z}\n",
		"c/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n", "c/charts/db/templates/d.yaml": object("ConfigMap", "d"), "c/crds/e.yaml": object("ConfigMap", "e") + "---\n" + object("ConfigMap", "f"),
	}
	for name, c := range map[string]struct {
		files map[string]string
		o     Options
		want  string
	}{
		"a file": {
			map[string]string{"x/a.yaml": "# ours\n---\n\n# a\n" + object("ConfigMap", "a") + "---\n---\n" + object("ConfigMap", "b") + "---\n" + list}, Options{Files: []string{"x/*"}},
			"a x/a.yaml:5, b x/a.yaml:10, c x/a.yaml:17, d x/a.yaml:20",
		},
		"lines that end as on Windows":  {map[string]string{"a.yaml": strings.ReplaceAll(object("ConfigMap", "a")+"---\n"+object("ConfigMap", "b"), "\n", "\r\n")}, Options{Files: []string{"*"}}, "a a.yaml:1, b a.yaml:5"},
		"an override of what is merged": {map[string]string{"a.yaml": object("ConfigMap", "a") + "x: &x {k: v}\ndata: {<<: *x, k: w}\n"}, Options{Files: []string{"*"}}, "a a.yaml:1"},
		"kustomize":                     {kustomizedTree("resources: [../base]\n"), Options{Kustomize: "deploy/prod/"}, "shop kustomize deploy/prod"},
		"a chart":                       {chart, Options{Chart: &Chart{Path: "c", Release: "shop"}}, "a c/templates/x/a.yaml, b c/templates/x/a.yaml, d c/charts/db/templates/d.yaml, e c/crds/e.yaml, f c/crds/e.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, at, err := Load(t.Context(), tree(t, c.files), c.o)
			if err != nil {
				t.Fatal(pipeline.Message(err))
			}
			var got []string
			for _, u := range objects {
				got = append(got, u.GetName()+" "+at[u])
			}
			slices.Sort(got)
			if said := strings.Join(slices.Compact(got), ", "); said != c.want {
				t.Errorf("%s\nwant %s", said, c.want)
			}
		})
	}
}

func TestALinkWithinTheRepositoryIsAFileLikeOthers(t *testing.T) {
	dir := tree(t, map[string]string{"base/a.yaml": object("ConfigMap", "a"), "deploy/b.yaml": object("ConfigMap", "b"), "other/c.yaml": object("ConfigMap", "c")})
	for name, to := range map[string]string{"deploy/a.yaml": "../base/a.yaml", "deploy/other": "../other", "elsewhere.yaml": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	objects, at, err := Load(t.Context(), dir, Options{Files: []string{"deploy/*"}})
	if err != nil || len(objects) != 2 || at[objects[0]] != "deploy/a.yaml:1" {
		t.Error(objects, at, err)
	}
}
