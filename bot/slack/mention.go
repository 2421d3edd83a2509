package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// keepMentioned is longer than any run lives.
const keepMentioned = 90 * 24 * time.Hour

func mentionKey(r *pipeline.Run, gate string) string {
	return fmt.Sprintf("slack-mentioned:%s:%s", r.ID, gate)
}

// mentions calls those whose approval is asked for, once for a gate of a run:
// also where the thread was deleted and is begun again. Only ids of our own
// records become a mention, and only of people of this workspace.
func (s *Sink) mentions(ctx context.Context, r *pipeline.Run, gate string) ([]string, error) {
	if s.Approvers == nil {
		return nil, nil
	}
	before, err := s.Buttons.Records.Get(ctx, r.Repo.ID, mentionKey(r, gate))
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return nil, pipeline.Temporary(err)
	}
	if before != nil {
		return nil, nil
	}
	people, err := s.Approvers.Of(ctx, r, gate)
	switch {
	case pipeline.IsTemporary(err):
		return nil, err
	case err != nil:
		s.Log.Warn("nobody is called to approve", "run", r.ID, "err", err)
		return nil, nil
	}
	us, err := s.Client.identity(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, who := range people {
		if name := "<@" + who.SlackUser + ">"; who.SlackTeam == us.TeamID && userID.MatchString(who.SlackUser) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// mentioned remembers that the gate was asked about in the thread.
func (s *Sink) mentioned(ctx context.Context, r *pipeline.Run, gate string) error {
	if gate == "" || s.Approvers == nil {
		return nil
	}
	_, err := s.Buttons.Records.PutNew(ctx, r.Repo.ID, mentionKey(r, gate), []byte("asked"), keepMentioned)
	return pipeline.Temporary(err)
}

const leadNote = "led"

// lead shows the way to whoever asked for the run in another channel than the
// one it is shown in, once.
func (s *Sink) lead(ctx context.Context, sh *shown, r *pipeline.Run) error {
	at := r.Origin
	elsewhere := at.Surface == "slack" && at.Channel != sh.Channel && r.Actor.SlackUser != ""
	if !elsewhere || slices.Contains(sh.Said, leadNote) {
		return nil
	}
	to, err := s.Client.permalink(ctx, sh.Channel, sh.TS)
	if err == nil {
		at.ReplyTo = "" // of a request that may be long ago
		err = s.Client.whisper(ctx, at, r.Actor.SlackUser, message{text: fmt.Sprintf("Run %s is shown here: <%s>", r.ID, to)})
	}
	if pipeline.IsTemporary(err) {
		return err
	}
	if err != nil { // the asker has left the channel, for example
		s.Log.Info("asker not led to the thread", "run", r.ID, "err", err)
	}
	sh.Said = append(sh.Said, leadNote)
	return nil
}

// permalink is the address of a message, as Slack gives it.
func (c *Client) permalink(ctx context.Context, channel, ts string) (to string, err error) {
	err = c.call(ctx, "chat.getPermalink", func(ctx context.Context) error {
		to, err = c.api.GetPermalinkContext(ctx, &slackgo.PermalinkParameters{Channel: channel, Ts: ts})
		return err
	})
	return escape(to), err
}
