package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
)

// stage is an engine with an in-memory store, a clock that stands still, and a
// runner whose steps do what the test says.
type stage struct {
	t      *testing.T
	clock  *pipelinetest.Clock
	store  *pipelinetest.Store
	engine *pipeline.Engine
	runner *scripted
	live   pipeline.Live
	told   []string // in channels
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, clock: pipelinetest.NewClock(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)), runner: &scripted{do: map[string]func(*pipeline.StepContext) pipeline.Result{}}}
	s.store = pipelinetest.NewStore(s.clock)
	s.live.People = map[int64]pipeline.Standing{1: {Login: "mona", Permission: pipeline.Write}, 2: {Login: "octavia", Permission: pipeline.Maintain}}
	s.engine = &pipeline.Engine{Store: s.store, Queue: s.store, GitHub: s, Logs: quiet{}, Now: s.clock.Now, Log: slog.New(slog.DiscardHandler),
		Runners: map[string]pipeline.Uses{
			"run":  {Name: "run", Class: pipeline.Queryable, Runner: s.runner},
			"once": {Name: "once", Runner: s.runner},
		}}
	return s
}

func (s *stage) Live(context.Context, *pipeline.Run) (pipeline.Live, error) { return s.live, nil }
func (s *stage) Changed(context.Context, *pipeline.Run) ([]string, error)   { return nil, nil }

// work does all jobs that are ready, those of steps too, until none is left.
func (s *stage) work() {
	s.t.Helper()
	for {
		leases := append(s.store.Poll(pipeline.Control, 1, time.Minute), s.store.Poll(pipeline.Steps, 1, time.Minute)...)
		if len(leases) == 0 {
			return
		}
		for _, l := range leases {
			s.do(l)
		}
	}
}

func (s *stage) do(l *pipeline.Lease) {
	s.t.Helper()
	handle := s.engine.Handlers()[l.Kind]
	if l.Kind == pipeline.KindAnnounce {
		handle = s.hear
	}
	err := handle(context.Background(), l)
	if err != nil && !pipeline.IsTemporary(err) {
		s.t.Fatalf("job %s: %v", l.ID, err)
	}
	if err == nil && !l.Done {
		if err := s.store.Finish(context.Background(), l); err != nil {
			s.t.Fatal(err)
		}
	}
}

// hear is what tells channels something, in the place of Slack.
func (s *stage) hear(_ context.Context, l *pipeline.Lease) error {
	var a pipeline.Announcement
	err := json.Unmarshal(l.Payload, &a)
	s.told = append(s.told, a.Channel+": "+a.Text)
	return err
}

func (s *stage) start(req pipeline.Request) *pipeline.Run {
	s.t.Helper()
	if req.Repo.ID == 0 {
		req.Repo = pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}
	}
	if req.SHA == "" {
		req.SHA = strings.Repeat("a", 40)
	}
	if req.Actor.Login == "" {
		req.Actor = pipeline.Actor{ID: 1, Login: "mona"}
	}
	r, err := s.engine.Start(context.Background(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.work()
	return s.load(r.ID)
}

func (s *stage) load(id pipeline.RunID) *pipeline.Run {
	s.t.Helper()
	r, err := s.store.Load(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *stage) want(r *pipeline.Run, state pipeline.State, steps string) {
	s.t.Helper()
	var got []string
	for _, st := range r.Steps {
		got = append(got, st.Name+"="+string(st.State))
	}
	if r.State != state || strings.Join(got, " ") != steps {
		s.t.Errorf("run is %s (%s %s) with %s,\nwant %s with %s", r.State, r.Code, r.Message, strings.Join(got, " "), state, steps)
	}
}

// scripted is a runner: what a step does stands under its name, "undo <name>"
// for its revert; everything else succeeds.
type scripted struct {
	do    map[string]func(*pipeline.StepContext) pipeline.Result
	calls []string
}

func (r *scripted) Run(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return r.act(c, c.Step.Name)
}

func (r *scripted) act(c *pipeline.StepContext, what string) (pipeline.Result, error) {
	r.calls = append(r.calls, fmt.Sprintf("%s/%d.%d", what, c.Attempt, c.Call))
	if f := r.do[what]; f != nil {
		return f(c), nil
	}
	return pipeline.Result{Done: true}, nil
}

func (r *scripted) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

func (r *scripted) Revert(_ context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return r.act(c, "undo "+c.Step.Name)
}

func (r *scripted) fails(step string) {
	r.do[step] = func(*pipeline.StepContext) pipeline.Result {
		return pipeline.Result{Done: true, State: pipeline.Failed, Message: step + " exited with code 1."}
	}
}

type quiet struct{}

func (quiet) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return quiet{}, nil
}
func (quiet) Write(p []byte) (int, error)       { return len(p), nil }
func (quiet) Offset() int64                     { return 0 }
func (quiet) Mask(text string) string           { return text }
func (quiet) Close(context.Context, bool) error { return nil }

func steps(names ...string) []pipeline.Step {
	var out []pipeline.Step
	for i, n := range names {
		s := pipeline.Step{Name: n, Run: "true"}
		if i > 0 {
			s.Needs = []string{names[i-1]}
		}
		out = append(out, s)
	}
	return out
}

func TestStepsRunInOrder(t *testing.T) {
	s := newStage(t)
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "checks", Steps: steps("build", "test", "lint")}})
	s.want(r, pipeline.Succeeded, "build=succeeded test=succeeded lint=succeeded")
	if got := strings.Join(s.runner.calls, " "); got != "build/1.1 test/1.1 lint/1.1" {
		t.Errorf("calls: %s", got)
	}
}

func TestFailedStepEndsTheRun(t *testing.T) {
	s := newStage(t)
	s.runner.fails("test")
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "checks", Steps: steps("build", "test", "lint")}})
	s.want(r, pipeline.Failed, "build=succeeded test=failed lint=skipped")
	if r.Message != "test exited with code 1." {
		t.Errorf("message %q", r.Message)
	}
}

func TestRetryWaitsAndTriesAgain(t *testing.T) {
	s := newStage(t)
	s.runner.fails("test")
	p := pipeline.Pipeline{Name: "checks", Steps: steps("test")}
	p.Steps[0].Retry = pipeline.Retry{Attempts: 2, Backoff: pipeline.Duration(time.Minute)}
	r := s.start(pipeline.Request{Pipeline: p})
	s.want(r, pipeline.Running, "test=waiting")
	s.store.Advance(time.Minute)
	delete(s.runner.do, "test")
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "test=succeeded")
	if got := strings.Join(s.runner.calls, " "); got != "test/1.1 test/2.1" {
		t.Errorf("calls: %s", got)
	}
}

func TestWaitingStepIsCalledAgainWithItsCheckpoint(t *testing.T) {
	s := newStage(t)
	s.runner.do["poll"] = func(c *pipeline.StepContext) pipeline.Result {
		if c.Call == 1 {
			return pipeline.Result{RetryAfter: time.Minute, Checkpoint: []byte(`{"id":4}`)}
		}
		return pipeline.Result{Done: true, Outputs: map[string]string{"saw": string(c.Checkpoint)}}
	}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("poll")}})
	s.want(r, pipeline.Running, "poll=waiting")
	s.store.Advance(time.Minute)
	s.work()
	r = s.load(r.ID)
	s.want(r, pipeline.Succeeded, "poll=succeeded")
	if r.Steps[0].Outputs["saw"] != `{"id":4}` {
		t.Errorf("outputs %v", r.Steps[0].Outputs)
	}
}

func TestCrashInTheMiddleOfACall(t *testing.T) {
	for class, want := range map[string]pipeline.State{"once": pipeline.Unknown, "run": pipeline.Succeeded} {
		t.Run(class, func(t *testing.T) {
			s := newStage(t)
			p := pipeline.Pipeline{Name: "p", Steps: []pipeline.Step{{Name: "effect", Uses: class}}}
			if class == "run" {
				p.Steps[0] = pipeline.Step{Name: "effect", Run: "true"}
			}
			s.runner.do["effect"] = func(*pipeline.StepContext) pipeline.Result { panic("the power goes out") }
			r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: strings.Repeat("a", 40), Pipeline: p})
			if err != nil {
				t.Fatal(err)
			}
			l := s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
			func() {
				defer func() { recover() }()
				s.crash(l)
			}()
			delete(s.runner.do, "effect")
			s.store.Advance(2 * time.Minute) // the lease lapses
			s.work()
			got := s.load(r.ID)
			s.want(got, map[pipeline.State]pipeline.State{pipeline.Unknown: pipeline.Unknown, pipeline.Succeeded: pipeline.Succeeded}[want], "effect="+string(want))
			if class != "once" {
				return
			}
			if _, err := s.engine.Resolve(context.Background(), r.ID, "effect", true, pipeline.Actor{ID: 1, Login: "mona"}, "looked"); err != nil {
				t.Fatal(err)
			}
			s.want(s.load(r.ID), pipeline.Succeeded, "effect=succeeded")
		})
	}
}

// crash begins the call of a leased step and never records its end, as a
// killed process does.
func (s *stage) crash(l *pipeline.Lease) {
	cut, cancel := context.WithCancelCause(context.Background())
	s.runner.do["effect"] = func(*pipeline.StepContext) pipeline.Result {
		cancel(pipeline.ErrLeaseLost)
		return pipeline.Result{}
	}
	if err := s.engine.Handlers()["step"](cut, l); !errors.Is(err, pipeline.ErrLeaseLost) {
		s.t.Fatalf("crashed call: %v", err)
	}
}

var staging = &pipeline.Environment{Name: "staging"}

func TestOneRunAtATimeInAnEnvironment(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "pause", Uses: "wait", With: map[string]any{"for": "10m"}}}}
	first := s.start(pipeline.Request{Pipeline: p, Environment: staging})
	second := s.start(pipeline.Request{Pipeline: p, Environment: staging})
	third := s.start(pipeline.Request{Pipeline: p, Environment: staging})
	s.want(first, pipeline.Running, "pause=waiting")
	s.want(second, pipeline.Waiting, "pause=queued")
	if want := "Number 2 in the queue of staging. Run " + string(first.ID) + " has it."; third.Message != want {
		t.Errorf("third waits: %q, want %q", third.Message, want)
	}
	s.store.Advance(10 * time.Minute)
	s.work()
	s.want(s.load(first.ID), pipeline.Succeeded, "pause=succeeded")
	s.want(s.load(second.ID), pipeline.Running, "pause=waiting")
	s.store.Advance(10 * time.Minute)
	s.work()
	s.store.Advance(10 * time.Minute)
	s.work()
	s.want(s.load(third.ID), pipeline.Succeeded, "pause=succeeded")
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	if env.Active != "" || len(env.Queue) != 0 || env.Current.Run != third.ID {
		t.Errorf("environment afterwards: %+v", env)
	}
}

func TestFailedDeployIsUndoneStepByStep(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps("one", "two", "three")}
	for i := range p.Steps {
		p.Steps[i].Undo = "true"
	}
	s.runner.fails("three")
	r := s.start(pipeline.Request{Pipeline: p, Environment: staging})
	s.want(r, pipeline.RolledBack, "one=rolled_back two=rolled_back three=rolled_back")
	if got := strings.Join(s.runner.calls, " "); got != "one/1.1 two/1.1 three/1.1 undo three/1.2 undo two/1.2 undo one/1.2" {
		t.Errorf("calls: %s", got)
	}
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	if env.Lock == nil || env.Active != "" {
		t.Errorf("environment afterwards: %+v", env)
	}
}

func TestFailedDeployBringsThePreviousRevisionBack(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps("one", "two")}
	good := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("1", 40)})
	s.want(good, pipeline.Succeeded, "one=succeeded two=succeeded")
	s.runner.do["two"] = func(c *pipeline.StepContext) pipeline.Result {
		if c.Run.SHA[0] == '2' {
			return pipeline.Result{Done: true, State: pipeline.Failed, Message: "two exited with code 1."}
		}
		return pipeline.Result{Done: true}
	}
	bad := s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40)})
	s.want(bad, pipeline.RolledBack, "one=succeeded two=failed")
	env, _ := s.store.Environment(context.Background(), 7, "staging")
	if env.Current.SHA != good.SHA || env.Current.Restores != good.ID || env.Lock == nil || env.Active != "" {
		t.Errorf("environment afterwards: %+v %+v", env, env.Current)
	}
}

func TestApprovalsOpenTheGate(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "prod", Approvals: &pipeline.ApprovalPolicy{Count: 1}}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("one")}, Environment: env})
	s.want(r, pipeline.Waiting, "one=queued")
	if r.Message != "Waiting for 1 approval." {
		t.Errorf("message %q", r.Message)
	}
	ctx := context.Background()
	if _, err := s.engine.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.EnvironmentGate, Yes: true, By: pipeline.Actor{ID: 2, Login: "octavia"}}); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "one=succeeded")
	_, err := s.engine.Approve(ctx, r.ID, pipeline.Approval{Gate: pipeline.EnvironmentGate, Yes: true, By: pipeline.Actor{ID: 2, Login: "octavia"}})
	if pipeline.Code(err) != "already_decided" {
		t.Errorf("second approval: %v", err)
	}
}

func TestCancelStopsWhatWaits(t *testing.T) {
	s := newStage(t)
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Minute} }
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("poll", "after")}})
	s.want(r, pipeline.Running, "poll=waiting after=queued")
	if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1, Login: "mona"}, Code: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Cancelled, "poll=cancelled after=skipped")
}

func TestTimeoutOfAStepThatPolls(t *testing.T) {
	s := newStage(t)
	s.runner.do["poll"] = func(*pipeline.StepContext) pipeline.Result { return pipeline.Result{RetryAfter: time.Minute} }
	p := pipeline.Pipeline{Name: "p", Steps: steps("poll")}
	p.Steps[0].Timeout = pipeline.Duration(90 * time.Second)
	r := s.start(pipeline.Request{Pipeline: p})
	s.store.Advance(time.Minute)
	s.work()
	s.store.Advance(time.Minute)
	s.work()
	s.want(s.load(r.ID), pipeline.Failed, "poll=failed")
	if got := s.load(r.ID).Message; got != "poll did not end within 1m30s." {
		t.Errorf("message %q", got)
	}
}

func TestARunWithoutItsJobIsFoundAndGoesOn(t *testing.T) {
	s := newStage(t)
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: strings.Repeat("a", 40), Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("one")}})
	if err != nil {
		t.Fatal(err)
	}
	lost := s.store.Poll(pipeline.Steps, 1, time.Minute)
	if err := s.store.Finish(context.Background(), lost...); err != nil { // as if Redis had lost it
		t.Fatal(err)
	}
	s.store.Advance(31 * time.Second)
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "one=succeeded")
}

func TestParametersAreCheckedWhenTheyAreKnown(t *testing.T) {
	for _, test := range []struct{ output, state, says string }{
		{"12", "succeeded", ""},
		{"12; rm -rf /", "failed", `The parameter id of sized is wrong: "12; rm -rf /" does not match [0-9]+.`},
		{"${{ 7 }}", "failed", `The parameter id of sized is wrong: "${{ 7 }}" does not match [0-9]+.`},
	} {
		s := newStage(t)
		s.engine.Runners["sized"] = pipeline.Uses{Name: "sized", Class: pipeline.Idempotent, Runner: s.runner, Params: []pipeline.Param{{Name: "id", Type: "string", Pattern: "[0-9]+"}}}
		s.runner.do["look"] = func(*pipeline.StepContext) pipeline.Result {
			return pipeline.Result{Done: true, Outputs: map[string]string{"id": test.output}}
		}
		p := pipeline.Pipeline{Name: "p", Steps: steps("look", "use")}
		p.Steps[1].Run, p.Steps[1].Uses, p.Steps[1].With = "", "sized", map[string]any{"id": "${{ steps.look.outputs.id }}"}
		r := s.start(pipeline.Request{Pipeline: p})
		if use := r.Step("use"); string(use.State) != test.state || use.Message != test.says {
			t.Errorf("%s: %s: %s", test.output, use.State, use.Message)
		}
	}
}

func TestAStepInLineIsCancelledAtOnce(t *testing.T) {
	s := newStage(t)
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build", "next")}})
	if err != nil {
		t.Fatal(err)
	}
	s.cancel(r) // no worker has come for the step
	s.want(s.load(r.ID), pipeline.Cancelled, "build=cancelled next=skipped")
	s.work()
	if len(s.runner.calls) != 0 {
		t.Errorf("calls %v", s.runner.calls)
	}
}

func TestTheTimeInLineIsNotTheSteps(t *testing.T) {
	s := newStage(t)
	p := pipeline.Pipeline{Name: "p", Steps: steps("build")}
	p.Steps[0].Timeout = pipeline.Duration(time.Minute)
	r, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7}, SHA: "5a", Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	s.store.Advance(10 * time.Minute)
	s.runner.do["build"] = func(c *pipeline.StepContext) pipeline.Result {
		if left := c.Run.Step("build").Deadline.Sub(s.clock.Now()); left != time.Minute {
			t.Errorf("it has %s left", left)
		}
		return pipeline.Result{RetryAfter: 2 * time.Minute}
	}
	s.work()
	s.want(s.load(r.ID), pipeline.Running, "build=waiting")
	s.store.Advance(time.Minute)
	s.work()
	s.want(s.load(r.ID), pipeline.Failed, "build=failed")
}

// noLog cannot open a log, for a reason that will not go away.
type noLog struct{}

func (noLog) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return nil, pipeline.Refuse("short_secret", "A secret is too short to be masked.")
}

func TestALogThatCannotBeOpenedFailsTheStep(t *testing.T) {
	s := newStage(t)
	s.engine.Logs = noLog{}
	r := s.start(pipeline.Request{Pipeline: pipeline.Pipeline{Name: "p", Steps: steps("build")}})
	s.want(r, pipeline.Failed, "build=failed")
	if r.Step("build").Code != "short_secret" || len(s.runner.calls) != 0 {
		t.Errorf("%s, calls %v", r.Step("build").Code, s.runner.calls)
	}
}

// fickle is a secret store that refuses from some time on.
type fickle struct{ refuses bool }

func (v *fickle) Resolve(context.Context, pipeline.SecretRequest) (map[string]pipeline.Secret, error) {
	if v.refuses {
		return nil, pipeline.Refuse("secret_refused", "The secret TOKEN is not allowed here.")
	}
	return map[string]pipeline.Secret{"TOKEN": pipeline.NewSecret("hunter2hunter2")}, nil
}

// What an earlier call began goes on without us: that it cannot be taken up is
// no end of it.
func TestAStepThatIsAtWorkIsNotFailedForASecret(t *testing.T) {
	s := newStage(t)
	secrets := &fickle{}
	s.engine.Secrets = secrets
	s.runner.do["build"] = func(c *pipeline.StepContext) pipeline.Result {
		if len(c.Checkpoint) > 0 {
			return pipeline.Result{Done: true}
		}
		secrets.refuses = true
		return pipeline.Result{RetryAfter: time.Second, Checkpoint: []byte(`"pod"`)}
	}
	p := pipeline.Pipeline{Name: "p", Steps: steps("build")}
	p.Steps[0].Secrets = []string{"TOKEN"}
	r := s.start(pipeline.Request{Pipeline: p})
	s.store.Advance(2 * time.Second)
	s.work()
	r = s.load(r.ID)
	s.want(r, pipeline.Running, "build=waiting")
	if m := r.Step("build").Message; !strings.HasPrefix(m, "The secret TOKEN is not allowed here. What the step began may go on") {
		t.Error(m)
	}
	secrets.refuses = false
	s.store.Advance(time.Minute)
	s.work()
	s.want(s.load(r.ID), pipeline.Succeeded, "build=succeeded")

	secrets.refuses = true // before anything began
	s.want(s.start(pipeline.Request{Pipeline: p}), pipeline.Failed, "build=failed")
}
