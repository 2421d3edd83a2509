package slack_test

import (
	"context"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/shipmate/shipmate/test/sim/slack"
)

// connect runs a real Socket Mode client until the test ends; it acknowledges with
// what answer gives. It returns when the connection is there.
func connect(t *testing.T, s *slack.Server, answer func(socketmode.Event) any) {
	t.Helper()
	c := socketmode.New(client(s, "xoxb-test"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.RunContext(ctx)
	}()
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		for {
			select {
			case e := <-c.Events:
				if e.Request != nil && e.Request.EnvelopeID != "" {
					_ = c.AckCtx(ctx, e.Request.EnvelopeID, answer(e))
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); s.DropSockets(); <-ended; <-acked })
	connected(t, s, 1)
}

func connected(t *testing.T, s *slack.Server, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.WaitFor(ctx, func(st *slack.State) bool { return st.Sockets == n }); err != nil {
		t.Fatal(err)
	}
}

func TestSocketModeDeliversEverything(t *testing.T) {
	s, api := start(t, slack.Config{SocketMode: true})
	got := make(chan socketmode.Event, 10)
	connect(t, s, func(e socketmode.Event) any {
		got <- e
		if e.Type == socketmode.EventTypeSlashCommand {
			return map[string]any{"text": "On it."}
		}
		return nil
	})
	if d, err := s.SlashCommand(t.Context(), deploy); err != nil || d.Error != "" {
		t.Fatalf("command: %+v, %v", d, err)
	}
	if c, ok := (<-got).Data.(slackgo.SlashCommand); !ok || c.UserID != "U1" || c.Command != "/deploy" {
		t.Errorf("command: %+v", c)
	}
	if seen := s.EphemeralsTo("mona"); len(seen) != 1 || seen[0].Text != "On it." {
		t.Errorf("mona sees %+v", seen)
	}
	_, ts, err := api.PostMessage("deploys", slackgo.MsgOptionBlocks(approveButton()))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Click(t.Context(), slack.Click{User: "mona", Channel: "deploys", Message: ts, Button: "approve"}); err != nil || d.Error != "" {
		t.Fatalf("click: %+v, %v", d, err)
	}
	if c, ok := (<-got).Data.(slackgo.InteractionCallback); !ok || c.ActionCallback.BlockActions[0].Value != "id-1" {
		t.Errorf("click: %+v", c)
	}
	if d, err := s.Mention(t.Context(), slack.Post{User: "mona", Channel: "deploys", Text: "status"}); err != nil || d.Error != "" {
		t.Fatalf("mention: %+v, %v", d, err)
	}
	if e, ok := (<-got).Data.(slackevents.EventsAPIEvent); !ok || e.InnerEvent.Type != "app_mention" {
		t.Errorf("mention: %+v", e)
	}
}

func TestADisconnectMakesTheClientReconnect(t *testing.T) {
	s, _ := start(t, slack.Config{SocketMode: true})
	connect(t, s, func(socketmode.Event) any { return nil })
	s.Disconnect("refresh_requested")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	reconnected := func(st *slack.State) bool { return len(s.Requests("apps.connections.open")) == 2 && st.Sockets == 1 }
	if err := s.WaitFor(ctx, reconnected); err != nil {
		t.Fatal(err)
	}
	if d, err := s.SlashCommand(t.Context(), deploy); err != nil || d.Error != "" {
		t.Errorf("afterwards: %+v, %v", d, err)
	}
}

func TestWithoutASocketNothingArrives(t *testing.T) {
	s, _ := start(t, slack.Config{SocketMode: true, AckTimeout: 50 * time.Millisecond})
	if d, err := s.SlashCommand(t.Context(), deploy); err != nil || d.Error != slack.DispatchFailed {
		t.Errorf("no connection: %+v, %v", d, err)
	}
	dial(t, s)
	connected(t, s, 1)
	if d, err := s.SlashCommand(t.Context(), deploy); err != nil || d.Error != slack.OperationTimeout {
		t.Errorf("no ack: %+v, %v", d, err)
	}
}

func TestTheEleventhSocketIsRefused(t *testing.T) {
	s, _ := start(t, slack.Config{SocketMode: true})
	for range 10 {
		if hello := dial(t, s); hello["type"] != "hello" {
			t.Fatalf("got %v", hello)
		}
	}
	if refused := dial(t, s); refused["reason"] != "too_many_websockets" {
		t.Errorf("got %v", refused)
	}
}

// dial opens one connection that never acknowledges, and gives its first message.
func dial(t *testing.T, s *slack.Server) map[string]any {
	t.Helper()
	_, address, err := client(s, "xoxb-test").StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var first map[string]any
	if err := conn.ReadJSON(&first); err != nil {
		t.Fatal(err)
	}
	return first
}
