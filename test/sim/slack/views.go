package slack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	triggerLife = 3 * time.Second
	maxPushed   = 3 // views in one stack
	maxView     = 250_000
)

// View is an open modal or a person's Home tab.
type View struct {
	ID         string            `json:"id"`
	Team       string            `json:"team"`
	User       string            `json:"user"`
	Type       string            `json:"type"`
	CallbackID string            `json:"callback_id,omitempty"`
	ExternalID string            `json:"external_id,omitempty"`
	Title      string            `json:"title,omitempty"`
	Submit     string            `json:"submit,omitempty"`
	Close      string            `json:"close,omitempty"`
	Blocks     []Block           `json:"blocks"`
	Buttons    []Button          `json:"buttons,omitempty"`
	Inputs     []Input           `json:"inputs,omitempty"`
	Errors     map[string]string `json:"errors,omitempty"` // by block_id, from the last submission
	Rendered   string            `json:"rendered"`

	definition Block // as the app sent it
	hash       string
	root       string
	previous   string
	state      Block // what was typed so far, as in state.values
}

func viewsOpen(c *call) (reply, error) {
	definition, err := c.view("modal")
	if err != nil {
		return nil, err
	}
	user, err := c.takeTrigger()
	if err != nil {
		return nil, err
	}
	c.closeViews(user, maxPushed) // a new modal replaces an open one
	if c.taken(definition) {
		return nil, refuse("duplicate_external_id")
	}
	return c.show(c.push(user, definition)), nil
}

func viewsPush(c *call) (reply, error) {
	definition, err := c.view("modal")
	if err != nil {
		return nil, err
	}
	user, err := c.takeTrigger()
	if err != nil {
		return nil, err
	}
	switch n := len(c.stacks[user]); {
	case n == 0:
		return nil, refuse("not_found")
	case n >= maxPushed:
		return nil, refuse("push_limit_reached")
	case c.taken(definition):
		return nil, refuse("duplicate_external_id")
	}
	return c.show(c.push(user, definition)), nil
}

func viewsUpdate(c *call) (reply, error) {
	v := c.openView(c.str("view_id"), c.str("external_id"))
	if v == nil || v.Team != c.team.ID {
		return nil, refuse("not_found")
	}
	definition, err := c.view(v.Type)
	if err != nil {
		return nil, err
	}
	if hash := c.str("hash"); hash != "" && hash != v.hash {
		return nil, refuse("hash_conflict")
	}
	c.redefine(v, definition)
	return c.show(v), nil
}

func viewsPublish(c *call) (reply, error) {
	definition, err := c.view("home")
	if err != nil {
		return nil, err
	}
	u := c.visibleUser(c.str("user_id"))
	if u == nil {
		return nil, &refusal{code: "invalid_arguments", messages: []string{"invalid `user_id`"}}
	}
	v := c.homes[u.ID]
	if hash := c.str("hash"); v != nil && hash != "" && hash != v.hash {
		return nil, refuse("hash_conflict")
	}
	if v == nil {
		v = &View{ID: c.id("V"), Team: c.team.ID, User: u.ID}
		v.root = v.ID
		c.homes[u.ID] = v
		c.views[v.ID] = v
	}
	c.redefine(v, definition)
	return c.show(v), nil
}

// view reads and checks the view of a call.
func (c *call) view(kind string) (Block, error) {
	if err := c.need("view"); err != nil {
		return nil, err
	}
	var definition Block
	if err := c.decode("view", &definition); err != nil {
		return nil, &refusal{code: "invalid_arguments", messages: []string{"failed to parse `view` [json-pointer:/view]"}}
	}
	if err := c.checkNewView(definition, kind); err != nil {
		return nil, err
	}
	return definition, nil
}

func (w *world) checkNewView(definition Block, kind string) error {
	if raw, _ := json.Marshal(definition); len(raw) > maxView {
		return refuse("view_too_large")
	}
	if text(definition["type"]) != kind {
		return &refusal{code: "invalid_arguments", messages: []string{fmt.Sprintf("view type must be `%s` [json-pointer:/view/type]", kind)}}
	}
	return checkView(definition)
}

// taken says whether another view has the external_id of this one.
func (c *call) taken(definition Block) bool {
	external := text(definition["external_id"])
	return external != "" && c.openView("", external) != nil
}

// takeTrigger uses up a trigger_id and gives its person.
func (c *call) takeTrigger() (string, error) {
	if err := c.need("trigger_id"); err != nil {
		return "", err
	}
	t := c.triggers[c.str("trigger_id")]
	switch {
	case t == nil:
		return "", refuse("invalid_trigger_id")
	case c.now.Sub(t.at) > triggerLife:
		return "", refuse("expired_trigger_id")
	case t.used:
		return "", refuse("exchanged_trigger_id")
	}
	t.used = true
	return t.user, nil
}

// push lays a new modal on a person's stack.
func (w *world) push(user string, definition Block) *View {
	v := &View{ID: w.id("V"), Team: w.user("", user).Team, User: user}
	v.root = v.ID
	if stack := w.stacks[user]; len(stack) > 0 {
		v.root, v.previous = stack[0].ID, stack[len(stack)-1].ID
	}
	w.redefine(v, definition)
	w.views[v.ID] = v
	w.stacks[user] = append(slices.Clone(w.stacks[user]), v)
	return v
}

// redefine puts new content into a view; what was typed into inputs that keep their
// ids stays, as in Slack.
func (w *world) redefine(v *View, definition Block) {
	definition = maps.Clone(definition)
	v.Blocks = w.named(blockList(definition["blocks"]))
	definition["blocks"] = v.Blocks
	v.definition = definition
	v.hash = w.id("")
	v.Type = text(definition["type"])
	v.CallbackID, v.ExternalID = text(definition["callback_id"]), text(definition["external_id"])
	v.Title, v.Submit, v.Close = plain(definition["title"]), plain(definition["submit"]), plain(definition["close"])
	v.Errors = nil
	v.state = keptState(v)
	v.Buttons, v.Inputs = buttons(v.Blocks), inputs(v.Blocks)
	v.Rendered = renderView(v)
}

func (w *world) openView(id, external string) *View {
	if v := w.views[id]; v != nil {
		return v
	}
	for _, v := range w.views {
		if external != "" && v.ExternalID == external {
			return v
		}
	}
	return nil
}

// top is the modal a person sees.
func (w *world) top(user string) *View {
	stack := w.stacks[user]
	if len(stack) == 0 {
		return nil
	}
	return stack[len(stack)-1]
}

// closeViews takes n modals off a person's stack.
func (w *world) closeViews(user string, n int) []*View {
	stack := w.stacks[user]
	keep := max(0, len(stack)-n)
	for _, v := range stack[keep:] {
		delete(w.views, v.ID)
	}
	w.stacks[user] = stack[:keep:keep]
	return stack[keep:]
}

func (c *call) show(v *View) reply { return reply{"view": v.wire()} }

func (v *View) wire() Block {
	out := maps.Clone(v.definition)
	for _, optional := range []string{"callback_id", "external_id", "private_metadata"} {
		if out[optional] == nil {
			out[optional] = ""
		}
	}
	out["id"], out["team_id"], out["app_installed_team_id"] = v.ID, v.Team, v.Team
	out["hash"], out["root_view_id"] = v.hash, v.root
	out["previous_view_id"] = nil
	if v.previous != "" {
		out["previous_view_id"] = v.previous
	}
	out["app_id"], out["bot_id"] = AppID, BotID
	out["state"] = Block{"values": v.state}
	return out
}
