package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Post is a message that a person types.
type Post struct {
	User    string // id or name
	Channel string // id or name; empty: the conversation with the app
	Thread  string // ts of the message it replies to
	Text    string // as typed: @names become mentions, < > & are escaped
}

// Mention posts a message with @shipmate in it, at its beginning unless it stands
// somewhere else, and sends the bot an app_mention event. An event that fails is sent again at once, and by RetryDue after 1 and 5
// minutes, unless the bot answers X-Slack-No-Retry: 1.
func (s *Server) Mention(ctx context.Context, p Post) (Delivery, error) {
	if !strings.Contains(p.Text, "@"+BotName) {
		p.Text = strings.TrimSpace("@" + BotName + " " + p.Text)
	}
	m, team, err := s.post(p)
	if err != nil {
		return Delivery{}, err
	}
	event := about(m, "app_mention", team)
	if home := s.homeOf(m.User); home != team { // Slack tells it of people of other workspaces
		event["user_team"], event["source_team"] = home, home
	}
	return s.SendEvent(ctx, team, event), nil
}

func (s *Server) homeOf(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.user("", user).Team
}

// DirectMessage writes to the app, which gets a message event.
func (s *Server) DirectMessage(ctx context.Context, user, text string) (Delivery, error) {
	m, team, err := s.post(Post{User: user, Text: text})
	if err != nil {
		return Delivery{}, err
	}
	event := about(m, "message", team)
	event["channel_type"] = "im"
	return s.SendEvent(ctx, team, event), nil
}

// Say posts a message the bot is not told of, and gives it.
func (s *Server) Say(p Post) (Message, error) {
	m, _, err := s.post(p)
	return m, err
}

// React puts a person's emoji under a message. The bot is not told.
func (s *Server) React(user, where, ts, emoji string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.world.messageTarget(user, where, ts)
	if err != nil {
		return err
	}
	t.message.react(emoji, t.user.ID)
	s.wake()
	return nil
}

// AppHomeOpened opens the app's Home tab. With the event comes the view as it was
// published last, if it was.
func (s *Server) AppHomeOpened(ctx context.Context, user string) (Delivery, error) {
	s.mu.Lock()
	u := s.world.user("", user)
	if u == nil {
		s.mu.Unlock()
		return Delivery{}, fmt.Errorf("no user %q", user)
	}
	event := Block{
		"type": "app_home_opened", "user": u.ID, "tab": "home",
		"channel": s.world.direct(u).ID, "event_ts": s.world.ts(s.now()),
	}
	if home := s.world.homes[u.ID]; home != nil {
		event["view"] = home.wire()
	}
	team := u.Team
	s.mu.Unlock()
	return s.SendEvent(ctx, team, event), nil
}

var typedURL = regexp.MustCompile(`https?://[^\s<>|]+`)

// post stores what a person typed, in the form Slack gives it.
func (s *Server) post(p Post) (Message, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	w := &s.world
	if p.Channel == "" {
		u := w.user("", p.User)
		if u == nil {
			return Message{}, "", fmt.Errorf("no user %q", p.User)
		}
		p.Channel = w.direct(u).ID
	}
	u, ch, err := w.present(p.User, p.Channel)
	if err != nil {
		return Message{}, "", err
	}
	if ch.Archived {
		return Message{}, "", fmt.Errorf("%s is archived", ch.Name)
	}
	m := Message{User: u.ID}
	m.Text = typedURL.ReplaceAllString(w.linkNames(ch.Team, Escape(p.Text)), "<$0>")
	if p.Thread != "" {
		parent := ch.parent(p.Thread)
		if parent == nil {
			return Message{}, "", fmt.Errorf("no thread %s in %s", p.Thread, ch.label())
		}
		m.ThreadTS = parent.TS
	}
	return *w.post(ch, m, s.now()), ch.Team, nil
}

func about(m Message, of, team string) Block {
	event := Block{
		"type": of, "user": m.User, "text": m.Text, "ts": m.TS, "event_ts": m.TS,
		"channel": m.Channel, "team": team,
	}
	if m.ThreadTS != "" {
		event["thread_ts"] = m.ThreadTS
	}
	return event
}

// SendEvent sends any event in its envelope. An app_mention from a channel the app is
// not in is sent too; Slack would not, and the bot should cope.
func (s *Server) SendEvent(ctx context.Context, team string, event Block) Delivery {
	s.mu.Lock()
	id := s.world.id("Ev")
	s.mu.Unlock()
	payload := Block{
		"token": verificationToken, "team_id": team, "context_team_id": team, "api_app_id": AppID,
		"type": "event_callback", "event": event, "event_id": id, "event_time": s.now().Unix(),
		"authorizations": []Block{{
			"enterprise_id": nil, "team_id": team, "user_id": BotUser, "is_bot": true, "is_enterprise_install": false,
		}},
		"is_ext_shared_channel": false, "event_context": "sim-" + id,
	}
	return s.attempt(ctx, jsonRequest("events_api", s.requestURLs().Events, payload))
}

// retry is an event that waits to be sent again.
type retry struct {
	at  time.Time
	out outgoing
}

// waits are the times between the attempts at an event: at once, 1 and 5 minutes.
var waits = []time.Duration{0, time.Minute, 5 * time.Minute}

// attempt sends an event and, if that fails, again at once or later.
func (s *Server) attempt(ctx context.Context, out outgoing) Delivery {
	d := s.deliver(ctx, out)
	d.Attempts = out.retry + 1
	if d.Error == "" || d.noRetry || out.retry >= len(waits) {
		return d
	}
	wait := waits[out.retry]
	out.retry++
	out.reason = d.reason
	if wait == 0 {
		return s.attempt(ctx, out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retries = append(s.retries, retry{at: s.now().Add(wait), out: out})
	return d
}

// RetryDue sends the failed events whose time has come by the clock, and says how that went.
func (s *Server) RetryDue(ctx context.Context) []Delivery {
	s.mu.Lock()
	var due, later []retry
	for _, r := range s.retries {
		if r.at.After(s.now()) {
			later = append(later, r)
		} else {
			due = append(due, r)
		}
	}
	s.retries = later
	s.mu.Unlock()
	var out []Delivery
	for _, r := range due {
		out = append(out, s.attempt(ctx, r.out))
	}
	return out
}

// VerifyURL does the url_verification handshake with the events URL.
func (s *Server) VerifyURL(ctx context.Context) error {
	s.mu.Lock()
	challenge := s.world.id("challenge")
	s.mu.Unlock()
	payload := Block{"token": verificationToken, "challenge": challenge, "type": "url_verification"}
	d := s.deliver(ctx, jsonRequest("events_api", s.requestURLs().Events, payload))
	var answer struct {
		Challenge string `json:"challenge"`
	}
	_ = json.Unmarshal([]byte(d.Ack), &answer) // or it is plain text, or a form
	got := strings.TrimPrefix(strings.TrimSpace(d.Ack), "challenge=")
	if d.Status == http.StatusOK && (answer.Challenge == challenge || got == challenge) {
		return nil
	}
	return fmt.Errorf("your URL didn't respond with the value of the challenge parameter: status %d, body %q", d.Status, d.Ack)
}
