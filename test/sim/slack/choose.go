package slack

import (
	"context"
	"fmt"
)

// Choice is a choice in a menu of an open modal.
type Choice struct {
	User   string // id or name
	Input  string // label, action_id or block_id
	Option string // text or value
}

// Choose chooses in a menu of the modal that a person sees. The bot is told, with
// block_actions, if the input says dispatch_action; otherwise the Delivery is empty.
// Source: docs.slack.dev/reference/block-kit/blocks/input-block
func (s *Server) Choose(ctx context.Context, c Choice) (Delivery, error) {
	payload, tell, err := s.choose(c)
	if err != nil || !tell {
		return Delivery{}, err
	}
	return s.SendInteraction(ctx, payload), nil
}

func (s *Server) choose(c Choice) (payload Block, tell bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.user("", c.User)
	if u == nil || s.world.top(u.ID) == nil {
		return nil, false, fmt.Errorf("%s has no modal open", c.User)
	}
	v := s.world.top(u.ID)
	in, ok := v.input(c.Input)
	if !ok {
		return nil, false, fmt.Errorf("the modal %q has no input %q", v.Title, c.Input)
	}
	field, err := fill(in.element, c.Option)
	if err != nil {
		return nil, false, err
	}
	v.state[in.BlockID] = Block{in.ActionID: field}
	s.wake()
	if !in.dispatch {
		return nil, false, nil
	}
	act := Block{"action_id": in.ActionID, "block_id": in.BlockID, "action_ts": s.world.ts(s.now())}
	for key, value := range field {
		act[key] = value
	}
	payload = s.payload("block_actions", u)
	payload["trigger_id"] = s.world.trigger(u.ID, s.now())
	payload["container"] = Block{"type": "view", "view_id": v.ID}
	payload["view"] = v.wire()
	payload["actions"] = []Block{act}
	return payload, true, nil
}

func (v *View) input(name string) (Input, bool) {
	for _, in := range v.Inputs {
		if in.Label == name || in.ActionID == name || in.BlockID == name {
			return in, true
		}
	}
	return Input{}, false
}
