package slack_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

const secret = "8f742231b10e8888abcd99yyyzzz85a5"

// start runs a Slack with mona and hubot in #deploys, and a real client of it.
func start(t *testing.T, cfg slack.Config) (*slack.Server, *slackgo.Client) {
	t.Helper()
	cfg.BotToken, cfg.AppToken, cfg.SigningSecret = "xoxb-test", "xapp-test", secret
	s := slack.New(cfg)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.AddUser(slack.User{ID: "U1", Name: "mona", Email: "mona@example.com"})
	s.AddUser(slack.User{ID: "U2", Name: "hubot"})
	s.AddChannel("deploys", "U1", "U2")
	return s, client(s, "xoxb-test")
}

func client(s *slack.Server, token string) *slackgo.Client {
	return slackgo.New(token, slackgo.OptionAPIURL(s.APIURL()), slackgo.OptionAppLevelToken("xapp-test"))
}

// bot is the app's side of requests over HTTP: it verifies signatures with slack-go
// and answers with what the test put there.
type bot struct {
	*httptest.Server
	commands chan slackgo.SlashCommand
	actions  chan slackgo.InteractionCallback
	events   chan http.Header

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request)
}

func newBot(t *testing.T, s *slack.Server) *bot {
	t.Helper()
	b := &bot{
		commands: make(chan slackgo.SlashCommand, 20),
		actions:  make(chan slackgo.InteractionCallback, 20),
		events:   make(chan http.Header, 20),
		answer:   func(http.ResponseWriter, *http.Request) {},
	}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	s.SetRequestURLs(slack.RequestURLsAt(b.URL))
	return b
}

func (b *bot) answers(f func(w http.ResponseWriter, r *http.Request)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

func (b *bot) answersJSON(v any) {
	b.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	})
}

func (b *bot) serve(w http.ResponseWriter, r *http.Request) {
	body, ok := verified(r)
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/slack/commands":
		c, _ := slackgo.SlashCommandParse(r)
		b.commands <- c
	case "/slack/interactions":
		c, _ := slackgo.InteractionCallbackParse(r)
		b.actions <- c
	case "/slack/events":
		var event struct{ Type, Challenge string }
		_ = json.Unmarshal(body, &event)
		if event.Type == "url_verification" {
			_, _ = w.Write([]byte(event.Challenge))
			return
		}
		b.events <- r.Header
	}
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	answer(w, r)
}

// clock is a clock that a test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

// newClock starts a little in the past: slack-go verifies signatures by the wall clock,
// give or take five minutes.
func newClock() *clock { return &clock{t: time.Now().Add(-4 * time.Minute)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func section(text string) slackgo.Block {
	return slackgo.NewSectionBlock(slackgo.NewTextBlockObject("mrkdwn", text, false, false), nil, nil)
}

func approveButton() *slackgo.ActionBlock {
	b := slackgo.NewButtonBlockElement("approve", "id-1", slackgo.NewTextBlockObject("plain_text", "Approve", false, false))
	b.Confirm = slackgo.NewConfirmationBlockObject(
		slackgo.NewTextBlockObject("plain_text", "Approve?", false, false),
		slackgo.NewTextBlockObject("plain_text", "0123456 to prod", false, false),
		slackgo.NewTextBlockObject("plain_text", "Yes, approve", false, false),
		slackgo.NewTextBlockObject("plain_text", "No", false, false))
	return slackgo.NewActionBlock("gate", b)
}
