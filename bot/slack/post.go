package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// message is something we post: blocks, and the text that notifications show.
type message struct {
	text     string // mrkdwn
	blocks   []slackgo.Block
	metadata *slackgo.SlackMetadata
	thread   string
	replace  bool // at a response URL: it takes the place of the message with the button
}

// options are a message's, with everything switched off that makes typed text live.
func (m message) options() []slackgo.MsgOption {
	out := []slackgo.MsgOption{
		slackgo.MsgOptionText(m.text, false), slackgo.MsgOptionParse(false), slackgo.MsgOptionLinkNames(false),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
	}
	if m.blocks != nil {
		out = append(out, slackgo.MsgOptionBlocks(m.blocks...))
	}
	if m.metadata != nil {
		out = append(out, slackgo.MsgOptionMetadata(*m.metadata))
	}
	if m.thread != "" {
		out = append(out, slackgo.MsgOptionTS(m.thread))
	}
	return out
}

func (c *Client) post(ctx context.Context, channel string, m message) (ts string, err error) {
	err = c.inside(ctx, channel, func() error {
		// Slack limits posts per channel, so one that is told to wait is not all.
		return c.call(ctx, "chat.postMessage "+channel, func(ctx context.Context) error {
			_, ts, err = c.api.PostMessageContext(ctx, channel, m.options()...)
			return err
		})
	})
	return ts, err
}

func (c *Client) update(ctx context.Context, channel, ts string, m message) error {
	return c.call(ctx, "chat.update", func(ctx context.Context) error {
		_, _, _, err := c.api.UpdateMessageContext(ctx, channel, ts, m.options()...)
		return err
	})
}

// whisper shows a message to one person: at the place of the request by its
// response URL, else by an ephemeral message, else, without a channel, directly.
func (c *Client) whisper(ctx context.Context, at pipeline.Origin, user string, m message) error {
	if at.ReplyTo != "" && c.mayRespond(at.ReplyTo) {
		err := c.respond(ctx, at.ReplyTo, m)
		if err == nil || at.Channel == "" {
			return err
		}
	}
	if at.Channel == "" {
		return c.direct(ctx, user, m)
	}
	m.thread = at.Thread
	return c.inside(ctx, at.Channel, func() error {
		return c.call(ctx, "chat.postEphemeral", func(ctx context.Context) error {
			_, err := c.api.PostEphemeralContext(ctx, at.Channel, user, m.options()...)
			return err
		})
	})
}

// mayRespond reports whether a response URL leads to Slack: to its host for
// these, or to the one that the operator configured for the API. A URL in a
// request is never reason enough to call another host.
func (c *Client) mayRespond(to string) bool {
	u, err := url.Parse(to)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	return u.Scheme == "https" && u.Host == responseHost || u.Scheme == c.apiURL.Scheme && u.Host == c.apiURL.Host
}

// respond uses a response URL. Slack allows 5 uses within 30 minutes.
func (c *Client) respond(ctx context.Context, to string, m message) error {
	body := map[string]any{"response_type": "ephemeral", "replace_original": m.replace, "text": m.text, "unfurl_links": false, "unfurl_media": false}
	if m.blocks != nil {
		body["blocks"] = m.blocks
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(string(raw)))
	if err != nil {
		return fmt.Errorf("response url: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return pipeline.Temporary(fmt.Errorf("response url: %w", withoutURL(err)))
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("response url: status %d", resp.StatusCode)
	}
	return nil
}

// withoutURL drops the address from an error: a response URL is a credential.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
