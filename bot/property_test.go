package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/auditlog"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

var (
	games = flag.Int("games", 300, "random games to play")
	game  = flag.Uint64("game", 0, "play this game alone, and show it")
)

const gameFile = `
service: shop
environments:
  staging: {}
  prod:
    approvals: {count: 2}
    freeze: [{cron: "0 13 * * *", for: 2h, reason: lunch}]
  edge: {concurrency: supersede, approvals: {count: 1}, requires: {up_to_date: false}}
  single: {concurrency: refuse}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: lint, run: make lint}
  deploy:
    on: {command: deploy}
    on_failure: rollback
    steps:
      - {name: migrate, run: make migrate, undo: make unmigrate}
      - {name: rollout, run: make deploy}
`

var gameConfig = sync.OnceValue(func() *pipeline.Config {
	cfg, err := pipeline.Parse(".shipmate.yaml", []byte(gameFile), []pipeline.Uses{{Name: "run"}})
	if err != nil {
		panic(err)
	}
	cfg.SHA = strings.Repeat("0", 40)
	return cfg
})

// TestRandomGames has random people say random things to the bot with the real
// engine, while they push, merge, close, gain and lose rights, time passes,
// windows open and close, steps fail and workers die. What must hold at every
// commit is in gamerules_test.go, written anew and not taken from the gates.
func TestRandomGames(t *testing.T) {
	t.Parallel()
	if *game != 0 {
		p := playGame(*game)
		for _, line := range p.history {
			t.Log(line)
		}
		if p.broken != "" {
			t.Fatal(p.broken)
		}
		return
	}
	n := *games
	if testing.Short() {
		n /= 10
	}
	var worst *player
	failed, admitted, done := 0, 0, 0
	for s := range uint64(n) {
		p := playGame(s + 1)
		admitted, done = admitted+p.admitted, done+p.done
		if p.broken == "" {
			continue
		}
		failed++
		if worst == nil || len(p.history) < len(worst.history) {
			worst = p
		}
	}
	if worst != nil {
		t.Fatalf("%d of %d games broke; the shortest is -game %d: %s\n%s", failed, n, worst.seed, worst.broken, strings.Join(worst.history, "\n"))
	}
	if admitted < 2*n || done < 5*n {
		t.Errorf("in %d games %d runs began and %d commands were done: they are about nothing", n, admitted, done)
	}
}

// player is one game: everything in it is decided by the seed.
type player struct {
	seed    uint64
	rng     *rand.Rand
	clock   *pipelinetest.Clock
	store   *pipelinetest.Store
	forge   *gameForge
	paper   *paper
	history []string
	broken  string
	calm    bool // nobody dies any more, and steps succeed
	said    int  // messages that people wrote
	flooded int  // of them those that were too much
	done    int  // commands that were done

	admitted int
	runs     map[pipeline.RunID]*pipeline.Run      // as last committed
	envs     map[string]*pipeline.EnvironmentState // as last committed
	answers  map[string]string                     // key of a message -> how it was answered
}

// gameBroke ends a game; the first fault counts.
type gameBroke string

func (p *player) fail(format string, args ...any) {
	if p.broken == "" {
		p.broken = fmt.Sprintf(format, args...)
	}
	panic(gameBroke(p.broken))
}

func (p *player) note(format string, args ...any) {
	p.history = append(p.history, p.clock.Now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (p *player) must(err error) {
	if err != nil {
		p.fail("%v", err)
	}
}

func (p *player) chance(percent int) bool { return p.rng.IntN(100) < percent }

func oneOf[T any](p *player, from ...T) T { return from[p.rng.IntN(len(from))] }

func playGame(seed uint64) (p *player) {
	p = &player{seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), clock: pipelinetest.NewClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)), paper: &paper{known: map[string]bool{}},
		runs: map[pipeline.RunID]*pipeline.Run{}, envs: map[string]*pipeline.EnvironmentState{}, answers: map[string]string{}}
	p.store = pipelinetest.NewStore(p.clock)
	p.forge = newGameForge(p)
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(gameBroke); !ours {
				panic(fmt.Sprintf("-game %d: %v", seed, r))
			}
		}
	}()
	for range 30 + p.rng.IntN(60) {
		p.act()
		p.checkOpen()
	}
	p.settleDown()
	return p
}

// act does one random thing.
func (p *player) act() {
	switch n := p.rng.IntN(100); {
	case n < 40:
		p.say()
	case n < 65:
		for range 1 + p.rng.IntN(6) {
			p.workOnce()
		}
	case n < 75:
		p.work()
	case n < 85:
		p.pass(oneOf(p, time.Second, time.Minute, 10*time.Minute, 29*time.Minute, time.Hour, 3*time.Hour))
	case n < 92:
		p.moves()
	case n < 95:
		p.approve()
	default:
		who := gamePerson(int64(1 + p.rng.IntN(gamePeople)))
		if said := p.waiting(func(r *pipeline.Run) bool { return len(r.Approvals) > 0 }); said != nil && p.chance(70) {
			who = said.Approvals[p.rng.IntN(len(said.Approvals))].By
		}
		p.forge.rights[who.ID] = oneOf(p, pipeline.NoAccess, pipeline.Read, pipeline.Write, pipeline.Write, pipeline.Maintain, pipeline.Admin)
		p.note("%s has %s", who.Login, p.forge.rights[who.ID])
	}
}

// approve has several people say yes to a run that asks.
func (p *player) approve() {
	r := p.waiting(func(r *pipeline.Run) bool { return len(r.OpenGates()) > 0 })
	if r == nil {
		return
	}
	for range 2 {
		p.said++
		who := gamePerson(int64(1 + p.rng.IntN(gamePeople)))
		p.note("%s> /approve %s", who.Login, r.ID)
		p.enqueue(fmt.Sprint("said-", p.said), bot.KindSaid, bot.Said{Repo: shop, Actor: who, Text: "/approve " + string(r.ID), At: p.clock.Now(), Came: p.clock.Now(), Origin: pipeline.Origin{Surface: "github", PR: 1, Comment: int64(p.said)}})
	}
}

// waiting picks a run that has not begun.
func (p *player) waiting(want func(*pipeline.Run) bool) *pipeline.Run {
	var found []*pipeline.Run
	for _, r := range p.runs {
		if r.State == pipeline.Waiting && !r.Admitted && want(r) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b *pipeline.Run) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return found[p.rng.IntN(len(found))]
}

func (p *player) pass(d time.Duration) {
	p.clock.Advance(d)
	p.note("%s later", d)
}

const gamePeople = 6

func gamePerson(id int64) pipeline.Actor {
	return pipeline.Actor{ID: id, Login: fmt.Sprintf("p%d", id)}
}

// say has somebody write one command on a pull request, or over the API.
func (p *player) say() {
	p.said++
	env := oneOf(p, "staging", "staging", "prod", "edge", "single")
	run := p.anyRun()
	texts := []string{"/deploy " + env, "/deploy " + env, "/deploy " + env + " --wait", "/deploy " + env + " main", "/deploy " + env + " --at 10:30", "/deploy " + env + " --dry-run", "/rollback " + env, "/promote staging " + env,
		"/approve", "/approve " + run, "/approve " + run, "/approve " + run, "/reject " + run + " --reason no", "/cancel " + run, "/cancel " + env, "/retry", "/retry " + run, "/lock " + env + " --reason audit", "/lock all --reason audit --for 1h", "/lock " + env + " --force --reason mine",
		"/unlock " + env + " --force --reason over", "/unlock all --force --reason over", "/resolve " + run + " migrate " + oneOf(p, "succeeded", "failed") + " --reason looked", "/resolve " + run + " rollout succeeded --reason looked",
		fmt.Sprintf(`/override %s %s --reason "the site is down"`, run, oneOf(p, "approval", "freeze", "lock")), fmt.Sprintf(`/override %s %s --reason "the site is down"`, run, oneOf(p, "approval", "freeze", "lock")), "/status", "/why " + env}
	who, text := gamePerson(int64(1+p.rng.IntN(gamePeople))), oneOf(p, texts...)
	m := bot.Said{Repo: shop, Actor: who, Text: text, At: p.clock.Now(), Came: p.clock.Now(), Origin: pipeline.Origin{Surface: "github", PR: 1 + p.rng.IntN(2), Comment: int64(p.said)}}
	if p.chance(15) {
		m.Origin = pipeline.Origin{Surface: bot.SurfaceAPI, Command: fmt.Sprint("c-", p.said)}
	}
	p.note("%s on #%d> %s", who.Login, m.Origin.PR, text)
	p.enqueue(fmt.Sprint("said-", p.said), bot.KindSaid, m)
}

func (p *player) enqueue(id, kind string, m any) {
	payload, err := json.Marshal(m)
	p.must(err)
	p.must(p.store.Enqueue(context.Background(), pipeline.Job{ID: id, Kind: kind, Pool: pipeline.Control, Repo: shop.ID, Payload: payload}))
}

// anyRun names a run, most often one that has not ended.
func (p *player) anyRun() string {
	var open, all []string
	for id, r := range p.runs {
		if all = append(all, string(id)); !r.State.Terminal() {
			open = append(open, string(id))
		}
	}
	slices.Sort(open)
	slices.Sort(all)
	switch {
	case len(open) > 0 && p.chance(85):
		return oneOf(p, open...)
	case len(all) > 0:
		return oneOf(p, all...)
	}
	return "r-00000000"
}

// moves has something happen to a pull request, with or without its webhook.
func (p *player) moves() {
	n := 1 + p.rng.IntN(2)
	pr, who := &p.forge.pulls[n], gamePerson(int64(1+p.rng.IntN(gamePeople)))
	action := oneOf(p, "synchronize", "synchronize", "closed", "reopened", "merged", "edited", "converted_to_draft", "ready_for_review")
	switch {
	case pr.Merged, action == "reopened" && pr.Open, action != "reopened" && !pr.Open:
		return
	case action == "synchronize":
		pr.Head = p.forge.commit(who.ID)
	case action == "closed":
		pr.Open = false
	case action == "reopened":
		pr.Open = true
	case action == "merged":
		pr.Open, pr.Merged, action = false, true, "closed"
		p.forge.main = pr.Head
	case action == "edited":
		pr.Into = oneOf(p, "main", "next")
	default:
		pr.Draft = action == "converted_to_draft"
	}
	p.note("%s: #%d %s, it is at %.7s", who.Login, n, action, pr.Head)
	if p.chance(80) {
		p.said++
		p.answers[fmt.Sprint("pull-", p.said)] = ""
		p.enqueue(fmt.Sprint("pull-", p.said), bot.KindPullRequest, bot.PullRequest{Repo: shop, Actor: who, Action: action, Number: n, Head: pr.Head, Branch: pr.Branch, Base: pr.Into, Author: gamePerson(pr.Author), Merged: pr.Merged, Draft: pr.Draft, At: p.clock.Now()})
		p.said--
	}
}

const gameLease = time.Minute

// workOnce has a new worker do one job, and perhaps die in the middle of it.
func (p *player) workOnce() bool {
	ls := p.store.Poll(pipeline.Control, 1, gameLease)
	if len(ls) == 0 || p.chance(30) {
		if more := p.store.Poll(pipeline.Steps, 1, gameLease); len(more) > 0 {
			ls = append(ls, more...)
		}
	}
	for _, l := range ls {
		p.do(l)
	}
	return len(ls) > 0
}

func (p *player) do(l *pipeline.Lease) {
	w := newMortal(p)
	err := w.handlers()[l.Kind](context.Background(), l)
	if p.broken != "" {
		panic(gameBroke(p.broken)) // again: the engine takes a panic in a runner for the runner's
	}
	switch {
	case w.dead:
		p.note("whoever did %s died", l.ID)
	case errors.Is(err, pipeline.ErrLeaseLost), l.Done:
	case err == nil:
		p.must(p.store.Finish(context.Background(), l))
	case pipeline.IsTemporary(err):
		p.note("%s again: %v", l.ID, err)
		if err := p.store.Retry(context.Background(), l, p.clock.Now().Add(time.Second)); !errors.Is(err, pipeline.ErrLeaseLost) {
			p.must(err)
		}
	default:
		p.fail("job %s is buried: %v", l.ID, err)
	}
}

// work does jobs until there are none.
func (p *player) work() {
	for range 3000 {
		if !p.workOnce() {
			return
		}
	}
	p.fail("the work never comes to an end")
}

// settleDown ends the faults and everything that goes on, and looks at what has
// been kept of it.
func (p *player) settleDown() {
	p.calm = true
	p.note("all is calm now")
	for range 4 { // leases lapse, lost jobs are found
		p.work()
		p.clock.Advance(2 * gameLease)
	}
	p.work()
	p.checkOpen()
	for _, r := range p.runs {
		if !r.State.Terminal() && r.State != pipeline.Unknown && r.RedeployedBy == "" && !r.NextTimer().After(p.clock.Now()) {
			p.fail("run %s is %s, and neither a job nor a timer moves it", r.ID, r.State)
		}
	}
	p.checkAudit()
}

// mortal is a worker with its own engine and bot, whose store may be the end of it.
type mortal struct {
	*pipelinetest.Store
	p    *player
	dead bool
}

func newMortal(p *player) *mortal { return &mortal{Store: p.store, p: p} }

var errGone = errors.New("this process is dead")

func (w *mortal) handlers() map[string]pipeline.Handler {
	p, log := w.p, slog.New(slog.DiscardHandler)
	audit := &auditlog.Log{Store: p.paper, Now: p.clock.Now, Out: log}
	e := &pipeline.Engine{Store: w, Queue: w, GitHub: p.forge, Logs: noLog{}, Sinks: []pipeline.Sink{&auditlog.Sink{Log: audit, History: w}}, Now: p.clock.Now, Log: log,
		Runners: map[string]pipeline.Uses{"run": {Name: "run", Class: pipeline.Queryable, Runner: gambler{w}}}}
	b := &bot.Bot{Name: "shipmate", Commands: commands.All(commands.Desk{Runs: e, Store: w, GitHub: p.forge, Records: w}), Runs: e, Store: w, Queue: w, Records: w, Limits: w, GitHub: p.forge,
		Buttons: bot.Buttons{Records: w}, Services: bot.Services{Records: w}, Surfaces: map[string]bot.Surface{"github": w, bot.SurfaceAPI: w}, Audit: audit, Now: p.clock.Now, Log: log}
	all := b.Handlers()
	maps.Copy(all, e.Handlers())
	return all
}

// dies decides whether this is the end, before or after something is written.
func (w *mortal) dies() bool {
	if !w.dead && !w.p.calm && w.p.chance(1) {
		w.dead = true
	}
	return w.dead
}

func (w *mortal) Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error) {
	if w.dead {
		return nil, errGone
	}
	return w.Store.Load(ctx, id)
}

func (w *mortal) NewRunID(int64) pipeline.RunID {
	w.p.forge.made++
	return pipeline.RunID(fmt.Sprintf("r-%08d", w.p.forge.made))
}

func (w *mortal) PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error) {
	if w.dies() {
		return false, errGone
	}
	fresh, err := w.Store.PutNew(ctx, repo, key, value, keep)
	if w.dies() {
		return false, errGone
	}
	return fresh, err
}

func (w *mortal) Commit(ctx context.Context, c pipeline.Change) error {
	if w.dies() {
		return errGone
	}
	if err := w.Store.Commit(ctx, c); err != nil {
		return err
	}
	w.p.committed(c)
	if w.dies() {
		return errGone
	}
	return nil
}

func (w *mortal) Ack(context.Context, pipeline.Repo, pipeline.Origin) error { return nil }

// Reply keeps what was answered; the same message is always answered the same.
func (w *mortal) Reply(_ context.Context, _ pipeline.Repo, _ pipeline.Origin, who pipeline.Actor, key string, a bot.Answer) error {
	if w.dies() {
		return errGone
	}
	p := w.p
	answer := strings.TrimSpace(string(a.Outcome) + " " + a.Code)
	if old, before := p.answers[key]; before && old != answer {
		p.fail("%s was answered %q, and then %q", key, old, answer)
	} else if !before {
		p.note("    %s hears %s: %s", who.Login, answer, a.Text)
		switch {
		case a.Code == "rate_limited":
			p.flooded++
		case a.Outcome == bot.Done:
			p.done++
		}
	}
	p.answers[key] = answer
	if w.dies() {
		return errGone
	}
	return nil
}

// gambler is a runner that ends as chance has it.
type gambler struct{ w *mortal }

func (g gambler) Run(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	p := g.w.p
	if p.calm {
		return pipeline.Result{Done: true}, nil
	}
	switch n := p.rng.IntN(100); {
	case n < 70:
		return pipeline.Result{Done: true}, nil
	case n < 82:
		return pipeline.Result{Done: true, State: pipeline.Failed, Message: "exit 1."}, nil
	case n < 90:
		return pipeline.Result{RetryAfter: time.Minute}, nil
	case n < 95:
		return pipeline.Result{Done: true, State: pipeline.Unknown}, nil
	}
	return pipeline.Result{}, pipeline.Temporary(errors.New("busy"))
}

func (gambler) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

func (g gambler) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return g.Run(ctx, c)
}
