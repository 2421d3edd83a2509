package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/integrations/shell/gitsource"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// githubSide is everything GitHub brings.
type githubSide struct {
	name          string
	forge         forge
	webhook       http.Handler
	sinks         []pipeline.Sink
	surface       bot.Surface
	rules         *bot.RuleRepos // nil: there are no repositories
	handlers      map[string]pipeline.Handler
	configChecks  bot.ConfigChecks
	source        source
	whole         shell.Source // checkouts to be taken elsewhere
	installations func(ctx context.Context) ([]bot.Installed, error)
	web           string // where people see repositories
	provenance    func(ctx context.Context, r *pipeline.Run) (pipeline.Provenance, error)
}

// forge is all that is asked of GitHub.
type forge interface {
	bot.Forge
	Refs(ctx context.Context, repo pipeline.Repo) (bot.Refs, error)
	Named(ctx context.Context, repo pipeline.Repo, asked pipeline.Roster, most int) ([]pipeline.Actor, error)
}

func openGitHub(cfg Config, store *redisstore.Store, logs *logstore.Store, buttons bot.Buttons, metrics *bot.Metrics, log *slog.Logger) (githubSide, error) {
	if !cfg.GitHub.On() {
		log.Warn(noGitHubYet(cfg))
		return githubSide{name: "shipmate", web: "https://github.com", forge: noGitHub{}, source: noGitHub{}, whole: noGitHub{}}, nil
	}
	client, err := github.NewClient(github.Config{
		AppID: cfg.GitHub.AppID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Slug: cfg.GitHub.Slug,
		APIURL: cfg.GitHub.APIURL, CloneURL: cfg.GitHub.CloneURL,
		Uses: knownRunners(), Names: store, Environments: store, Budget: store, Told: store, Remaining: metrics.Budget, Log: log,
		HTTP: metrics.Transport("github", transport()),
	})
	if err != nil {
		return githubSide{}, &usageError{fmt.Errorf("SHIPMATE_GITHUB_APP_ID and SHIPMATE_GITHUB_PRIVATE_KEY: %w", err)}
	}
	rules := &bot.RuleRepos{Records: store, Locate: client.Locate, Rules: cfg.repoRules()}
	sources := &gitsource.Git{Cache: filepath.Join(cfg.DataDir, "sources"), CloneURL: client.CloneURL, Token: client.Token, Locate: client.LocateForGit,
		LFS: metrics.Transport("lfs", transport()), Submodule: cfg.Submodules.finder(client.Repository, rules.Of)}
	replies := &github.Replies{Client: client, Records: store, Queue: store, Limits: store}
	return githubSide{
		name:  cfg.GitHub.Slug,
		forge: client,
		webhook: github.NewWebhook(github.WebhookConfig{
			Secrets: []string{cfg.GitHub.WebhookSecret.Reveal(), cfg.GitHub.PreviousSecret.Reveal()},
			Queue:   store, Told: store, AppID: cfg.GitHub.AppID, Slug: cfg.GitHub.Slug, Moved: client.Moved, Log: log,
			Observe: func(event, outcome string, took time.Duration) { metrics.Acked("github", event+" "+outcome, took) },
		}),
		sinks:         github.Sinks(github.ReportConfig{Client: client, Buttons: buttons, Runs: store, Blocked: store, Logs: logs, Report: github.Report(cfg.GitHub.Report)}),
		surface:       replies,
		rules:         rules,
		handlers:      replies.Handlers(),
		configChecks:  github.ConfigChecks{Client: client, Report: github.Report(cfg.GitHub.Report)},
		source:        sources,
		whole:         gitsource.Whole{Git: sources},
		installations: client.Installations,
		web:           client.Web(),
		provenance:    client.Provenance,
	}, nil
}

// noGitHubYet says what to do where GitHub is not configured.
func noGitHubYet(cfg Config) string {
	if cfg.Slack.On() {
		return "GitHub is not configured: no repository can be read or deployed; set SHIPMATE_GITHUB_APP_ID, " +
			"SHIPMATE_GITHUB_PRIVATE_KEY_FILE and SHIPMATE_GITHUB_WEBHOOK_SECRET"
	}
	return "Nothing is configured yet, so shipmate runs and hears of nothing. Next: make a GitHub App, install it on a repository, " +
		"set SHIPMATE_GITHUB_APP_ID, SHIPMATE_GITHUB_PRIVATE_KEY_FILE and SHIPMATE_GITHUB_WEBHOOK_SECRET, " +
		"and start again; docs/configuration.md has every step. To try shipmate without any account: make playground. To run a " +
		"pipeline on this machine: shipmate run"
}

// source is where steps get their files.
type source interface {
	shell.Source
	// Clean removes caches that were not used for so long.
	Clean(ctx context.Context, unused time.Duration) error
}

// transport keeps as many idle connections to a platform as calls go on at once.
func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}

// links are the only addresses that may become links in Slack.
func links(cfg Config) []string {
	var out []string
	for _, base := range []string{cfg.BaseURL, cfg.GitHub.CloneURL, "https://github.com"} {
		if base != "" {
			out = append(out, trimSlash(base)+"/")
		}
	}
	return out
}

func trimSlash(s string) string {
	for len(s) > 0 && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}

func surfaces(gh githubSide, sl slackSide, records bot.Records) map[string]bot.Surface {
	kept := api.Surface{Records: records}
	out := map[string]bot.Surface{bot.SurfaceAPI: kept, bot.SurfaceCLI: kept}
	if gh.surface != nil {
		out["github"] = gh.surface
	}
	if sl.surface != nil {
		out["slack"] = sl.surface
	}
	return out
}
