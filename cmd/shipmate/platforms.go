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
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/integrations/shell"
	"github.com/shipmate/shipmate/integrations/shell/gitsource"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// githubSide is everything GitHub brings.
type githubSide struct {
	name          string
	forge         bot.Forge
	webhook       http.Handler
	sinks         []pipeline.Sink
	surface       bot.Surface
	source        source
	installations func(ctx context.Context) ([]bot.Installed, error)
	web           string // where people see repositories
}

func openGitHub(cfg Config, store *redisstore.Store, buttons bot.Buttons, metrics *bot.Metrics, log *slog.Logger) (githubSide, error) {
	if !cfg.GitHub.On() {
		log.Warn("GitHub is not configured: no repository can be read or deployed; set SHIPMATE_GITHUB_APP_ID and its key and secret")
		return githubSide{name: "shipmate", web: "https://github.com", forge: noGitHub{}, source: noGitHub{}}, nil
	}
	client, err := github.NewClient(github.Config{
		AppID: cfg.GitHub.AppID, PrivateKey: []byte(cfg.GitHub.PrivateKey.Reveal()), Slug: cfg.GitHub.Slug,
		APIURL: cfg.GitHub.APIURL, CloneURL: cfg.GitHub.CloneURL,
		Uses: knownRunners(), Environments: store, Budget: store, Remaining: metrics.Budget, Log: log,
		HTTP: metrics.Transport("github", transport()),
	})
	if err != nil {
		return githubSide{}, &usageError{fmt.Errorf("SHIPMATE_GITHUB_APP_ID and SHIPMATE_GITHUB_PRIVATE_KEY: %w", err)}
	}
	return githubSide{
		name:  cfg.GitHub.Slug,
		forge: client,
		webhook: github.NewWebhook(github.WebhookConfig{
			Secrets: []string{cfg.GitHub.WebhookSecret.Reveal(), cfg.GitHub.PreviousSecret.Reveal()},
			Queue:   store, AppID: cfg.GitHub.AppID, Slug: cfg.GitHub.Slug, Log: log,
			Observe: func(event, outcome string, took time.Duration) { metrics.Acked("github", event+" "+outcome, took) },
		}),
		sinks:         github.Sinks(github.ReportConfig{Client: client, Buttons: buttons, Runs: store, Report: github.Report(cfg.GitHub.Report)}),
		surface:       github.Replies{Client: client},
		source:        &gitsource.Git{Cache: filepath.Join(cfg.DataDir, "sources"), CloneURL: client.CloneURL, Token: client.Token},
		installations: client.Installations,
		web:           client.Web(),
	}, nil
}

// source is where steps get their files.
type source interface {
	shell.Source
	// Clean removes caches that were not used for so long.
	Clean(ctx context.Context, unused time.Duration) error
}

// slackSide is everything Slack brings.
type slackSide struct {
	commands, interactions, events http.Handler
	sinks                          []pipeline.Sink
	surface                        bot.Surface
	announce                       func(ctx context.Context, text string) error
	threads                        bot.Threads
	active                         func(ctx context.Context, team, user string) error
	socket                         func(ctx context.Context)
}

func openSlack(cfg Config, store *redisstore.Store, buttons bot.Buttons, services bot.Services, metrics *bot.Metrics, log *slog.Logger) (slackSide, error) {
	none := slackSide{socket: func(context.Context) {}}
	if !cfg.Slack.On() {
		log.Warn("Slack is not configured: commands and reports are on GitHub only; set SHIPMATE_SLACK_BOT_TOKEN and SHIPMATE_SLACK_SIGNING_SECRET")
		return none, nil
	}
	client, err := slack.NewClient(slack.ClientConfig{
		BotToken: cfg.Slack.BotToken.Reveal(), AppToken: cfg.Slack.AppToken.Reveal(), APIURL: cfg.Slack.APIURL,
		Links:     links(cfg),
		Transport: metrics.Transport("slack", transport()),
	})
	if err != nil {
		return none, &usageError{err}
	}
	requests := slack.NewRequests(slack.Config{
		Client:  client,
		Secrets: []string{cfg.Slack.SigningSecret.Reveal(), cfg.Slack.PreviousSecret.Reveal()},
		Queue:   store, Services: directory{all: services}, Log: log,
	})
	surface := &slack.Surface{Client: client, Budget: store, Log: log}
	side := slackSide{
		commands:     metrics.Acks("slack commands", requests.Commands),
		interactions: metrics.Acks("slack interactions", requests.Interactions),
		events:       metrics.Acks("slack events", requests.Events),
		sinks:        []pipeline.Sink{&slack.Sink{Client: client, Buttons: buttons, Budget: store, Log: log}},
		surface:      surface,
		threads:      threads{client},
		active:       active(client),
		socket:       none.socket,
	}
	if channel := cfg.Audit.Channel; channel != "" {
		side.announce = func(ctx context.Context, text string) error { return surface.Announce(ctx, channel, text) }
	}
	if cfg.Slack.AppToken.Reveal() != "" {
		socket := &slack.Socket{Requests: requests, Log: log}
		side.socket = socket.Run
	}
	return side, nil
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

// active refuses people whom a workspace does not fully trust.
func active(client *slack.Client) func(ctx context.Context, team, user string) error {
	return func(ctx context.Context, team, user string) error {
		p, err := client.Person(ctx, team, user)
		if err != nil {
			return err
		}
		if !p.MayAct() {
			return pipeline.Refuse("not_a_member", "Guests, bots, people of other workspaces and people who left cannot give commands.")
		}
		return nil
	}
}

// threads finds the run that a Slack thread is about.
type threads struct{ client *slack.Client }

func (t threads) RunOf(ctx context.Context, channel, thread string) (pipeline.RunID, error) {
	shown, err := t.client.RunAt(ctx, channel, thread)
	return shown.Run, err
}

// directory lists services for Slack's deploy form.
type directory struct{ all bot.Services }

func (d directory) Services(ctx context.Context) ([]slack.Service, error) {
	all, err := d.all.All(ctx)
	var out []slack.Service
	for _, s := range all {
		out = append(out, slack.Service{Name: s.Name, Environments: s.Environments})
	}
	return out, err
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
