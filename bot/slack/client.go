package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// ClientConfig says whose workspace it is. BotToken is needed, the rest has defaults.
type ClientConfig struct {
	BotToken string
	AppToken string // for Socket Mode
	APIURL   string // ends in /api/; default https://slack.com/api/
	// Links are the only addresses that may become links in messages, by their
	// beginning: our own base URL, GitHub's. Each should end in "/".
	Links     []string
	Transport http.RoundTripper // default http.DefaultTransport
	Now       func() time.Time  // default time.Now
}

// Client calls the Web API for all parts of this package: it turns Slack's
// errors into ours and stays silent while a method is told to wait.
type Client struct {
	api    *slackgo.Client
	http   *http.Client // for response URLs; follows nothing
	apiURL *url.URL
	markup markup
	socket bool // there is an app token
	now    func() time.Time

	mu       sync.Mutex // guards what follows
	quiet    map[string]time.Time
	channels channels
	people   map[string]knownPerson
	us       *slackgo.AuthTestResponse
}

const (
	callTimeout   = 10 * time.Second
	publicAPI     = "https://slack.com/api/"
	responseHost  = "hooks.slack.com"
	maxRetryAfter = 10 * time.Minute
)

// NewClient makes a Client; it calls nobody yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.APIURL == "" {
		cfg.APIURL = publicAPI
	}
	at, err := url.Parse(cfg.APIURL)
	if err != nil || at.Host == "" || !strings.HasSuffix(at.Path, "/") {
		return nil, fmt.Errorf("the Slack API address %s is not an absolute URL that ends in a slash", pipeline.QuoteSetting(cfg.APIURL))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	hc := &http.Client{Timeout: callTimeout, Transport: cfg.Transport, CheckRedirect: stay}
	return &Client{
		api:      slackgo.New(cfg.BotToken, slackgo.OptionAPIURL(cfg.APIURL), slackgo.OptionAppLevelToken(cfg.AppToken), slackgo.OptionHTTPClient(hc)),
		http:     hc,
		apiURL:   at,
		markup:   markup{links: cfg.Links},
		socket:   cfg.AppToken != "",
		now:      cfg.Now,
		quiet:    map[string]time.Time{},
		people:   map[string]knownPerson{},
		channels: channels{names: map[string]string{}},
	}, nil
}

// call does one call of a method unless Slack asked for silence, and explains its error.
func (c *Client) call(ctx context.Context, method string, do func(context.Context) error) error {
	if wait := c.silence(method); wait > 0 {
		return later(fmt.Errorf("%s: rate limited", method), wait)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(ctx)
	if err == nil {
		return nil
	}
	var limited *slackgo.RateLimitedError
	if errors.As(err, &limited) {
		c.keepSilent(method, limited.RetryAfter)
	}
	return explain(method, err)
}

func (c *Client) silence(method string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quiet[method].Sub(c.now())
}

func (c *Client) keepSilent(method string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet[method] = c.now().Add(min(max(d, time.Second), maxRetryAfter))
}

// identity says who the app is in its workspace.
func (c *Client) identity(ctx context.Context) (*slackgo.AuthTestResponse, error) {
	c.mu.Lock()
	us := c.us
	c.mu.Unlock()
	if us != nil {
		return us, nil
	}
	err := c.call(ctx, "auth.test", func(ctx context.Context) (err error) {
		us, err = c.api.AuthTestContext(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.us = us
	return us, nil
}
