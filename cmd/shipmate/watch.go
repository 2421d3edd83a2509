package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/shipmate/shipmate/bot"
)

func openWatch(cfg Config, log *slog.Logger) (*watch, error) {
	e, err := newExaminer(cfg, uncounted)
	if err != nil {
		return nil, err
	}
	arrivals := &bot.Arrivals{Now: time.Now, Log: log}
	return &watch{
		examiner: e, arrivals: arrivals, log: log, began: time.Now(), ingest: slices.Contains(cfg.Roles, "ingest"),
		front: &bot.Front{GitHub: cfg.GitHub.On(), Slack: cfg.Slack.On(), API: cfg.API.On(), Arrivals: arrivals, Now: time.Now},
	}, nil
}

// page is what "/" shows.
func (w *watch) page(ping func(ctx context.Context) error) http.Handler {
	w.front.Ready = func(r *http.Request) error {
		const patience = 2 * time.Second
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		return ping(ctx)
	}
	return w.front
}

// routes lets the platforms' requests in, and watches how they are answered.
func (w *watch) routes(r *bot.Routes, webhook http.Handler, sl slackSide) {
	onSlack := func(h http.Handler) http.Handler {
		return w.arrivals.Watch(bot.OnSlack, "SHIPMATE_SLACK_SIGNING_SECRET", h)
	}
	r.GitHubWebhook = w.arrivals.Watch(bot.OnGitHub, "SHIPMATE_GITHUB_WEBHOOK_SECRET", webhook)
	r.SlackCommands, r.SlackInteractions, r.SlackEvents = onSlack(sl.commands), onSlack(sl.interactions), onSlack(sl.events)
}
