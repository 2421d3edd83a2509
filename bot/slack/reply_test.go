package slack_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

// denies is a Budget that is used up.
type denies struct{}

func (denies) Budget(context.Context, string, int, time.Duration, int) (bool, time.Duration, error) {
	return false, time.Second, nil
}

var mona = pipeline.Actor{ID: 1, Login: "mona", SlackTeam: "T0SIM", SlackUser: "U1"}

func (w *world) reply(s *slack.Surface, at pipeline.Origin, text string) {
	w.t.Helper()
	if err := s.Reply(w.ctx, pipeline.Repo{}, at, mona, "key", bot.Answer{Outcome: bot.Done, Text: text}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnswersGoToTheOneWhoAsked(t *testing.T) {
	w := newWorld(t)
	s := &slack.Surface{Client: w.client, Log: w.log}
	w.must(w.slack.SlashCommand(w.ctx, sim.Command{User: "mona", Channel: "deploys", Name: "/whoami"}))
	at := w.said().Origin
	for n := range 5 {
		w.reply(s, at, "It **works**: `a & b`, [run r-1](https://ci.example/runs/r-1).")
		if got, want := w.lastWhisper("mona"), "It *works*: `a &amp; b`, <https://ci.example/runs/r-1|run r-1>."; got != want {
			t.Errorf("answer %d: %q", n, got)
		}
	}
	if by, after := len(w.slack.Requests("response_url")), len(w.slack.Requests("chat.postEphemeral")); by != 3 || after != 2 {
		t.Errorf("%d uses of the response URL, then %d messages", by, after)
	}
	if len(w.slack.EphemeralsTo("hubot")) != 0 {
		t.Error("others saw it")
	}
}

func TestAnswersInThreads(t *testing.T) {
	w := newWorld(t)
	s := &slack.Surface{Client: w.client, Log: w.log}
	top, _ := w.slack.Say(sim.Post{User: "hubot", Channel: "deploys", Text: "look"})
	w.must(w.slack.Mention(w.ctx, sim.Post{User: "mona", Channel: "deploys", Thread: top.TS, Text: "status"}))
	w.reply(s, w.said().Origin, "All is well.")
	replies := w.only().Replies
	if last := replies[len(replies)-1]; last.Rendered != "<@U1> All is well." || last.Ephemeral() {
		t.Errorf("thread: %+v", replies)
	}
}

func TestWithoutAChannelTheAnswerIsDirect(t *testing.T) {
	w := newWorld(t)
	w.reply(&slack.Surface{Client: w.client, Log: w.log}, pipeline.Origin{Surface: "slack"}, "Done.")
	if got := w.slack.Snapshot().Direct("mona"); len(got) != 1 || got[0].Rendered != "Done." {
		t.Errorf("got %+v", got)
	}
}

func TestOtherHostsAreNeverCalled(t *testing.T) {
	w := newWorld(t)
	called := 0
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	defer canary.Close()
	host := strings.TrimPrefix(w.slack.URL(), "http://")
	for _, to := range []string{
		canary.URL, "http://hooks.slack.com/x", "https://hooks.slack.com.evil.example/x", "https://evil.example/hooks.slack.com",
		"http://" + host + "@" + strings.TrimPrefix(canary.URL, "http://") + "/", "//" + host + "/x", "http:" + host, "ftp://hooks.slack.com/",
	} {
		w.reply(&slack.Surface{Client: w.client, Log: w.log}, pipeline.Origin{Surface: "slack", Channel: w.channel(), ReplyTo: to}, "Done.")
	}
	if called != 0 || len(w.slack.Requests("response_url")) != 0 || len(w.slack.Requests("chat.postEphemeral")) != 8 {
		t.Errorf("the canary was called %d times", called)
	}
}

func TestALongAnswerIsCutAndSaysSo(t *testing.T) {
	w := newWorld(t)
	long := "```\n" + strings.Repeat("a line of a log with <tags> & such\n", 500) + "```"
	w.reply(&slack.Surface{Client: w.client, Log: w.log}, pipeline.Origin{Surface: "slack", Channel: w.channel()}, long)
	all := w.slack.EphemeralsTo("mona")
	got := all[len(all)-1]
	if n := len([]rune(got.Text)); n > 3500 || !strings.Contains(got.Text, "left out") {
		t.Errorf("%d characters: …%s", n, got.Text[len(got.Text)-100:])
	}
	for _, b := range got.Blocks {
		if text := b["text"].(sim.Block)["text"].(string); strings.Count(text, "```")%2 != 0 {
			t.Errorf("a code block is left open:\n%s", text)
		}
	}
}

func TestPeople(t *testing.T) {
	w := newWorld(t)
	w.slack.AddUser(sim.User{ID: "U3", Name: "guest", IsRestricted: true})
	w.slack.AddUser(sim.User{ID: "U4", Name: "single", IsUltraRestricted: true})
	w.slack.AddUser(sim.User{ID: "U5", Name: "stranger", Team: "T9", IsStranger: true})
	w.slack.AddUser(sim.User{ID: "U6", Name: "robot", IsBot: true})
	w.slack.AddUser(sim.User{ID: "U7", Name: "gone", Deleted: true})
	for user, want := range map[string]slack.Person{
		"U1": {Name: "mona"}, "U3": {Name: "guest", Guest: true}, "U4": {Name: "single", Guest: true},
		"U5": {Name: "stranger", Stranger: true}, "U6": {Name: "robot", Bot: true}, "U7": {Name: "gone", Deleted: true},
	} {
		got, err := w.client.Person(w.ctx, "T0SIM", user)
		if err != nil || got != want || got.MayAct() != (user == "U1") {
			t.Errorf("%s: %+v, %v", user, got, err)
		}
	}
	if p, err := w.client.Person(w.ctx, "T9", "U1"); err == nil && p.MayAct() {
		t.Error("the same id in another workspace may act")
	}
	if _, err := w.client.Person(w.ctx, "T0SIM", "U404"); err == nil {
		t.Error("nobody is somebody")
	}
	asked := len(w.slack.Requests("users.info"))
	if _, err := w.client.Person(w.ctx, "T0SIM", "U1"); err != nil || len(w.slack.Requests("users.info")) != asked {
		t.Error("asked again at once")
	}
	w.slack.AddUser(sim.User{ID: "U1", Name: "mona", Deleted: true})
	w.clock.advance(15 * time.Minute)
	if p, err := w.client.Person(w.ctx, "T0SIM", "U1"); err != nil || p.MayAct() {
		t.Errorf("deactivated 15 minutes ago: %+v, %v", p, err)
	}
}
