package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

var (
	shop = pipeline.Repo{ID: 1, Owner: "acme", Name: "shop"}
	cart = pipeline.Repo{ID: 2, Owner: "acme", Name: "cart"}

	mona = pipeline.Actor{ID: 11, Login: "mona"}
	eve  = pipeline.Actor{ID: 13, Login: "eve"} // may look at cart only
)

const (
	head  = "1111111111111111111111111111111111111111"
	token = "0123456789abcdef0123456789abcdef"

	file = `
service: NAME
environments:
  staging: {url: "https://staging.example"}
  prod: {approvals: {count: 1}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`
)

// scene is the API before a bot with the real engine on a store in memory.
type scene struct {
	t     *testing.T
	clock *pipelinetest.Clock
	store *pipelinetest.Store
	queue *queue
	logs  tail
	bot   *bot.Bot
	log   strings.Builder
	stop  chan struct{}
	api   http.Handler
}

func newScene(t *testing.T, actor pipeline.Actor) *scene {
	clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	s := &scene{t: t, clock: clock, store: pipelinetest.NewStore(clock), logs: tail{}, stop: make(chan struct{})}
	s.queue = &queue{Store: s.store}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	f := forge{}
	engine := &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: f, Now: clock.Now, Log: log}
	services := bot.Services{Records: s.store}
	surface := api.Surface{Records: s.store}
	s.bot = &bot.Bot{Name: "shipmate", Commands: commands.All(commands.Desk{Runs: engine, Store: s.store, GitHub: f, Logs: s.logs, Records: s.store}),
		Runs: engine, Store: s.store, Queue: s.store, Records: s.store, Limits: s.store, GitHub: f, Services: services,
		Surfaces: map[string]bot.Surface{bot.SurfaceAPI: surface, bot.SurfaceCLI: surface}, Now: clock.Now, Log: log}
	for _, repo := range []pipeline.Repo{shop, cart} {
		if err := services.Put(t.Context(), bot.Service{Name: repo.Name, Repo: repo, Environments: []string{"staging", "prod"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.api = api.New(api.Config{Token: pipeline.NewSecret(token), Actor: actor, Queue: s.queue, Records: s.store, Services: services, Runs: s.store,
		Logs: s.logs, GitHub: f, Web: "https://github.example", Stop: s.stop, Now: clock.Now, Log: log})
	return s
}

// request is one call, with the token unless headers say otherwise.
func (s *scene) request(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		s.t.Errorf("%s %s answers with Content-Type %q", method, path, got)
	}
	return w
}

// get reads an answer that must be 200.
func get[T any](s *scene, path string) (out T) {
	s.t.Helper()
	w := s.request(http.MethodGet, path, "")
	if w.Code != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// refused checks a status and the code of a problem.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != status || p.Code != code || p.Message == "" {
		t.Errorf("got %d %s, want %d %s with a sentence", w.Code, w.Body, status, code)
	}
}

// post says a command that must be accepted, and returns its id.
func (s *scene) post(body string, headers ...string) string {
	s.t.Helper()
	w := s.request(http.MethodPost, "/api/v1/commands", body, headers...)
	var a api.Accepted
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusAccepted || a.ID == "" {
		s.t.Fatalf("POST: %d %s", w.Code, w.Body)
	}
	return a.ID
}

// work does what is on the queue for the bot and returns how many jobs it was.
func (s *scene) work() int {
	s.t.Helper()
	n := 0
	for _, l := range s.store.Poll(pipeline.Control, 100, time.Minute) {
		if do, ours := s.bot.Handlers()[l.Kind]; ours {
			n++
			if err := do(s.t.Context(), l); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := s.store.Finish(s.t.Context(), l); err != nil && !errors.Is(err, pipeline.ErrLeaseLost) {
			s.t.Fatal(err)
		}
	}
	return n
}

// say posts a command, has it done and returns its answer.
func (s *scene) say(body string) (string, api.Answer) {
	s.t.Helper()
	id := s.post(body)
	s.work()
	return id, get[api.Answer](s, "/api/v1/commands/"+id)
}

// queue can fail before or after it has taken a job.
type queue struct {
	*pipelinetest.Store
	before, after error
}

func (q *queue) Accept(ctx context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error) {
	if q.before != nil {
		return false, q.before
	}
	added, err := q.Store.Accept(ctx, j, keep, keys...)
	return added, errors.Join(err, q.after)
}

// tail is logs by step.
type tail map[string][]string

func (t tail) Tail(_ context.Context, _ pipeline.RunID, step string, _, lines int) ([]string, error) {
	all, ok := t[step]
	if !ok {
		return nil, pipeline.ErrNotFound
	}
	return all[max(0, len(all)-lines):], nil
}

// forge is a GitHub where mona may write and eve may look at cart.
type forge struct{ bot.Forge }

func (forge) ReadOnce(ctx context.Context) context.Context { return ctx }

func (forge) Ahead(context.Context, pipeline.Repo, pipeline.Origin, pipeline.Actor) func() {
	return func() {}
}

func (forge) Config(_ context.Context, repo pipeline.Repo) (*pipeline.Config, error) {
	return pipeline.Parse(".shipmate.yaml", []byte(strings.Replace(file, "NAME", repo.Name, 1)), []pipeline.Uses{{Name: "run"}})
}

func (forge) Standing(_ context.Context, repo pipeline.Repo, who pipeline.Actor, _ pipeline.Roster) (pipeline.Standing, error) {
	switch {
	case who.ID == mona.ID:
		return pipeline.Standing{Login: who.Login, Permission: pipeline.Write}, nil
	case who.ID == eve.ID && repo.ID == cart.ID:
		return pipeline.Standing{Login: who.Login, Permission: pipeline.Read}, nil
	}
	return pipeline.Standing{Login: who.Login}, nil
}

func (forge) Commit(_ context.Context, _ pipeline.Repo, ref string) (pipeline.Commit, error) {
	if ref == head {
		return pipeline.Commit{SHA: head, OnDefault: true}, nil
	}
	return pipeline.Commit{SHA: head, Branch: "main", OnDefault: true}, nil
}

func (forge) CameAfter(context.Context, pipeline.Repo, commands.Head, time.Time) (bool, error) {
	return false, nil
}

func (forge) Contributors(context.Context, pipeline.Repo, string, string, int, string) ([]int64, error) {
	return nil, nil
}

func (forge) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	return pipeline.Live{OnDefault: true, People: map[int64]pipeline.Standing{mona.ID: {Permission: pipeline.Write}}}, nil
}
