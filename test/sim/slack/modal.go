package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Submission is a filled-in modal.
type Submission struct {
	User   string            // id or name
	View   string            // id; empty: the modal the person sees
	Values map[string]string // by label, action_id or block_id; see Input
}

// SubmitView presses the modal's submit button and does what the bot answers: errors,
// update, push, clear, or close. The error says why Slack's client would not have sent it.
func (s *Server) SubmitView(ctx context.Context, sub Submission) (Delivery, error) {
	payload, id, err := s.submission(sub)
	if err != nil {
		return Delivery{}, err
	}
	d := s.SendInteraction(ctx, payload)
	s.change(func(w *world) {
		if v := w.views[id]; v != nil && d.Error == "" {
			s.afterSubmit(w, v, &d)
		}
	})
	return d, nil
}

// CloseView closes the modal a person sees with its close button. The bot hears of it
// only if the modal asked for that; otherwise the Delivery is empty.
func (s *Server) CloseView(ctx context.Context, user string) (Delivery, error) {
	s.mu.Lock()
	u := s.world.user("", user)
	if u == nil || s.world.top(u.ID) == nil {
		s.mu.Unlock()
		return Delivery{}, fmt.Errorf("%s has no modal open", user)
	}
	v := s.world.top(u.ID)
	clears, _ := v.definition["clear_on_close"].(bool)
	n := 1
	if clears {
		n = maxPushed
	}
	s.world.closeViews(u.ID, n)
	notify, _ := v.definition["notify_on_close"].(bool)
	payload := s.payload("view_closed", u)
	payload["view"], payload["is_cleared"] = v.wire(), clears
	s.wake()
	s.mu.Unlock()
	if !notify {
		return Delivery{}, nil
	}
	return s.SendInteraction(ctx, payload), nil
}

func (s *Server) submission(sub Submission) (payload Block, view string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.user("", sub.User)
	if u == nil {
		return nil, "", fmt.Errorf("no user %q", sub.User)
	}
	v := s.world.top(u.ID)
	if v == nil || sub.View != "" && sub.View != v.ID {
		return nil, "", fmt.Errorf("%s does not see the modal", u.Name)
	}
	if v.Submit == "" {
		return nil, "", fmt.Errorf("the modal %q has no submit button", v.Title)
	}
	if v.state, err = v.fillIn(sub.Values); err != nil {
		return nil, "", err
	}
	payload = s.payload("view_submission", u)
	payload["trigger_id"] = s.world.trigger(u.ID, s.now())
	payload["view"] = v.wire()
	payload["response_urls"] = []Block{}
	return payload, v.ID, nil
}

// fillIn gives the state of all inputs with these values put in.
func (v *View) fillIn(values map[string]string) (Block, error) {
	state, used := Block{}, map[string]bool{}
	for _, in := range v.Inputs {
		before, _ := v.state[in.BlockID].(Block)
		field, _ := before[in.ActionID].(Block)
		for _, key := range []string{in.Label, in.ActionID, in.BlockID} {
			value, ok := values[key]
			if !ok {
				continue
			}
			used[key] = true
			var err error
			if field, err = fill(in.element, value); err != nil {
				return nil, fmt.Errorf("%s: %w", in.Label, err)
			}
		}
		if err := in.accepts(field); err != nil {
			return nil, err
		}
		state[in.BlockID] = Block{in.ActionID: field}
	}
	for key := range values {
		if !used[key] {
			return nil, fmt.Errorf("the modal %q has no input %q", v.Title, key)
		}
	}
	return state, nil
}

// trouble is what Slack says when it cannot use the answer to a submission.
const trouble = "we had some trouble connecting"

func (s *Server) afterSubmit(w *world, v *View, d *Delivery) {
	var answer struct {
		Action string            `json:"response_action"`
		View   Block             `json:"view"`
		Errors map[string]string `json:"errors"`
	}
	if strings.TrimSpace(d.Ack) != "" && json.Unmarshal([]byte(d.Ack), &answer) != nil {
		d.Error = trouble
		return
	}
	if answer.Action == "update" || answer.Action == "push" {
		if err := w.checkNewView(answer.View, "modal"); err != nil {
			s.log.Warn("simulated slack refused a view", "err", err)
			d.Error = trouble
			return
		}
	}
	switch answer.Action {
	case "":
		w.closeViews(v.User, 1)
	case "clear":
		w.closeViews(v.User, maxPushed)
	case "update":
		w.redefine(v, answer.View)
	case "push":
		if len(w.stacks[v.User]) >= maxPushed {
			d.Error = trouble
			return
		}
		w.push(v.User, answer.View)
	case "errors":
		v.showErrors(answer.Errors, d)
	default:
		d.Error = trouble
	}
}

// showErrors marks fields; an error for something that is no input cannot be shown.
func (v *View) showErrors(errors map[string]string, d *Delivery) {
	for block := range errors {
		if !slices.ContainsFunc(v.Inputs, func(in Input) bool { return in.BlockID == block }) {
			d.Error = trouble
			return
		}
	}
	v.Errors, d.Errors = errors, errors
}
