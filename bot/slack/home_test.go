package slack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

func (w *world) publish(h bot.Home) *sim.View {
	w.t.Helper()
	p := &slack.Pages{Client: w.client, Buttons: w.buttons}
	if err := p.Publish(w.ctx, mona, h); err != nil {
		w.t.Fatal(err)
	}
	home := w.slack.Home("mona")
	if home == nil {
		w.t.Fatal("mona has no home")
	}
	return home
}

func TestOnlyTheHomeTabHasAPageMade(t *testing.T) {
	w := newWorld(t)
	w.must(w.slack.AppHomeOpened(w.ctx, "mona"))
	var opened bot.HomeOpened
	w.job(bot.KindHomeOpened, &opened)
	if opened.Actor.SlackUser != "U1" || opened.Actor.SlackTeam != "T0SIM" {
		t.Errorf("opened by %+v", opened.Actor)
	}
	w.slack.Replay(w.ctx, w.slack.LastSent())
	w.nothingMore()
	d := w.slack.SendEvent(w.ctx, "T0SIM", sim.Block{"type": "app_home_opened", "user": "U1", "tab": "messages", "channel": "D1", "event_ts": "1.000001"})
	if d.Status != http.StatusOK {
		t.Errorf("status %d", d.Status)
	}
	w.nothingMore()
	w.queue.goAway(true)
	if d := w.must(w.slack.AppHomeOpened(w.ctx, "mona")); d.Status != http.StatusServiceUnavailable {
		t.Errorf("while the queue is away: %d", d.Status)
	}
}

func TestButtonsAtHomeAreThoseOfTheRun(t *testing.T) {
	w := newWorld(t)
	r := open()
	home := w.publish(bot.Home{Questions: []bot.HomeQuestion{{Run: r, Gate: pipeline.EnvironmentGate}, {Run: r, Gate: "look"}}})
	d := w.must(w.slack.Click(w.ctx, sim.Click{User: "mona", View: home.ID, Button: "Approve"}))
	if d.Dialog == nil || !strings.Contains(d.Dialog.Text, "0123456") {
		t.Errorf("asked %+v, want a question that names the commit", d.Dialog)
	}
	p := w.pressed()
	meant, err := w.buttons.Find(w.ctx, p.Repo.ID, p.Button)
	if err != nil || meant.Run != r.ID || meant.Kind != bot.ButtonApprove || meant.Gate != pipeline.EnvironmentGate || p.Actor.SlackUser != "U1" {
		t.Errorf("pressed %+v, which means %+v, %v", p, meant, err)
	}
	w.must(w.slack.Click(w.ctx, sim.Click{User: "mona", View: home.ID, Button: "Reject"}))
	w.must(w.slack.SubmitView(w.ctx, sim.Submission{User: "mona", Values: map[string]string{"Reason": "no"}}))
	if p := w.pressed(); p.Reason != "no" || p.Origin.Channel != "" {
		t.Errorf("pressed %+v", p)
	}
}

func TestAFullHomeIsWithinSlacksLimits(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("ä<&>", 200)
	var h bot.Home
	for n := range 300 {
		r := open()
		r.ID, r.Title, r.Ref, r.Service, r.Environment.Name = pipeline.RunID(fmt.Sprintf("r-%08d", n)), long, long, long, long
		h.Questions = append(h.Questions, bot.HomeQuestion{Run: r, Gate: long[:60]})
		h.Open, h.Ended = append(h.Open, r), append(h.Ended, r)
		s := bot.HomeService{Name: long, Repo: r.Repo}
		for range 50 {
			s.Environments = append(s.Environments, bot.HomeEnvironment{Name: long, FrozenUntil: time.Now(), State: &pipeline.EnvironmentState{
				Current: &pipeline.Deployment{SHA: sha, By: long, At: time.Now()}, Lock: &pipeline.Lock{By: pipeline.Actor{Login: long}}}})
		}
		h.Services = append(h.Services, s)
	}
	home := w.publish(h)
	if len(home.Blocks) > 90 || strings.Count(home.Rendered, "more, see /shipmate status") < 4 {
		t.Errorf("%d blocks, %d notes of what is left out", len(home.Blocks), strings.Count(home.Rendered, "more, see /shipmate status"))
	}
	raw := w.slack.Requests("views.publish")
	if size := len(fmt.Sprint(raw[len(raw)-1])); size > 200_000 {
		t.Errorf("the page has %d bytes", size)
	}
}

func TestWhatPeopleTypedIsNotLiveAtHome(t *testing.T) {
	w := newWorld(t)
	evil := "<!channel> <@U2> <https://evil|https://prod> `*x*`"
	r := open()
	r.Title, r.Ref, r.Service, r.Environment.Name, r.Actor.Login = evil, evil, evil, evil, evil
	state := &pipeline.EnvironmentState{Lock: &pipeline.Lock{By: pipeline.Actor{Login: evil}}}
	home := w.publish(bot.Home{
		Questions: []bot.HomeQuestion{{Run: r, Gate: "look"}}, Open: []*pipeline.Run{r},
		Services: []bot.HomeService{{Name: evil, Environments: []bot.HomeEnvironment{{Name: evil, State: state}}}},
	})
	if live := (sim.Message{Blocks: home.Blocks}).Live(); len(live) > 0 {
		t.Errorf("live: %v in\n%s", live, home.Rendered)
	}
}

func TestAPageOfAnotherWorkspaceIsNotMade(t *testing.T) {
	w := newWorld(t)
	other := mona
	other.SlackTeam = "T0OTHER"
	p := &slack.Pages{Client: w.client, Buttons: w.buttons}
	if err := p.Publish(w.ctx, other, bot.Home{}); err != nil || w.slack.Home("mona") != nil {
		t.Errorf("made: %v", err)
	}
}

func TestPagesWaitForTheirBudget(t *testing.T) {
	w := newWorld(t)
	p := &slack.Pages{Client: w.client, Buttons: w.buttons, Budget: denies{}}
	if err := p.Publish(w.ctx, mona, bot.Home{}); !pipeline.IsTemporary(err) || w.slack.Home("mona") != nil {
		t.Errorf("without a budget: %v", err)
	}
}
