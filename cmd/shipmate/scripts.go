package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/shipmate/shipmate/integrations"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
)

// Artifacts says how much a step may hand to those after it.
type Artifacts struct {
	MaxMiB int64 `yaml:"max_mib"` // of one step's files together; default 1024
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
	for _, r := range c.Secrets.Checks {
		rules = append(rules, r.Repo)
	}
	rules = append(rules, c.Kubernetes.repoRules()...)
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
	outside, err := openOutside(cfg, gh, log)
	if err != nil {
		return scriptRunners{}, &usageError{err}
	}
	local, err := shell.New(shell.Config{Dir: cfg.DataDir, Source: gh.source, Shim: []string{self, "shim"}, BaseURL: cfg.BaseURL, Artifacts: artifacts, Logger: log, Now: time.Now})
	if err != nil {
		return scriptRunners{}, err
	}
	runners := scriptRunners{integrations.Needs{Shell: local, Outside: outside.Outside}, func() { local.Close(); outside.close() }}
	if cfg.Runner != "kubernetes" {
		if err := local.Warm(); err != nil {
			log.Warn("the first script starts a little slower: no shim could be kept ready", "err", err)
		}
		return runners, nil
	}
	if len(cfg.GitHub.shared()) == 0 {
		return scriptRunners{}, &usageError{errors.New("SHIPMATE_RUNNER: kubernetes needs GitHub, where the scripts come from; set SHIPMATE_GITHUB_APP_ID and its key and secret")}
	}
	if err := outside.openJobs(cfg, gh, artifacts, log); err != nil {
		return scriptRunners{}, &usageError{err}
	}
	runners.needs.Outside = outside.Outside
	return runners, nil
}
