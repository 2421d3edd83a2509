package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
)

// webhookPath is where deliveries are taken.
const webhookPath = "/github/webhook"

// hook is the App's webhook as GitHub shows it; the secret is masked.
type hook struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Secret      string `json:"secret"`
}

// ExamineWebhook looks at how the App's webhook is set up. base is the bot's own
// public address; "" if it is not known.
func (c *Client) ExamineWebhook(ctx context.Context, base string) []bot.Finding {
	app, found := c.registered(ctx)
	if found != nil {
		return []bot.Finding{*found}
	}
	ours := strings.TrimRight(base, "/") + webhookPath
	if base == "" {
		ours = "https://<address of the bot>" + webhookPath
	}
	lacking := func(kind, format string, args ...any) bot.Finding {
		return bot.Finding{Kind: kind, Gravity: bot.Lacking, Text: fmt.Sprintf(format, args...)}
	}
	var h hook
	_, err := c.asApp(ctx, "app/hook/config", &h)
	switch {
	case status(err) == http.StatusNotFound || err == nil && h.URL == "":
		return []bot.Finding{lacking("github_no_webhook", "The GitHub App has no webhook, so shipmate hears of nothing. On %s tick "+
			"\"Active\" under \"Webhook\", enter %s as its URL, and SHIPMATE_GITHUB_WEBHOOK_SECRET as its secret.",
			c.settings(app), ours)}
	case err != nil:
		return []bot.Finding{unanswered(c.api, err)}
	}
	var all []bot.Finding
	if strings.TrimRight(h.URL, "/") != ours && (base != "" || !strings.HasSuffix(h.URL, webhookPath)) {
		all = append(all, lacking("github_webhook_url", "The GitHub App sends its webhooks to %s, and shipmate takes them at %s. Unless "+
			"something hands them on, correct \"Webhook URL\" on %s.", h.URL, ours, c.settings(app)))
	}
	if h.Secret == "" {
		all = append(all, lacking("github_webhook_secret", "The webhook of the GitHub App has no secret, so shipmate refuses all it "+
			"sends. Enter SHIPMATE_GITHUB_WEBHOOK_SECRET as \"Webhook secret\" on %s.", c.settings(app)))
	}
	if h.ContentType != "json" {
		all = append(all, lacking("github_webhook_type", "The webhook of the GitHub App sends forms, and shipmate reads JSON only. Choose "+
			"the content type application/json on %s.", c.settings(app)))
	}
	return all
}

// delivered is a try of GitHub's to deliver a webhook.
type delivered struct {
	At     time.Time `json:"delivered_at"`
	Status string    `json:"status"`
	Code   int       `json:"status_code"`
	Event  string    `json:"event"`
}

// Deliveries says what became of the webhooks that GitHub sent since a time, or
// tried to. quiet: there were none.
func (c *Client) Deliveries(ctx context.Context, since time.Time) (quiet bool, all []bot.Finding) {
	app, found := c.registered(ctx)
	if found != nil {
		return false, []bot.Finding{*found}
	}
	var list []delivered
	if _, err := c.asApp(ctx, "app/hook/deliveries?per_page=50", &list); err != nil {
		return false, []bot.Finding{unanswered(c.api, err)}
	}
	var newest *delivered
	for i, d := range list {
		if d.At.Before(since.Truncate(time.Second)) {
			continue
		}
		if d.Code >= 200 && d.Code < 300 {
			return false, nil
		}
		if newest == nil || d.At.After(newest.At) {
			newest = &list[i]
		}
	}
	if newest == nil {
		return true, nil
	}
	return false, []bot.Finding{newest.finding(c.settings(app))}
}

// finding says why a delivery failed, by how it was answered.
func (d delivered) finding(settings string) bot.Finding {
	why := fmt.Sprintf("something on the way to shipmate answers %d: look at what stands before it, a proxy or an ingress", d.Code)
	switch {
	case d.Code == http.StatusUnauthorized:
		why = "the secrets differ: enter the same as \"Webhook secret\" there and as SHIPMATE_GITHUB_WEBHOOK_SECRET"
	case d.Code == http.StatusNotFound, d.Code == http.StatusMethodNotAllowed, d.Code >= 300 && d.Code < 400:
		why = fmt.Sprintf("the address is answered with %d: correct \"Webhook URL\" there, it ends in %s", d.Code, webhookPath)
	case d.Code == http.StatusServiceUnavailable:
		why = "shipmate is not ready, or something before it is not: look whether its Redis answers"
	case d.Code == 0:
		why = "GitHub gets no answer: the address must be reachable from the internet, or from your Enterprise Server"
	}
	return bot.Finding{Kind: "github_deliveries", Gravity: bot.Lacking, Text: fmt.Sprintf(
		"GitHub's webhooks fail: the last one (%s, %s) ended with %q. Most likely %s. See \"Recent Deliveries\" on %s/advanced, "+
			"and press \"Redeliver\" when it is mended.",
		d.Event, d.At.UTC().Format("2006-01-02 15:04 MST"), d.Status, why, settings)}
}
