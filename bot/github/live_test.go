package github

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// records are the runs and environments of the store.
type records struct {
	envs
	*runList
}

// Runs is the store's, which also says both.
func (r records) Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error) {
	return r.runList.Runs(ctx, q)
}

// required is a run to prod that requires something, and nothing else.
func (s *scene) required(r pipeline.Requirements) *pipeline.Run {
	run := s.run()
	run.Environment = &pipeline.Environment{Name: "prod", Requires: r}
	return run
}

func (s *scene) live(r *pipeline.Run) pipeline.Live {
	s.t.Helper()
	l, err := s.client.Live(s.client.ReadOnce(s.ctx()), r)
	if err != nil || l.Unverified != "" {
		s.t.Fatalf("%q, %v", l.Unverified, err)
	}
	return l
}

// code is the reason why a gate does not pass, "" if it does.
func (s *scene) code(r *pipeline.Run, name string) string {
	s.t.Helper()
	l := s.live(r)
	for _, g := range pipeline.Gates(pipeline.QuestionOf(r), pipeline.Facts{Policy: r.Environment, Environment: &pipeline.EnvironmentState{}, Live: &l}, s.clock.Now()) {
		if g.Name == name {
			return g.Code
		}
	}
	s.t.Fatalf("no gate %s", name)
	return ""
}

// reports reports a check: "" as conclusion is one that runs.
func (s *scene) reports(app sim.OtherApp, sha, name, conclusion string) sim.CheckRun {
	s.t.Helper()
	in := sim.CheckRunRequest{Name: &name, HeadSHA: &sha}
	if running := "in_progress"; conclusion == "" {
		in.Status = &running
	} else {
		in.Conclusion = &conclusion
	}
	return sim.Must(app.CreateCheckRun("octo/shop", in))
}

func TestRequiredChecks(t *testing.T) {
	build := pipeline.Requirements{Checks: []string{"build"}}
	for name, c := range map[string]struct {
		do   func(s *scene, ci, evil sim.OtherApp, main string)
		code string
	}{
		"nothing was reported":    {func(*scene, sim.OtherApp, sim.OtherApp, string) {}, "checks_missing"},
		"it is green":             {func(s *scene, ci, _ sim.OtherApp, _ string) { s.reports(ci, s.sha, "build", "success") }, ""},
		"another commit is green": {func(s *scene, ci, _ sim.OtherApp, main string) { s.reports(ci, main, "build", "success") }, "checks_missing"},
		"it runs":                 {func(s *scene, ci, _ sim.OtherApp, _ string) { s.reports(ci, s.sha, "build", "") }, "checks_pending"},
		"it was skipped":          {func(s *scene, ci, _ sim.OtherApp, _ string) { s.reports(ci, s.sha, "build", "skipped") }, "checks_failed"},
		"it runs again after it was green": {func(s *scene, ci, _ sim.OtherApp, _ string) {
			s.reports(ci, s.sha, "build", "success")
			s.reports(ci, s.sha, "build", "")
		}, "checks_pending"},
		"it was green when it ran again after it failed": {func(s *scene, ci, _ sim.OtherApp, _ string) {
			s.reports(ci, s.sha, "build", "failure")
			s.reports(ci, s.sha, "build", "success")
		}, ""},
		"a stranger is green": {func(s *scene, ci, evil sim.OtherApp, main string) {
			s.reports(ci, main, "build", "success")
			s.reports(evil, s.sha, "build", "success")
		}, "checks_missing"},
		"a stranger is green, who reports it is not": {func(s *scene, ci, evil sim.OtherApp, main string) {
			s.reports(ci, main, "build", "success")
			s.reports(ci, s.sha, "build", "failure")
			s.reports(evil, s.sha, "build", "success")
		}, "checks_failed"},
		"a stranger sets a status of the name": {func(s *scene, ci, _ sim.OtherApp, main string) {
			s.reports(ci, main, "build", "success")
			s.status(s.sha, "build", "success")
		}, "checks_missing"},
		"a status is green": {func(s *scene, _, _ sim.OtherApp, _ string) { s.status(s.sha, "build", "success") }, ""},
		"a status was green": {func(s *scene, _, _ sim.OtherApp, _ string) {
			s.status(s.sha, "build", "success")
			s.status(s.sha, "build", "error")
		}, "checks_failed"},
		"a status is pending":                    {func(s *scene, _, _ sim.OtherApp, _ string) { s.status(s.sha, "build", "pending") }, "checks_pending"},
		"what we report ourselves shows nothing": {func(s *scene, _, _ sim.OtherApp, _ string) { s.ourOwn("build") }, "checks_missing"},
		"what we report ourselves fails nothing of theirs": {func(s *scene, ci, _ sim.OtherApp, _ string) {
			s.reports(ci, s.sha, "build", "success")
			s.ourOwn("build")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			ci, evil := sim.Must(s.sim.AddApp("ci", 0)), sim.Must(s.sim.AddApp("evil", 0))
			c.do(s, ci, evil, s.sim.Head("octo/shop", "main"))
			if code := s.code(s.required(build), pipeline.GateChecks); code != c.code {
				t.Errorf("got %q, want %q", code, c.code)
			}
			if code := s.code(s.required(pipeline.Requirements{Checks: []string{"build@other"}}), pipeline.GateChecks); code != "checks_missing" {
				t.Errorf("pinned to another App: %q", code)
			}
		})
	}
}

func (s *scene) status(sha, name, state string) {
	s.t.Helper()
	sim.Must(s.sim.As("mona").CreateStatus("octo/shop", sha, sim.StatusRequest{State: state, Context: &name}))
}

// ourOwn has our own App report success under a name.
func (s *scene) ourOwn(name string) {
	s.t.Helper()
	success := "success"
	_, _, err := s.client.as(s.repo, forChecks).Checks.CreateCheckRun(s.ctx(), "octo", "shop", github.CreateCheckRunOptions{Name: name, HeadSHA: s.sha, Conclusion: &success})
	s.done(err)
	_, _, err = s.client.as(s.repo, forStatuses).Repositories.CreateStatus(s.ctx(), "octo", "shop", s.sha, &github.RepoStatus{State: &success, Context: &name})
	s.done(err)
}

func TestRequiredPipelines(t *testing.T) {
	list := &runList{}
	s := newScene(t, func(c *Config) { c.Environments = records{envs{}, list} })
	made := func(name, sha string, state pipeline.State, env *pipeline.Environment) *pipeline.Run {
		r := &pipeline.Run{Request: pipeline.Request{Repo: s.repo, SHA: sha, Pipeline: pipeline.Pipeline{Name: name}, Environment: env}}
		r.State = state
		list.all = append(list.all, r)
		return r
	}
	want := func(when, code string) {
		t.Helper()
		if got := s.code(s.required(pipeline.Requirements{Pipelines: []string{"tests"}}), pipeline.GateChecks); got != code {
			t.Errorf("%s: %q, want %q", when, got, code)
		}
	}
	made("tests", s.sha, pipeline.Failed, nil)
	want("it failed", "checks_failed")
	made("tests", s.sha, pipeline.Succeeded, nil)
	want("it was run again", "")
	made("tests", s.sim.Head("octo/shop", "main"), pipeline.Failed, nil)
	made("other", s.sha, pipeline.Failed, nil)
	made("tests", s.sha, pipeline.Failed, &pipeline.Environment{Name: "staging"})
	want("others, elsewhere and to an environment", "")
	for i := range 70 {
		made("tests", fmt.Sprint(i), pipeline.Failed, nil)
	}
	want("much has run since", "")
	made("tests", s.sha, pipeline.Running, nil)
	want("it runs again", "checks_pending")
	for _, r := range s.sim.Requests() {
		if strings.Contains(r.Path, "check-runs") || strings.HasSuffix(r.Path, "/statuses") {
			t.Errorf("GitHub was asked %s for what we know", r.Path)
		}
	}
}

func TestListsThatBreakOff(t *testing.T) {
	all := pipeline.Requirements{Checks: []string{"build"}, Reviews: 1}
	for name, path := range map[string]string{
		"check runs": "/repos/octo/shop/commits/*/check-runs",
		"statuses":   "/repos/octo/shop/commits/*/statuses",
		"reviews":    "/repos/octo/shop/pulls/*/reviews",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			ci := sim.Must(s.sim.AddApp("ci", 0))
			for i := range 101 {
				s.reports(ci, s.sha, fmt.Sprintf("job %d", i), "success")
				s.status(s.sha, fmt.Sprintf("job %d", i), "success")
				sim.Must(s.sim.As("hubot").Review("octo/shop", s.pr, sim.NewReview{State: "APPROVED"}))
			}
			r := s.required(all)
			remove := s.sim.Inject(sim.Fault{Path: path, Status: 502, After: 1})
			l, err := s.client.Live(s.client.ReadOnce(s.ctx()), r)
			if err != nil || l.Unverified == "" || !l.Again {
				t.Fatalf("%+v, %v", l, err)
			}
			gates := pipeline.Gates(pipeline.QuestionOf(r), pipeline.Facts{Policy: r.Environment, Environment: &pipeline.EnvironmentState{}, Live: &l}, s.clock.Now())
			if len(gates) != 1 || gates[0].Code != "cannot_verify" || gates[0].State == pipeline.Passes || !gates[0].Refuses {
				t.Errorf("%+v", gates)
			}
			remove()
			s.live(r)
			defer s.sim.Inject(sim.Fault{Path: path, Status: 502})()
			if _, err := s.client.Live(s.client.ReadOnce(s.ctx()), r); !pipeline.IsTemporary(err) {
				t.Errorf("no answer at all: %v", err)
			}
		})
	}
}

func TestChecksOverPages(t *testing.T) {
	s := newScene(t)
	ci := sim.Must(s.sim.AddApp("ci", 0))
	s.reports(ci, s.sha, "build", "failure") // the oldest is on the last page
	for i := range 205 {
		s.reports(ci, s.sha, fmt.Sprintf("job %d", i), "success")
	}
	if code := s.code(s.required(pipeline.Requirements{Checks: []string{"build"}}), pipeline.GateChecks); code != "checks_failed" {
		t.Errorf("%q", code)
	}
}

func TestRequiredReviews(t *testing.T) {
	const repo = "octo/shop"
	review := func(who, state string) func(*scene) {
		return func(s *scene) {
			sim.Must(s.sim.As(who).Review(repo, s.pr, sim.NewReview{State: state}))
			s.clock.add(1e9)
		}
	}
	for name, c := range map[string]struct {
		do   []func(*scene)
		code string
	}{
		"nobody":                           {nil, "reviews_missing"},
		"one approves":                     {[]func(*scene){review("hubot", "APPROVED")}, ""},
		"one comments":                     {[]func(*scene){review("hubot", "COMMENTED")}, "reviews_missing"},
		"approved, then changes requested": {[]func(*scene){review("hubot", "APPROVED"), review("hubot", "CHANGES_REQUESTED")}, "changes_requested"},
		"changes requested, then approved": {[]func(*scene){review("hubot", "CHANGES_REQUESTED"), review("hubot", "APPROVED")}, ""},
		"approved, then a comment":         {[]func(*scene){review("hubot", "APPROVED"), review("hubot", "COMMENTED")}, ""},
		"a reader approves":                {[]func(*scene){review("eve", "APPROVED")}, "reviews_missing"},
		"a reader requests changes":        {[]func(*scene){review("eve", "CHANGES_REQUESTED"), review("hubot", "APPROVED")}, ""},
		"approved, and dismissed": {[]func(*scene){func(s *scene) {
			re := sim.Must(s.sim.As("hubot").Review(repo, s.pr, sim.NewReview{State: "APPROVED"}))
			s.done(s.sim.As("mona").DismissReview(repo, s.pr, re.ID))
		}}, "reviews_missing"},
		"changes requested, and dismissed": {[]func(*scene){func(s *scene) {
			re := sim.Must(s.sim.As("hubot").Review(repo, s.pr, sim.NewReview{State: "CHANGES_REQUESTED"}))
			s.done(s.sim.As("mona").DismissReview(repo, s.pr, re.ID))
		}, review("co", "APPROVED")}, ""},
		"of another commit": {[]func(*scene){func(s *scene) {
			sim.Must(s.sim.As("hubot").Review(repo, s.pr, sim.NewReview{State: "APPROVED", Commit: s.sim.Head(repo, "main")}))
		}}, "reviews_missing"},
		"the last one of more than a page":  {[]func(*scene){many(101, "COMMENTED"), review("hubot", "APPROVED")}, ""},
		"the no is on the second page":      {[]func(*scene){review("hubot", "APPROVED"), many(101, "COMMENTED"), review("hubot", "CHANGES_REQUESTED")}, "changes_requested"},
		"a no of long ago that was settled": {[]func(*scene){review("hubot", "CHANGES_REQUESTED"), many(101, "COMMENTED"), review("hubot", "APPROVED")}, ""},
		"somebody whose work is in it":      {[]func(*scene){review("co", "APPROVED"), func(s *scene) { s.wrote = append(s.wrote, "co") }}, "reviews_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			co := sim.Must(s.sim.AddUser(sim.NewUser{Login: "co"}))
			s.done(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "co", Role: "write"}))
			s.done(s.sim.SetCollaborator(repo, sim.Collaborator{Login: "eve", Role: "triage"}))
			for _, do := range c.do {
				do(s)
			}
			r := s.required(pipeline.Requirements{Reviews: 1})
			if slices.Contains(s.wrote, "co") {
				r.Excluded = []int64{co.ID}
			}
			if code := s.code(r, pipeline.GateReviews); code != c.code {
				t.Errorf("got %q, want %q", code, c.code)
			}
		})
	}
}

func (s *scene) done(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func many(n int, state string) func(*scene) {
	return func(s *scene) {
		for range n {
			sim.Must(s.sim.As("hubot").Review("octo/shop", s.pr, sim.NewReview{State: state}))
		}
	}
}

// A run without a pull request: its commit came from one, or not.
func TestReviewsOfACommit(t *testing.T) {
	const repo = "octo/shop"
	s := newScene(t)
	approve := func(number int) { sim.Must(s.sim.As("hubot").Review(repo, number, sim.NewReview{State: "APPROVED"})) }
	want := func(when, sha, code string) {
		t.Helper()
		r := s.required(pipeline.Requirements{Reviews: 1})
		r.PR, r.SHA = 0, sha
		if got := s.code(r, pipeline.GateReviews); got != code {
			t.Errorf("%s: %q, want %q", when, got, code)
		}
	}
	pushed := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "main", Files: map[string]string{"x": "1"}}))
	want("pushed without one", pushed, "no_pull_request")
	want("the head of an open one that nobody reviewed", s.sha, "reviews_missing")
	approve(s.pr)
	want("the head of an open one", s.sha, "")
	s.done(s.sim.As("mona").MergePR(repo, s.pr, "squash"))
	want("what it was merged as", s.sim.Head(repo, "main"), "")
	want("what was there before", pushed, "no_pull_request")

	// Into a branch that anybody may push to anything can be merged.
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "evil", Files: map[string]string{"y": "1"}}))
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "tiny", Files: map[string]string{"z": "1"}}))
	pr := sim.Must(s.sim.As("mona").OpenPR(sim.NewPR{Repo: repo, Head: "tiny", Base: "evil"}))
	approve(pr.Number)
	s.done(s.sim.As("mona").MergePR(repo, pr.Number, "squash"))
	want("merged into another branch", s.sim.Head(repo, "evil"), "no_pull_request")

	sha := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "turned-down", Files: map[string]string{"w": "1"}}))
	pr = sim.Must(s.sim.As("mona").OpenPR(sim.NewPR{Repo: repo, Head: "turned-down"}))
	approve(pr.Number)
	s.done(s.sim.As("mona").ClosePR(repo, pr.Number))
	want("closed", sha, "no_pull_request")
}

func TestUpToDate(t *testing.T) {
	const repo = "octo/shop"
	s := newScene(t)
	r := s.required(pipeline.Requirements{UpToDate: true})
	want := func(when string, behind int) {
		t.Helper()
		if l := s.live(r); l.Behind != behind {
			t.Errorf("%s: %d behind, want %d", when, l.Behind, behind)
		}
	}
	want("at first", 0)
	main := sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "main", Files: map[string]string{"x": "1"}}))
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "main", Files: map[string]string{"x": "2"}}))
	want("after two pushes", 2)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "release/1.0", Parent: main, Force: true, Files: map[string]string{"y": "2"}}))
	s.done(s.sim.As("mona").Retarget(repo, s.pr, "release/1.0"))
	want("into another branch", 2)
	r.PR = 0
	want("without a pull request", 2)
	r.SHA = s.sim.Head(repo, "main")
	want("the head of the default branch", 0)
}

func TestMergeable(t *testing.T) {
	const repo = "octo/shop"
	s := newScene(t)
	want := func(when string, m pipeline.Mergeable) {
		t.Helper()
		if pr := sim.Must(s.client.PullRequest(s.ctx(), s.repo, s.pr)); pr.Merge != m {
			t.Errorf("%s: %q, want %q", when, pr.Merge, m)
		}
	}
	want("at first", pipeline.MergeClean)
	sim.Must(s.sim.As("mona").Push(sim.Push{Repo: repo, Branch: "main", Files: map[string]string{"src/a.go": "package b"}}))
	want("both changed a file", pipeline.MergeConflicts)
	s.done(s.sim.As("mona").ClosePR(repo, s.pr))
	want("closed", pipeline.MergeUnknown)
}

// What the environment does not require is not asked for, and what it requires once.
func TestFewRequests(t *testing.T) {
	paths := func(r *pipeline.Run) []string {
		s := newScene(t)
		r.Repo, r.SHA, r.PR = s.repo, s.sha, s.pr
		r.Actor = s.mona
		s.live(r)
		var out []string
		for _, q := range s.sim.Requests() {
			for _, what := range []string{"check-runs", "statuses", "reviews", "compare"} {
				if strings.Contains(q.Path, what) {
					out = append(out, what)
				}
			}
		}
		slices.Sort(out)
		return out
	}
	run := func(r pipeline.Requirements) *pipeline.Run {
		return &pipeline.Run{Request: pipeline.Request{Trigger: pipeline.ByCommand, Environment: &pipeline.Environment{Name: "prod", Requires: r}}}
	}
	back := run(pipeline.Requirements{Checks: []string{"build"}, Reviews: 1, UpToDate: true})
	back.Trigger = pipeline.ByRollback
	merged := run(pipeline.Requirements{})
	merged.Environment.DeployFrom = []string{"default_branch"}
	for name, c := range map[string]struct {
		run  *pipeline.Run
		want []string
	}{
		"nothing":          {run(pipeline.Requirements{}), nil},
		"its source":       {merged, []string{"compare"}}, // whether it is on the default branch
		"a check":          {run(pipeline.Requirements{Checks: []string{"build", "lint"}}), []string{"check-runs", "check-runs", "statuses", "statuses"}},
		"a check, pinned":  {run(pipeline.Requirements{Checks: []string{"build@ci"}}), []string{"check-runs", "statuses"}},
		"a review":         {run(pipeline.Requirements{Reviews: 2}), []string{"reviews"}},
		"to be up to date": {run(pipeline.Requirements{UpToDate: true}), []string{"compare"}}, // the very same question
		"a rollback":       {back, nil},
	} {
		if got := paths(c.run); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
