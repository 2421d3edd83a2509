package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

const orderFile = `
service: shop
environments:
  staging: {}
  prod: {protected: true}
pipelines:
  checks:
    on: {pull_request: {}}
    steps:
      - {name: lint, run: make lint}
  deploy:
    on: {command: deploy}
    steps:
      - {name: build, run: make}
`

// settled is a GitHub where everything has happened already.
type settled struct {
	*forge
	pr  pipeline.PullRequest
	cfg *pipeline.Config
}

func (f *settled) Config(context.Context, pipeline.Repo) (*pipeline.Config, error) { return f.cfg, nil }

func (f *settled) PullRequest(context.Context, pipeline.Repo, int) (pipeline.PullRequest, error) {
	return f.pr, nil
}

func (f *settled) Commit(_ context.Context, _ pipeline.Repo, ref string) (pipeline.Commit, error) {
	return pipeline.Commit{SHA: ref}, nil
}

func (f *settled) CommentUnchanged(context.Context, pipeline.Repo, pipeline.Origin, string) (bool, error) {
	return true, nil
}

func (f *settled) Live(ctx context.Context, r *pipeline.Run) (pipeline.Live, error) {
	live, err := f.forge.Live(ctx, r)
	if r.PR != 0 {
		live.PullRequest = &f.pr
	}
	return live, err
}

// board is a sink that shows, of each pipeline and environment on a commit, how
// its newest run stands, as statuses and checks do.
type board struct {
	store interface {
		Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	}
	shows map[string]pipeline.State
}

func (*board) Name() string { return "board" }

func (*board) Subject(r *pipeline.Run) string {
	return fmt.Sprintf("%s/%s on %.7s", r.Pipeline.Name, r.EnvironmentName(), r.SHA)
}

func (k *board) Show(ctx context.Context, r *pipeline.Run, _ pipeline.Shown) (json.RawMessage, error) {
	runs, err := k.store.Runs(ctx, pipeline.RunQuery{Repo: r.Repo.ID})
	if err != nil {
		return nil, err
	}
	for _, newest := range runs {
		if k.Subject(newest) == k.Subject(r) {
			k.shows[k.Subject(r)] = newest.State
			return json.Marshal(newest.State)
		}
	}
	return nil, errors.New("a run that is not there is shown")
}

// succeeds is a runner.
type succeeds struct{}

func (succeeds) Run(context.Context, *pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{Done: true}, nil
}

// happening is one message of a history.
type happening struct {
	name string
	kind string
	body func(at time.Time) any
}

func pullEvent(action, sha, base string) happening {
	return happening{action + " " + sha[:1], bot.KindPullRequest, func(at time.Time) any {
		return bot.PullRequest{Repo: shop, Actor: mona, Action: action, Number: 1, Head: sha, Branch: "sale", Base: base, Author: mona, At: at}
	}}
}

func commentEvent(id int64, who pipeline.Actor, text string) happening {
	return happening{text, bot.KindSaid, func(at time.Time) any {
		return bot.Said{Repo: shop, Actor: who, Origin: pipeline.Origin{Surface: "github", PR: 1, Comment: id}, Text: text, At: at, Came: at}
	}}
}

// TestInAnyOrder: six messages about a pull request are delivered in each of the
// 720 orders there are, after all of it has happened. What GitHub says by then is
// the same each time, so the end is too: the runs and how they ended, what runs in
// the environments, what is shown of each commit and which commands are refused.
func TestInAnyOrder(t *testing.T) {
	const a, b = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	open := pipeline.PullRequest{Number: 1, Head: b, Branch: "sale", Into: "main", Merge: pipeline.MergeClean, Open: true}
	with := func(change func(*pipeline.PullRequest)) pipeline.PullRequest {
		pr := open
		change(&pr)
		return pr
	}
	for name, history := range map[string]struct {
		truth  pipeline.PullRequest
		events []happening
		want   string
	}{
		"it is open in the end": {open, []happening{
			pullEvent("opened", a, "main"),
			pullEvent("synchronize", b, "main"),
			pullEvent("converted_to_draft", b, "main"),
			commentEvent(7, mona, "/deploy staging"),
			pullEvent("ready_for_review", b, "main"),
			pullEvent("closed", b, "main"), // and opened again, of which no message came
		}, `
run checks/ on aaaaaaa: cancelled head_moved
run checks/ on bbbbbbb: succeeded
run deploy/staging on bbbbbbb: succeeded
shown checks/ on aaaaaaa: cancelled
shown checks/ on bbbbbbb: succeeded
shown deploy/staging on bbbbbbb: succeeded
staging runs bbbbbbb, held by "", [] wait
prod runs , held by "", [] wait
answered /deploy staging: done`},
		"it is closed in the end": {with(func(pr *pipeline.PullRequest) { pr.Open, pr.Draft = false, true }), []happening{
			pullEvent("opened", a, "main"),
			pullEvent("synchronize", b, "main"),
			commentEvent(7, mona, "/deploy prod "+b),
			pullEvent("converted_to_draft", b, "main"),
			commentEvent(8, octavia, "/approve"),
			pullEvent("closed", b, "main"),
		}, `
run checks/ on aaaaaaa: cancelled closed
run checks/ on bbbbbbb: cancelled closed
shown checks/ on aaaaaaa: cancelled
shown checks/ on bbbbbbb: cancelled
staging runs , held by "", [] wait
prod runs , held by "", [] wait
answered /approve: refused nothing_open
answered /deploy prod bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: refused closed`},
		"it was forced back in the end": {with(func(pr *pipeline.PullRequest) { pr.Head = a }), []happening{
			pullEvent("opened", a, "main"),
			commentEvent(7, mona, "/deploy prod "+b),
			pullEvent("synchronize", b, "main"),
			commentEvent(8, mona, "/deploy staging"),
			pullEvent("synchronize", a, "main"),
			pullEvent("edited", a, "main"),
		}, `
run checks/ on aaaaaaa: succeeded
run checks/ on bbbbbbb: cancelled head_moved
run deploy/staging on aaaaaaa: succeeded
shown checks/ on aaaaaaa: succeeded
shown checks/ on bbbbbbb: cancelled
shown deploy/staging on aaaaaaa: succeeded
staging runs aaaaaaa, held by "", [] wait
prod runs , held by "", [] wait
answered /deploy prod bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: refused head_moved
answered /deploy staging: done`},
	} {
		for _, pace := range []struct {
			name string
			each int // how many messages come before the work that they cause is done
		}{{"one after the other", 1}, {"all at once", 6}} {
			t.Run(name+", "+pace.name, func(t *testing.T) {
				t.Parallel()
				orders, gh := 0, settled{pr: history.truth, cfg: orderConfig(t)}
				permute(len(history.events), func(order []int) bool {
					orders++
					got := delivered(t, gh, history.events, order, pace.each)
					if got == strings.TrimSpace(history.want) {
						return true
					}
					var names []string
					for _, i := range order {
						names = append(names, history.events[i].name)
					}
					t.Errorf("delivered as %s:\n%s\n\nwant\n%s", strings.Join(names, ", "), got, strings.TrimSpace(history.want))
					return false
				})
				if !t.Failed() && orders != 720 {
					t.Errorf("%d orders were played", orders)
				}
			})
		}
	}
}

// permute calls f with every order of n things, until it says no.
func permute(n int, f func([]int) bool) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var place func(int) bool
	place = func(k int) bool {
		if k == n {
			return f(order)
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			if !place(k + 1) {
				return false
			}
			order[k], order[i] = order[i], order[k]
		}
		return true
	}
	place(0)
}

// delivered plays one order and describes what there is in the end.
func delivered(t *testing.T, gh settled, events []happening, order []int, each int) string {
	t.Helper()
	s := newScene(t)
	gh.forge = s.forge
	k := &board{s.store, map[string]pipeline.State{}}
	engine := &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: &gh, Sinks: []pipeline.Sink{k}, Logs: noLog{}, Now: s.clock.Now, Log: s.bot.Log,
		Runners: map[string]pipeline.Uses{"run": {Name: "run", Class: pipeline.Queryable, Runner: succeeds{}}}}
	s.bot.Runs, s.bot.GitHub = engine, &gh
	s.bot.Commands = commands.All(commands.Desk{Runs: engine, Store: s.store, GitHub: &gh, Records: s.store})
	began := s.clock.Now()
	s.clock.Advance(time.Minute)
	for n, i := range order {
		e := events[i]
		job := pipeline.Job{ID: e.name, Kind: e.kind, Pool: pipeline.Control, Repo: shop.ID, Payload: encoded(t, e.body(began.Add(time.Duration(5*i)*time.Second)))}
		if err := s.store.Enqueue(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if (n+1)%each == 0 {
			s.clock.Advance(100 * time.Millisecond)
			s.workAll(engine)
		}
	}
	return s.described(k, events)
}

func orderConfig(t *testing.T) *pipeline.Config {
	t.Helper()
	cfg, err := pipeline.Parse(".shipmate.yaml", []byte(orderFile), []pipeline.Uses{{Name: "run"}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// workAll does jobs of the bot and the engine until there are none.
func (s *scene) workAll(e *pipeline.Engine) {
	s.t.Helper()
	handlers := s.bot.Handlers()
	for kind, h := range e.Handlers() {
		handlers[kind] = h
	}
	for range 1000 {
		ls := append(s.store.Poll(pipeline.Control, 1, time.Hour), s.store.Poll(pipeline.Steps, 1, time.Hour)...)
		if len(ls) == 0 {
			return
		}
		for _, l := range ls {
			if err := handlers[l.Kind](s.t.Context(), l); err != nil {
				s.t.Fatalf("%s: %v", l.ID, err)
			}
			if err := s.store.Finish(s.t.Context(), l); err != nil && !errors.Is(err, pipeline.ErrLeaseLost) {
				s.t.Fatal(err)
			}
		}
	}
	s.t.Fatal("the work never comes to an end")
}

func (s *scene) described(k *board, events []happening) string {
	s.t.Helper()
	var runs, shown, answers []string
	all, err := s.store.Runs(s.t.Context(), pipeline.RunQuery{Repo: shop.ID})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range all {
		runs = append(runs, strings.TrimSpace(fmt.Sprintf("run %s: %s %s", k.Subject(r), r.State, r.Code)))
	}
	for subject, state := range k.shows {
		shown = append(shown, fmt.Sprintf("shown %s: %s", subject, state))
	}
	for _, a := range s.talk.answers() {
		i := slices.IndexFunc(events, func(e happening) bool { return e.name == a.Key })
		if i < 0 {
			s.t.Fatalf("an answer to nothing: %+v", a)
		}
		answers = append(answers, strings.TrimSpace(fmt.Sprintf("answered %s: %s %s", events[i].name, a.Outcome, a.Code)))
	}
	slices.Sort(runs)
	slices.Sort(shown)
	slices.Sort(answers)
	out := slices.Concat(runs, shown)
	for _, name := range []string{"staging", "prod"} {
		e, err := s.store.Environment(s.t.Context(), shop.ID, name)
		if err != nil {
			s.t.Fatal(err)
		}
		sha := ""
		if e.Current != nil {
			sha = e.Current.SHA[:7]
		}
		out = append(out, fmt.Sprintf("%s runs %s, held by %q, %v wait", name, sha, e.Active, e.Queue))
	}
	return strings.Join(append(out, answers...), "\n")
}
