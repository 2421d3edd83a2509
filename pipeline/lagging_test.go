package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

var errLate = pipeline.Lagging(pipeline.Refuse("commit_not_found", "Commit aaaaaaa does not exist in acme/shop."))

// shows is a commit that GitHub shows after a while.
type shows struct {
	stage *stage
	at    time.Time
	asked []time.Duration // when, since the first time
	first time.Time
}

func (s *stage) showing(after time.Duration) *shows {
	return &shows{stage: s, at: s.clock.Now().Add(after)}
}

func (c *shows) look() error {
	now := c.stage.clock.Now()
	if c.first.IsZero() {
		c.first = now
	}
	c.asked = append(c.asked, now.Sub(c.first))
	if now.Before(c.at) {
		return errLate
	}
	return nil
}

// until lets time pass, second by second, until the run waits for nothing of its own.
func (s *stage) until(id pipeline.RunID, most time.Duration, over func(*pipeline.Run) bool) *pipeline.Run {
	s.t.Helper()
	r := s.load(id)
	for range most / time.Second {
		if over(r) {
			return r
		}
		s.store.Advance(time.Second)
		s.work()
		r = s.load(id)
	}
	return r
}

func ended(r *pipeline.Run) bool { return r.State.Terminal() }

func TestACommitThatIsLateIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		took time.Duration // at most
		want pipeline.State
	}{
		"not late":        {0, 0, pipeline.Succeeded},
		"a second late":   {time.Second, 2 * time.Second, pipeline.Succeeded},
		"5 seconds late":  {5 * time.Second, 8 * time.Second, pipeline.Succeeded},
		"25 seconds late": {25 * time.Second, 32 * time.Second, pipeline.Succeeded},
		"not there":       {time.Hour, 32 * time.Second, pipeline.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			s, b := withBeginner(t)
			good := s.deploy(deployOf("one"), "1")
			commit := s.showing(c.late)
			b["one"] = func(call *pipeline.StepContext) (pipeline.Result, error) {
				if err := commit.look(); err != nil {
					return pipeline.Result{}, err
				}
				return pipeline.Result{Done: true}, nil
			}
			p := deployOf("one")
			p.Steps[0].Timeout = pipeline.Duration(10 * time.Second) // what it waits for is no work of its own
			r := s.deploy(p, "2")
			one := r.Step("one")
			if c.late > 0 && (one.State != pipeline.Waiting ||
				one.Message != "Commit aaaaaaa does not exist in acme/shop. It may only be late, so it is asked for again until 12:00:30 UTC.") {
				t.Errorf("while it waits it is %s: %q", one.State, one.Message)
			}
			began := s.clock.Now()
			r = s.until(r.ID, time.Minute, ended)
			if took := s.clock.Now().Sub(began); r.State != c.want || took > c.took {
				t.Errorf("%s (%s %s) after %s", r.State, r.Code, r.Message, took)
			}
			if last := commit.asked[len(commit.asked)-1]; len(commit.asked) > 12 || c.want == pipeline.Failed && last < 30*time.Second {
				t.Errorf("asked at %v", commit.asked)
			}
			if c.want == pipeline.Failed {
				if r.Code != "commit_not_found" || r.Message != "Commit aaaaaaa does not exist in acme/shop. Nothing was changed, so nothing is rolled back." {
					t.Errorf("it says %s %q", r.Code, r.Message)
				}
				s.settledBy(good)
			}
		})
	}
}

// The time a step waits counts from the first question on, whoever asks.
func TestAWaitOutlivesACrash(t *testing.T) {
	s, b := withBeginner(t)
	commit := s.showing(time.Hour)
	var w *wire
	b["one"] = func(*pipeline.StepContext) (pipeline.Result, error) {
		w.dies = len(commit.asked) == 3
		return pipeline.Result{}, commit.look()
	}
	w = s.cut()
	r := s.deploy(deployOf("one"), "2")
	for range 40 {
		s.store.Advance(time.Second)
		for _, l := range append(s.store.Poll(pipeline.Control, 5, 5*time.Second), s.store.Poll(pipeline.Steps, 5, 5*time.Second)...) {
			if err := s.engine.Handlers()[l.Kind](context.Background(), l); errors.Is(err, errKilled) {
				w.dies = false
			} else if !l.Done {
				_ = s.store.Finish(context.Background(), l)
			}
		}
	}
	if r = s.load(r.ID); r.State != pipeline.Failed || r.Code != "commit_not_found" {
		t.Errorf("%s (%s %s), asked at %v", r.State, r.Code, r.Message, commit.asked)
	}
}

// Each attempt and each undoing waits anew.
func TestALaterAttemptWaitsAnew(t *testing.T) {
	s, b := withBeginner(t)
	commit := s.showing(40 * time.Second)
	b["one"] = func(*pipeline.StepContext) (pipeline.Result, error) {
		return pipeline.Result{Done: true}, commit.look()
	}
	p := deployOf("one")
	p.Steps[0].Retry.Attempts = 2
	r := s.until(s.deploy(p, "2").ID, 2*time.Minute, ended)
	if r.State != pipeline.Succeeded || r.Step("one").Attempt != 2 {
		t.Errorf("%s (%s %s), asked at %v", r.State, r.Code, r.Message, commit.asked)
	}
}

// What has begun may be at work: that its files cannot be had once more is no
// reason to give it up.
func TestAStepThatHasBegunIsNotGivenUp(t *testing.T) {
	s, b := withBeginner(t)
	commit := s.showing(2 * time.Minute)
	b["one"] = func(c *pipeline.StepContext) (pipeline.Result, error) {
		if c.Call == 1 {
			return pipeline.Result{RetryAfter: time.Second}, c.Save(context.Background(), []byte(`{}`))
		}
		return pipeline.Result{Done: true}, commit.look()
	}
	if r := s.until(s.deploy(deployOf("one"), "2").ID, 5*time.Minute, ended); r.State != pipeline.Succeeded {
		t.Errorf("%s (%s %s), asked at %v", r.State, r.Code, r.Message, commit.asked)
	}
}

// A step that has begun no longer says that it waits to begin.
func TestWhatWasLateIsNotSaidWhileTheStepRuns(t *testing.T) {
	s, b := withBeginner(t)
	commit := s.showing(3 * time.Second)
	var meanwhile pipeline.StepRun
	b["one"] = func(c *pipeline.StepContext) (pipeline.Result, error) {
		if err := commit.look(); err != nil {
			return pipeline.Result{}, err
		}
		err := c.Save(context.Background(), []byte(`{}`))
		meanwhile = *s.load(c.Run.ID).Step("one")
		return pipeline.Result{Done: true}, err
	}
	r := s.until(s.deploy(deployOf("one"), "2").ID, time.Minute, ended)
	if r.State != pipeline.Succeeded || len(commit.asked) < 2 || meanwhile.Message != "" || !meanwhile.Lagging.IsZero() {
		t.Errorf("%s; while it ran it said %q, asked at %v", r.State, meanwhile.Message, commit.asked)
	}
}

func TestAPlanWaitsForACommitThatIsLate(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		code string
	}{
		"late": {5 * time.Second, "approval"}, "not there": {time.Hour, "commit_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPlanners(t)
			commit := s.showing(c.late)
			s.engine.Runners["apply"] = pipeline.Uses{Name: "apply", Class: pipeline.Idempotent, Runner: latePlanner{planner{s.runner}, commit}}
			r := s.begin(pipeline.Request{Environment: guarded, Pipeline: pipeline.Pipeline{Steps: []pipeline.Step{{Name: "apply", Uses: "apply"}}}})
			s.work()
			if r = s.load(r.ID); !strings.Contains(r.Message, "asked for again until 12:00:30 UTC") {
				t.Errorf("while it waits: %q", r.Message)
			}
			r = s.until(r.ID, time.Minute, func(r *pipeline.Run) bool { return r.State.Terminal() || r.Code == "approval" })
			if r.Code != c.code {
				t.Errorf("%s (%s %s), asked at %v", r.State, r.Code, r.Message, commit.asked)
			}
		})
	}
}

type latePlanner struct {
	planner
	commit *shows
}

func (p latePlanner) Plan(ctx context.Context, c *pipeline.StepContext) (pipeline.Result, error) {
	if err := p.commit.look(); err != nil {
		return pipeline.Result{}, err
	}
	return p.planner.Plan(ctx, c)
}

// lateFiles is a GitHub that does not know yet what a commit changes.
type lateFiles struct {
	*stage
	commit *shows
}

func (l lateFiles) Changed(context.Context, *pipeline.Run) ([]string, error) {
	return []string{"src/main.go"}, l.commit.look()
}

func TestAConditionWaitsForACommitThatIsLate(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		want pipeline.State
		code string
	}{
		"late": {5 * time.Second, pipeline.Succeeded, ""}, "not there": {time.Hour, pipeline.Failed, "commit_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := withBeginner(t)
			commit := s.showing(c.late)
			s.engine.GitHub = lateFiles{s, commit}
			p := deployOf("one", "two")
			p.Steps[1].If = `changed("src/**")`
			r := s.deploy(p, "2")
			if two := r.Step("two"); two.State != pipeline.Waiting || !strings.HasSuffix(two.Message, "asked for again until 12:00:30 UTC.") {
				t.Errorf("while it waits it is %s: %q", two.State, two.Message)
			}
			r = s.until(r.ID, time.Minute, func(r *pipeline.Run) bool { return r.Step("two").State.Terminal() })
			if two := r.Step("two"); two.State != c.want || two.Code != c.code || len(commit.asked) > 12 {
				t.Errorf("%s (%s %s), asked at %v", two.State, two.Code, two.Message, commit.asked)
			}
		})
	}
}

func TestAConditionThatWaitsIsCancelled(t *testing.T) {
	s, _ := withBeginner(t)
	s.engine.GitHub = lateFiles{s, s.showing(time.Hour)}
	p := deployOf("one")
	p.Steps[0].If = `changed("src/**")`
	r := s.deploy(p, "2")
	if _, err := s.engine.Cancel(context.Background(), r.ID, pipeline.Cancellation{By: pipeline.Actor{ID: 1, Login: "mona"}, Code: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	s.work()
	if r = s.load(r.ID); r.State != pipeline.Cancelled {
		t.Errorf("%s (%s %s)", r.State, r.Code, r.Message)
	}
}
