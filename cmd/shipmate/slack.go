package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/logstore"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// slackSide is everything Slack brings.
type slackSide struct {
	commands, interactions, events http.Handler
	sinks                          []pipeline.Sink
	handlers                       map[string]pipeline.Handler
	surface                        bot.Surface
	announce                       bot.Announcer
	threads                        bot.Threads
	socket                         func(ctx context.Context)
}

// slackNeeds is what Slack is wired to.
type slackNeeds struct {
	client     *slack.Client // nil: Slack is not configured
	store      *redisstore.Store
	logs       *logstore.Store
	buttons    bot.Buttons
	services   bot.Services
	identities *bot.People
	github     forge
	metrics    *bot.Metrics
	log        *slog.Logger
}

// slackClient is nil where Slack is not configured.
func slackClient(cfg Config, count counter) (*slack.Client, error) {
	if !cfg.Slack.On() {
		return nil, nil
	}
	client, err := slack.NewClient(slack.ClientConfig{
		BotToken: cfg.Slack.BotToken.Reveal(), AppToken: cfg.Slack.AppToken.Reveal(), APIURL: cfg.Slack.APIURL,
		Links:     links(cfg),
		Transport: count("slack", transport()),
	})
	if err != nil {
		return nil, &usageError{err}
	}
	return client, nil
}

func openSlack(cfg Config, n slackNeeds) slackSide {
	none := slackSide{socket: func(context.Context) {}}
	if n.client == nil {
		if cfg.GitHub.On() {
			n.log.Warn("Slack is not configured: commands and reports are on GitHub only; set SHIPMATE_SLACK_BOT_TOKEN and SHIPMATE_SLACK_SIGNING_SECRET")
		}
		return none
	}
	threads := slack.Threads{Records: n.store}
	requests := slack.NewRequests(slack.Config{
		Client:  n.client,
		Secrets: []string{cfg.Slack.SigningSecret.Reveal(), cfg.Slack.PreviousSecret.Reveal()},
		Queue:   n.store, Services: directory{n.services, n.store}, Threads: threads, Log: n.log,
	})
	web := bot.Web{GitHub: cmp.Or(cfg.GitHub.CloneURL, "https://github.com")}
	thread := &slack.Sink{Client: n.client, Buttons: n.buttons, Threads: threads, Budget: n.store, Log: n.log, Approvers: bot.Approvers{GitHub: n.github, Linked: n.identities}, Blocked: n.store,
		Changes: slack.Changes{Store: n.store, GitHub: n.github}, Logs: n.logs, Web: web}
	homes := &bot.Homes{Store: n.store, Records: n.store, Queue: n.store, GitHub: n.github, Services: n.services, Identities: n.identities,
		Pages: &slack.Pages{Client: n.client, Buttons: n.buttons, Budget: n.store}, Now: time.Now, Log: n.log}
	failures := &bot.Failures{Store: n.store, Records: n.store, Queue: n.store, GitHub: n.github, Linked: n.identities, Logs: n.logs,
		Mail:  &slack.Mail{Client: n.client, Records: n.store, Budget: n.store, Shown: n.store, Web: web, Log: n.log},
		After: cfg.Slack.digest(), Now: time.Now, Log: n.log}
	forms := &bot.Forms{GitHub: n.github, Services: n.services, Identities: n.identities, Commands: commands.All(commands.Desk{}), Records: n.store, Screen: slack.Screen{Client: n.client}, Log: n.log}
	surface := &slack.Surface{Client: n.client, Budget: n.store, Log: n.log}
	side := slackSide{
		commands:     n.metrics.Acks("slack commands", requests.Commands),
		interactions: n.metrics.Acks("slack interactions", requests.Interactions),
		events:       n.metrics.Acks("slack events", requests.Events),
		sinks:        []pipeline.Sink{thread, homes, failures},
		handlers:     merge(merge(homes.Handlers(), failures.Handlers()), forms.Handlers()),
		surface:      surface,
		threads:      threads,
		socket:       none.socket,
	}
	side.announce = &slack.Announcer{Client: n.client, Records: n.store, Budget: n.store, Operator: cfg.Audit.Channel, Log: n.log}
	if cfg.Slack.AppToken.Reveal() != "" {
		socket := &slack.Socket{Requests: requests, Log: n.log}
		side.socket = socket.Run
	}
	return side
}

// active refuses people whom a workspace does not fully trust.
func active(client *slack.Client) func(ctx context.Context, team, user string) error {
	if client == nil {
		return nil
	}
	return func(ctx context.Context, team, user string) error {
		_, err := member(client)(ctx, team, user)
		return err
	}
}

// directory knows what Slack's forms offer.
type directory struct {
	all   bot.Services
	store *redisstore.Store
}

func (d directory) Services(ctx context.Context) ([]slack.Service, error) {
	all, err := d.all.All(ctx)
	var out []slack.Service
	for _, s := range all {
		out = append(out, slack.Service{Name: s.Name, Environments: s.Environments, Channels: s.Channels})
	}
	return out, err
}

func (d directory) Rollback(ctx context.Context, repo int64, environment string) (slack.RollbackPlan, error) {
	const depth = 100 // as deep as the command looks
	state, err := d.store.Environment(ctx, repo, environment)
	if err != nil {
		return slack.RollbackPlan{}, err
	}
	history, err := d.store.Deployments(ctx, repo, environment, depth)
	if err != nil {
		return slack.RollbackPlan{}, err
	}
	to, err := commands.RollbackTarget(history, environment)
	return slack.RollbackPlan{From: state.Current, To: to}, err
}
