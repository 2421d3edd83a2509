package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// Runs that wait for what GitHub says.
func TestNextWaitsForGates(t *testing.T) {
	in := func(changes ...func(*nextCase)) func(*nextCase) {
		return func(c *nextCase) {
			c.run.Admitted, c.run.State = false, queued
			c.run.Environment = &pipeline.Environment{Name: "prod"}
			c.facts.Environment = &pipeline.EnvironmentState{}
			c.facts.Live = &pipeline.Live{People: map[int64]pipeline.Standing{1: {Permission: pipeline.Write}}}
			for _, change := range changes {
				change(c)
			}
		}
	}
	checks := func(c *nextCase) { c.run.Environment.Requires.Checks = []string{"build"} }
	reviews := func(c *nextCase) {
		c.run.Environment.Requires.Reviews = 1
		c.facts.Live.Reviewed = []pipeline.ReviewedPull{{Number: 4}}
	}
	order := func(c *nextCase) { c.run.Environment.After = []string{"staging"} }
	unknownMerge := func(c *nextCase) {
		c.run.PR, c.run.Environment.Protected = 4, true
		c.facts.Live.PullRequest = &pipeline.PullRequest{Head: c.run.SHA, Open: true}
	}
	approval := func(c *nextCase) { c.run.Environment.Approvals = &pipeline.ApprovalPolicy{Count: 1} }
	broken := func(c *nextCase) { c.facts.Live = &pipeline.Live{Unverified: "a list broke off", Again: true} }
	busy := func(c *nextCase) {
		c.facts.Environment.Active, c.facts.Environment.Queue = "r-0", []pipeline.RunID{"r-1"}
	}
	supersede := func(c *nextCase) { c.run.Environment.Concurrency = pipeline.Supersede }
	checkNext(t, []nextRow{
		{"for a check, and not in the queue", states{queued}, in(checks), "hold checks_missing until 12:05"},
		{"for a check, and no longer in the queue", states{queued}, in(checks, busy), "hold checks_missing until 12:05"},
		{"for a check, where only the newest counts, in sight of the others", states{queued}, in(checks, supersede), "hold checks_missing until 12:05 in the queue"},
		{"for a review", states{queued}, in(reviews), "hold reviews_missing until 12:05"},
		{"for another environment", states{queued}, in(order), "hold order until 12:05"},
		{"for GitHub to find out whether it merges", states{queued}, in(unknownMerge), "hold mergeable_unknown until 12:00"},
		{"for people first, and what GitHub knows in a moment last", states{queued}, in(unknownMerge, approval), "hold approval"},
		{"looking sooner puts nothing off", states{queued}, in(checks, func(c *nextCase) {
			c.run.State, c.run.Code, c.run.HeldUntil = waiting, "checks_missing", noon.Add(time.Minute)
			c.run.Message = "Starts by itself when `build` (not reported yet) is green on `5a5a5a5`."
		}), ""},
		{"it looks again when it has looked", states{queued}, in(checks, func(c *nextCase) {
			c.run.State, c.run.Code, c.run.HeldUntil = waiting, "checks_missing", noon
		}), "hold checks_missing until 12:05"},
		{"another reason begins anew", states{queued}, in(checks, func(c *nextCase) {
			c.run.State, c.run.Code, c.run.HeldUntil = waiting, "order", noon.Add(time.Minute)
		}), "hold checks_missing until 12:05"},
		{"looking again puts the end of the wait off never", states{queued}, in(checks, func(c *nextCase) { c.run.Deadline = noon.Add(2 * time.Minute) }), "hold checks_missing until 12:02"},
		{"an answer that broke off ends nothing", states{queued}, in(checks, broken), "hold cannot_verify until 12:00"},
		{"nor does it cost the place in the queue", states{queued}, in(busy, broken), "hold cannot_verify until 12:00 in the queue"},
		{"nor is the run superseded for it", states{queued}, in(supersede, broken, func(c *nextCase) {
			c.facts.Environment.Queue = []pipeline.RunID{"r-1", "r-2"}
		}), "hold cannot_verify until 12:00 in the queue"},
		{"not to be asked at all does end it", states{queued}, in(func(c *nextCase) { c.facts.Live = &pipeline.Live{Unverified: "it refused"} }), "finish cancelled cannot_verify"},
	})
}

func moved(s *stage, m pipeline.Moved) {
	s.t.Helper()
	m.Repo = 7
	if err := s.store.Enqueue(s.t.Context(), m.Job()); err != nil {
		s.t.Fatal(err)
	}
	s.work()
}

func TestARunStartsWhenItsCheckIsGreen(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "prod", Requires: pipeline.Requirements{Checks: []string{"build"}}}
	r := s.start(pipeline.Request{Environment: env, PR: 4, Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("release")}})
	if r.Code != "checks_missing" || r.Admitted {
		t.Fatalf("%s %s", r.State, r.Code)
	}
	s.live.Checks = []pipeline.CheckReport{{Name: "build", By: "app:ci", ID: 1, State: pipeline.CheckGreen}}
	for _, other := range []pipeline.Moved{{SHA: "another"}, {SHA: "another", PR: 5}, {}} {
		moved(s, other)
	}
	if r = s.load(r.ID); r.Code != "checks_missing" {
		t.Errorf("it looked although nothing happened to its commit: %s %s", r.State, r.Code)
	}
	moved(s, pipeline.Moved{SHA: r.SHA})
	s.want(s.load(r.ID), pipeline.Succeeded, "release=succeeded")
}

func TestARunLooksAgainWhenItsPullRequestMoves(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "prod", Protected: true, Approvals: &pipeline.ApprovalPolicy{Count: 1}}
	s.live.PullRequest = &pipeline.PullRequest{Number: 4, Head: strings.Repeat("a", 40), Open: true, Merge: pipeline.MergeClean}
	r := s.start(pipeline.Request{Environment: env, PR: 4, Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("release")}})
	s.live.PullRequest.Draft = true
	moved(s, pipeline.Moved{SHA: "another", PR: 4})
	if r = s.load(r.ID); r.State != pipeline.Cancelled || r.Code != "draft" {
		t.Errorf("%s %s", r.State, r.Code)
	}
}

func TestARunLooksAgainThoughNobodySaysSo(t *testing.T) {
	s := newStage(t)
	env := &pipeline.Environment{Name: "prod", Requires: pipeline.Requirements{Checks: []string{"build"}}}
	r := s.start(pipeline.Request{Environment: env, Pipeline: pipeline.Pipeline{Name: "deploy", Steps: steps("release")}})
	s.live.Checks = []pipeline.CheckReport{{Name: "build", By: "app:ci", ID: 1, State: pipeline.CheckGreen}}
	if !r.Wake.Equal(s.clock.Now().Add(5 * time.Minute)) {
		t.Errorf("it wakes at %s", r.Wake)
	}
}

// What a deploy waits for may be a deploy elsewhere, or a pipeline of ours.
func TestARunStartsWhenAnotherOneEnds(t *testing.T) {
	s := newStage(t)
	prod := &pipeline.Environment{Name: "prod", After: []string{"staging"}}
	deploy := pipeline.Pipeline{Name: "deploy", Steps: steps("release")}
	waits := s.start(pipeline.Request{Environment: prod, Pipeline: deploy})
	other := s.start(pipeline.Request{Environment: prod, Pipeline: deploy, SHA: strings.Repeat("b", 40)})
	if waits.Code != "order" || other.Code != "order" {
		t.Fatalf("%s, %s", waits.Code, other.Code)
	}
	s.live.AfterOK = map[string]bool{"staging": true}
	s.runner.fails("release")
	s.start(pipeline.Request{Environment: &pipeline.Environment{Name: "staging"}, Pipeline: deploy})
	if r := s.load(waits.ID); r.Code != "order" {
		t.Errorf("it looked although staging failed: %s", r.State)
	}
	delete(s.runner.do, "release")
	s.start(pipeline.Request{Environment: &pipeline.Environment{Name: "staging"}, Pipeline: deploy})
	s.want(s.load(waits.ID), pipeline.Succeeded, "release=succeeded")
	if r := s.load(other.ID); r.Code != "order" {
		t.Errorf("the other commit looked too: %s", r.State)
	}

	s.start(pipeline.Request{SHA: other.SHA, Pipeline: pipeline.Pipeline{Name: "tests", Steps: steps("build")}})
	s.want(s.load(other.ID), pipeline.Succeeded, "release=succeeded")
}

func TestABurstIsOneJob(t *testing.T) {
	s := newStage(t)
	m := pipeline.Moved{Repo: 7, SHA: strings.Repeat("a", 40), PR: 4}
	for range 50 {
		if err := s.store.Enqueue(t.Context(), m.Job()); err != nil {
			t.Fatal(err)
		}
	}
	first := s.store.Poll(pipeline.Control, 100, time.Minute)
	for range 50 { // more of it comes while it is looked at
		if err := s.store.Enqueue(t.Context(), m.Job()); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range first {
		s.do(l)
	}
	second := s.store.Poll(pipeline.Control, 100, time.Minute)
	if len(first) != 1 || len(second) != 1 {
		t.Errorf("%d jobs, then %d, want 1 and 1", len(first), len(second))
	}
}
