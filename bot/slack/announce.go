package slack

import (
	"context"

	"github.com/shipmate/shipmate/pipeline"
)

// Announce tells a channel, by its name or id, something that nobody asked for.
func (s *Surface) Announce(ctx context.Context, channel, text string) error {
	id, err := s.Client.Channel(ctx, channel)
	if pipeline.Code(err) != "" && !pipeline.IsTemporary(err) {
		s.Log.Error("announcement has no channel", "channel", channel, "err", err)
		return nil // the audit log has it; to try again helps nobody
	}
	if err != nil {
		return err
	}
	if err := spendPost(ctx, s.Budget, id); err != nil {
		return err
	}
	_, err = s.Client.post(ctx, id, s.Client.answer("", text))
	return err
}
