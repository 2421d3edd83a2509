package bot_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/bot/github"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

const pushedFile = `
service: shop
environments:
  staging: {slack: "#shop"}
  prod: {slack: "#shop", approvals: {count: 1, by: ["team:leads"]}}
pipelines:
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
      - {name: rollout, run: make deploy}
`

// pushed is a simulated GitHub where mona opened pull request 1 of acme/shop
// from topic. eve may push, hubot approves.
type pushed struct {
	t     *testing.T
	clock *pipelinetest.Clock
	sim   *sim.Server
	repo  pipeline.Repo
	mona  pipeline.Actor
	names map[string]string // of commits
	was   string            // the head before it was asked for
	moved int               // how often the head was moved since, before the runs began
	halts bool              // deploys halt before their second step
}

// asker is a bot with the real engine and the real client before that GitHub,
// of which mona asks for one deploy in one way. Both environments are busy until
// they are released. Several askers see the same things happen.
type asker struct {
	*pushed
	way    way
	deaf   bool // no webhook but its comments' comes through
	store  *pipelinetest.Store
	hook   http.Handler
	engine *pipeline.Engine
	bot    *bot.Bot
	talk   *talk
	heard  int
	mine   []int64  // comments that were written for it
	ran    []string // what was deployed, by the names
}

var pushedKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

const pushedRepo = "acme/shop"

func newPushed(t *testing.T) *pushed {
	t.Helper()
	// Tokens of the App are signed by the real clock.
	clock := pipelinetest.NewClock(time.Now().Add(-20 * time.Second).Truncate(time.Second))
	s := sim.Must(sim.New(sim.Config{Now: clock.Now, PrivateKey: pushedKey(), Root: t.TempDir(), BaseURL: "https://github.example"}))
	t.Cleanup(func() { _ = s.Close() })
	s.HoldWebhooks()
	p := &pushed{t: t, clock: clock, sim: s, names: map[string]string{}}
	sim.Must(s.AddOrg(sim.NewOrg{Login: "acme"}))
	p.mona = pipeline.Actor{ID: sim.Must(s.AddUser(sim.NewUser{Login: "mona"})).ID, Login: "mona"}
	sim.Must(s.AddUser(sim.NewUser{Login: "eve"}))
	sim.Must(s.AddUser(sim.NewUser{Login: "hubot"}))
	repo := sim.Must(s.CreateRepo(sim.NewRepo{Owner: "acme", Name: "shop", Collaborators: map[string]string{"mona": "write", "eve": "write", "hubot": "maintain"},
		Files: map[string]string{github.ConfigFile: pushedFile, "README.md": "shop"}}))
	sim.Must(s.AddTeam(sim.NewTeam{Org: "acme", Slug: "leads", Members: []string{"hubot"}}))
	p.repo = pipeline.Repo{ID: repo.ID, Installation: sim.Must(s.Install(pushedRepo)), Owner: "acme", Name: "shop"}
	p.push("A", sim.Push{})
	sim.Must(s.As("mona").OpenPR(sim.NewPR{Repo: pushedRepo, Head: "topic", Title: "Add a"}))
	return p
}

// asker makes one more bot; mona is who is linked on Slack and acts over the API.
func (p *pushed) asker(w way, deaf bool) *asker {
	p.t.Helper()
	a := &asker{pushed: p, way: w, deaf: deaf, store: pipelinetest.NewStore(p.clock), talk: &talk{}}
	log := slog.New(slog.DiscardHandler)
	runner := pipeline.Uses{Name: "run", Class: pipeline.Queryable, Runner: recorder{a}}
	client, err := github.NewClient(github.Config{AppID: p.sim.AppID(), PrivateKey: p.sim.PrivateKeyPEM(), Slug: "shipmate", APIURL: "https://github.example/api/v3",
		Uses: []pipeline.Uses{runner}, Environments: a.store, Told: a.store, HTTP: inProcess{p.sim}, Now: p.clock.Now, Log: log})
	p.must(err)
	a.engine = &pipeline.Engine{Store: a.store, Queue: a.store, GitHub: client, Logs: noLog{}, Runners: map[string]pipeline.Uses{"run": runner}, Now: p.clock.Now, Log: log}
	a.bot = &bot.Bot{Name: "shipmate", Commands: commands.All(commands.Desk{Runs: a.engine, Store: a.store, GitHub: client, Records: a.store}),
		Runs: a.engine, Store: a.store, Queue: a.store, Records: a.store, Limits: a.store, GitHub: client, Buttons: bot.Buttons{Records: a.store}, Services: bot.Services{Records: a.store},
		Identities: linked{"U0MONA": p.mona}, Surfaces: map[string]bot.Surface{"github": a.talk, "slack": a.talk, bot.SurfaceAPI: a.talk}, Now: p.clock.Now, Log: log}
	a.hook = github.NewWebhook(github.WebhookConfig{Secrets: []string{p.sim.WebhookSecret()}, Queue: a.store, Told: a.store, AppID: p.sim.AppID(), Slug: "shipmate", Now: p.clock.Now, Log: log})
	p.must(a.bot.Services.Put(p.t.Context(), bot.Service{Name: "shop", Repo: p.repo, Environments: []string{"staging", "prod"}}))
	a.occupy("r-before")
	return a
}

// inProcess asks the simulator without a network between.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w, in := httptest.NewRecorder(), r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// noLog takes the output of steps and forgets it.
type noLog struct{}

func (noLog) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return noLog{}, nil
}
func (noLog) Write(p []byte) (int, error)       { return len(p), nil }
func (noLog) Offset() int64                     { return 0 }
func (noLog) Mask(text string) string           { return text }
func (noLog) Close(context.Context, bool) error { return nil }

// recorder is a runner that keeps which commit was deployed.
type recorder struct{ a *asker }

func (k recorder) Run(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	switch {
	case c.Step.Name == "build":
		k.a.ran = append(k.a.ran, k.a.names[c.Run.SHA])
	case k.a.halts:
		return pipeline.Result{RetryAfter: time.Second}, nil
	}
	return pipeline.Result{Done: true}, nil
}

func (p *pushed) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// occupy has a run hold both environments; "" releases them.
func (p *asker) occupy(id pipeline.RunID) {
	p.t.Helper()
	for _, name := range []string{"staging", "prod"} {
		e, err := p.store.Environment(p.t.Context(), p.repo.ID, name)
		p.must(err)
		e.Active = id
		p.must(p.store.Commit(p.t.Context(), pipeline.Change{Environment: e, Jobs: pipeline.WakeQueue(e)}))
	}
}

// push puts a commit of this name on topic, by eve unless it is the first.
func (p *pushed) push(name string, in sim.Push) {
	who := "eve"
	if len(p.names) == 0 {
		who = "mona"
	}
	in.Repo = pushedRepo
	if in.Branch == "" {
		in.Branch = "topic"
	}
	if in.To == "" {
		in.Files = map[string]string{name: name}
		in.Message = "Add " + name
	}
	p.names[sim.Must(p.sim.As(who).Push(in))] = name
	if in.Branch == "topic" && !p.halts {
		p.moved++
	}
}

func (p *pushed) sha(name string) string {
	for sha, n := range p.names {
		if n == name {
			return sha
		}
	}
	p.t.Fatalf("no commit %s", name)
	return ""
}

// hear has the webhooks come that were sent since.
func (p *asker) hear() {
	p.t.Helper()
	all := p.sim.Deliveries()
	for _, d := range all[p.heard:] {
		if d.Event == "issue_comment" && !p.wroteMine(d.Body) || d.Event != "issue_comment" && p.deaf {
			continue
		}
		r := httptest.NewRequestWithContext(p.t.Context(), http.MethodPost, "/github/webhook", strings.NewReader(string(d.Body)))
		for k, v := range d.Header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		p.hook.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			p.t.Fatalf("%s: %d %s", d.Event, w.Code, w.Body)
		}
	}
	p.heard = len(all)
	p.work()
}

func (p *asker) wroteMine(body []byte) bool {
	var m struct{ Comment struct{ ID int64 } }
	p.must(json.Unmarshal(body, &m))
	return slices.Contains(p.mine, m.Comment.ID)
}

// work does jobs until there are none.
func (p *asker) work() {
	p.t.Helper()
	handlers := p.bot.Handlers()
	for kind, h := range p.engine.Handlers() {
		handlers[kind] = h
	}
	for range 1000 {
		ls := append(p.store.Poll(pipeline.Control, 1, time.Hour), p.store.Poll(pipeline.Steps, 1, time.Hour)...)
		if len(ls) == 0 {
			return
		}
		for _, l := range ls {
			var wait *github.Patience
			if err := handlers[l.Kind](p.t.Context(), l); pipeline.IsTemporary(err) && errors.As(err, &wait) {
				p.must(p.store.Retry(p.t.Context(), l, p.clock.Now().Add(wait.RetryAfter())))
				continue
			} else if err != nil {
				p.t.Fatalf("%s: %v", l.ID, err)
			}
			if err := p.store.Finish(p.t.Context(), l); err != nil && !errors.Is(err, pipeline.ErrLeaseLost) {
				p.t.Fatal(err)
			}
		}
	}
	p.t.Fatal("the work never comes to an end")
}

// way is how somebody asks for the deploy.
type way struct {
	name string
	say  func(p *asker)

	unproven bool // nobody has named the commit or seen it
}

var ways = []way{
	{"/deploy staging", func(p *asker) { p.comment("mona", "/deploy staging") }, false},
	{"/deploy prod", func(p *asker) { p.comment("mona", "/deploy prod") }, true},
	{"/deploy prod <sha>", func(p *asker) { p.comment("mona", "/deploy prod "+p.sim.Head(pushedRepo, "topic")) }, false},
	{"api: /deploy prod", func(p *asker) {
		p.enqueue(bot.Said{Repo: p.repo, Actor: p.mona, Text: "/deploy prod", At: p.clock.Now().Add(-2 * time.Second), Came: p.clock.Now(), Origin: pipeline.Origin{Surface: bot.SurfaceAPI, PR: 1, Command: "c-1"}})
	}, true},
	{"slack: /deploy shop prod topic", func(p *asker) {
		p.enqueue(bot.Said{Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: "U0MONA"}, Text: "/deploy shop prod topic", At: p.clock.Now(), Came: p.clock.Now(), Origin: pipeline.Origin{Surface: "slack", Channel: "C0SHOP", ChannelName: "shop"}})
	}, false},
}

func (p *asker) comment(who, text string) {
	p.mine = append(p.mine, sim.Must(p.sim.As(who).Comment(pushedRepo, 1, text)).ID)
}

func (p *asker) enqueue(m bot.Said) {
	p.t.Helper()
	p.must(p.store.Enqueue(p.t.Context(), pipeline.Job{ID: "said", Kind: bot.KindSaid, Pool: pipeline.Control, Payload: encoded(p.t, m)}))
}

// moves is what happens to the pull request, by the time it happens.
type moves struct {
	before   func(p *pushed) // five seconds before it is said
	same     func(p *pushed) // in the same second
	after    func(p *pushed) // five seconds after, before shipmate gets to it
	waiting  func(p *pushed) // while the run waits for its turn and approval
	approved func(p *pushed) // after the approval, before its turn comes
	running  func(p *pushed) // after its first step
}

// play has everybody ask while things move.
func (p *pushed) play(m moves, askers []*asker) {
	p.t.Helper()
	do := func(f func(*pushed)) {
		if f != nil {
			f(p)
		}
	}
	each := func(f func(*asker)) {
		for _, a := range askers {
			f(a)
		}
	}
	p.halts = m.running != nil
	p.clock.Advance(5 * time.Second)
	do(m.before)
	p.was, p.moved = p.names[p.sim.Head(pushedRepo, "topic")], 0
	p.clock.Advance(5 * time.Second)
	do(m.same)
	each(func(a *asker) { a.way.say(a) })
	if m.after != nil {
		p.clock.Advance(5 * time.Second)
		m.after(p)
	}
	each((*asker).hear)
	each((*asker).confirm)
	p.clock.Advance(time.Second)
	do(m.waiting)
	each((*asker).hear)
	each((*asker).approve)
	p.clock.Advance(time.Second)
	do(m.approved)
	each((*asker).hear)
	each(func(a *asker) { a.occupy(""); a.work() })
	do(m.running)
	p.halts = false
	p.clock.Advance(2 * time.Second)
	each((*asker).hear)
}

// confirm says yes to what is asked back.
func (p *asker) confirm() {
	p.t.Helper()
	said := p.talk.answers()
	if len(said) != 1 {
		p.t.Fatalf("%s: %d answers", p.way.name, len(said))
	}
	for _, c := range said[0].Confirm {
		p.must(p.store.Enqueue(p.t.Context(), pipeline.Job{ID: "pressed", Kind: bot.KindPressed, Pool: pipeline.Control, Payload: encoded(p.t, bot.Pressed{Repo: p.repo, Button: c.Button,
			Actor: pipeline.Actor{SlackTeam: "T0", SlackUser: "U0MONA"}, Origin: said[0].At, At: p.clock.Now()})}))
		p.work()
	}
}

func (p *asker) approve() {
	p.t.Helper()
	if r := p.run(); r != nil && len(r.OpenGates()) > 0 {
		p.comment("hubot", "/approve "+string(r.ID))
		p.hear()
	}
}

func (p *asker) run() *pipeline.Run {
	p.t.Helper()
	runs, err := p.store.Runs(p.t.Context(), pipeline.RunQuery{Repo: p.repo.ID})
	p.must(err)
	if len(runs) > 1 {
		p.t.Fatalf("%d runs", len(runs))
	}
	if len(runs) == 0 {
		return nil
	}
	return runs[0]
}

func (p *asker) outcome() string {
	p.t.Helper()
	r := p.run()
	switch said := p.talk.answers()[0]; {
	case said.Outcome == bot.Refused:
		return "-" + said.Code
	case r == nil:
		return "nothing"
	case len(p.ran) > 0 && r.State == pipeline.Succeeded:
		return strings.Join(p.ran, ",")
	case len(p.ran) > 0:
		return fmt.Sprintf("%s,then:%s:%s", strings.Join(p.ran, ","), r.State, r.Code)
	case r.State == pipeline.Cancelled:
		return "x:" + r.Code
	}
	return fmt.Sprintf("%s:%s", r.State, r.Code)
}

// TestPushedAfterTheCommand: where it counts, only what was the head of the pull
// request strictly before it was asked for, and has been ever since, is deployed.
func TestPushedAfterTheCommand(t *testing.T) {
	forged := time.Unix(1e9, 0)
	plain := func(p *pushed) { p.push("B", sim.Push{}) }
	dated := func(p *pushed) { p.push("B", sim.Push{AuthoredAt: forged}) }
	side := func(p *pushed) {
		p.push("B", sim.Push{Branch: "side", Parent: p.sha("A"), Force: true, AuthoredAt: forged})
	}
	toSide := func(p *pushed) { p.push("B", sim.Push{To: p.sha("B"), Force: true}) }
	back := func(p *pushed) { p.push("A", sim.Push{To: p.sha("A"), Force: true}) }
	away := func(p *pushed) { side(p); toSide(p) }
	awayAndBack := func(p *pushed) { away(p); back(p) }
	retarget := func(p *pushed) {
		sim.Must(p.sim.As("mona").Push(sim.Push{Repo: pushedRepo, Branch: "next", Files: map[string]string{"next": "x"}}))
		p.must(p.sim.As("mona").Retarget(pushedRepo, 1, "next"))
	}
	retargetBack := func(p *pushed) { p.must(p.sim.As("mona").Retarget(pushedRepo, 1, "main")) }
	draft := func(p *pushed) { p.must(p.sim.As("mona").ConvertToDraft(pushedRepo, 1)) }
	closing := func(p *pushed) { p.must(p.sim.As("eve").ClosePR(pushedRepo, 1)) }
	reopening := func(p *pushed) { p.must(p.sim.As("mona").ReopenPR(pushedRepo, 1)) }
	both := func(fs ...func(*pushed)) func(*pushed) {
		return func(p *pushed) {
			for _, f := range fs {
				f(p)
			}
		}
	}
	gone := func(p *pushed) {
		sim.Must(p.sim.As("eve").Push(sim.Push{Repo: pushedRepo, Branch: "topic", Delete: true}))
	}
	merge := func(p *pushed) { p.must(p.sim.As("hubot").MergePR(pushedRepo, 1, "merge")) }
	mainMoves := func(p *pushed) {
		sim.Must(p.sim.As("hubot").Push(sim.Push{Repo: pushedRepo, Branch: "main", Files: map[string]string{"z": "z"}}))
	}
	rows := []struct {
		name string
		moves
	}{
		{"nothing moves", moves{}},

		{"pushed before", moves{before: plain}},
		{"pushed before, with a forged date", moves{before: dated}},
		{"on a side branch before", moves{before: side}},
		{"on a side branch and the head before", moves{before: away}},
		{"forced away and back before", moves{before: awayAndBack}},

		{"pushed in the same second", moves{same: plain}},
		{"pushed in the same second, with a forged date", moves{same: dated}},
		{"on a side branch before, the head in the same second", moves{before: side, same: toSide}},
		{"forced away before, back in the same second", moves{before: away, same: back}},

		{"pushed after", moves{after: plain}},
		{"pushed after, with a forged date", moves{after: dated}},
		{"on a side branch before, the head after", moves{before: side, after: toSide}},
		{"forced away and back after", moves{after: awayAndBack}},
		{"forced away before, back after", moves{before: away, after: back}},

		{"pushed while it waits", moves{waiting: plain}},
		{"pushed while it waits, with a forged date", moves{waiting: dated}},
		{"on a side branch before, the head while it waits", moves{before: side, waiting: toSide}},
		{"forced away and back while it waits", moves{waiting: awayAndBack}},

		{"pushed after the approval", moves{approved: plain}},
		{"pushed after the approval, with a forged date", moves{approved: dated}},
		{"on a side branch before, the head after the approval", moves{before: side, approved: toSide}},
		{"forced away and back after the approval", moves{approved: awayAndBack}},
		{"forced away while it waits, back after the approval", moves{waiting: away, approved: back}},

		{"pushed while it runs", moves{running: plain}},
		{"closed while it runs", moves{running: closing}},

		{"retargeted before", moves{before: retarget}},
		{"retargeted after", moves{after: retarget}},
		{"retargeted while it waits", moves{waiting: retarget}},
		{"retargeted after the approval", moves{approved: retarget}},
		{"retargeted and back while it waits", moves{waiting: both(retarget, retargetBack)}},
		{"its base moves while it waits", moves{waiting: mainMoves}},

		{"a draft before", moves{before: draft}},
		{"a draft after", moves{after: draft}},
		{"a draft while it waits", moves{waiting: draft}},
		{"a draft after the approval", moves{approved: draft}},

		{"closed before", moves{before: closing}},
		{"closed after", moves{after: closing}},
		{"closed while it waits", moves{waiting: closing}},
		{"closed after the approval", moves{approved: closing}},
		{"closed and reopened before", moves{before: both(closing, reopening)}},
		{"closed and reopened after", moves{after: both(closing, reopening)}},
		{"closed and reopened while it waits", moves{waiting: both(closing, reopening)}},
		{"merged while it waits", moves{waiting: merge}},

		{"the branch deleted before", moves{before: gone}},
		{"the branch deleted after", moves{after: gone}},
		{"the branch deleted while it waits", moves{waiting: gone}},
		{"the branch deleted after the approval", moves{approved: gone}},
	}
	table := make([]string, len(rows))
	t.Run("rows", func(t *testing.T) {
		for i, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				table[i] = pushedRow(t, row.name, row.moves)
			})
		}
	})
	golden(t, "testdata/pushed.golden", pushedLegend()+strings.Join(table, ""))
}

// pushedRow plays one row of the table.
func pushedRow(t *testing.T, name string, m moves) string {
	p := newPushed(t)
	var told, deaf []*asker
	for _, w := range ways {
		told, deaf = append(told, p.asker(w, false)), append(deaf, p.asker(w, true))
	}
	p.play(m, slices.Concat(told, deaf))
	for _, a := range told {
		if got := a.outcome(); a.way.unproven && len(a.ran) > 0 && (got != p.was || p.moved > 0) {
			t.Errorf("%s deployed %s, and %s was the head and moved %d times", a.way.name, got, p.was, p.moved)
		}
	}
	with, without := pushedLine(name, told), pushedLine(name, deaf)
	if with == without {
		return with
	}
	return with + pushedLine("  the same, and its webhooks are lost", deaf)
}

func pushedLine(name string, askers []*asker) string {
	line := fmt.Sprintf("%-54s", name)
	for _, a := range askers {
		line += fmt.Sprintf(" %-15s", a.outcome())
	}
	return strings.TrimRight(line, " ") + "\n"
}

func pushedLegend() string {
	text := `What becomes of a deploy while the pull request moves. Every cell was played against the simulated GitHub;
"go test ./bot -run PushedAfter -update" plays them again.

A is the head at first, B what eve pushes. A commit: that is deployed. -code: it is refused. x:code: the run ends
before it has begun. All runs wait for their turn, those to prod for an approval too, which hubot gives.

1  comment: /deploy staging                 not protected
2  comment: /deploy prod                    protected
3  comment: /deploy prod <full commit id>   of what is the head when it is written
4  API:     /deploy prod                    as if on the pull request
5  Slack:   /deploy shop prod topic         the commit is shown, and confirmed whatever it is; no pull request is meant

`
	return text + fmt.Sprintf("%-54s %-15s %-15s %-15s %-15s %s\n\n", "", "1", "2", "3", "4", "5")
}
