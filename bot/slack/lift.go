package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/shipmate/shipmate/pipeline"
)

// lift is an event about a channel after which Slack may take what it refused.
type lift struct {
	id      string // of the event
	channel string
}

// readLift reports whether a request is such an event.
func readLift(body []byte) (bool, lift) {
	var e struct {
		Type    string `json:"type"`
		EventID string `json:"event_id"`
		Event   struct {
			Type    string          `json:"type"`
			User    string          `json:"user"`
			Channel json.RawMessage `json:"channel"` // its id, or an object that has it
		} `json:"event"`
		Authorizations []struct {
			UserID string `json:"user_id"`
		} `json:"authorizations"`
	}
	if json.Unmarshal(body, &e) != nil || e.Type != "event_callback" || e.EventID == "" {
		return false, lift{}
	}
	switch e.Event.Type {
	case "channel_unarchive", "group_unarchive", "channel_rename", "group_rename", "channel_created":
	case "member_joined_channel":
		if !slices.ContainsFunc(e.Authorizations, func(a struct {
			UserID string `json:"user_id"`
		}) bool {
			return a.UserID == e.Event.User
		}) {
			return false, lift{} // somebody else
		}
	default:
		return false, lift{}
	}
	l := lift{id: e.EventID}
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(e.Event.Channel, &l.channel) != nil && json.Unmarshal(e.Event.Channel, &object) == nil {
		l.channel = object.ID
	}
	return l.channel != "", l
}

// lift has the reports tried that the channel has kept back.
func (q *Requests) lift(ctx context.Context, a arrival, l lift) answer {
	q.client.forgetChannels()
	job := pipeline.Lifted{Places: []string{atChannel(l.channel), atNames}}.Job()
	if q.acceptJob(ctx, a, job, "slack:event:"+l.id) != nil {
		return answer{status: http.StatusServiceUnavailable} // Slack tries again
	}
	return ok(nil)
}
