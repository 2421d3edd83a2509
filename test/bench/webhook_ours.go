package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

func oursWebhook(redis string) (http.Handler, error) {
	store, err := redisstore.Open(context.Background(), redisstore.Config{URL: "redis://" + redis})
	if err != nil {
		return nil, err
	}
	return github.NewWebhook(github.WebhookConfig{
		Secrets: []string{secret}, Queue: store, AppID: 1, Slug: "shipmate", Log: slog.New(slog.DiscardHandler),
	}), nil
}
