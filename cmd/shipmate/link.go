package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/link"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/redisstore"
)

// OAuth is how people sign in, to link their accounts.
type OAuth struct {
	ClientID         string          `yaml:"client_id"`
	ClientSecret     pipeline.Secret `yaml:"-"`
	ClientSecretFile string          `yaml:"client_secret_file"`
}

// linkMissing lists the settings without which people cannot link their accounts.
func (c *Config) linkMissing() []string {
	var missing []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"SHIPMATE_BASE_URL", c.BaseURL != ""},
		{"SHIPMATE_GITHUB_APP_ID", c.GitHub.On()},
		{"SHIPMATE_GITHUB_CLIENT_ID", c.GitHub.OAuth.ClientID != ""},
		{"SHIPMATE_GITHUB_CLIENT_SECRET", c.GitHub.OAuth.ClientSecret.Reveal() != ""},
		{"SHIPMATE_SLACK_BOT_TOKEN", c.Slack.On()},
		{"SHIPMATE_SLACK_CLIENT_ID", c.Slack.OAuth.ClientID != ""},
		{"SHIPMATE_SLACK_CLIENT_SECRET", c.Slack.OAuth.ClientSecret.Reveal() != ""},
	} {
		if !s.set {
			missing = append(missing, s.name)
		}
	}
	return missing
}

// checkLink: whoever could listen in could link themselves to anybody, so it is
// done over TLS or on this machine alone.
func (c *Config) checkLink() error {
	err := errors.Join(c.GitHub.OAuth.read("SHIPMATE_GITHUB_CLIENT_SECRET_FILE"), c.Slack.OAuth.read("SHIPMATE_SLACK_CLIENT_SECRET_FILE"))
	if err != nil || len(c.linkMissing()) > 0 {
		return err
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme == "https" || u.Hostname() == "localhost" {
		return err // what is no URL at all is refused elsewhere
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("SHIPMATE_BASE_URL: %s has to begin with https://, because people sign in there to link their accounts; or take out SHIPMATE_GITHUB_CLIENT_ID and SHIPMATE_SLACK_CLIENT_ID", pipeline.QuoteSetting(c.BaseURL))
}

func (o *OAuth) read(setting string) error {
	if o.ClientSecretFile == "" || o.ClientSecret.Reveal() != "" {
		return nil
	}
	secret, err := readSecret(setting, o.ClientSecretFile)
	if err != nil {
		return err
	}
	o.ClientSecret = secret
	return nil
}

// linker is what /link works with.
type linker struct {
	*bot.People
	link.Invitations
}

func openLinks(cfg Config, client *slack.Client, store *redisstore.Store, people *bot.People) commands.Links {
	return linker{people, link.Invitations{BaseURL: cfg.BaseURL, Missing: cfg.linkMissing(), Member: member(client), Records: store, Now: time.Now}}
}

func linkPages(cfg Config, client *slack.Client, store *redisstore.Store, people *bot.People, metrics *bot.Metrics, log *slog.Logger) http.Handler {
	github := oauthBase(cfg.GitHub.APIURL)
	return link.New(link.Config{
		BaseURL: cfg.BaseURL,
		Slack: link.App{ClientID: cfg.Slack.OAuth.ClientID, Secret: cfg.Slack.OAuth.ClientSecret, Page: origin(cfg.Slack.APIURL) + "/openid/connect/authorize",
			API: cfg.Slack.APIURL, HTTP: metrics.Transport("slack", transport())},
		GitHub: link.App{ClientID: cfg.GitHub.OAuth.ClientID, Secret: cfg.GitHub.OAuth.ClientSecret, Page: github + "/authorize", Token: github + "/access_token",
			API: trimSlash(cfg.GitHub.APIURL) + "/", HTTP: metrics.Transport("github", transport())},
		Member: member(client), People: people, Records: store, Queue: store, Now: time.Now, Log: log,
	})
}

// oauthBase is where GitHub's own pages for signing in are, next to an API:
// https://api.github.com and https://api.<name>.ghe.com have them on the host
// without "api.", Enterprise Server on the same host.
func oauthBase(api string) string {
	base := origin(api)
	if scheme, host, _ := strings.Cut(base, "://"); host == "api.github.com" || strings.HasPrefix(host, "api.") && strings.HasSuffix(host, ".ghe.com") {
		base = scheme + "://" + strings.TrimPrefix(host, "api.")
	}
	return base + "/login/oauth"
}

// origin is the scheme and host of a URL that was checked.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// member returns what a Slack person is called, or refuses one who may not act.
func member(client *slack.Client) link.Member {
	return func(ctx context.Context, team, user string) (string, error) {
		p, err := client.Person(ctx, team, user)
		if err != nil {
			return "", err
		}
		if p.Stranger {
			return "", pipeline.Refuse("other_workspace", "You speak from another Slack workspace than the one shipmate is installed in, so it cannot tell who you are. Switch to that workspace, or say it on the pull request.")
		}
		if !p.MayAct() {
			return "", pipeline.Refuse("not_a_member", "Guests, bots and people who left cannot give commands on Slack. Ask an administrator of the workspace to make you a full member.")
		}
		return p.Name, nil
	}
}
