//go:build !small

package main

import (
	"log/slog"
	"path/filepath"
	"time"

	_ "gocloud.dev/blob/s3blob" // opens s3:// for blob.OpenBucket

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/job"
	"github.com/shipmate/shipmate/pipeline/artifact"
)

// Kubernetes names the clusters, and says where scripts run as Jobs.
type Kubernetes struct {
	cluster.Config `yaml:",inline"`
	Jobs           job.Config `yaml:"jobs"`
}

func (c *Config) checkKubernetes() error {
	clusters, err := cluster.New(c.Kubernetes.Config, slog.New(slog.DiscardHandler))
	if err != nil || c.Runner != "kubernetes" {
		return err
	}
	return c.Kubernetes.Jobs.Check(clusters.Names())
}

// repoRules say which repositories may use the clusters.
func (k Kubernetes) repoRules() []string {
	var rules []string
	for _, r := range k.Allow {
		rules = append(rules, r.Repo)
	}
	for _, p := range k.Jobs.Places {
		rules = append(rules, p.Repo)
	}
	return rules
}

// outside is what a small build leaves out; outside_small.go stands for it there.
type outside struct{ integrations.Outside }

func openOutside(cfg Config, gh githubSide, log *slog.Logger) (outside, error) {
	cfg.Kubernetes.Config.Repos = gh.repos()
	clusters, err := cluster.New(cfg.Kubernetes.Config, log)
	if err != nil {
		return outside{}, err
	}
	return outside{integrations.Outside{Clusters: clusters, Source: gh.source}}, nil
}

// openJobs makes scripts run as Jobs.
func (o *outside) openJobs(cfg Config, gh githubSide, artifacts *artifact.Store, log *slog.Logger) (err error) {
	o.Jobs, err = job.New(cfg.Kubernetes.Jobs, job.Needs{
		Clusters: o.Clusters, Repos: gh.repos(), Keys: cfg.GitHub.shared(), Source: gh.whole,
		BaseURL: cfg.BaseURL, Artifacts: artifacts, Dir: filepath.Join(cfg.DataDir, "jobs"), Logger: log, Now: time.Now,
	})
	return err
}

func (o *outside) close() { o.Clusters.Close() }

// shimInPod is the shim of scripts that run as Jobs.
func shimInPod(args []string) int { return job.ShimMain(args) }

func bucketsLeftOut() error { return nil }
