package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shipmate.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(file, environ{})
}

// The example in the manual is one that works.
func TestTheExampleOfScriptsOnKubernetes(t *testing.T) {
	manual, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), "### Scripts on Kubernetes")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	c, err := load(t, example)
	if err != nil {
		t.Fatal(err)
	}
	jobs := c.Kubernetes.Jobs
	if c.Workers.Steps != 500 || jobs.Cluster != "ci" || jobs.StartDeadline != 10*time.Minute || jobs.Places[0].ServiceAccount != "deployer" || jobs.Max.Memory != "8Gi" || !c.Kubernetes.Clusters["ci"].InCluster {
		t.Errorf("%+v", c.Kubernetes)
	}
}

func TestSettingsOfScriptsOnKubernetesAreNamed(t *testing.T) {
	const good = "runner: kubernetes\nkubernetes:\n  clusters: {ci: {in_cluster: true}}\n  jobs: {cluster: ci, namespace: jobs, image: \"shipmate:1\"}\n"
	for _, c := range []struct{ replace, by, says string }{
		{"", "", ""},
		{"cluster: ci", "cluster: pord", "kubernetes.jobs.cluster"},
		{"namespace: jobs", "namespace: No", "kubernetes.jobs.namespace"},
		{`image: "shipmate:1"`, `image: "shipmate:1", user: -1`, "kubernetes.jobs.user"},
		{`image: "shipmate:1"`, `image: "shipmate:1", imagse: []`, "imagse"},
		{"in_cluster: true", "server: https://k8s", "kubernetes.clusters.ci.token_file"},
	} {
		_, err := load(t, strings.Replace(good, c.replace, c.by, 1))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", c.by, err, c.says)
		}
	}
}
