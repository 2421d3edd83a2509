package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// beginner is a runner that says when it begins. What it does stands under the
// step's name, "undo <name>" for its revert; everything else begins and succeeds.
type beginner map[string]func(c *pipeline.StepContext) (pipeline.Result, error)

func (b beginner) Run(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return b.act(ctx, c, c.Step.Name)
}

func (b beginner) CanRevert(c *pipeline.StepContext) bool { return c.Step.Undo != "" }

func (b beginner) Revert(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	return b.act(ctx, c, "undo "+c.Step.Name)
}

func (b beginner) act(ctx context.Context, c *pipeline.StepContext, what string) (pipeline.Result, error) {
	if f := b[what]; f != nil {
		return f(c)
	}
	return pipeline.Result{Done: true}, c.Save(ctx, json.RawMessage(`{}`))
}

var errNoCheckout = pipeline.Refuse("no_disk", "The files could not be written.")

// neverBegins fails before it begins, as a checkout does.
func neverBegins(*pipeline.StepContext) (pipeline.Result, error) {
	return pipeline.Result{}, errNoCheckout
}

// breaks begins and fails.
func breaks(c *pipeline.StepContext) (pipeline.Result, error) {
	if err := c.Save(context.Background(), json.RawMessage(`{}`)); err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Result{Done: true, State: pipeline.Failed, Message: "It broke."}, nil
}

func withBeginner(t *testing.T) (*stage, beginner) {
	s, b := newStage(t), beginner{}
	s.engine.Runners["run"] = pipeline.Uses{Name: "run", Class: pipeline.Queryable, SavesFirst: true, UndoSavesFirst: true, Runner: b}
	s.engine.Runners["once"] = pipeline.Uses{Name: "once", SavesFirst: true, Runner: b}
	return s, b
}

func deployOf(names ...string) pipeline.Pipeline {
	return pipeline.Pipeline{Name: "deploy", OnFailure: pipeline.Rollback, Steps: steps(names...)}
}

func (s *stage) deploy(p pipeline.Pipeline, commit string) *pipeline.Run {
	s.t.Helper()
	return s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: strings.Repeat(commit, 40)})
}

// settledBy checks that what the run deployed stands in the environment, and
// nothing keeps the next deploy away.
func (s *stage) settledBy(r *pipeline.Run) {
	s.t.Helper()
	if env := s.staging(); env.Lock != nil || env.Unsettled != "" || env.Active != "" || env.Stands() == nil || env.Stands().Run != r.ID {
		s.t.Errorf("environment %+v, want it settled by %s", env, r.ID)
	}
}

func TestWhatNeverBeganIsNotRolledBack(t *testing.T) {
	type attempt = func(*pipeline.StepContext) (pipeline.Result, error)
	panics := func(*pipeline.StepContext) (pipeline.Result, error) { panic("a fault") }
	for name, c := range map[string]struct {
		attempts []attempt
		state    pipeline.State
		says     string
	}{
		"at once":                      {[]attempt{neverBegins}, pipeline.Failed, "The files could not be written. Nothing was changed, so nothing is rolled back."},
		"a fault of our own":           {[]attempt{panics}, pipeline.Failed, "shipmate met a fault of its own before one began. Nothing was changed, so nothing is rolled back."},
		"in no attempt":                {[]attempt{neverBegins, neverBegins}, pipeline.Failed, "Nothing was changed, so nothing is rolled back."},
		"but in an attempt before":     {[]attempt{breaks, neverBegins}, pipeline.RolledBack, ""},
		"but in a later attempt":       {[]attempt{neverBegins, breaks}, pipeline.RolledBack, ""},
		"but in the only one it broke": {[]attempt{breaks}, pipeline.RolledBack, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := withBeginner(t)
			p := deployOf("one")
			p.Steps[0].Retry.Attempts = len(c.attempts)
			good := s.deploy(p, "1")
			b["one"] = func(call *pipeline.StepContext) (pipeline.Result, error) {
				if call.Run.SHA[0] == '2' {
					return c.attempts[call.Attempt-1](call)
				}
				return pipeline.Result{Done: true}, nil
			}
			bad := s.deploy(p, "2")
			for range c.attempts[1:] {
				s.store.Advance(time.Minute)
				s.work()
				bad = s.load(bad.ID)
			}
			if bad.State != c.state || !strings.HasSuffix(bad.Message, c.says) {
				t.Errorf("%s: %q", bad.State, bad.Message)
			}
			if c.state == pipeline.Failed {
				s.settledBy(good)
			}
		})
	}
}

// A runner that does not say when it begins may have changed something in any call.
func TestARunnerThatSaysNothingHasBegun(t *testing.T) {
	s := newStage(t)
	p := deployOf("one")
	s.deploy(p, "1")
	s.runner.do["one"] = func(c *pipeline.StepContext) pipeline.Result {
		if c.Run.SHA[0] == '2' {
			return pipeline.Result{Done: true, State: pipeline.Failed, Message: "It broke."}
		}
		return pipeline.Result{Done: true}
	}
	if bad := s.deploy(p, "2"); bad.State != pipeline.RolledBack {
		t.Errorf("%s: %s", bad.State, bad.Message)
	}
}

// A step whose secrets or log cannot be had is not called at all.
func TestAStepThatWasNotCalledHasNotBegun(t *testing.T) {
	for name, change := range map[string]func(*stage, *pipeline.Step){
		"no secrets": func(_ *stage, def *pipeline.Step) { def.Secrets = []string{"TOKEN"} },
		"no runner":  func(_ *stage, def *pipeline.Step) { def.Run, def.Uses = "", "unheard.of" },
		"no log":     func(s *stage, _ *pipeline.Step) { s.engine.Logs = noLogs{} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t) // its runner says nothing
			good := s.deploy(deployOf("one"), "1")
			p := deployOf("one")
			change(s, &p.Steps[0])
			if bad := s.deploy(p, "2"); bad.State != pipeline.Failed {
				t.Errorf("%s (%s %s)", bad.State, bad.Code, bad.Message)
			}
			s.settledBy(good)
		})
	}
}

type noLogs struct{ quiet }

func (noLogs) Open(context.Context, *pipeline.Run, string, int, map[string]pipeline.Secret) (pipeline.LogWriter, error) {
	return nil, pipeline.Refuse("log_refused", "The log cannot be kept.")
}

// What a step before it did is still undone.
func TestStepsBeforeOneThatNeverBeganAreRolledBack(t *testing.T) {
	s, b := withBeginner(t)
	p := deployOf("one", "two")
	p.Steps[0].Undo = "true"
	s.deploy(p, "1")
	undone := 0
	b["undo one"] = func(*pipeline.StepContext) (pipeline.Result, error) {
		undone++
		return pipeline.Result{Done: true}, nil
	}
	b["undo two"] = func(*pipeline.StepContext) (pipeline.Result, error) {
		undone += 100
		return pipeline.Result{Done: true}, nil
	}
	b["two"] = neverBegins
	bad := s.deploy(p, "2")
	s.want(bad, pipeline.RolledBack, "one=rolled_back two=failed")
	if undone != 1 {
		t.Errorf("undone %d", undone)
	}
}

// A worker that dies leaves a call that has begun, or one that has not: the
// checkpoint says which.
func TestAfterACrashACallHasBegunIfItSavedSo(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*pipeline.StepContext) (pipeline.Result, error)
		uses  string
		state pipeline.State
	}{
		"it had not":                            {func(*pipeline.StepContext) (pipeline.Result, error) { return pipeline.Result{}, nil }, "", pipeline.Failed},
		"it had":                                {breaks, "", pipeline.RolledBack},
		"it had not, and is called again":       {func(*pipeline.StepContext) (pipeline.Result, error) { return pipeline.Result{}, nil }, "once", pipeline.Failed},
		"it had, and may not be called again":   {breaks, "once", pipeline.Unknown},
		"nobody knows, as its runner says none": {func(*pipeline.StepContext) (pipeline.Result, error) { return pipeline.Result{}, nil }, "mute", pipeline.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := withBeginner(t)
			s.engine.Runners["mute"] = pipeline.Uses{Name: "mute", Class: pipeline.Idempotent, Runner: b}
			s.deploy(deployOf("one"), "1")
			p := deployOf("one")
			if c.uses != "" {
				p.Steps[0].Run, p.Steps[0].Uses = "", c.uses
			}
			w := s.cut()
			b["one"] = func(call *pipeline.StepContext) (pipeline.Result, error) {
				res, err := c.first(call)
				w.dies = true
				return res, err
			}
			if _, err := s.engine.Start(context.Background(), pipeline.Request{Repo: pipeline.Repo{ID: 7, Owner: "acme", Name: "shop"}, Pipeline: p, Environment: staging, SHA: strings.Repeat("2", 40), Actor: pipeline.Actor{ID: 1, Login: "mona"}}); err != nil {
				t.Fatal(err)
			}
			for _, l := range s.store.Poll(pipeline.Control, 10, time.Minute) {
				s.do(l)
			}
			l := s.store.Poll(pipeline.Steps, 1, time.Minute)[0]
			if err := s.engine.Handlers()["step"](context.Background(), l); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			w.dies = false
			b["one"] = func(call *pipeline.StepContext) (pipeline.Result, error) {
				if call.Run.SHA[0] == '1' {
					return pipeline.Result{Done: true}, nil
				}
				return neverBegins(call)
			}
			if c.uses == "mute" { // it is not even called
				s.engine.Logs = noLogs{}
			}
			s.store.Advance(2 * time.Minute)
			s.work()
			if r := s.load(l.Run); r.State != c.state && !(c.uses == "mute" && r.RedeployedBy != "") {
				t.Errorf("%s (%s %s)", r.State, r.Code, r.Message)
			}
		})
	}
}

func TestARollbackThatNeverBeganLocksNothing(t *testing.T) {
	for name, c := range map[string]struct {
		stage func(b beginner)
		ask   func(s *stage, bad *pipeline.Run, before *pipeline.Deployment) *pipeline.Run
		code  string
	}{
		"by deploying again": {func(b beginner) { b["one"] = neverBegins }, (*stage).again, "no_disk"},
		"by undoing":         {func(b beginner) { b["undo two"] = neverBegins }, (*stage).undo, "no_disk"},
		"by deploying again, as the undoing was refused": {func(b beginner) {
			b["undo two"] = func(*pipeline.StepContext) (pipeline.Result, error) {
				return pipeline.Result{}, pipeline.Refuse("cannot_revert", "It is gone.")
			}
			b["one"] = neverBegins
		}, (*stage).undo, "no_disk"},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := withBeginner(t)
			p := deployOf("one", "two")
			p.Steps[0].Undo, p.Steps[1].Undo = "true", "true"
			s.deploy(p, "1")
			before := s.staging().Current
			bad := s.deploy(p, "2")
			c.stage(b)
			back := c.ask(s, bad, before)
			if back.State != pipeline.Failed || back.Code != c.code ||
				!strings.HasSuffix(back.Message, "Nothing was changed, so what ran before still does, and the environment is not locked.") {
				t.Errorf("it is %s (%s): %s", back.State, back.Code, back.Message)
			}
			s.settledBy(bad)
		})
	}
}

// again deploys what ran before once more.
func (s *stage) again(bad *pipeline.Run, to *pipeline.Deployment) *pipeline.Run {
	s.t.Helper()
	p := bad.Pipeline
	p.OnFailure = pipeline.Stop
	return s.start(pipeline.Request{Pipeline: p, Environment: staging, SHA: to.SHA, Trigger: pipeline.ByRollback, Restores: to})
}

func TestARollbackThatHasBegunLocks(t *testing.T) {
	for name, c := range map[string]struct {
		breaks string
		ask    func(s *stage, bad *pipeline.Run, before *pipeline.Deployment) *pipeline.Run
	}{
		"by deploying again": {"one", (*stage).again},
		"by undoing":         {"undo one", (*stage).undo},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := withBeginner(t)
			p := deployOf("one", "two")
			p.Steps[0].Undo, p.Steps[1].Undo = "true", "true"
			s.deploy(p, "1")
			before := s.staging().Current
			bad := s.deploy(p, "2")
			b[c.breaks] = breaks
			back := c.ask(s, bad, before)
			if env := s.staging(); back.State != pipeline.Failed || env.Lock == nil || env.Unsettled != back.ID {
				t.Errorf("it is %s (%s): %s; %+v", back.State, back.Code, back.Message, env)
			}
		})
	}
}

// The way back of a deploy that has begun must not be forgotten because it could not be gone.
func TestADeployThatBrokeAndCannotGoBackLocks(t *testing.T) {
	s, b := withBeginner(t)
	p := deployOf("one")
	s.deploy(p, "1")
	b["one"] = func(c *pipeline.StepContext) (pipeline.Result, error) {
		if c.Run.SHA[0] == '1' {
			return neverBegins(c)
		}
		return breaks(c)
	}
	bad := s.deploy(p, "2")
	if env := s.staging(); bad.Code != "rollback_failed" || env.Lock == nil || env.Unsettled != bad.ID {
		t.Errorf("it is %s (%s): %s; %+v", bad.State, bad.Code, bad.Message, env)
	}
}
