package slack_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

func TestSlashCommands(t *testing.T) {
	for name, c := range map[string]struct{ command, text, want string }{
		"the words follow the command":          {"/deploy", "shop prod", "/deploy shop prod"},
		"the verb may follow /shipmate":         {"/shipmate", "status shop prod", "/status shop prod"},
		"with its slash too":                    {"/shipmate", "/status", "/status"},
		"nothing after /shipmate asks for help": {"/shipmate", "", "/help"},
		"what Slack escapes is given back":      {"/deploy", `shop prod --reason "a & b <c>"`, `/deploy shop prod --reason "a & b <c>"`},
		"no words":                              {"/whoami", "", "/whoami"},
		"marks around the words are taken off":  {"/deploy", "`shop prod`", "/deploy shop prod"},
		"also behind /shipmate":                 {"/shipmate", "*deploy shop prod*", "/deploy shop prod"},
		"a flag on the next line":               {"/deploy", "shop prod\n--dry-run", "/deploy shop prod\n--dry-run"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: c.command, Text: c.text}))
			s := w.said()
			if s.Text != c.want {
				t.Errorf("said %q, want %q", s.Text, c.want)
			}
			if want := (pipeline.Actor{SlackTeam: "T0SIM", SlackUser: "U1"}); s.Actor != want {
				t.Errorf("actor is %+v, want only the Slack ids", s.Actor)
			}
			if o := s.Origin; o.Surface != "slack" || o.Channel != w.channel() || o.ChannelName != "deploys" || o.ReplyTo == "" || o.Thread != "" {
				t.Errorf("origin is %+v", o)
			}
			if s.At.IsZero() || d.Status != http.StatusOK || !strings.HasPrefix(w.lastWhisper("mona"), "On it: `") {
				t.Errorf("at %v, answered %d %s", s.At, d.Status, d.Ack)
			}
		})
	}
}

func TestWhatIsTypedIsNotLiveInTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "<!channel> `<https://evil|https://prod>` <@U2>"}))
	for _, m := range w.slack.EphemeralsTo("mona") {
		if live := m.Live(); len(live) > 0 {
			t.Errorf("live: %v in %s", live, m.Text)
		}
	}
}

func TestACommandTwiceIsOneCommand(t *testing.T) {
	w := newWorld(t)
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "shop prod"}))
	w.said()
	again := w.slack.LastSent()
	if d := w.slack.Replay(w.ctx, again); d.Status != http.StatusOK {
		t.Errorf("replay: %d", d.Status)
	}
	w.clock.advance(time.Minute)
	if d := w.slack.Replay(w.ctx, w.slack.Resign(again, strconv.FormatInt(w.clock.Now().Unix(), 10))); d.Status != http.StatusOK {
		t.Errorf("signed again: %d", d.Status)
	}
	w.nothingMore()
}

func TestEveryFailedVerificationLooksTheSame(t *testing.T) {
	w := newWorld(t)
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "shop prod"}))
	w.said()
	good := w.slack.LastSent()
	now := w.clock.Now().Unix()
	bad := map[string]sim.Signed{}
	for name, ts := range map[string]string{"old": strconv.FormatInt(now-301, 10), "early": strconv.FormatInt(now+301, 10), "empty": "", "letters": "abc", "2^63": "9223372036854775808"} {
		bad["time "+name] = w.slack.Resign(good, ts)
	}
	for name, change := range map[string]func(h http.Header){
		"no signature": func(h http.Header) { h.Del("X-Slack-Signature") },
		"forged":       func(h http.Header) { h.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64)) },
		"empty secret": func(h http.Header) {
			h.Set("X-Slack-Signature", sim.Signature("", h.Get("X-Slack-Request-Timestamp"), good.Body))
		},
		"nonsense": func(h http.Header) { h.Set("X-Slack-Signature", "x") },
	} {
		r := good
		r.Header = good.Header.Clone()
		change(r.Header)
		bad[name] = r
	}
	want := ""
	for name, r := range bad {
		for _, route := range []string{"commands", "interactions", "events"} {
			r.URL = strings.Replace(good.URL, "commands", route, 1)
			d := w.slack.Replay(w.ctx, r)
			if want == "" {
				want = d.Ack
			}
			if d.Status != http.StatusUnauthorized || d.Ack != want {
				t.Errorf("%s to %s: %d %q", name, route, d.Status, d.Ack)
			}
		}
	}
	w.nothingMore()
}

func TestTheNextSecretIsAcceptedToo(t *testing.T) {
	w := newWorld(t)
	form, err := w.slack.CommandForm(sim.Command{User: "mona", Channel: "deploys", Name: "/whoami"})
	if err != nil {
		t.Fatal(err)
	}
	body := form.Encode()
	ts := strconv.FormatInt(w.clock.Now().Unix(), 10)
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", ts)
	h.Set("X-Slack-Signature", sim.Signature("the-previous-secret-of-32-letters", ts, []byte(body)))
	w.slack.SendCommand(w.ctx, form) // to learn the address
	w.said()
	r := sim.Signed{URL: w.slack.LastSent().URL, Header: h, Body: []byte(strings.Replace(body, "trigger_id=", "trigger_id=x", 1))}
	h.Set("X-Slack-Signature", sim.Signature("the-previous-secret-of-32-letters", ts, r.Body))
	if d := w.slack.Replay(w.ctx, r); d.Status != http.StatusOK {
		t.Errorf("status %d", d.Status)
	}
	w.said()
}

// endless is a body that must not be read.
type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) { *e.read += len(p); return len(p), nil }

func TestLargeBodiesAreRefused(t *testing.T) {
	w := newWorld(t)
	ts := strconv.FormatInt(w.clock.Now().Unix(), 10)
	send := func(length int64, body io.Reader) int {
		r, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, "/slack/events", body)
		r.ContentLength = length
		r.Header.Set("X-Slack-Request-Timestamp", ts)
		r.Header.Set("X-Slack-Signature", "v0=00")
		rec := recorder{header: http.Header{}}
		w.requests.Events(&rec, r)
		return rec.status
	}
	read := 0
	if got := send(16<<30, endless{&read}); got != http.StatusRequestEntityTooLarge || read != 0 {
		t.Errorf("announced: %d after %d bytes", got, read)
	}
	if got := send(-1, endless{&read}); got != http.StatusRequestEntityTooLarge || read > 2<<20 {
		t.Errorf("not announced: %d after %d bytes", got, read)
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestEvents(t *testing.T) {
	w := newWorld(t)
	if err := w.slack.VerifyURL(w.ctx); err != nil {
		t.Error(err)
	}
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "deploy shop prod --reason “big sale”"}))
	if s := w.said(); s.Text != "/deploy shop prod --reason “big sale”" || s.Origin.Thread != "" || s.Origin.Channel != w.channel() || s.Origin.ChannelName != "deploys" || s.Actor.SlackUser != "U1" || s.Actor.SlackTeam != "T0SIM" {
		t.Errorf("mention: %+v", s)
	}
	top, err := w.slack.Say(sim.Post{User: "hubot", Channel: "deploys", Text: "look"})
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Thread: top.TS, Text: "approve"}))
	if s := w.said(); s.Text != "/approve" || s.Origin.Thread != top.TS || s.At.Unix() != w.clock.Now().Unix() {
		t.Errorf("mention in a thread: %+v", s)
	}
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys"}))
	if s := w.said(); s.Text != "/help" {
		t.Errorf("only a mention: %+v", s)
	}
	w.must(w.slack.DirectMessage(w.ctx, "mona", "status r-12345678"))
	if s := w.said(); s.Text != "/status r-12345678" {
		t.Errorf("direct message: %+v", s)
	}
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "deploy shop https://example.com/a?b=1&c=2 —reason x"}))
	if s := w.said(); s.Text != "/deploy shop https://example.com/a?b=1&c=2 --reason x" {
		t.Errorf("what Slack and phones make of what is typed is undone: %+v", s)
	}
}

// However somebody writes to us: what is said to us arrives.
func TestMentions(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("ä", 2500)
	for text, want := range map[string]string{
		"@shipmate deploy shop prod\n--dry-run":                       "/deploy shop prod\n--dry-run",
		"@shipmate\ndeploy shop prod":                                 "/deploy shop prod",
		"@shipmate\n\n/deploy shop prod":                              "/deploy shop prod",
		"@shipmate: deploy shop prod\nthanks!":                        "/deploy shop prod\nthanks!",
		"Good morning!\n@shipmate deploy shop prod":                   "Good morning!\n/deploy shop prod",
		"@shipmate deploy shop staging\n@shipmate deploy shop prod":   "/deploy shop staging\n/deploy shop prod",
		"@shipmate `deploy shop prod`":                                "/deploy shop prod",
		"@shipmate *deploy shop prod*":                                "/deploy shop prod",
		"*@shipmate deploy shop prod*":                                "/deploy shop prod",
		"~_@shipmate deploy shop prod_~":                              "/deploy shop prod",
		"@shipmate ```deploy shop prod```":                            "/deploy shop prod",
		"@shipmate\n```\ndeploy shop prod\n--dry-run\n```":            "/deploy shop prod\n--dry-run",
		"@shipmate *deploy shop prod*\n*@shipmate status shop*":       "/deploy shop prod\n/status shop",
		"\ufeff@shipmate deploy shop prod":                            "\ufeff/deploy shop prod",
		"@shipmate \u200bdeploy shop prod":                            "/\u200bdeploy shop prod",
		"@shipmate\u00a0deploy shop prod":                             "/deploy shop prod",
		"@shipmate deploy shop prod --reason \"" + long + "\"":        "/deploy shop prod --reason \"" + long + "\"",
		"@shipmate deploy shop prod\n\n" + long + long + long + "\nx": "/deploy shop prod\n\n" + long + long + long + "\nx",
		"@shipmate deploy shop " + long + long:                        "/deploy shop " + long + long,
	} {
		w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: text}))
		if s := w.said(); s.Text != want {
			t.Errorf("%q is %q, want %q", text, s.Text, want)
		}
	}
	for text, want := range map[string]string{
		"deploy shop prod\n--dry-run": "/deploy shop prod\n--dry-run",
		"`deploy shop prod`":          "/deploy shop prod",
		"@shipmate deploy shop prod":  "/deploy shop prod",
		"status " + long + long:       "/status " + long + long,
	} {
		w.must(w.slack.DirectMessage(w.ctx, "mona", text))
		if s := w.said(); s.Text != want {
			t.Errorf("%q in the conversation with us is %q, want %q", text, s.Text, want)
		}
	}
	w.slack.SendEvent(w.ctx, "T0SIM", sim.Block{"type": "app_mention", "subtype": "file_share", "user": "U1", "text": "<@" + sim.BotUser + "> status", "ts": "1.000001", "channel": w.channel(), "team": "T0SIM"})
	if s := w.said(); s.Text != "/status" {
		t.Errorf("with a file: %q", s.Text)
	}
}

func TestEventsThatAreNotForUs(t *testing.T) {
	for name, change := range map[string]func(e sim.Block){
		"a bot speaks":                     func(e sim.Block) { e["bot_id"] = "B1" },
		"we speak":                         func(e sim.Block) { e["user"] = sim.BotUser },
		"nobody speaks":                    func(e sim.Block) { delete(e, "user") },
		"an edit":                          func(e sim.Block) { e["edited"] = sim.Block{"user": "U1", "ts": "1.0"} },
		"a changed message":                func(e sim.Block) { e["subtype"] = "message_changed" },
		"somebody else is spoken to first": func(e sim.Block) { e["text"] = "<@U2> <@" + sim.BotUser + "> deploy shop prod" },
		"the mention is inside a sentence": func(e sim.Block) { e["text"] = "never say <@" + sim.BotUser + "> deploy shop prod" },
		"another kind":                     func(e sim.Block) { e["type"] = "reaction_added" },
		"a message in a channel":           func(e sim.Block) { e["type"], e["channel_type"] = "message", "channel" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := sim.Block{"type": "app_mention", "user": "U1", "text": "<@" + sim.BotUser + "> deploy shop prod", "ts": "1.000001", "channel": w.channel(), "team": "T0SIM"}
			change(e)
			if d := w.slack.SendEvent(w.ctx, "T0SIM", e); d.Status != http.StatusOK {
				t.Errorf("status %d", d.Status)
			}
			w.nothingMore()
		})
	}
}

func TestAnEventThatComesAgainIsOneEvent(t *testing.T) {
	w := newWorld(t)
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "status"}))
	w.said()
	again := w.slack.LastSent()
	w.clock.advance(time.Minute)
	r := w.slack.Resign(again, strconv.FormatInt(w.clock.Now().Unix(), 10))
	r.Header.Set("X-Slack-Retry-Num", "1")
	if d := w.slack.Replay(w.ctx, r); d.Status != http.StatusOK {
		t.Errorf("status %d", d.Status)
	}
	w.nothingMore()
}

func TestWhileTheQueueIsAwayPeopleAreTold(t *testing.T) {
	w := newWorld(t)
	message := w.post(open())
	w.queue.goAway(true)

	d := w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/deploy", Text: "shop prod"}))
	if d.Status != http.StatusOK || !strings.HasPrefix(w.lastWhisper("mona"), "Not accepted: ") {
		t.Errorf("slash command: %d, told %q", d.Status, w.lastWhisper("mona"))
	}
	d = w.must(w.slack.Click(w.ctx, sim.Click{User: "hubot", Channel: "deploys", Message: message.TS, Button: "Approve"}))
	if d.Status != http.StatusOK || !strings.HasPrefix(w.lastWhisper("hubot"), "Not accepted: ") {
		t.Errorf("button: %d, told %q", d.Status, w.lastWhisper("hubot"))
	}
	w.must(w.slack.Click(w.ctx, sim.Click{User: "hubot", Channel: "deploys", Message: message.TS, Button: "Reject"}))
	d = w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "hubot", Values: map[string]string{"Reason": "no"}}))
	if !strings.HasPrefix(d.Errors["reason"], "Not accepted: ") {
		t.Errorf("form: %+v", d)
	}
	d = w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Text: "status"}))
	if d.Status != http.StatusServiceUnavailable || d.Attempts != 2 {
		t.Errorf("event: %+v", d)
	}
	w.nothingMore()

	w.queue.goAway(false)
	w.clock.advance(time.Minute)
	w.slack.RetryDue(w.ctx)
	if s := w.said(); s.Text != "/status" {
		t.Errorf("after it came back: %+v", s)
	}
	d = w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "hubot", Values: map[string]string{"Reason": "no"}}))
	if p := w.pressed(); p.Reason != "no" || d.Error != "" {
		t.Errorf("the form sent again: %+v, %+v", p, d)
	}
}
