package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// interaction is the payload of a click, a sent form or a shortcut; only what
// we read of it.
type interaction struct {
	Type        string `json:"type"`
	CallbackID  string `json:"callback_id"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	ActionTS    string `json:"action_ts"`
	MessageTS   string `json:"message_ts"`
	Team        struct {
		ID string `json:"id"`
	} `json:"team"`
	Channel struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"channel"`
	User struct {
		ID     string `json:"id"`
		TeamID string `json:"team_id"`
	} `json:"user"`
	Container struct {
		ChannelID string `json:"channel_id"`
		ThreadTS  string `json:"thread_ts"`
	} `json:"container"`
	Actions []action `json:"actions"`
	View    struct {
		ID              string `json:"id"`
		Hash            string `json:"hash"`
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]field `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

type action struct {
	ActionID string  `json:"action_id"`
	Value    string  `json:"value"`
	Selected *choice `json:"selected_option"`
	ActionTS string  `json:"action_ts"`
}

type choice struct {
	Value string `json:"value"`
}

// field is what was put into one input of a form.
type field struct {
	Value    string   `json:"value"`
	Selected *choice  `json:"selected_option"`
	Boxes    []choice `json:"selected_options"`
}

// input is what a person put into an input of the form.
func (i interaction) input(id string) string {
	f := i.View.State.Values[i.block(id)][id]
	switch {
	case f.Selected != nil:
		return strings.TrimSpace(f.Selected.Value)
	case len(f.Boxes) > 0:
		return f.Boxes[0].Value
	}
	return strings.TrimSpace(f.Value)
}

// block is the block an input is in: errors are shown at it. An input that has
// nothing in common with the one before it has a block of its own.
func (i interaction) block(id string) string {
	for block, fields := range i.View.State.Values {
		if _, has := fields[id]; has {
			return block
		}
	}
	return id
}

func (q *Requests) interaction(ctx context.Context, a arrival, payload []byte) answer {
	var i interaction
	if json.Unmarshal(payload, &i) != nil || i.User.ID == "" {
		return answer{status: http.StatusBadRequest}
	}
	switch i.Type {
	case "block_actions":
		return q.clicked(ctx, a, i)
	case "view_submission":
		return q.submitted(ctx, a, i)
	case "shortcut":
		if i.CallbackID == deployForm {
			return q.openDeploy(ctx, a, opening{trigger: i.TriggerID, actor: i.actor(), origin: i.origin()})
		}
	case "message_action":
		if i.CallbackID == rollbackForm {
			return q.openRollback(ctx, i)
		}
	}
	return ok(nil)
}

func (i interaction) actor() pipeline.Actor {
	team := i.User.TeamID
	if team == "" {
		team = i.Team.ID
	}
	return pipeline.Actor{SlackTeam: team, SlackUser: i.User.ID}
}

func (i interaction) origin() pipeline.Origin {
	channel := i.Channel.ID
	if channel == "" {
		channel = i.Container.ChannelID
	}
	return pipeline.Origin{Surface: "slack", Channel: channel, ChannelName: i.Channel.Name, Thread: i.Container.ThreadTS, ReplyTo: i.ResponseURL}
}

// clicked handles a button of a run's message.
func (q *Requests) clicked(ctx context.Context, a arrival, i interaction) answer {
	if len(i.Actions) == 0 {
		return ok(nil)
	}
	act := i.Actions[0]
	if i.View.CallbackID == deployForm && act.ActionID == inService && act.Selected != nil {
		return q.choseService(ctx, a, i, act.Selected.Value)
	}
	kind, ours := strings.CutPrefix(act.ActionID, buttonPrefix)
	if !ours {
		return ok(nil) // a link, or an input of a form
	}
	repo, button, valid := readButton(act.Value)
	switch {
	case !valid:
		q.tell(ctx, i, "This button is not one of ours, or it is too old. Use the command instead.")
		return ok(nil)
	case bot.ButtonKind(kind) == bot.ButtonReject:
		return q.openReject(ctx, i, act.Value)
	}
	pressed := bot.Pressed{Repo: pipeline.Repo{ID: repo}, Button: button, Actor: i.actor(), Origin: i.origin(), At: timeOf(act.ActionTS, a.at), Came: a.at}
	if q.accept(ctx, a, bot.KindPressed, repo, pressed, "slack:trigger:"+i.TriggerID+":"+act.ActionTS) != nil {
		q.tell(ctx, i, notAccepted)
	}
	return ok(nil)
}

const buttonPrefix = "shipmate:"

// buttonValue is what a button carries: where to look its random id up.
func buttonValue(repo int64, id string) string { return strconv.FormatInt(repo, 10) + "." + id }

func readButton(value string) (repo int64, id string, valid bool) {
	number, id, _ := strings.Cut(value, ".")
	repo, err := strconv.ParseInt(number, 10, 64)
	return repo, id, err == nil && repo > 0 && id != "" && len(id) <= 64
}

// tell shows the person a sentence now, from within the request. It is tried
// once: there is nobody left to tell if it fails.
func (q *Requests) tell(ctx context.Context, i interaction, text string) {
	ctx, cancel := context.WithTimeout(ctx, formTimeout)
	defer cancel()
	if err := q.client.whisper(ctx, i.origin(), i.User.ID, message{text: text}); err != nil {
		q.log.Warn("tell a person on slack", "err", err)
	}
}

// params are the names of the parameters the form has inputs for, sorted.
func (i interaction) params() []string {
	var names []string
	for _, fields := range i.View.State.Values {
		for id := range fields {
			if name, ok := strings.CutPrefix(id, inParam); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
