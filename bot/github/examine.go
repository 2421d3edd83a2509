package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/bot"
)

// registered is the App as GitHub knows it.
type registered struct {
	Slug    string `json:"slug"`
	HTMLURL string `json:"html_url"`
	Owner   struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"owner"`
	Permissions map[string]string `json:"permissions"`
	Events      []string          `json:"events"`
}

// Examine asks GitHub whether it knows the App by its key, whether the App has
// our slug, and which permissions and events it lacks. It calls GitHub once.
func (c *Client) Examine(ctx context.Context) []bot.Finding {
	app, found := c.registered(ctx)
	if found != nil {
		return []bot.Finding{*found}
	}
	var all []bot.Finding
	if !strings.EqualFold(app.Slug, c.cfg.Slug) {
		all = append(all, bot.Finding{Kind: "github_other_slug", Gravity: bot.Wrong, Text: fmt.Sprintf(
			"The GitHub App %d is called %q in its URL, and shipmate is set to %q: it would not know its own comments, nor that "+
				"people mention it. Set SHIPMATE_GITHUB_SLUG=%s, or github: {slug: %s} in the file.",
			c.cfg.AppID, app.Slug, c.cfg.Slug, app.Slug, app.Slug)})
	}
	if missing := ungranted(app.Permissions); len(missing) > 0 {
		all = append(all, bot.Finding{Kind: "github_permissions", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"The GitHub App lacks permissions: %s. Set them on %s/permissions, and have the owners of its installations accept "+
				"them.", listed(missing), c.settings(app))})
	}
	if missing := unsubscribed(app.Events); len(missing) > 0 {
		all = append(all, bot.Finding{Kind: "github_events", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"The GitHub App is not subscribed to events: %s. Tick them under \"Subscribe to events\" on "+
				"%s/permissions.", listed(missing), c.settings(app))})
	}
	return all
}

func (c *Client) registered(ctx context.Context) (registered, *bot.Finding) {
	var app registered
	resp, err := c.asApp(ctx, "app", &app)
	if err == nil && app.Slug == "" {
		err = &json.SyntaxError{} // what answers with something else is not GitHub
	}
	if err == nil {
		return app, nil
	}
	f := c.refusedKey(resp, err)
	return app, &f
}

// asApp reads with the App's own key.
func (c *Client) asApp(ctx context.Context, path string, into any) (*github.Response, error) {
	r, err := c.app.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return c.app.Do(ctx, r, into)
}

// refusedKey says why GitHub did not show the App. What it says of tokens was
// seen in github.com/octokit/auth-app.js/issues/375 and
// github.com/actions/create-github-app-token/issues/153; it does not tell a wrong
// key from a wrong id.
func (c *Client) refusedKey(resp *github.Response, err error) bot.Finding {
	code, said := status(err), messageOf(err)
	wrong := func(kind, format string, args ...any) bot.Finding {
		return bot.Finding{Kind: kind, Gravity: bot.Wrong, Text: fmt.Sprintf(format, args...)}
	}
	var syntax *json.SyntaxError
	switch {
	case code == http.StatusUnauthorized && (strings.Contains(said, "('exp')") || strings.Contains(said, "('iat')")):
		return wrong("github_clock", "GitHub does not accept the time in the bot's token: this machine's clock says %s, GitHub's says %s. "+
			"Set the clock, say with timedatectl set-ntp true, and start again.",
			c.cfg.Now().UTC().Format(http.TimeFormat), dateOf(resp))
	case code == http.StatusUnauthorized:
		return wrong("github_key", "GitHub does not accept the App's key (it says: %s). Most likely SHIPMATE_GITHUB_PRIVATE_KEY is not a "+
			"key of the App %d or was deleted there, or SHIPMATE_GITHUB_APP_ID is not the id of that App. Compare \"App ID\" on the "+
			"App's settings page, or generate a new key there under \"Private keys\".",
			withoutTokens(said), c.cfg.AppID)
	case code == http.StatusNotFound && strings.Contains(said, "ntegration"):
		return wrong("github_app", "GitHub at %s knows no App with the id %d. Compare SHIPMATE_GITHUB_APP_ID with \"App ID\" on the App's "+
			"settings page (not the client ID, not the installation's), and SHIPMATE_GITHUB_API_URL with the GitHub it is registered on.",
			c.api.Host, c.cfg.AppID)
	case errors.As(err, &syntax), code >= 300 && code < 400, code == http.StatusNotFound, code == http.StatusNotAcceptable:
		return wrong("github_api_url", "What answers at %s is not GitHub's API. Set SHIPMATE_GITHUB_API_URL to https://api.github.com, or "+
			"to https://your-host/api/v3 for Enterprise Server.", c.api)
	case code >= 400 && code < 500 && code != http.StatusTooManyRequests && !limitWords.MatchString(said):
		return bot.Finding{Kind: "github_refused", Gravity: bot.Lacking, Text: fmt.Sprintf(
			"GitHub refuses to show the App %d: it answers %d, %s. Ask the owner of the App.", c.cfg.AppID, code, withoutTokens(said))}
	}
	return unanswered(c.api, err)
}

// dateOf is the time by GitHub's clock.
func dateOf(resp *github.Response) string {
	if resp == nil || resp.Header.Get("Date") == "" {
		return "another one"
	}
	return resp.Header.Get("Date")
}

func unanswered(api *url.URL, err error) bot.Finding {
	return bot.Finding{Kind: "github_unreachable", Gravity: bot.Unknown, Text: fmt.Sprintf(
		"GitHub cannot be asked for now: %s. The bot tries again; if it stays so, look whether this machine reaches %s, and "+
			"whether it needs a proxy (HTTPS_PROXY) or a certificate (SSL_CERT_FILE).", withoutTokens(err.Error()), api.Host)}
}

// settings is the page on which the App is configured.
func (c *Client) settings(app registered) string {
	switch app.Owner.Type {
	case "Organization":
		return c.Web() + "/organizations/" + url.PathEscape(app.Owner.Login) + "/settings/apps/" + url.PathEscape(app.Slug)
	case "User":
		return c.Web() + "/settings/apps/" + url.PathEscape(app.Slug)
	}
	return app.HTMLURL // of an enterprise
}

// ungranted are the permissions that are not given, or not far enough.
func ungranted(have map[string]string) (missing []bot.Need) {
	level := func(l string) int { return slices.Index([]string{"", "read", "write", "admin"}, l) }
	for _, n := range Permissions() {
		if level(have[n.Name]) < level(n.Level) {
			missing = append(missing, n)
		}
	}
	return missing
}

func unsubscribed(have []string) (missing []bot.Need) {
	for _, n := range Events() {
		if !slices.Contains(have, n.Name) {
			missing = append(missing, n)
		}
	}
	return missing
}

// listed names what is missing, each with what does not work.
func listed(missing []bot.Need) string {
	var all []string
	for _, n := range missing {
		name := n.Title
		if n.Level != "" {
			name += " (" + Access(n.Level) + ")"
		}
		all = append(all, name+", without which "+strings.ReplaceAll(n.Without, "`", ""))
	}
	return strings.Join(all, "; ")
}

// Access is what the settings page calls a level.
func Access(level string) string {
	if level == "write" {
		return "Read and write"
	}
	return "Read-only"
}
