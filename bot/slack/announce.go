package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Announcer tells channels, by their names or ids, what nobody asked for. It is
// a [bot.Announcer].
type Announcer struct {
	Client   *Client
	Records  bot.Records
	Budget   Budget // nil: no limit
	Operator string // the operator's channel; "": there is none
	Log      *slog.Logger
}

const (
	newsEvent = "shipmate_news"
	keepNews  = 30 * 24 * time.Hour // longer than its job is tried
)

// announcing is kept about an announcement before it is posted: whoever finds it
// does not know whether it was.
type announcing struct {
	Channel string `json:"channel"`
	Done    bool   `json:"done,omitempty"`
}

func newsKey(key string) string { return "slack-news:" + key }

// Announce posts it, unless an earlier try did.
func (s *Announcer) Announce(ctx context.Context, key string, a pipeline.Announcement) error {
	channel := a.Channel
	if channel == "" {
		channel = s.Operator
	}
	if channel == "" {
		return nil
	}
	err := s.announce(ctx, channel, key, a)
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		s.Log.Error("announcement not given", "channel", channel, "code", pipeline.Code(err), "err", err)
		return nil // the audit log has it; told hours later it would mislead
	}
	return err
}

func (s *Announcer) announce(ctx context.Context, name, key string, a pipeline.Announcement) error {
	channel, err := s.Client.Channel(ctx, name)
	if err != nil {
		return err
	}
	if told, err := s.told(ctx, channel, key, a.At); told || err != nil {
		return err
	}
	if err := spendPost(ctx, s.Budget, channel); err != nil {
		return err
	}
	if err := s.keep(ctx, key, announcing{Channel: channel}); err != nil {
		return err
	}
	m := s.Client.answer("", a.Text)
	m.metadata = &slackgo.SlackMetadata{EventType: newsEvent, EventPayload: map[string]any{"news": key}}
	if _, err := s.Client.post(ctx, channel, m); err != nil {
		return err
	}
	return s.keep(ctx, key, announcing{Channel: channel, Done: true})
}

func (s *Announcer) keep(ctx context.Context, key string, a announcing) error {
	value, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return pipeline.Temporary(s.Records.Put(ctx, anyRepo, newsKey(key), value, keepNews))
}

// told reports whether an earlier try posted it. Where a crash left that open,
// the channel is read.
func (s *Announcer) told(ctx context.Context, channel, key string, at time.Time) (bool, error) {
	value, err := s.Records.Get(ctx, anyRepo, newsKey(key))
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && value == nil {
		return false, nil
	}
	var before announcing
	if err == nil {
		err = json.Unmarshal(value, &before)
	}
	switch {
	case err != nil:
		return false, pipeline.Temporary(err)
	case before.Done:
		return true, nil
	}
	found, err := s.Client.findNews(ctx, channel, key, at)
	if found && err == nil {
		err = s.keep(ctx, key, announcing{Channel: channel, Done: true})
	}
	return found, err
}

// findNews looks for an announcement in what was posted since it came about.
func (c *Client) findNews(ctx context.Context, channel, key string, at time.Time) (found bool, err error) {
	const slack = time.Minute // between their clock and ours
	oldest := fmt.Sprintf("%d.000000", max(at.Add(-slack).Unix(), 0))
	us, err := c.identity(ctx)
	if err != nil {
		return false, err
	}
	err = c.inside(ctx, channel, func() error {
		page, err := c.history(ctx, &slackgo.GetConversationHistoryParameters{ChannelID: channel, Oldest: oldest, Limit: 200})
		for _, m := range page {
			found = found || m.BotID == us.BotID && m.Metadata.EventType == newsEvent && text(m.Metadata, "news") == key
		}
		return err
	})
	return found, err
}
