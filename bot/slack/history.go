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

// ShownRun is the run that a message or its thread is about.
type ShownRun struct {
	Repo        int64
	Run         pipeline.RunID
	Service     string
	Environment string
}

func runMetadata(r *pipeline.Run) *slackgo.SlackMetadata {
	return &slackgo.SlackMetadata{EventType: runEvent, EventPayload: map[string]any{
		"run": string(r.ID), "repo": fmt.Sprint(r.Repo.ID), "service": r.Service, "environment": r.EnvironmentName()}}
}

func noteMetadata(r *pipeline.Run, key string) *slackgo.SlackMetadata {
	return &slackgo.SlackMetadata{EventType: noteEvent, EventPayload: map[string]any{"run": string(r.ID), "note": key}}
}

// RunAt finds the run whose message, or the start of whose thread, has this
// ts. The error wraps pipeline.ErrNotFound if it is none of our messages:
// anybody can put metadata on a message, so only our own are believed.
func (c *Client) RunAt(ctx context.Context, channel, ts string) (ShownRun, error) {
	page, err := c.history(ctx, &slackgo.GetConversationHistoryParameters{ChannelID: channel, Latest: ts, Inclusive: true, Limit: 1})
	if err != nil {
		return ShownRun{}, err
	}
	us, err := c.identity(ctx)
	if err != nil {
		return ShownRun{}, err
	}
	for _, m := range page {
		if run := text(m.Metadata, "run"); m.Timestamp == ts && m.BotID == us.BotID && m.Metadata.EventType == runEvent && run != "" {
			var repo int64
			if _, err := fmt.Sscan(text(m.Metadata, "repo"), &repo); err != nil {
				continue
			}
			return ShownRun{repo, pipeline.RunID(run), text(m.Metadata, "service"), text(m.Metadata, "environment")}, nil
		}
	}
	return ShownRun{}, fmt.Errorf("message %s in %s: %w", ts, channel, pipeline.ErrNotFound)
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
	err = c.call(ctx, "conversations.replies", func(ctx context.Context) error {
		page, _, _, err := c.api.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Limit: 1000, IncludeAllMetadata: true})
		for _, m := range page {
			if key := text(m.Metadata, "note"); m.Metadata.EventType == noteEvent && key != "" {
				keys = append(keys, key)
			}
		}
		return err
	})
	return keys, err
}

func text(m slackgo.SlackMetadata, key string) string {
	s, _ := m.EventPayload[key].(string)
	return s
}
