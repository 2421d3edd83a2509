package github

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

var sinkNames = []string{"github-status", "github-check", "github-deployment", "github-comment"}

// TestLifeCycle shows a run at every moment of its life. The golden file is what
// stands on GitHub then.
func TestLifeCycle(t *testing.T) {
	s := newScene(t)
	r := s.run()
	var sinks []*sink
	for _, name := range sinkNames {
		sinks = append(sinks, s.sink(name))
	}
	var out strings.Builder
	for _, moment := range []struct {
		name   string
		change func()
	}{
		{"queued", func() {}},
		{"waiting for approval", func() { waitForApproval(r) }},
		{"approved and started", func() {
			r.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: pipeline.Actor{ID: 5, Login: "hubot"}, Yes: true, SHA: r.SHA, Reason: "ship it `now`"}}
			start(r)
		}},
		{"second step", func() { nextStep(r) }},
		{"succeeded", func() { finish(r, pipeline.Succeeded, "", "") }},
	} {
		moment.change()
		for _, k := range sinks {
			if err := k.show(s.ctx(), r); err != nil {
				t.Fatalf("%s, %s: %v", moment.name, k.Name(), err)
			}
		}
		before := s.writes()
		for _, k := range sinks {
			if err := k.show(s.ctx(), r); err != nil {
				t.Fatalf("%s, %s again: %v", moment.name, k.Name(), err)
			}
		}
		if n := s.writes(); n != before {
			t.Errorf("%s: %d writes though nothing changed", moment.name, n-before)
		}
		fmt.Fprintf(&out, "==== %s\n%s", moment.name, s.page())
	}
	golden(t, "testdata/lifecycle.golden", out.String())
}

// page is what people see, without what differs from test to test.
func (s *scene) page() string {
	var b strings.Builder
	for _, st := range s.sim.Statuses("octo/shop", s.sha) {
		fmt.Fprintf(&b, "status %s: %s, %s -> %s\n", st.Context, st.State, value(st.Description), value(st.TargetURL))
	}
	s.sim.View(func(state *sim.State) {
		for _, c := range state.CheckRuns("octo/shop", s.sha) {
			fmt.Fprintf(&b, "check %s of %s: %s %s, ended %s -> %s\n  %s\n", c.Name, c.ExternalID, c.Status, value(c.Conclusion), at(c.CompletedAt), c.DetailsURL, value(c.Output.Title))
			for _, a := range c.Actions {
				fmt.Fprintf(&b, "  [%s] %s (%s)\n", a.Label, a.Description, a.Identifier)
			}
			b.WriteString(indent(value(c.Output.Summary)) + indent(value(c.Output.Text)))
		}
	})
	for _, d := range s.sim.Deployments("octo/shop") {
		fmt.Fprintf(&b, "deployment to %s: %s %s\n", d.Environment, value(d.Description), d.Payload)
		for _, st := range slices.Backward(d.Statuses) {
			fmt.Fprintf(&b, "  %s: %s -> %s, %s\n", st.State, st.Description, st.EnvironmentURL, st.LogURL)
		}
	}
	for _, c := range s.sim.Comments("octo/shop", s.pr) {
		fmt.Fprintf(&b, "comment by %s\n%s", c.User.Login, indent(c.Body))
	}
	return strings.ReplaceAll(b.String(), s.sha[:7], "SHORTID")
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func at(p *time.Time) string {
	if p == nil {
		return "-"
	}
	return p.Format(time.TimeOnly)
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    | " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    | ") + "\n"
}

// TestEnds: every way a run can end.
func TestEnds(t *testing.T) {
	s := newScene(t)
	for name, c := range map[string]struct {
		end                                   func(*pipeline.Run)
		status, check, conclusion, deployment string
	}{
		"succeeded":         {func(r *pipeline.Run) { finish(r, pipeline.Succeeded, "", "") }, "success", "completed", "success", "success"},
		"failed":            {func(r *pipeline.Run) { finish(r, pipeline.Failed, "exit_code", "exit code 2") }, "failure", "completed", "failure", "failure"},
		"cancelled":         {func(r *pipeline.Run) { finish(r, pipeline.Cancelled, "cancelled", "") }, "error", "completed", "cancelled", "error"},
		"too late":          {func(r *pipeline.Run) { finish(r, pipeline.Cancelled, "deadline", "The run did not end in time.") }, "error", "completed", "timed_out", "error"},
		"rolled back":       {func(r *pipeline.Run) { finish(r, pipeline.RolledBack, "", "") }, "failure", "completed", "failure", "failure"},
		"undid another run": {func(r *pipeline.Run) { r.Reverts = "r-1"; finish(r, pipeline.RolledBack, "", "") }, "success", "completed", "success", "success"},
		"unknown":           {func(r *pipeline.Run) { finish(r, pipeline.Unknown, "unknown", "") }, "error", "completed", "action_required", "error"},
		"rolling back":      {func(r *pipeline.Run) { r.State = pipeline.RollingBack }, "pending", "in_progress", "", "in_progress"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.run()
			r.ID = pipeline.RunID("r-" + strings.ReplaceAll(name, " ", ""))
			r.Environment.Name = strings.ReplaceAll(name, " ", "-")
			s.runs.all = []*pipeline.Run{r}
			start(r)
			c.end(r)
			for _, k := range sinkNames {
				if err := s.sink(k).show(s.ctx(), r); err != nil {
					t.Fatal(k, err)
				}
			}
			s.sim.View(func(state *sim.State) {
				if st, _ := state.Status("octo/shop", s.sha, checkName(r)); st.State != c.status {
					t.Errorf("status %s", st.State)
				}
				if run, _ := state.CheckRun("octo/shop", s.sha, checkName(r)); run.Status != c.check || value(run.Conclusion) != c.conclusion {
					t.Errorf("check run %s %s", run.Status, value(run.Conclusion))
				}
				for _, d := range state.Deployments("octo/shop") {
					if d.Environment == r.Environment.Name && d.Statuses[0].State != c.deployment {
						t.Errorf("deployment %s", d.Statuses[0].State)
					}
				}
			})
		})
	}
}

// TestAfterACrash: what was saved is lost, and nothing is there twice.
func TestAfterACrash(t *testing.T) {
	for _, name := range sinkNames {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			r := s.run()
			start(r)
			k := s.sink(name)
			if err := k.show(s.ctx(), r); err != nil {
				t.Fatal(err)
			}
			writes := s.writes()
			clear(k.shown)
			s.client = s.newClient()
			k = s.sink(name)
			if err := k.show(s.ctx(), r); err != nil {
				t.Fatal(err)
			}
			if name == "github-comment" && s.writes() != writes {
				t.Errorf("the same comment was written again")
			}
			nextStep(r)
			finish(r, pipeline.Succeeded, "", "")
			if err := k.show(s.ctx(), r); err != nil {
				t.Fatal(err)
			}
			checks, deployments, comments := len(s.sim.CheckRuns("octo/shop", s.sha)), len(s.sim.Deployments("octo/shop")), len(s.sim.Comments("octo/shop", s.pr))
			if checks > 1 || deployments > 1 || comments > 1 {
				t.Errorf("%d check runs, %d deployments, %d comments", checks, deployments, comments)
			}
		})
	}
}

// TestALateWriter: a worker that stood still for long makes everything once
// more, as it stood then. When that is found out, all is as it should be.
func TestALateWriter(t *testing.T) {
	s := newScene(t)
	r := s.run()
	start(r)
	var sinks []*sink
	for _, name := range sinkNames {
		k := s.sink(name)
		if err := k.show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
		s.writeLate(k, r)
		sinks = append(sinks, k)
	}
	finish(r, pipeline.Succeeded, "", "")
	for _, k := range sinks {
		subject := k.Subject(r)
		shown := k.shown[subject]
		shown.Doubt = "of the late one"
		k.shown[subject] = shown
		if err := k.show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
	}
	if list := s.sim.Statuses("octo/shop", s.sha); list[0].State != "success" {
		t.Errorf("the newest status is %s", list[0].State)
	}
	conclusions := map[string]int{}
	all, err := s.client.ownChecks(s.ctx(), commitOf(r), checkName(r))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		conclusions[c.GetConclusion()]++
	}
	if list := s.sim.CheckRuns("octo/shop", s.sha); len(list) != 1 || value(list[0].Conclusion) != "success" {
		t.Errorf("the check run shown is %+v", list)
	}
	if fmt.Sprint(conclusions) != "map[neutral:1 success:1]" {
		t.Errorf("check runs are %v", conclusions)
	}
	states := map[string]int{}
	for _, d := range s.sim.Deployments("octo/shop") {
		states[d.Statuses[0].State]++
	}
	if fmt.Sprint(states) != "map[inactive:1 success:1]" {
		t.Errorf("deployments are %v", states)
	}
	if list := s.sim.Comments("octo/shop", s.pr); len(list) != 1 || !strings.Contains(list[0].Body, "succeeded after") {
		t.Errorf("comments %+v", list)
	}
}

// writeLate does what a worker does that looked before its successor wrote.
func (s *scene) writeLate(k *sink, r *pipeline.Run) {
	s.t.Helper()
	var err error
	switch k := k.Sink.(type) {
	case *statusSink:
		_, _, err = s.client.as(r.Repo, forStatuses).Repositories.CreateStatus(s.ctx(), r.Repo.Owner, r.Repo.Name, r.SHA, k.status(r))
	case *checkSink:
		var c checkRequest
		if c, err = k.check(s.ctx(), r); err == nil {
			_, err = k.Client.sendCheck(s.ctx(), commitOf(r), 0, c)
		}
	case *deploymentSink:
		_, err = k.create(s.ctx(), r)
	case *commentSink:
		body := marker("pr") + "\n" + k.render([]*pipeline.Run{r}, nil)
		_, _, err = s.client.as(r.Repo, forTalking).Issues.CreateComment(s.ctx(), r.Repo.Owner, r.Repo.Name, r.PR, &github.IssueComment{Body: &body})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestFaults: the answer is lost after the effect, GitHub is down, or wants us
// to wait. Each is Temporary; then everything arrives, once.
func TestFaults(t *testing.T) {
	lost := sim.Fault{Drop: true, TakesEffect: true}
	for fault, f := range map[string]sim.Fault{
		"502": {Status: 502}, "429": {Status: 429, Header: map[string]string{"Retry-After": "5"}}, "secondary limit": sim.SecondaryLimit("5"),
		"500 that takes effect": {Status: 500, TakesEffect: true}, "dropped": {Drop: true}, "the answer is lost": lost,
	} {
		for _, name := range sinkNames {
			t.Run(fault+"/"+name, func(t *testing.T) {
				s := newScene(t)
				r := s.run()
				start(r)
				k := s.sink(name)
				for _, method := range []string{"POST", "PATCH", "GET"} {
					f.Method, f.Path, f.Times = method, "/repos/**", 1
					s.sim.Inject(f)
				}
				states := []func(){func() {}, func() { nextStep(r) }, func() { finish(r, pipeline.Failed, "exit_code", "exit code 2") }}
				for _, change := range states {
					change()
					for try := 0; ; try++ {
						err := k.show(s.ctx(), r)
						if err == nil {
							break
						}
						if !pipeline.IsTemporary(err) || try > 5 {
							t.Fatal(err)
						}
						s.clock.add(6 * time.Second)
					}
				}
				s.checkEnd(r)
			})
		}
	}
}

// checkEnd: whatever is shown of the run is there once, and says it failed.
func (s *scene) checkEnd(r *pipeline.Run) {
	s.t.Helper()
	s.sim.View(func(state *sim.State) {
		if st, ok := state.Status("octo/shop", s.sha, checkName(r)); ok && st.State != "failure" {
			s.t.Errorf("status %s", st.State)
		}
		if list := state.CheckRuns("octo/shop", s.sha); len(list) > 1 || len(list) == 1 && value(list[0].Conclusion) != "failure" {
			s.t.Errorf("check runs %+v", list)
		}
		if list := state.Deployments("octo/shop"); len(list) > 1 || len(list) == 1 && list[0].Statuses[0].State != "failure" {
			s.t.Errorf("deployments %+v", list)
		}
		if list := state.Comments("octo/shop", s.pr); len(list) > 1 || len(list) == 1 && !strings.Contains(list[0].Body, "failed after") {
			s.t.Errorf("comments %+v", list)
		}
	})
}

func TestGoneCommit(t *testing.T) {
	s := newScene(t)
	r := s.run()
	start(r)
	r.SHA = strings.Repeat("1", 40)
	for _, name := range sinkNames[:3] {
		if err := s.sink(name).show(s.ctx(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.PR = 99
	if err := s.sink("github-comment").show(s.ctx(), r); err != nil {
		t.Errorf("no pull request: %v", err)
	}
	if err := s.sim.Uninstall("octo/shop"); err != nil {
		t.Fatal(err)
	}
	s.client = s.newClient()
	for _, name := range sinkNames { // it may be installed again
		if err := s.sink(name).show(s.ctx(), r); pipeline.AsRefused(err) == nil || pipeline.Code(err) != "not_installed" {
			t.Errorf("%s, uninstalled: %v", name, err)
		}
	}
}

func TestOlderRunDoesNotCoverNewer(t *testing.T) {
	s := newScene(t)
	older := s.run()
	newer := s.run()
	newer.ID, newer.Created = "r-1111abcd", testNow.Add(time.Minute)
	k := s.sink("github-status")
	start(newer)
	if err := k.show(s.ctx(), newer); err != nil {
		t.Fatal(err)
	}
	start(older)
	finish(older, pipeline.Cancelled, "superseded", "")
	if err := k.show(s.ctx(), older); err != nil {
		t.Fatal(err)
	}
	s.sim.View(func(state *sim.State) {
		if st, _ := state.Status("octo/shop", s.sha, checkName(newer)); st.State != "pending" {
			t.Errorf("status %s: %s", st.State, value(st.Description))
		}
	})
}

func TestStatusesAreFew(t *testing.T) {
	s := newScene(t)
	s.sim.SetLimits(sim.Unlimited())
	r := s.run()
	k := s.sink("github-status")
	r.State = pipeline.Waiting
	for i := range maxStatuses + 20 {
		r.Message = fmt.Sprintf("Number %d in the queue.", i)
		if err := k.show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.writes(); n != maxStatuses {
		t.Errorf("%d statuses", n)
	}
	finish(r, pipeline.Succeeded, "", "")
	if err := k.show(s.ctx(), r); err != nil || s.writes() != maxStatuses+1 {
		t.Errorf("the end is not shown: %v", err)
	}
}

func TestAnnotations(t *testing.T) {
	s := newScene(t)
	r := s.run()
	start(r)
	for i := range 120 {
		r.Steps[0].Annotations = append(r.Steps[0].Annotations, pipeline.Annotation{Path: "a.go", Line: i, Level: "odd", Message: "m"})
	}
	r.Steps[0].Annotations = append(r.Steps[0].Annotations, pipeline.Annotation{})
	k := s.sink("github-check")
	if err := k.show(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	finish(r, pipeline.Failed, "tests", "")
	s.sim.Inject(sim.Fault{Method: "PATCH", Status: 502, After: 1, Times: 1})
	for range 2 {
		_ = k.show(s.ctx(), r) // the first one ends half-way
	}
	count := func() int { return s.sim.CheckRuns("octo/shop", s.sha)[0].Output.AnnotationsCount }
	if n := count(); n != 121 {
		t.Errorf("%d annotations", n)
	}
	clear(k.shown)
	if err := k.show(s.ctx(), r); err != nil || count() != 121 {
		t.Errorf("after a crash %d annotations: %v", count(), err)
	}
}

func TestReportOption(t *testing.T) {
	for option, want := range map[Report]string{
		"": "github-status github-check", Both: "github-status github-check", Checks: "github-check", Statuses: "github-status",
	} {
		var names []string
		for _, k := range Sinks(ReportConfig{Report: option}) {
			if k.Name() != "github-deployment" && k.Name() != "github-comment" {
				names = append(names, k.Name())
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s", option, got)
		}
	}
}

func TestSubjects(t *testing.T) {
	s := newScene(t)
	r := s.run()
	subjects := func() string {
		var list []string
		for _, name := range sinkNames {
			list = append(list, strings.ReplaceAll(s.sink(name).Subject(r), s.sha, "SHA"))
		}
		return strings.Join(list, " ")
	}
	check := func(when, want string) {
		t.Helper()
		if got := subjects(); got != want {
			t.Errorf("%s: %s", when, got)
		}
	}
	check("not admitted", "status/SHA/shipmate/deploy/prod r-0000abcd  pr/1")
	start(r)
	check("admitted", "status/SHA/shipmate/deploy/prod r-0000abcd r-0000abcd pr/1")
	r.DryRun = true
	check("a dry run", " r-0000abcd  pr/1")
	r.DryRun, r.Environment = false, nil
	check("deploys nowhere", "status/SHA/shipmate/deploy r-0000abcd  pr/1")
	r.PR = 0
	check("no pull request", "status/SHA/shipmate/deploy r-0000abcd  ")
}

// nasty is text that tries everything.
const nasty = "`</details>` <!-- shipmate:pr --> [ok](http://evil.example) ![x](https://track.example) @octo/team fixes #1 | x\n# h\n```\n~~~~\n</summary><img src=x> deadbeef00 \u202e 🚢"

var (
	entity       = regexp.MustCompile(`&#\d+;`)
	liveLinkText = regexp.MustCompile(`[^\\]\]\(`)
)

// TestNastyText: what others wrote is dead on our pages, and never too long.
func TestNastyText(t *testing.T) {
	s := newScene(t)
	r := s.run()
	start(r)
	r.Actor.Login, r.Ref, r.Reason, r.Title = nasty, nasty, nasty, nasty
	r.Approvals = []pipeline.Approval{{Gate: nasty, By: pipeline.Actor{Login: nasty}, Reason: nasty}}
	r.Steps[0].Name, r.Steps[0].Summary = nasty, nasty
	r.Service = nasty
	finish(r, pipeline.Failed, "x", nasty)
	for _, name := range sinkNames {
		if err := s.sink(name).show(s.ctx(), r); err != nil {
			t.Fatal(name, err)
		}
	}
	run := s.sim.CheckRuns("octo/shop", s.sha)[0]
	for where, text := range map[string]string{"comment": s.sim.Comments("octo/shop", s.pr)[0].Body, "summary": value(run.Output.Summary), "text": value(run.Output.Text)} {
		dead(t, where, text)
	}
}

// dead fails where something that others wrote is live.
func dead(t *testing.T, where, text string) {
	t.Helper()
	rest := entity.ReplaceAllString(proseOf(strings.TrimPrefix(text, marker("pr"))), "")
	if strings.Count(rest, "<details>") != strings.Count(rest, "</details>") {
		t.Errorf("%s: details do not balance:\n%s", where, text)
	}
	for _, own := range []string{"<details><summary>", "</summary>", "</details>", "[x](https://shipmate.example/runs/r-0000abcd)"} {
		rest = strings.ReplaceAll(rest, own, "")
	}
	if m := liveMention.FindString(rest) + liveReference.FindString(rest) + liveLink.FindString(rest); m != "" || strings.ContainsAny(rest, "<>") || liveLinkText.MatchString(rest) || strings.Contains(rest, "\n# ") {
		t.Errorf("%s: %q is live in\n%s\nof\n%s", where, m, rest, text)
	}
}

// proseOf drops blocks of code and code spans.
func proseOf(md string) string {
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(md) {
		switch mark := fenceOf(line); {
		case fence == "" && mark != "":
			fence = mark
		case fence != "" && closes(line, fence):
			fence = ""
		case fence == "":
			b.WriteString(withoutCode(line))
		}
	}
	return b.String()
}

// Who is asked to approve sees what would be done, folded; nobody else does.
func TestPlans(t *testing.T) {
	s := newScene(t)
	r := s.run()
	r.State, r.Code, r.Message = pipeline.Waiting, "approval", "Waiting for 1 approval."
	r.Plans = []pipeline.Planning{{Gate: pipeline.EnvironmentGate, State: pipeline.Succeeded, Steps: []pipeline.StepPlan{
		{Step: "rollout", State: pipeline.Succeeded, Message: "3 to change.", Summary: "+ one\n" + nasty},
		{Step: "late", State: pipeline.Skipped, Message: "What it does is known only after build."}}}}
	shown := func() (comment, check string) {
		t.Helper()
		for _, name := range []string{"github-comment", "github-check"} {
			if err := s.sink(name).show(s.ctx(), r); err != nil {
				t.Fatal(name, err)
			}
		}
		return s.sim.Comments("octo/shop", s.pr)[0].Body, value(s.sim.CheckRuns("octo/shop", s.sha)[0].Output.Text)
	}
	comment, check := shown()
	for where, text := range map[string]string{"comment": comment, "check": check} {
		for _, want := range []string{"<details><summary>Plan of rollout: 3 to change.</summary>\n\n```", "+ one\n", "Plan of late: What it does is known only after build."} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", where, want, text)
			}
		}
		if liveMention.MatchString(proseOf(text)) {
			t.Errorf("%s: something is live in\n%s", where, text)
		}
	}
	start(r)
	if comment, _ := shown(); strings.Contains(comment, "Plan of") {
		t.Errorf("nobody is asked, and still:\n%s", comment)
	}
}

// TestHugeRuns: 60,000 bytes whatever happens, and the verdict first.
func TestHugeRuns(t *testing.T) {
	s := newScene(t)
	for i := range 80 {
		r := s.run()
		r.ID, r.Environment.Name = pipeline.RunID(fmt.Sprintf("r-%08d", i)), fmt.Sprintf("env-%d", i)
		start(r)
		r.Steps[0].Summary = strings.Repeat("🚢```\n", 20_000)
		r.Message, r.Reason = strings.Repeat("@x ", 5000), strings.Repeat("`", 5000)
		for j := range 300 {
			r.Steps = append(r.Steps, pipeline.StepRun{Name: fmt.Sprintf("step-%d", j), State: pipeline.Failed, Message: strings.Repeat("[x] ", 500)})
		}
		finish(r, pipeline.Failed, "x", r.Message)
	}
	last := s.runs.all[len(s.runs.all)-1]
	for _, name := range sinkNames {
		if err := s.sink(name).show(s.ctx(), last); err != nil {
			t.Fatal(name, err)
		}
	}
	body := s.sim.Comments("octo/shop", s.pr)[0].Body
	run := s.sim.CheckRuns("octo/shop", s.sha)[0]
	for where, text := range map[string]string{"comment": body, "summary": value(run.Output.Summary), "text": value(run.Output.Text)} {
		if len(text) > maxText || openFence(text) != "" {
			t.Errorf("%s: %d bytes, open %q", where, len(text), openFence(text))
		}
		if where != "text" && !strings.Contains(text[:300], "❌") {
			t.Errorf("%s: no verdict in %s", where, text[:300])
		}
	}
}

// TestLivingComment: one comment, a section each, the newest run of each.
func TestLivingComment(t *testing.T) {
	s := newScene(t)
	k := s.sink("github-comment")
	deploy := s.run()
	start(deploy)
	checks := s.run()
	checks.ID, checks.Environment, checks.Pipeline.Name, checks.Actor = "r-2222abcd", nil, "checks", pipeline.Bot()
	again := s.run()
	again.ID, again.Created = "r-3333abcd", testNow.Add(time.Hour)
	staging := s.run()
	staging.ID, staging.Environment.Name = "r-4444abcd", "staging"
	finish(staging, pipeline.Failed, "exit_code", "exit code 2")
	// A forged marker, and a comment of another app, are not ours.
	sim.Must(s.sim.As("hubot").Comment("octo/shop", s.pr, marker("pr")))
	for _, r := range []*pipeline.Run{deploy, checks, again, staging} {
		if err := k.show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
	}
	list := s.sim.Comments("octo/shop", s.pr)
	if len(list) != 2 {
		t.Fatalf("%d comments", len(list))
	}
	golden(t, "testdata/comment.golden", strings.ReplaceAll(list[1].Body, s.sha[:7], "SHORTID"))
}

func TestCommentDeletedByHand(t *testing.T) {
	s := newScene(t)
	k := s.sink("github-comment")
	r := s.run()
	if err := k.show(s.ctx(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.sim.As("hubot").DeleteComment("octo/shop", s.sim.Comments("octo/shop", s.pr)[0].ID); err != nil {
		t.Fatal(err)
	}
	start(r)
	if err := k.show(s.ctx(), r); err != nil || len(s.sim.Comments("octo/shop", s.pr)) != 1 {
		t.Errorf("%d comments, %v", len(s.sim.Comments("octo/shop", s.pr)), err)
	}
}
