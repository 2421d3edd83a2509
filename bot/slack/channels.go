package slack

import (
	"context"
	"regexp"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// channels are the ids of all channels by name, as last listed, and the names
// of single ones.
type channels struct {
	ids    map[string]string
	listed time.Time
	names  map[string]string // by id
}

const (
	channelsKept  = 30 * time.Minute
	nameTimeout   = 500 * time.Millisecond // within a request
	channelsFresh = time.Minute            // a name that is not there is not asked for more often
)

var channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{6,}$`)

// Channel finds the id of a channel by its name, with or without "#"; an id is its own.
func (c *Client) Channel(ctx context.Context, name string) (string, error) {
	if channelID.MatchString(name) {
		return name, nil
	}
	name = strings.ToLower(strings.TrimPrefix(name, "#"))
	c.mu.Lock()
	id, found, age := c.channels.ids[name], c.channels.ids[name] != "", c.now().Sub(c.channels.listed)
	c.mu.Unlock()
	if found && age < channelsKept {
		return id, nil
	}
	if found || age >= channelsFresh {
		all, err := c.listChannels(ctx)
		switch {
		case err != nil && found:
			return id, nil // an old answer is better than none
		case err != nil:
			return "", err
		}
		id = all[name]
	}
	if id == "" {
		return "", pipeline.Refuse("slack_channel_not_found",
			"There is no Slack channel #%s that shipmate can see. Check its name in .shipmate.yaml; to a private channel the app must be invited.", name)
	}
	return id, nil
}

// forgetChannels has the list read anew: a channel was made, renamed or brought back.
func (c *Client) forgetChannels() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels.listed = time.Time{}
}

func (c *Client) listChannels(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	for cursor := ""; ; {
		var page []slackgo.Channel
		err := c.call(ctx, "conversations.list", func(ctx context.Context) (err error) {
			page, cursor, err = c.api.GetConversationsContext(ctx, &slackgo.GetConversationsParameters{
				Cursor: cursor, ExcludeArchived: true, Limit: 1000, Types: []string{"public_channel", "private_channel"}})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, ch := range page {
			ids[strings.ToLower(ch.Name)] = ch.ID
		}
		if cursor == "" {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels.ids, c.channels.listed = ids, c.now()
	clear(c.channels.names) // they may have changed too
	return ids, nil
}

// channelName is the name of a channel by its id, "" if that cannot be told
// quickly: it only helps to guess which service is meant.
func (c *Client) channelName(ctx context.Context, id string) string {
	c.mu.Lock()
	name, known := c.channels.names[id]
	c.mu.Unlock()
	if known || strings.HasPrefix(id, "D") {
		return name
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	err := c.call(ctx, "conversations.info", func(ctx context.Context) error {
		ch, err := c.api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: id})
		if err == nil {
			name = ch.Name
		}
		return err
	})
	if err != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.channels.names[id] = name
	return name
}

// inside does something in a channel, and once more after joining it if the
// app was not in it. Only public channels can be joined.
func (c *Client) inside(ctx context.Context, channel string, do func() error) error {
	err := do()
	if slackCode(err) != "not_in_channel" {
		return err
	}
	join := c.call(ctx, "conversations.join", func(ctx context.Context) error {
		_, _, _, err := c.api.JoinConversationContext(ctx, channel)
		return err
	})
	switch {
	case pipeline.IsTemporary(join):
		return join
	case join != nil:
		return err
	}
	return do()
}
