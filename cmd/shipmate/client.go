package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

// client talks to the API of a bot. The token goes to that address and no
// other: redirects are not followed.
type client struct {
	base  string
	token pipeline.Secret
	http  *http.Client
}

// client is made of flags and variables; an error names the setting.
func (o *remote) client(getenv func(string) string) (*client, error) {
	base, from := o.server, "--server"
	for _, name := range []string{"SHIPMATE_URL", "SHIPMATE_BASE_URL"} {
		if base == "" {
			base, from = getenv(name), name
		}
	}
	if base == "" {
		return nil, errors.New("SHIPMATE_URL is not set; it is the URL of the bot, such as https://shipmate.example")
	}
	if err := isURL(from, base); err != nil {
		return nil, err
	}
	token := strings.TrimSpace(getenv("SHIPMATE_API_TOKEN"))
	if file := getenv("SHIPMATE_API_TOKEN_FILE"); token == "" && file != "" {
		content, err := readSecret("SHIPMATE_API_TOKEN_FILE", file)
		if err != nil {
			return nil, err
		}
		token = content.Reveal()
	}
	if token == "" {
		return nil, errors.New("SHIPMATE_API_TOKEN is not set, nor is SHIPMATE_API_TOKEN_FILE; the token is the one the bot was started with")
	}
	const patience = 45 * time.Second // more than the bot makes us wait
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{strings.TrimRight(base, "/"), pipeline.NewSecret(token), &http.Client{Timeout: patience, CheckRedirect: stay}}, nil
}

// post may be tried again: under its key it is done once.
func (c *client) post(ctx context.Context, path, key string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.insist(ctx, []time.Duration{500 * time.Millisecond, time.Second}, func() error {
		req, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(content))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		return c.do(req, into)
	})
}

// get is patient enough for a bot that is started again.
func (c *client) get(ctx context.Context, path string, into any) error {
	return c.insist(ctx, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}, func() error {
		req, err := c.request(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		return c.do(req, into)
	})
}

// insist tries again, after each of the pauses, what may go away by itself.
func (c *client) insist(ctx context.Context, pauses []time.Duration, try func() error) error {
	for _, pause := range pauses {
		err := try()
		if !pipeline.IsTemporary(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
	return try()
}

func (c *client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	req.Header.Set(api.ClientHeader, bot.SurfaceCLI)
	return req, nil
}

func (c *client) do(req *http.Request, into any) error {
	res, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return pipeline.Temporary(&pipeline.Error{Code: "unreachable", Message: fmt.Sprintf("%s cannot be reached: %v. The address is --server or SHIPMATE_URL.", req.URL.Host, err)})
	}
	defer res.Body.Close()
	const most = 10 << 20
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return pipeline.Temporary(fmt.Errorf("read the answer of %s: %w", req.URL.Host, err))
	}
	if res.StatusCode/100 == 2 {
		if err := json.Unmarshal(body, into); err != nil {
			return fmt.Errorf("%s does not answer like a shipmate: %w", req.URL.Host, err)
		}
		return nil
	}
	return problem(req.URL.Host, res.StatusCode, body)
}

func problem(host string, status int, body []byte) error {
	var p api.Problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		p = api.Problem{Code: "no_api", Message: fmt.Sprintf("%s answers %d where the API should be. Is it a shipmate, and has it SHIPMATE_API_TOKEN?", host, status)}
	}
	err := error(&pipeline.Error{Code: p.Code, Message: fmt.Sprintf("%s (%s)", visible(p.Message), visible(p.Code))})
	if status == http.StatusServiceUnavailable || status == http.StatusBadGateway || status == http.StatusGatewayTimeout {
		err = pipeline.Temporary(err)
	}
	return err
}
