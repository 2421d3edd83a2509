package bot_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

var (
	shop = pipeline.Repo{ID: 1, Owner: "acme", Name: "shop"}
	cart = pipeline.Repo{ID: 2, Owner: "acme", Name: "cart"}

	mona    = pipeline.Actor{ID: 11, Login: "mona"}
	octavia = pipeline.Actor{ID: 12, Login: "octavia"}
	eve     = pipeline.Actor{ID: 13, Login: "eve"}
)

const (
	head = "1111111111111111111111111111111111111111"

	shopFile = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod: {aliases: [production], slack: "#shop", approvals: {count: 1}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`
	cartFile = `
service: cart
environments:
  prod: {slack: "#cart"}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`
)

// scene is a bot with the real engine on a store in memory, between a GitHub
// and a Slack made for tests. People talk on pull request 1 of acme/shop.
type scene struct {
	t      *testing.T
	clock  *pipelinetest.Clock
	store  *pipelinetest.Store
	forge  *forge
	talk   *talk
	bot    *bot.Bot
	engine *pipeline.Engine
	jobs   int
}

func newScene(t *testing.T) *scene {
	clock := pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	s := &scene{t: t, clock: clock, store: pipelinetest.NewStore(clock), talk: &talk{}}
	s.forge = &forge{
		files:  map[int64]string{shop.ID: shopFile, cart.ID: cartFile},
		rights: map[int64]pipeline.Permission{mona.ID: pipeline.Write, octavia.ID: pipeline.Maintain, eve.ID: pipeline.Read},
	}
	log := slog.New(slog.DiscardHandler)
	engine := &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: s.forge, Now: clock.Now, Log: log}
	s.engine = engine
	s.bot = &bot.Bot{
		Name:       "shipmate",
		Commands:   commands.All(commands.Desk{Runs: engine, Store: s.store, GitHub: s.forge, Records: s.store}),
		Runs:       engine,
		Store:      s.store,
		Queue:      s.store,
		Records:    s.store,
		Limits:     s.store,
		GitHub:     s.forge,
		Buttons:    bot.Buttons{Records: s.store},
		Services:   bot.Services{Records: s.store},
		Identities: linked{"U0MONA": mona},
		Surfaces:   map[string]bot.Surface{"github": s.talk, "slack": s.talk},
		Now:        clock.Now,
		Log:        log,
	}
	return s
}

// handle does one job and returns what the bot said to it.
func (s *scene) handle(kind string, message any) []answered {
	s.t.Helper()
	before := len(s.talk.answers())
	if err := s.try(kind, message); err != nil {
		s.t.Fatalf("%s: %v", kind, err)
	}
	return s.talk.answers()[before:]
}

func (s *scene) try(kind string, message any) error {
	s.t.Helper()
	payload, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	s.jobs++
	job := pipeline.Job{ID: fmt.Sprintf("job-%d", s.jobs), Kind: kind, Payload: payload}
	return s.bot.Handlers()[kind](s.t.Context(), &pipeline.Lease{Job: job})
}

// comment is what somebody writes on pull request 1.
func comment(who pipeline.Actor, text string) bot.Said {
	return bot.Said{Repo: shop, Actor: who, Origin: pipeline.Origin{Surface: "github", PR: 1, Comment: 7}, Text: text}
}

// say writes a comment and returns the one answer to it.
func (s *scene) say(who pipeline.Actor, text string) answered {
	s.t.Helper()
	s.forge.write(text)
	return s.one(s.handle(bot.KindSaid, comment(who, text)))
}

// slack says something in a channel, in the thread if there is one.
func (s *scene) slack(user, channel, thread, text string) answered {
	s.t.Helper()
	at := pipeline.Origin{Surface: "slack", Channel: "C0" + strings.ToUpper(channel), ChannelName: channel, Thread: thread}
	return s.one(s.handle(bot.KindSaid, bot.Said{Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: user}, Origin: at, Text: text}))
}

func (s *scene) one(all []answered) answered {
	s.t.Helper()
	if len(all) != 1 {
		s.t.Fatalf("%d answers, want 1: %+v", len(all), all)
	}
	return all[0]
}

// refused checks an answer that says no.
func (a answered) refused(t *testing.T, text string) {
	t.Helper()
	if a.Outcome != bot.Refused || a.Text != text {
		t.Errorf("got %s %q, want refused %q", a.Outcome, a.Text, text)
	}
}

// made is a run as if somebody had asked for it.
func (s *scene) made(r pipeline.Run) *pipeline.Run {
	s.t.Helper()
	if r.ID == "" {
		r.ID = s.store.NewRunID(r.Repo.ID)
	}
	r.SHA, r.Created = head, s.clock.Now()
	if err := s.store.Commit(s.t.Context(), pipeline.Change{Run: &r}); err != nil {
		s.t.Fatal(err)
	}
	return &r
}

// forge is a GitHub with one pull request in every repository.
type forge struct {
	files  map[int64]string // .shipmate.yaml by repository
	rights map[int64]pipeline.Permission
	wrote  []int64                 // whose work is deployed
	same   bool                    // all commits hold the same files
	tip    string                  // of the default branch; "": head
	notYet bool                    // the head of the pull request was not it when the comment was written
	moved  map[int64]pipeline.Repo // repositories that are called otherwise now
	gone   bool                    // repositories without a file are not there at all
	into   string                  // the base branch of the pull request; "": main
	pushed string                  // the head of the pull request; "": head

	changed func() ([]string, error) // nil: nothing is changed
	unread  error                    // of reading a file

	mu     sync.Mutex
	body   string // of the comment as it stands; "": it is gone
	looked func() // told when the comment is read again; may be nil
}

func (f *forge) write(body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body = body
}

func (f *forge) CommentUnchanged(_ context.Context, _ pipeline.Repo, _ pipeline.Origin, body string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.looked != nil {
		f.looked()
	}
	return f.body == body, nil
}

func (f *forge) Locate(_ context.Context, repo pipeline.Repo) (pipeline.Repo, error) {
	if now, ok := f.moved[repo.ID]; ok {
		return now, nil
	}
	if _, ok := f.files[repo.ID]; !ok && f.gone {
		return repo, pipeline.Refuse("not_installed", "The GitHub App is not installed on %s.", repo)
	}
	return repo, nil
}

func (f *forge) Config(_ context.Context, repo pipeline.Repo) (*pipeline.Config, error) {
	if f.unread != nil {
		return nil, f.unread
	}
	src, ok := f.files[repo.ID]
	if !ok {
		return nil, pipeline.Refuse("no_config", "There is no `.shipmate.yaml` in %s.", repo)
	}
	cfg, err := pipeline.Parse(".shipmate.yaml", []byte(src), []pipeline.Uses{{Name: "run"}})
	if err != nil {
		return nil, pipeline.Refuse("bad_config", "The `.shipmate.yaml` of %s has errors.", repo)
	}
	return cfg, nil
}

// ConfigFile: the files are the same at every commit.
func (f *forge) ConfigFile(ctx context.Context, repo pipeline.Repo, _ string) (bot.ConfigFile, error) {
	cfg, err := f.Config(ctx, repo)
	if pipeline.Code(err) == "no_config" {
		return bot.ConfigFile{}, nil
	}
	return bot.ConfigFile{Config: cfg, Err: err, Digest: f.files[repo.ID]}, nil
}

func (f *forge) MergeBase(context.Context, pipeline.Repo, string, string) (string, error) {
	return head, nil
}

func (f *forge) Standing(_ context.Context, _ pipeline.Repo, who pipeline.Actor, _ pipeline.Roster) (pipeline.Standing, error) {
	return pipeline.Standing{Login: who.Login, Permission: f.rights[who.ID]}, nil
}

func (f *forge) Live(_ context.Context, r *pipeline.Run) (pipeline.Live, error) {
	live := pipeline.Live{People: map[int64]pipeline.Standing{}, PullRequest: &pipeline.PullRequest{Number: 1, Head: cmp.Or(f.pushed, head), Into: cmp.Or(f.into, "main"), Merge: pipeline.MergeClean, Open: true}}
	for id, right := range f.rights {
		live.People[id] = pipeline.Standing{Permission: right}
	}
	if r.PR == 0 {
		live.PullRequest = nil
	}
	return live, nil
}

func (f *forge) PullRequest(context.Context, pipeline.Repo, int) (pipeline.PullRequest, error) {
	return pipeline.PullRequest{Number: 1, Head: cmp.Or(f.pushed, head), Branch: "sale", Into: cmp.Or(f.into, "main"), Open: true}, nil
}

func (f *forge) Commit(context.Context, pipeline.Repo, string) (pipeline.Commit, error) {
	return pipeline.Commit{SHA: cmp.Or(f.tip, head), Title: "Add a sale", Branch: "main", OnDefault: true}, nil
}

func (f *forge) CameAfter(context.Context, pipeline.Repo, commands.Head, time.Time) (bool, error) {
	return false, nil
}

func (f *forge) WasHead(context.Context, pipeline.Repo, int, string, time.Time) (bool, error) {
	return !f.notYet, nil
}

func (f *forge) Contributors(context.Context, pipeline.Repo, string, string, int, string) ([]int64, error) {
	return f.wrote, nil
}

func (f *forge) Compare(context.Context, pipeline.Repo, string, string) (pipeline.Comparison, error) {
	return pipeline.Comparison{}, nil
}

func (f *forge) SameFiles(_ context.Context, _ pipeline.Repo, a, b string) (bool, error) {
	return f.same, nil
}

func (f *forge) Changed(context.Context, *pipeline.Run) ([]string, error) {
	if f.changed == nil {
		return nil, nil
	}
	return f.changed()
}

func (f *forge) ReadOnce(ctx context.Context) context.Context { return ctx }

func (f *forge) Ahead(context.Context, pipeline.Repo, pipeline.Origin, pipeline.Actor) func() {
	return func() {}
}

// linked says who on Slack is who on GitHub.
type linked map[string]pipeline.Actor

func (l linked) GitHub(_ context.Context, who pipeline.Actor) (pipeline.Actor, error) {
	known, ok := l[who.SlackUser]
	if !ok {
		return who, pipeline.Refuse("not_linked", "Your Slack account is not linked.")
	}
	known.SlackTeam, known.SlackUser = who.SlackTeam, who.SlackUser
	return known, nil
}

// threads knows the run of each thread.
type threads map[string]pipeline.RunID

func (t threads) RunOf(_ context.Context, _, thread string) (pipeline.RunID, error) {
	if id, ok := t[thread]; ok {
		return id, nil
	}
	return "", fmt.Errorf("thread %s: %w", thread, pipeline.ErrNotFound)
}

// answered is what was said, and to whom.
type answered struct {
	bot.Answer
	Repo pipeline.Repo
	At   pipeline.Origin
	To   pipeline.Actor
	Key  string
}

// talk is a surface that keeps what happened on it, in order.
type talk struct {
	acking func() error // does the work of an ack; nil: there is none
	fails  int          // replies that do not get through

	mu    sync.Mutex
	said  []answered
	order []string
}

func (k *talk) Ack(context.Context, pipeline.Repo, pipeline.Origin) error {
	var err error
	if k.acking != nil {
		err = k.acking()
	}
	k.note("acked")
	return err
}

func (k *talk) Reply(_ context.Context, repo pipeline.Repo, at pipeline.Origin, to pipeline.Actor, key string, a bot.Answer) error {
	k.mu.Lock()
	if k.fails > 0 {
		k.fails--
		k.mu.Unlock()
		return pipeline.Temporary(errors.New("bad gateway"))
	}
	k.mu.Unlock()
	k.note("replied")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.said = append(k.said, answered{a, repo, at, to, key})
	return nil
}

func (k *talk) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.order = append(k.order, what)
}

func (k *talk) happened() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.order, ", ")
}

func (k *talk) answers() []answered {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.said)
}

func encoded(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
