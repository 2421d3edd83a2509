package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// builtIn are Slack's own commands, which no app can have (slack.com/help/articles/201259356).
var builtIn = strings.Fields(`/active /apps /archive /away /call /collapse /dnd /dm /expand /feed /help /huddle /invite /join /kick /leave
	/list /me /msg /mute /open /part /prefs /pro /remind /remove /rename /search /shortcuts /shrug /star /status /topic /who`)

// Command is a slash command as a person types it. Slack has none in threads.
type Command struct {
	User    string // id or name
	Channel string // id or name
	Name    string // "/deploy"
	Text    string // "shop prod"; sent with & < > as entities, as Slack does
}

// SlashCommand types a command and shows the person the answer: the bot's message or,
// after 3 s or an HTTP error, Slack's own. The error says why a person could not do this.
func (s *Server) SlashCommand(ctx context.Context, c Command) (Delivery, error) {
	form, err := s.CommandForm(c)
	if err != nil {
		return Delivery{}, err
	}
	return s.SendCommand(ctx, form), nil
}

// CommandForm is the body that SlashCommand would send. Sending it with SendCommand,
// perhaps altered, is how a test forges one.
func (s *Server) CommandForm(c Command) (url.Values, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ch, err := s.world.present(c.User, c.Channel)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(c.Name, "/") {
		return nil, fmt.Errorf("a slash command starts with /, %q does not", c.Name)
	}
	if slices.Contains(builtIn, strings.ToLower(c.Name)) {
		return nil, fmt.Errorf("%s is a command of Slack's own: no app is told of it", c.Name)
	}
	team := s.world.team(u.Team)
	return url.Values{
		"token":                 {verificationToken},
		"team_id":               {team.ID},
		"team_domain":           {team.Domain},
		"channel_id":            {ch.ID},
		"channel_name":          {ch.label()},
		"user_id":               {u.ID},
		"user_name":             {u.Name},
		"command":               {c.Name},
		"text":                  {Escape(c.Text)},
		"api_app_id":            {AppID},
		"is_enterprise_install": {"false"},
		"response_url":          {s.respondTo(responseURL{team: team.ID, channel: ch.ID, user: u.ID})},
		"trigger_id":            {s.world.trigger(u.ID, s.now())},
	}, nil
}

// SendCommand signs and sends the body of a slash command, whatever it says.
func (s *Server) SendCommand(ctx context.Context, form url.Values) Delivery {
	d := s.deliver(ctx, formRequest("slash_commands", s.requestURLs().Commands, form))
	s.change(func(w *world) { s.showAck(w, form, d) })
	return d
}

// showAck shows a person what came of their command.
func (s *Server) showAck(w *world, form url.Values, d Delivery) {
	ch, user := w.channel(form.Get("channel_id")), form.Get("user_id")
	if ch == nil {
		return
	}
	answer := args{}
	switch {
	case d.Error != "":
		w.tell(s, ch, user, fmt.Sprintf("%s failed with the error %q", form.Get("command"), d.Error))
		return
	case strings.TrimSpace(d.Ack) == "":
		return
	case d.isText || json.Unmarshal([]byte(d.Ack), &answer) != nil:
		answer = args{"text": d.Ack}
	}
	if len(answer) == 0 {
		return
	}
	if answer.str("response_type") == "in_channel" {
		w.post(ch, Message{User: user, Text: strings.TrimSpace(form.Get("command") + " " + form.Get("text"))}, s.now())
	}
	origin := &responseURL{team: ch.Team, channel: ch.ID, user: user}
	if err := s.respond(w, origin, answer); err != nil {
		s.log.Warn("simulated slack could not show an ack", "err", err)
		w.tell(s, ch, user, fmt.Sprintf("%s failed with the error %q", form.Get("command"), "invalid_command_response"))
	}
}

// tell shows one person a message of Slackbot.
func (w *world) tell(s *Server, ch *channel, user, text string) {
	w.post(ch, Message{User: "USLACKBOT", Name: "Slackbot", Text: text, VisibleTo: user}, s.now())
}

// Escape writes text the way Slack hands on what people type.
func Escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// verificationToken is the deprecated token that payloads still carry. It proves nothing.
const verificationToken = "sim-verification-token"

// label is the channel's name as payloads give it.
func (c *channel) label() string {
	switch {
	case c.Direct:
		return "directmessage"
	case c.Private:
		return "privategroup"
	}
	return c.Name
}

// present finds a person and a channel that the person is in. Deactivated people can
// still act here, as in the moments before Slack ends their sessions.
func (w *world) present(user, where string) (*User, *channel, error) {
	ch := w.channel(where)
	if ch == nil {
		return nil, nil, fmt.Errorf("no channel %q", where)
	}
	u := w.user(ch.Team, user)
	if u == nil {
		return nil, nil, fmt.Errorf("no user %q", user)
	}
	if !ch.has(u.ID) {
		return nil, nil, fmt.Errorf("%s is not in %s", u.Name, ch.label())
	}
	return u, ch, nil
}
