package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/slack"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/slack"
)

const secret = "8f742231b10e8888abcd99yyyzzz85a5"

// clock is a clock that a test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

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

// queue is an Acceptor in memory. It can be away, as Redis can.
type queue struct {
	mu    sync.Mutex
	away  bool
	seen  map[string]bool
	jobs  []pipeline.Job
	taken chan pipeline.Job
}

func newQueue() *queue {
	return &queue{seen: map[string]bool{}, taken: make(chan pipeline.Job, 1000)}
}

func (q *queue) Accept(_ context.Context, j pipeline.Job, _ time.Duration, keys ...string) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away {
		return false, errors.New("dial tcp 127.0.0.1:6379: connection refused")
	}
	if slices.ContainsFunc(keys, func(k string) bool { return q.seen[k] }) {
		return false, nil
	}
	for _, k := range keys {
		q.seen[k] = true
	}
	q.jobs = append(q.jobs, j)
	q.taken <- j
	return true, nil
}

func (q *queue) goAway(away bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away = away
}

func (q *queue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

// records are button ids in memory; the sets of [bot.Records] are not needed here.
type records struct {
	bot.Records
	mu     sync.Mutex
	values map[string][]byte
}

func (r *records) Get(_ context.Context, _ int64, key string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key], nil
}

func (r *records) Put(_ context.Context, _ int64, key string, value []byte, _ time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[key] = value
	return nil
}

func (r *records) PutNew(_ context.Context, _ int64, key string, value []byte, _ time.Duration) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values[key] != nil {
		return false, nil
	}
	r.values[key] = value
	return true, nil
}

// services is a fixed Directory.
type services []slack.Service

func (s services) Services(context.Context) ([]slack.Service, error) { return s, nil }

func (s services) Rollback(_ context.Context, _ int64, env string) (slack.RollbackPlan, error) {
	if env == "staging" {
		return slack.RollbackPlan{}, pipeline.Refuse("no_target", "Nothing has been deployed to staging successfully yet, so there is nothing to go back to.")
	}
	return slack.RollbackPlan{
		From: &pipeline.Deployment{Run: "r-12345678", SHA: sha, By: "mona"},
		To:   pipeline.Deployment{Run: "r-00000000", SHA: "fedcba9876543210fedcba9876543210fedcba98", By: "hubot"},
	}, nil
}

// world is a Slack with mona and hubot in #deploys, and our edge to it.
type world struct {
	t        *testing.T
	ctx      context.Context
	slack    *sim.Server
	clock    *clock
	queue    *queue
	client   *slack.Client
	requests *slack.Requests
	buttons  bot.Buttons
	threads  slack.Threads
	log      *slog.Logger
}

func newWorld(t *testing.T) *world { return newWorldWith(t, sim.Config{}) }

func newWorldWith(t *testing.T, cfg sim.Config) *world {
	t.Helper()
	return newWorldOn(t, cfg, services{{Name: "shop", Environments: []string{"staging", "prod"}}, {Name: "blog", Environments: []string{"live"}}})
}

func newWorldOf(t *testing.T, all services) *world {
	t.Helper()
	return newWorldOn(t, sim.Config{}, all)
}

func newWorldOn(t *testing.T, cfg sim.Config, all services) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, clock: &clock{t: time.Now()}, queue: newQueue(), log: slog.New(slog.DiscardHandler)}
	cfg.BotToken, cfg.AppToken, cfg.SigningSecret, cfg.Now = "xoxb-test", "xapp-test", secret, w.clock.Now
	w.slack = sim.New(cfg)
	if err := w.slack.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.slack.Close)
	w.slack.AddUser(sim.User{ID: "U1", Name: "mona"})
	w.slack.AddUser(sim.User{ID: "U2", Name: "hubot"})
	w.slack.AddChannel("deploys", "U1", "U2")
	w.client = w.newClient()
	kept := &records{values: map[string][]byte{}}
	w.buttons, w.threads = bot.Buttons{Records: kept}, slack.Threads{Records: kept}
	w.requests = slack.NewRequests(slack.Config{
		Client: w.client, Secrets: []string{secret, "the-previous-secret-of-32-letters"}, Queue: w.queue, Now: w.clock.Now, Log: w.log,
		Services: all, Threads: w.threads,
	})
	mux := http.NewServeMux()
	w.requests.Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	w.slack.SetRequestURLs(sim.RequestURLsAt(s.URL))
	return w
}

// newClient is a process that was just started: it remembers nothing.
func (w *world) newClient() *slack.Client {
	w.t.Helper()
	c, err := slack.NewClient(slack.ClientConfig{BotToken: "xoxb-test", AppToken: "xapp-test", APIURL: w.slack.APIURL(), Links: []string{"https://ci.example/"}, Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) newSink() *slack.Sink {
	return &slack.Sink{Client: w.newClient(), Buttons: w.buttons, Threads: w.threads, Log: w.log}
}

func (w *world) channel() string {
	for _, c := range w.slack.Snapshot().Channels {
		if c.Name == "deploys" {
			return c.ID
		}
	}
	w.t.Fatal("no #deploys")
	return ""
}

// said is the newest job as what a person said; nothing else may be waiting.
func (w *world) said() bot.Said {
	w.t.Helper()
	var s bot.Said
	w.job(bot.KindSaid, &s)
	return s
}

func (w *world) pressed() bot.Pressed {
	w.t.Helper()
	var p bot.Pressed
	w.job(bot.KindPressed, &p)
	return p
}

func (w *world) job(kind string, into any) {
	w.t.Helper()
	select {
	case j := <-w.queue.taken:
		if j.Kind != kind || j.Pool != pipeline.Control {
			w.t.Fatalf("job %s is a %q in pool %q, want %q", j.ID, j.Kind, j.Pool, kind)
		}
		if err := json.Unmarshal(j.Payload, into); err != nil {
			w.t.Fatal(err)
		}
	default:
		w.t.Fatal("nothing was put on the queue")
	}
	w.nothingMore()
}

func (w *world) nothingMore() {
	w.t.Helper()
	select {
	case j := <-w.queue.taken:
		w.t.Fatalf("unexpected job %s: %s", j.ID, j.Payload)
	default:
	}
}

func (w *world) must(d sim.Delivery, err error) sim.Delivery {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// lastWhisper is the newest message only this person sees.
func (w *world) lastWhisper(user string) string {
	w.t.Helper()
	all := w.slack.EphemeralsTo(user)
	if len(all) == 0 {
		w.t.Fatalf("%s was told nothing", user)
	}
	return all[len(all)-1].Rendered
}

// api is Slack's own, for what nobody but the app may do.
func (w *world) api() *slackgo.Client {
	return slackgo.New("xoxb-test", slackgo.OptionAPIURL(w.slack.APIURL()))
}
