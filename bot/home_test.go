package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// pages keeps what was published, by person.
type pages map[string][]bot.Home

func (p pages) Publish(_ context.Context, who pipeline.Actor, h bot.Home) error {
	p[who.SlackUser] = append(p[who.SlackUser], h)
	return nil
}

// homes is the pages' side of a scene.
type homes struct {
	*scene
	*bot.Homes
	pages pages
}

func newHomes(t *testing.T) *homes {
	s := onSlack(t)
	h := &homes{scene: s, pages: pages{}}
	h.Homes = &bot.Homes{Store: s.store, Records: s.store, Queue: s.store, GitHub: s.forge, Services: s.bot.Services,
		Identities: s.bot.Identities, Pages: h.pages, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler)}
	return h
}

// work does the jobs that are there.
func (h *homes) work() {
	h.t.Helper()
	for _, l := range h.store.Poll(pipeline.Control, 100, time.Minute) {
		do := h.Handlers()[l.Kind]
		if do == nil {
			continue
		}
		if err := do(h.t.Context(), l); err != nil {
			h.t.Fatal(err)
		}
		if err := h.store.Finish(h.t.Context(), l); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *homes) opens(user string) bot.Home {
	h.t.Helper()
	payload, err := json.Marshal(bot.HomeOpened{Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: user}})
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.store.Enqueue(h.t.Context(), pipeline.Job{ID: "opened " + user, Kind: bot.KindHomeOpened, Pool: pipeline.Control, Payload: payload})
	if err != nil {
		h.t.Fatal(err)
	}
	h.work()
	h.work()
	shown := h.pages[user]
	if len(shown) == 0 {
		h.t.Fatalf("%s sees nothing", user)
	}
	return shown[len(shown)-1]
}

// changed tells the sink of a run, and has made what that brings about.
func (h *homes) changed(r *pipeline.Run, before json.RawMessage) json.RawMessage {
	h.t.Helper()
	data, err := h.Show(h.t.Context(), r, pipeline.Shown{Data: before})
	if err != nil {
		h.t.Fatal(err)
	}
	h.work()
	return data
}

func (h *homes) published() string {
	out := ""
	for _, user := range []string{"U0MONA", "U0OCTAVIA", "U0EVE"} {
		out += fmt.Sprint(len(h.pages[user]), " ")
	}
	return out
}

func TestAHomeHasWhatConcernsThePerson(t *testing.T) {
	h := newHomes(t)
	asked := h.asking()
	ended := h.made(pipeline.Run{Request: pipeline.Request{Repo: shop, Service: "shop", Actor: pipeline.Bot(), CausedBy: mona, Trigger: pipeline.ByPush},
		Progress: pipeline.Progress{State: pipeline.Failed, Ended: h.clock.Now()}})
	if p := h.opens("U0MONA"); len(p.Questions) != 0 || len(p.Open) != 1 || p.Open[0].ID != asked.ID || len(p.Ended) != 1 || p.Ended[0].ID != ended.ID {
		t.Errorf("mona sees %+v", p)
	}
	p := h.opens("U0OCTAVIA")
	if len(p.Questions) != 1 || p.Questions[0] != (bot.HomeQuestion{Run: p.Questions[0].Run, Gate: pipeline.EnvironmentGate}) || p.Questions[0].Run.ID != asked.ID || len(p.Open)+len(p.Ended) != 0 {
		t.Errorf("octavia sees %+v", p)
	}
	if len(p.Services) != 1 || len(p.Services[0].Environments) != 2 {
		t.Errorf("services: %+v", p.Services)
	}
	if p := h.opens("U0EVE"); len(p.Questions) != 0 || len(p.Services) != 1 {
		t.Errorf("eve, who may not approve, sees %+v", p)
	}
	if p := h.opens("U0ZOE"); p.Unlinked == "" || len(p.Services) != 0 {
		t.Errorf("zoe, who is not linked, sees %+v", p)
	}
}

func TestAHomeHasNothingOfARepositoryThePersonMayNotRead(t *testing.T) {
	h := newHomes(t)
	h.asking()
	h.forge.rights[octavia.ID] = pipeline.NoAccess
	if p := h.opens("U0OCTAVIA"); len(p.Services)+len(p.Questions)+len(p.Open)+len(p.Ended) != 0 {
		t.Errorf("octavia sees %+v", p)
	}
}

func TestAnsweredQuestionsAreGone(t *testing.T) {
	h := newHomes(t)
	r := h.asking()
	r.Environment.Approvals.Count = 2
	r.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: octavia, Yes: true, SHA: head}}
	if err := h.store.Commit(t.Context(), pipeline.Change{Run: r}); err != nil {
		t.Fatal(err)
	}
	if p := h.opens("U0OCTAVIA"); len(p.Questions) != 0 {
		t.Errorf("octavia, who said yes, is asked again: %+v", p.Questions)
	}
}

func TestHomesFollowTheRunsThatConcernTheirPeople(t *testing.T) {
	h := newHomes(t)
	r := h.asking()
	h.changed(r, nil)
	if got := h.published(); got != "0 0 0 " {
		t.Errorf("nobody opened theirs, and %s were made", got)
	}
	for _, user := range []string{"U0MONA", "U0OCTAVIA", "U0EVE"} {
		h.opens(user)
	}
	data := h.changed(r, nil)
	if got := h.published(); got != "2 2 1 " {
		t.Errorf("of mona, who asked, octavia, who may approve, and eve there are %s", got)
	}
	if data = h.changed(r, data); h.published() != "2 2 1 " {
		t.Errorf("nothing changed, and there are %s", h.published())
	}
	r.Steps[0].State = pipeline.Running
	if data = h.changed(r, data); h.published() != "2 2 1 " {
		t.Errorf("a step is on no page, and there are %s", h.published())
	}
	r.Code, r.Admitted, r.State = "", true, pipeline.Running // answered elsewhere
	data = h.changed(r, data)
	if got := h.published(); got != "3 3 1 " {
		t.Errorf("after the answer there are %s", got)
	}
	h.clock.Advance(7*24*time.Hour + time.Minute)
	r.State = pipeline.Succeeded
	h.changed(r, data)
	if got := h.published(); got != "3 3 1 " {
		t.Errorf("a week later there are %s", got)
	}
}

func TestABurstOfChangesMakesAHomeOnce(t *testing.T) {
	h := newHomes(t)
	r := h.asking()
	h.opens("U0MONA")
	for n := range 5 {
		r.Approvals = slices.Repeat([]pipeline.Approval{{Gate: "x", By: eve}}, n)
		if _, err := h.Show(t.Context(), r, pipeline.Shown{}); err != nil {
			t.Fatal(err)
		}
	}
	h.work()
	if got := len(h.pages["U0MONA"]); got != 2 {
		t.Errorf("made %d times, want once more than when it was opened", got)
	}
}
