package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// envelope is a request of the Events API.
type envelope struct {
	Type           string `json:"type"`
	Challenge      string `json:"challenge"`
	TeamID         string `json:"team_id"`
	EventID        string `json:"event_id"`
	Event          event  `json:"event"`
	Authorizations []struct {
		UserID string `json:"user_id"`
		IsBot  bool   `json:"is_bot"`
	} `json:"authorizations"`
}

type event struct {
	Type        string          `json:"type"`
	Subtype     string          `json:"subtype"`
	User        string          `json:"user"`
	UserTeam    string          `json:"user_team"`
	Team        string          `json:"team"`
	BotID       string          `json:"bot_id"`
	Text        string          `json:"text"`
	Channel     string          `json:"channel"`
	ChannelType string          `json:"channel_type"`
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts"`
	Tab         string          `json:"tab"` // that was opened
	Edited      json.RawMessage `json:"edited"`
}

// event handles a mention or a direct message.
func (q *Requests) event(ctx context.Context, a arrival, body []byte) answer {
	if lifts, at := readLift(body); lifts {
		return q.lift(ctx, a, at)
	}
	var e envelope
	if json.Unmarshal(body, &e) != nil {
		return answer{status: http.StatusBadRequest}
	}
	switch {
	case e.Type == "url_verification":
		return ok(map[string]string{"challenge": e.Challenge})
	case e.Type != "event_callback" || e.EventID == "" || !e.byPerson():
		return ok(nil)
	}
	if e.Event.Type == "app_home_opened" {
		return q.homeOpened(ctx, a, e)
	}
	text := e.command()
	if text == "" {
		return ok(nil)
	}
	said := bot.Said{
		Actor:  pipeline.Actor{SlackTeam: e.team(), SlackUser: e.Event.User},
		Origin: pipeline.Origin{Surface: "slack", Channel: e.Event.Channel, ChannelName: q.client.channelName(ctx, e.Event.Channel), Thread: e.Event.ThreadTS},
		Text:   text,
		At:     timeOf(e.Event.TS, a.at),
		Came:   a.at,
	}
	if q.accept(ctx, a, bot.KindSaid, 0, said, "slack:event:"+e.EventID) != nil {
		return answer{status: http.StatusServiceUnavailable} // Slack tries again
	}
	return ok(nil)
}

// homeOpened has the page made. Its other tab is the conversation with us.
func (q *Requests) homeOpened(ctx context.Context, a arrival, e envelope) answer {
	if e.Event.Tab != "home" {
		return ok(nil)
	}
	opened := bot.HomeOpened{Actor: pipeline.Actor{SlackTeam: e.team(), SlackUser: e.Event.User}}
	if q.accept(ctx, a, bot.KindHomeOpened, 0, opened, "slack:event:"+e.EventID) != nil {
		return answer{status: http.StatusServiceUnavailable} // Slack tries again
	}
	return ok(nil)
}

// byPerson leaves out bots, our own messages and edits.
func (e envelope) byPerson() bool {
	ev := e.Event
	ours := slices.ContainsFunc(e.Authorizations, func(au struct {
		UserID string `json:"user_id"`
		IsBot  bool   `json:"is_bot"`
	}) bool {
		return au.UserID == ev.User
	})
	edited := len(ev.Edited) > 0 && string(ev.Edited) != "null"
	written := slices.Contains([]string{"", "thread_broadcast", "file_share"}, ev.Subtype) // also with a file
	return ev.User != "" && ev.BotID == "" && written && !edited && !ours
}

func (e envelope) team() string {
	for _, id := range []string{e.Event.UserTeam, e.Event.Team} {
		if id != "" {
			return id
		}
	}
	return e.TeamID
}

var mention = regexp.MustCompile(`^([^<\pL\pN]*)<@([A-Z0-9]+)(?:\|[^>]*)?>[\s,:]*`)

// command is what the person wants: a direct message, or the words after a
// mention that begins a line, as far as the message goes. A mention in the
// middle of a sentence is talk.
func (e envelope) command() string {
	direct := e.Event.Type == "message" && e.Event.ChannelType == "im"
	if !direct && e.Event.Type != "app_mention" {
		return ""
	}
	text, called := e.lines(e.Event.Text)
	text = strings.TrimSpace(typed(text))
	switch {
	case !direct && !called:
		return ""
	case direct && !called:
		text = "/" + strings.TrimPrefix(commands.Unmark(text), "/")
	}
	if text == "/" {
		return "/help"
	}
	return text
}

// lines puts a slash where a line begins with our mention, and reports whether
// one does. The words may stand below it, and marks around all of them.
func (e envelope) lines(text string) (string, bool) {
	var out []string
	called := false
	for text != "" {
		line, below, _ := strings.Cut(text, "\n")
		before, words, ours := e.addressed(line)
		if ours {
			called = true
			all := strings.TrimSpace(words + "\n" + below)
			words, below, _ = strings.Cut(strings.TrimSpace(commands.Unmark(all)), "\n")
			line = before + "/" + strings.TrimPrefix(strings.TrimSpace(commands.Unmark(words)), "/")
		}
		out, text = append(out, line), below
	}
	return strings.Join(out, "\n"), called
}

// addressed takes our mention off a line that begins with it. What stands before
// it and cannot be seen is kept, to be pointed out.
func (e envelope) addressed(line string) (before, words string, ours bool) {
	line = commands.Unmark(line)
	at := mention.FindStringSubmatchIndex(line)
	if at == nil || !e.mentioned(line[at[4]:at[5]]) || commands.Visible(line[at[2]:at[3]]) {
		return "", "", false
	}
	return strings.Trim(line[at[2]:at[3]], " \t"), line[at[1]:], true
}

// mentioned reports whether the id is the app's own user.
func (e envelope) mentioned(id string) bool {
	for _, au := range e.Authorizations {
		if au.IsBot {
			return au.UserID == id
		}
	}
	return true // an old envelope that does not say
}

var (
	entity = regexp.MustCompile(`<([^<>]+)>`)
	dashes = regexp.MustCompile(`(^|\s)—(\pL)`)
)

// typed gives back what a person typed: Slack turns addresses and names into
// entities, and phones turn two dashes into a long one.
func typed(text string) string {
	text = entity.ReplaceAllStringFunc(text, func(found string) string {
		target, label, labelled := strings.Cut(found[1:len(found)-1], "|")
		switch {
		case strings.HasPrefix(target, "#") && labelled:
			return "#" + label
		case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "#"):
			return target
		case strings.HasPrefix(target, "!"):
			return "@" + strings.TrimPrefix(target, "!")
		case labelled && !strings.Contains(label, "://"):
			return label // "example.com", which Slack made a link
		}
		return target
	})
	return dashes.ReplaceAllString(unescape(text), "$1--$2")
}

// timeOf reads a message's ts, seconds and microseconds.
func timeOf(ts string, otherwise time.Time) time.Time {
	seconds, micros, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	us, err2 := strconv.ParseInt(micros, 10, 64)
	if err != nil || err2 != nil || len(micros) != 6 {
		return otherwise
	}
	return time.Unix(s, us*1000).UTC()
}
