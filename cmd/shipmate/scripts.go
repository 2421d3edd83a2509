package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/kubernetes/cluster"
	"github.com/shipmate/shipmate/integrations/kubernetes/job"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
)

// Kubernetes names the clusters, and says where scripts run as Jobs.
type Kubernetes struct {
	cluster.Config `yaml:",inline"`
	Jobs           job.Config `yaml:"jobs"`
}

// Artifacts says how much a step may hand to those after it.
type Artifacts struct {
	MaxMiB int64 `yaml:"max_mib"` // of one step's files together; default 1024
}

func (c *Config) checkKubernetes() error {
	clusters, err := cluster.New(c.Kubernetes.Config, slog.New(slog.DiscardHandler))
	if err != nil || c.Runner != "kubernetes" {
		return err
	}
	return c.Kubernetes.Jobs.Check(clusters.Names())
}

// scriptRunners are what runs "run:" steps. The one of this machine is there in
// any case: it tidies up what it left before the operator chose another.
type scriptRunners struct {
	needs integrations.Needs
	close func()
}

// repos is how the operator's rules know a repository.
func (gh githubSide) repos() pipeline.RuleRepos {
	if gh.rules == nil {
		return nil
	}
	return gh.rules.Of
}

// repoRules are all places of the settings that say which repository is meant.
func (c *Config) repoRules() []string {
	var rules []string
	for _, r := range c.Secrets.Allow {
		rules = append(rules, r.Repo)
	}
	for _, r := range c.Kubernetes.Allow {
		rules = append(rules, r.Repo)
	}
	for _, p := range c.Kubernetes.Jobs.Places {
		rules = append(rules, p.Repo)
	}
	for _, r := range c.Submodules.Allow {
		rules = append(append(rules, r.Repo), r.Submodules...)
	}
	return rules
}

func openScripts(cfg Config, gh githubSide, artifacts *artifact.Store, log *slog.Logger) (scriptRunners, error) {
	self, err := os.Executable()
	if err != nil {
		return scriptRunners{}, err
	}
	cfg.Kubernetes.Config.Repos = gh.repos()
	clusters, err := cluster.New(cfg.Kubernetes.Config, log)
	if err != nil {
		return scriptRunners{}, &usageError{err}
	}
	klog.SetSlogLogger(log.With("from", "client-go")) // it would write lines of its own
	local, err := shell.New(shell.Config{Dir: cfg.DataDir, Source: gh.source, Shim: []string{self, "shim"}, BaseURL: cfg.BaseURL, Artifacts: artifacts, Logger: log, Now: time.Now})
	if err != nil {
		return scriptRunners{}, err
	}
	runners := scriptRunners{integrations.Needs{Shell: local, Clusters: clusters, Source: gh.source}, func() { local.Close(); clusters.Close() }}
	if cfg.Runner != "kubernetes" {
		if err := local.Warm(); err != nil {
			log.Warn("the first script starts a little slower: no shim could be kept ready", "err", err)
		}
		return runners, nil
	}
	if len(cfg.GitHub.shared()) == 0 {
		return scriptRunners{}, &usageError{errors.New("SHIPMATE_RUNNER: kubernetes needs GitHub, where the scripts come from; set SHIPMATE_GITHUB_APP_ID and its key and secret")}
	}
	runners.needs.Jobs, err = job.New(cfg.Kubernetes.Jobs, job.Needs{
		Clusters: clusters, Repos: gh.repos(), Keys: cfg.GitHub.shared(), Source: gh.whole, BaseURL: cfg.BaseURL, Artifacts: artifacts, Dir: filepath.Join(cfg.DataDir, "jobs"), Logger: log, Now: time.Now,
	})
	if err != nil {
		return scriptRunners{}, &usageError{err}
	}
	return runners, nil
}
