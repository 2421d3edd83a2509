package slack

import (
	"context"
	"fmt"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// The metadata of our messages says what they show, so that they are found
// again by whoever forgot them.
const (
	runEvent  = "shipmate_run"
	noteEvent = "shipmate_note"
)

func runMetadata(r *pipeline.Run) *slackgo.SlackMetadata {
	return &slackgo.SlackMetadata{EventType: runEvent, EventPayload: map[string]any{
		"run": string(r.ID), "repo": fmt.Sprint(r.Repo.ID), "service": r.Service, "environment": r.EnvironmentName()}}
}

func noteMetadata(r *pipeline.Run, key string) *slackgo.SlackMetadata {
	return &slackgo.SlackMetadata{EventType: noteEvent, EventPayload: map[string]any{"run": string(r.ID), "note": key}}
}

// findRun looks for the run's message in what was posted since the run was
// made; "" if there is none.
func (c *Client) findRun(ctx context.Context, channel string, r *pipeline.Run) (ts string, err error) {
	const slack = time.Minute // between their clock and ours
	oldest := fmt.Sprintf("%d.000000", r.Created.Add(-slack).Unix())
	err = c.inside(ctx, channel, func() error {
		page, err := c.history(ctx, &slackgo.GetConversationHistoryParameters{ChannelID: channel, Oldest: oldest, Limit: 200})
		if err != nil {
			return err
		}
		us, err := c.identity(ctx)
		if err != nil {
			return err
		}
		for _, m := range page {
			if m.BotID == us.BotID && m.Metadata.EventType == runEvent && text(m.Metadata, "run") == string(r.ID) {
				ts = m.Timestamp
			}
		}
		return nil
	})
	return ts, err
}

func (c *Client) history(ctx context.Context, p *slackgo.GetConversationHistoryParameters) (messages []slackgo.Message, err error) {
	p.IncludeAllMetadata = true
	err = c.call(ctx, "conversations.history", func(ctx context.Context) error {
		page, err := c.api.GetConversationHistoryContext(ctx, p)
		if err == nil {
			messages = page.Messages
		}
		return err
	})
	return messages, err
}

// notes lists the keys of our notes in a thread.
func (c *Client) notes(ctx context.Context, channel, thread string) (keys []string, err error) {
	page, err := c.replies(ctx, channel, thread, 1000)
	for _, m := range page {
		if key := text(m.Metadata, "note"); m.Metadata.EventType == noteEvent && key != "" {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// replies are the first messages of a thread, the one that began it first.
func (c *Client) replies(ctx context.Context, channel, thread string, limit int) (page []slackgo.Message, err error) {
	err = c.call(ctx, "conversations.replies", func(ctx context.Context) error {
		page, _, _, err = c.api.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Limit: limit, IncludeAllMetadata: true})
		return err
	})
	return page, err
}

func text(m slackgo.SlackMetadata, key string) string {
	s, _ := m.EventPayload[key].(string)
	return s
}
