package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Threads knows which run each of our messages shows, and so what its thread is
// about. It is kept by us: asking Slack would cost a read of its history, and
// anybody can put our metadata on a message.
type Threads struct{ Records bot.Records }

// ShownRun is the run that a message or its thread is about.
type ShownRun struct {
	Repo        int64          `json:"repo"`
	Run         pipeline.RunID `json:"run"`
	Service     string         `json:"service"`
	Environment string         `json:"environment"`
}

const (
	anyRepo     = 0                   // the records belong to no repository: only the message is known
	keepThreads = 90 * 24 * time.Hour // as long as runs are kept
)

func threadKey(channel, ts string) string { return "slack-thread:" + channel + ":" + ts }

// Remember keeps the run that a message shows.
func (t Threads) Remember(ctx context.Context, channel, ts string, run ShownRun) error {
	value, err := json.Marshal(run)
	if err != nil {
		return err
	}
	return t.Records.Put(ctx, anyRepo, threadKey(channel, ts), value, keepThreads)
}

// RunAt is the run that the message shows. The error wraps pipeline.ErrNotFound
// if it shows none.
func (t Threads) RunAt(ctx context.Context, channel, ts string) (ShownRun, error) {
	value, err := t.Records.Get(ctx, anyRepo, threadKey(channel, ts))
	if err == nil && value == nil {
		err = pipeline.ErrNotFound
	}
	if err != nil {
		return ShownRun{}, fmt.Errorf("message %s in %s: %w", ts, channel, err)
	}
	var run ShownRun
	return run, json.Unmarshal(value, &run)
}

// RunOf is RunAt for who wants to know no more than the run.
func (t Threads) RunOf(ctx context.Context, channel, thread string) (pipeline.RunID, error) {
	run, err := t.RunAt(ctx, channel, thread)
	return run.Run, err
}

// threadThere reports whether a reply would land in the thread: Slack puts one
// to a deleted message into the channel, for everybody to read.
func (c *Client) threadThere(ctx context.Context, channel, thread string) (there bool, err error) {
	page, err := c.replies(ctx, channel, thread, 1)
	if slackCode(err) == "thread_not_found" {
		return false, nil
	}
	return err == nil && len(page) > 0 && page[0].SubType != tombstone, err
}

// tombstone is the subtype of a deleted message that still has replies.
const tombstone = "tombstone"
