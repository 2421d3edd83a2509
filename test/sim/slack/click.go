package slack

import (
	"context"
	"fmt"
	"maps"
)

// Click is a person's click on a button, or a choice in a menu, in a message or a view.
type Click struct {
	User    string // id or name
	Channel string // of a message
	Message string // ts of a message
	View    string // instead of a message: id of an open modal or a Home tab
	Button  string // its text or action_id
	Option  string // of a menu: text or value of the option
	// Confirm reads the dialog that a button may ask first, and answers it; nil says yes.
	Confirm func(Dialog) bool
}

// Click clicks. The error says why a person could not do this: the button is not there,
// the message is not visible. A dialog answered with no sends nothing.
func (s *Server) Click(ctx context.Context, c Click) (Delivery, error) {
	s.mu.Lock()
	t, err := s.world.target(c)
	s.mu.Unlock()
	if err != nil {
		return Delivery{}, err
	}
	dialog := t.button.Confirm
	if dialog != nil && c.Confirm != nil && !c.Confirm(*dialog) {
		return Delivery{Dialog: dialog, Denied: true}, nil
	}
	payload, err := s.ClickPayload(c)
	if err != nil {
		return Delivery{}, err
	}
	d := s.SendInteraction(ctx, payload)
	d.Dialog = dialog
	return d, nil
}

// ClickPayload is the block_actions payload that Click would send. Sending it with
// SendInteraction, perhaps altered, is how a test forges a click.
func (s *Server) ClickPayload(c Click) (Block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.world.target(c)
	if err != nil {
		return nil, err
	}
	action, err := t.action(c.Option, s.world.ts(s.now()))
	if err != nil {
		return nil, err
	}
	payload := s.payload("block_actions", t.user)
	payload["trigger_id"] = s.world.trigger(t.user.ID, s.now())
	payload["actions"] = []Block{action}
	if t.view != nil {
		payload["container"] = Block{"type": "view", "view_id": t.view.ID}
		payload["view"] = t.view.wire()
		return payload, nil
	}
	s.aboutMessage(payload, t)
	return payload, nil
}

// SendInteraction signs and sends a payload to the interactivity URL, whatever it says.
func (s *Server) SendInteraction(ctx context.Context, payload Block) Delivery {
	return s.deliver(ctx, interaction(s.requestURLs().Interactions, payload))
}

// target is what a person points at.
type target struct {
	user    *User
	channel *channel
	message *Message
	view    *View
	button  Button
}

func (w *world) target(c Click) (target, error) {
	if c.View != "" {
		return w.viewTarget(c)
	}
	t, err := w.messageTarget(c.User, c.Channel, c.Message)
	if err != nil {
		return t, err
	}
	return t.aim(buttons(t.message.Blocks), c.Button)
}

func (w *world) messageTarget(user, where, ts string) (target, error) {
	u, ch, err := w.present(user, where)
	if err != nil {
		return target{}, err
	}
	m := ch.find(ts)
	if m == nil || m.Ephemeral() && m.VisibleTo != u.ID {
		return target{}, fmt.Errorf("%s sees no message %s in %s", u.Name, ts, ch.label())
	}
	return target{user: u, channel: ch, message: m}, nil
}

func (w *world) viewTarget(c Click) (target, error) {
	u := w.user("", c.User)
	if u == nil {
		return target{}, fmt.Errorf("no user %q", c.User)
	}
	v := w.views[c.View]
	if v == nil || v.User != u.ID || v.Type == "modal" && w.top(u.ID) != v {
		return target{}, fmt.Errorf("%s does not see view %s", u.Name, c.View)
	}
	return target{user: u, view: v}.aim(buttons(v.Blocks), c.Button)
}

func (t target) aim(all []Button, textOrActionID string) (target, error) {
	b, ok := findButton(all, textOrActionID)
	if !ok {
		return t, fmt.Errorf("there is no button %q", textOrActionID)
	}
	t.button = b
	return t, nil
}

// action is the entry of the payload's "actions".
func (t target) action(option, ts string) (Block, error) {
	a := Block{"action_id": t.button.ActionID, "block_id": t.button.BlockID, "type": t.button.Type, "action_ts": ts}
	switch t.button.Type {
	case "button":
		for _, key := range []string{"text", "value", "style", "confirm", "url"} {
			if v := t.button.element[key]; v != nil {
				a[key] = v
			}
		}
	case "overflow":
		chosen, ok := findOption(t.button.element, option)
		if !ok {
			return nil, fmt.Errorf("the menu has no option %q", option)
		}
		a["selected_option"] = chosen
	default:
		state, err := fill(t.button.element, option)
		if err != nil {
			return nil, err
		}
		maps.Copy(a, state)
	}
	return a, nil
}

// payload is what all interactive payloads have.
func (s *Server) payload(of string, u *User) Block {
	team := s.world.team(u.Team)
	return Block{
		"type": of, "token": verificationToken, "api_app_id": AppID,
		"team":       Block{"id": team.ID, "domain": team.Domain},
		"user":       Block{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.Team},
		"enterprise": nil, "is_enterprise_install": false,
	}
}

// aboutMessage adds where a click on a message was. The content of an ephemeral
// message is not told, as in the original.
func (s *Server) aboutMessage(payload Block, t target) {
	m, ch := t.message, t.channel
	container := Block{"type": "message", "message_ts": m.TS, "channel_id": ch.ID, "is_ephemeral": m.Ephemeral()}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	payload["container"] = container
	payload["channel"] = Block{"id": ch.ID, "name": ch.label()}
	payload["state"] = Block{"values": Block{}}
	payload["response_url"] = s.respondTo(responseURL{team: ch.Team, channel: ch.ID, user: t.user.ID, message: m.TS})
	if !m.Ephemeral() {
		payload["message"] = m.wire(ch.Team)
	}
}
