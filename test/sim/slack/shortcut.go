package slack

import (
	"context"
	"fmt"
)

// Shortcut is an entry of the shortcuts menu, or of a message's menu.
type Shortcut struct {
	User       string // id or name
	CallbackID string
	Channel    string // of a message shortcut
	Message    string // its ts
}

// GlobalShortcut chooses a shortcut from the menu beside the message box. Its payload has no channel.
func (s *Server) GlobalShortcut(ctx context.Context, c Shortcut) (Delivery, error) {
	s.mu.Lock()
	u := s.world.user("", c.User)
	if u == nil {
		s.mu.Unlock()
		return Delivery{}, fmt.Errorf("no user %q", c.User)
	}
	payload := s.shortcut("shortcut", u, c)
	s.mu.Unlock()
	return s.SendInteraction(ctx, payload), nil
}

// MessageShortcut chooses a shortcut from the menu of a message.
func (s *Server) MessageShortcut(ctx context.Context, c Shortcut) (Delivery, error) {
	s.mu.Lock()
	t, err := s.world.messageTarget(c.User, c.Channel, c.Message)
	if err != nil {
		s.mu.Unlock()
		return Delivery{}, err
	}
	payload := s.shortcut("message_action", t.user, c)
	payload["message_ts"] = t.message.TS
	payload["message"] = t.message.wire(t.channel.Team)
	payload["channel"] = Block{"id": t.channel.ID, "name": t.channel.label()}
	payload["response_url"] = s.respondTo(responseURL{team: t.channel.Team, channel: t.channel.ID, user: t.user.ID, message: t.message.TS})
	s.mu.Unlock()
	return s.SendInteraction(ctx, payload), nil
}

func (s *Server) shortcut(of string, u *User, c Shortcut) Block {
	payload := s.payload(of, u)
	payload["callback_id"] = c.CallbackID
	payload["trigger_id"] = s.world.trigger(u.ID, s.now())
	payload["action_ts"] = s.world.ts(s.now())
	return payload
}
