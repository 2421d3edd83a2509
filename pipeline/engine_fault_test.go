package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// wire is a store whose answers get lost: a commit is made, and the caller is
// told that nobody knows. meanwhile, if set, is done first: somebody was faster.
type wire struct {
	*pipelinetest.Store
	lose      bool
	dies      bool // nothing is committed any more
	meanwhile func()
	commits   int
}

func (w *wire) Commit(ctx context.Context, c pipeline.Change) error {
	w.commits++
	if w.dies {
		return errKilled
	}
	if f := w.meanwhile; f != nil {
		w.meanwhile = nil
		f()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := w.Store.Commit(ctx, c)
	if err == nil && w.lose {
		w.lose = false
		return pipeline.Temporary(errors.New("connection reset by peer"))
	}
	return err
}

var errKilled = errors.New("this worker was killed")

// cut puts a wire between the engine and its store.
func (s *stage) cut() *wire {
	w := &wire{Store: s.store}
	s.engine.Store = w
	return w
}

func TestALostAnswerChangesNothing(t *testing.T) {
	ctx, octavia := context.Background(), pipeline.Actor{ID: 2, Login: "octavia"}
	prod := &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 2}}
	once := pipeline.Pipeline{Name: "p", Steps: []pipeline.Step{{Name: "effect", Uses: "once"}}}
	begin := func(s *stage, req pipeline.Request) *pipeline.Run {
		req.Repo, req.SHA, req.Actor = pipeline.Repo{ID: 7}, "5a5a5a5a", pipeline.Actor{ID: 1, Login: "mona"}
		r, err := s.engine.Start(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("to an approval: it counts once", func(t *testing.T) {
		s := newStage(t)
		r := begin(s, pipeline.Request{Pipeline: once, Environment: prod})
		s.cut().lose = true
		r, err := s.engine.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.EnvironmentGate, By: octavia, Yes: true})
		if err != nil || len(r.Approvals) != 1 || r.Message != "Waiting for 1 approval. octavia said yes." {
			t.Errorf("%v: %+v %s", err, r.Approvals, r.Message)
		}
		if _, err = s.engine.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.EnvironmentGate, By: octavia, Yes: true}); pipeline.Code(err) != "already_answered" {
			t.Errorf("answered twice: %v", err)
		}
	})
	t.Run("to the last approval: it is not refused", func(t *testing.T) {
		s := newStage(t)
		r := begin(s, pipeline.Request{Pipeline: once, Environment: &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}}})
		s.cut().lose = true
		if r, err := s.engine.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.EnvironmentGate, By: octavia, Yes: true}); err != nil || !r.Admitted {
			t.Errorf("%v: %s", err, r.State)
		}
	})
	t.Run("to a cancel: it is not refused", func(t *testing.T) {
		s := newStage(t)
		r := begin(s, pipeline.Request{Pipeline: once, Environment: prod})
		s.cut().lose = true
		if r, err := s.engine.Cancel(ctx, r.ID, pipeline.Cancellation{By: octavia, Code: "cancelled"}); err != nil || r.State != pipeline.Cancelled {
			t.Errorf("%v: %s", err, r.State)
		}
	})
	t.Run("to a resolve: it is not refused", func(t *testing.T) {
		s := newStage(t)
		s.runner.do["effect"] = func(*pipeline.StepContext) pipeline.Result {
			return pipeline.Result{Done: true, State: pipeline.Unknown}
		}
		r := begin(s, pipeline.Request{Pipeline: once})
		s.work()
		s.cut().lose = true
		if r, err := s.engine.Resolve(ctx, r.ID, "effect", true, octavia, "looked"); err != nil || r.State != pipeline.Succeeded {
			t.Errorf("%v: %s", err, r.State)
		}
	})
	t.Run("to a start: one run is made", func(t *testing.T) {
		s := newStage(t)
		s.cut().lose = true
		begin(s, pipeline.Request{Pipeline: once})
		s.work()
		if runs, _ := s.store.Runs(ctx, pipeline.RunQuery{}); len(runs) != 1 || len(s.runner.calls) != 1 {
			t.Errorf("%d runs, calls %v", len(runs), s.runner.calls)
		}
	})
	for _, when := range []string{"to the beginning of a call: it is made once", "to the end of a call: its result stands"} {
		t.Run(when, func(t *testing.T) {
			s := newStage(t)
			r := begin(s, pipeline.Request{Pipeline: once})
			w := s.cut()
			w.lose = strings.Contains(when, "beginning")
			s.runner.do["effect"] = func(*pipeline.StepContext) pipeline.Result {
				w.lose = strings.Contains(when, "end")
				return pipeline.Result{Done: true}
			}
			s.work()
			s.want(s.load(r.ID), pipeline.Succeeded, "effect=succeeded")
			if len(s.runner.calls) != 1 {
				t.Errorf("calls %v", s.runner.calls)
			}
		})
	}
}

func TestACallBegunBySomebodyElseMeanwhileIsNotOurs(t *testing.T) {
	s := newStage(t)
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Steps: []pipeline.Step{{Name: "effect", Uses: "once"}}}})
	if err != nil {
		t.Fatal(err)
	}
	late := s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
	s.cut().meanwhile = func() { // the late worker pauses just before it commits
		s.store.Advance(2 * time.Minute)
		s.do(s.store.Poll(pipeline.Steps, 1, time.Minute)[0])
	}
	if err := s.engine.Handlers()["step"](context.Background(), late); err != nil && !errors.Is(err, pipeline.ErrLeaseLost) {
		t.Fatal(err)
	}
	s.want(s.load(r.ID), pipeline.Succeeded, "effect=succeeded")
	if len(s.runner.calls) != 1 {
		t.Errorf("calls %v", s.runner.calls)
	}
}

func TestTheResultOfALateWorkerIsRefused(t *testing.T) {
	s := newStage(t)
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Steps: steps("build")}})
	if err != nil {
		t.Fatal(err)
	}
	late := s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
	var other *pipeline.Lease
	s.runner.do["build"] = func(*pipeline.StepContext) pipeline.Result {
		s.store.Advance(2 * time.Minute)
		other = s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
		return pipeline.Result{Done: true, State: pipeline.Failed}
	}
	if err := s.engine.Handlers()["step"](context.Background(), late); !errors.Is(err, pipeline.ErrLeaseLost) {
		t.Errorf("the late result: %v", err)
	}
	s.want(s.load(r.ID), pipeline.Running, "build=running")
	delete(s.runner.do, "build")
	s.do(other)
	s.want(s.load(r.ID), pipeline.Succeeded, "build=succeeded")
}

func TestAJobOfACallThatIsOverDoesNothing(t *testing.T) {
	s := newStage(t)
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Minute} }
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Steps: steps("poll")}})
	if err != nil {
		t.Fatal(err)
	}
	first := s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
	s.do(first)
	s.store.Advance(time.Minute)
	if err := s.store.Enqueue(context.Background(), first.Job); err != nil {
		t.Fatal(err)
	}
	for _, l := range s.store.Poll(pipeline.Control, 1, time.Minute) {
		s.do(l) // the second call is due now
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Running, "poll=waiting")
	if got := strings.Join(s.runner.calls, " "); got != "poll/1.1 poll/1.2" {
		t.Errorf("calls %s", got)
	}
}

func TestTwoRunsStartInOneEnvironmentAtOnce(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "pause", Uses: "wait", With: map[string]any{"for": "10m"}}}}
	req := pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Actor: pipeline.Actor{ID: 1, Login: "mona"}, Pipeline: p, Environment: staging}
	var first *pipeline.Run
	s.cut().meanwhile = func() {
		var err error
		if first, err = s.engine.Start(context.Background(), req); err != nil {
			t.Fatal(err)
		}
	}
	second, err := s.engine.Start(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	s.want(first, pipeline.Running, "pause=waiting")
	s.want(second, pipeline.Waiting, "pause=queued")
}

func TestAResultIsSavedWhileGitHubIsDown(t *testing.T) {
	s := newStage(t)
	s.engine.GitHub = unreachable{}
	p := pipeline.Pipeline{Steps: []pipeline.Step{{Name: "effect", Uses: "once"}, {Name: "next", Run: "make", If: `changed("src/**")`, Needs: []string{"effect"}}}}
	r := s.start(pipeline.Request{Pipeline: p})
	s.want(r, pipeline.Running, "effect=succeeded next=queued")
	s.engine.GitHub = s
	s.store.Advance(time.Second)
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "effect=succeeded next=skipped")
}

type unreachable struct{}

func (unreachable) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	return pipeline.Live{}, pipeline.Temporary(errors.New("502"))
}

func (unreachable) Changed(context.Context, *pipeline.Run) ([]string, error) {
	return nil, pipeline.Temporary(errors.New("502"))
}

func TestARollbackWorksWhileGitHubDoesNot(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps("one")}
	s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40), Params: map[string]any{"replicas": 3}})
	s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
		s.engine.GitHub = unreachable{}
		if c.Run.SHA[0] == '2' {
			return pipeline.Result{Done: true, State: pipeline.Failed}
		}
		return pipeline.Result{Done: true}
	}
	bad := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40), Params: map[string]any{"replicas": 5}})
	s.want(bad, pipeline.RolledBack, "one=failed")
	if again := s.load(bad.RedeployedBy); again.Params["replicas"] != int64(3) {
		t.Errorf("the earlier revision runs with parameters %v", again.Params)
	}
}

// spent is a GitHub whose limits leave no call for a while.
type spent struct{ unreachable }

type patience time.Duration

func (patience) Error() string               { return "the budget is spent" }
func (p patience) RetryAfter() time.Duration { return time.Duration(p) }

func (spent) Live(context.Context, *pipeline.Run) (pipeline.Live, error) {
	return pipeline.Live{}, pipeline.Temporary(patience(20 * time.Second))
}

func TestARunBehindGitHubsLimitSaysSo(t *testing.T) {
	s := newStage(t)
	github := s.engine.GitHub
	s.engine.GitHub = spent{}
	p := pipeline.Pipeline{Name: "deploy", Steps: steps("one")}
	s.runner.do["one"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{Done: true} }
	r := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	if r.State != pipeline.Queued || r.Code != "github_limit" || !strings.HasPrefix(r.Message, "GitHub takes no more calls from here for now. This goes on by itself at ") {
		t.Errorf("%s %s %q", r.State, r.Code, r.Message)
	}
	s.engine.GitHub = github
	s.clock.Advance(20 * time.Second)
	s.work()
	if r = s.load(r.ID); r.State != pipeline.Succeeded || r.Code != "" || r.Message != "" {
		t.Errorf("then %s %s %q", r.State, r.Code, r.Message)
	}
}

func TestALostRedeployIsMadeUpFor(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps("one")}
	s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
		if c.Run.SHA[0] == '1' {
			return pipeline.Result{Done: true}
		}
		return pipeline.Result{Done: true, State: pipeline.Failed}
	}
	bad, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, Actor: pipeline.Actor{ID: 1}, Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
	if err != nil {
		t.Fatal(err)
	}
	s.do(s.store.Poll(pipeline.Steps, 1, time.Minute)[0])
	lost := s.store.Poll(pipeline.Control, 10, time.Minute)
	if err := s.store.Finish(context.Background(), lost...); err != nil {
		t.Fatal(err)
	}
	s.want(s.load(bad.ID), pipeline.RollingBack, "one=failed")
	s.store.Advance(31 * time.Second)
	s.work()
	s.want(s.load(bad.ID), pipeline.RolledBack, "one=failed")
}

func TestAnExpiredLockLetsTheQueueGo(t *testing.T) {
	s := newStage(t)
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	env.Lock = &pipeline.Lock{By: pipeline.Actor{Login: "eve"}, Reason: "audit", Expires: s.clock.Now().Add(time.Hour)}
	if err := s.store.Commit(context.Background(), pipeline.Change{Environment: env}); err != nil {
		t.Fatal(err)
	}
	first := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("one")}, Environment: staging})
	second := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("one")}, Environment: staging})
	rollback := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("one")}, Environment: staging, Trigger: pipeline.ByRollback})
	s.want(first, pipeline.Waiting, "one=queued")
	s.want(second, pipeline.Waiting, "one=queued")
	s.want(rollback, pipeline.Succeeded, "one=succeeded") // it goes ahead of them, and passes the lock
	if env, _ = s.store.Environment(context.Background(), 7, "staging"); env.Lock.Reason != "audit" {
		t.Errorf("the rollback replaced eve's lock by %+v", env.Lock)
	}
	s.store.Advance(time.Hour)
	s.work()
	s.want(s.load(first.ID), pipeline.Succeeded, "one=succeeded")
	s.want(s.load(second.ID), pipeline.Succeeded, "one=succeeded")
}

func TestTheNewestRunTakesThePlaceOfThoseThatWait(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "staging", Concurrency: pipeline.Supersede}
	p := pipeline.Pipeline{Steps: []pipeline.Step{{Name: "pause", Uses: "wait", With: map[string]any{"for": "10m"}}}}
	first := s.start(pipeline.Request{Pipeline: p, Environment: env})
	second := s.start(pipeline.Request{Pipeline: p, Environment: env})
	third := s.start(pipeline.Request{Pipeline: p, Environment: env})
	s.want(s.load(first.ID), pipeline.Running, "pause=waiting")
	if second = s.load(second.ID); second.State != pipeline.Cancelled || second.Code != "superseded" {
		t.Errorf("second is %s %s", second.State, second.Code)
	}
	s.store.Advance(10 * time.Minute)
	s.work()
	s.want(s.load(third.ID), pipeline.Running, "pause=waiting")
}

func TestARunUndoesAnotherOne(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: steps("one", "two")}
	p.Steps[0].Undo, p.Steps[1].Undo = "true", "true"
	s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, Outputs: map[string]string{"image": c.Run.SHA[:1]}}
	}
	good := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	to, _ := s.store.Environment(context.Background(), 7, "staging")
	bad := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
	s.runner.calls = nil
	undo := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: bad.SHA, Trigger: pipeline.ByRollback, Reverts: bad.ID, Restores: to.Current})
	s.want(undo, pipeline.Succeeded, "one=rolled_back two=rolled_back")
	if got := strings.Join(s.runner.calls, " "); got != "undo two/1.2 undo one/1.2" {
		t.Errorf("calls %s", got)
	}
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	if c := env.Current; c.SHA != good.SHA || c.Restores != good.ID || c.Artifacts["one.image"] != "1" || env.Lock == nil {
		t.Errorf("afterwards %+v runs, lock %+v", c, env.Lock)
	}
}

func TestADryRunTouchesNothing(t *testing.T) {
	s := newStage(t)
	s.engine.Runners["once"] = pipeline.Uses{Name: "once", Runner: planner{s.runner}}
	env := &pipeline.Environment{Name: "staging", Approvals: &pipeline.ApprovalPolicy{Count: 2}}
	p := pipeline.Pipeline{OnFailure: pipeline.Rollback, Steps: []pipeline.Step{{Name: "ask", Uses: "approval"}, {Name: "script", Run: "make"},
		{Name: "planned", Uses: "once", Needs: []string{"ask", "script"}}, {Name: "blind", Uses: "once", With: map[string]any{"image": "${{ steps.script.outputs.image }}"}}}}
	r := s.start(pipeline.Request{Pipeline: p, Environment: env, DryRun: true})
	s.want(r, pipeline.Succeeded, "ask=skipped script=skipped planned=succeeded blind=skipped")
	if got := strings.Join(s.runner.calls, " "); got != "plan planned/1.1" {
		t.Errorf("calls %s", got)
	}
	if state, _ := s.store.Environment(context.Background(), 7, "staging"); state.Version != 0 {
		t.Errorf("the environment was touched: %+v", state)
	}
}

type planner struct{ *scripted }

func (p planner) Plan(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return p.act(c, "plan "+c.Step.Name)
}

func TestAnUnknownStepKeepsItsEnvironment(t *testing.T) {
	s := newStage(t)
	s.runner.do["effect"] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, State: pipeline.Unknown}
	}
	p := pipeline.Pipeline{Steps: []pipeline.Step{{Name: "effect", Uses: "once"}, {Name: "next", Run: "true", Needs: []string{"effect"}}}}
	lost := s.start(pipeline.Request{Pipeline: p, Environment: staging})
	s.start(pipeline.Request{Pipeline: p, Environment: staging})
	s.store.Advance(12 * time.Hour)
	s.work()
	if env, _ := s.store.Environment(context.Background(), 7, "staging"); env.Active != lost.ID {
		t.Errorf("%q has the environment", env.Active)
	}
	s.want(s.load(lost.ID), pipeline.Unknown, "effect=unknown next=queued")
	if _, err := s.engine.Resolve(context.Background(), lost.ID, "effect", true, pipeline.Actor{Login: "mona"}, "looked"); err != nil {
		t.Fatal(err)
	}
	delete(s.runner.do, "effect")
	s.work()
	s.want(s.load(lost.ID), pipeline.Succeeded, "effect=succeeded next=succeeded") // the night it waited is not counted
}

func TestALostSignalIsSentAgain(t *testing.T) {
	s := newStage(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var signals <-chan pipeline.RunID
	s.runner.do["hang"] = func(c *pipeline.StepContext) pipeline.Result {
		if _, err := s.engine.Cancel(ctx, c.Run.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1}, Code: "cancelled"}); err != nil {
			t.Fatal(err)
		}
		signals = s.store.Signals(ctx) // too late for the first one
		s.store.Advance(31 * time.Second)
		for _, l := range s.store.Poll(pipeline.Control, 10, time.Hour) {
			s.do(l)
		}
		return pipeline.Result{Done: true, State: pipeline.Cancelled}
	}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Steps: steps("hang")}})
	select {
	case id := <-signals:
		if id != r.ID {
			t.Errorf("signal for %s", id)
		}
	default:
		t.Error("no signal was sent again")
	}
}

// counted counts how often GitHub is asked.
type counted struct {
	*stage
	asked int
}

func (c *counted) Live(ctx context.Context, r *pipeline.Run) (pipeline.Live, error) {
	c.asked++
	return c.stage.Live(ctx, r)
}

// Who waits in the queue asks GitHub when it comes and when its turn has come,
// not whenever the queue moves.
func TestALongQueueAsksLittle(t *testing.T) {
	s := newStage(t)
	github := &counted{stage: s}
	s.engine.GitHub = github
	s.runner.do["one"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{Done: true} }
	const runs = 8
	var ids []pipeline.RunID
	for range runs {
		r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, Actor: pipeline.Actor{ID: 1}, Environment: staging, SHA: strings.Repeat("1", 40),
			Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("one")}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	if r := s.load(ids[runs-1]); r.Message != "Number 7 in the queue of staging. Run "+string(ids[0])+" has it." {
		t.Errorf("the last one says %q", r.Message)
	}
	s.work()
	for _, id := range ids {
		s.want(s.load(id), pipeline.Succeeded, "one=succeeded")
	}
	if github.asked > 2*runs {
		t.Errorf("GitHub was asked %d times for %d runs", github.asked, runs)
	}
}
