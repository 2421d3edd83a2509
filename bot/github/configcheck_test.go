package github

import (
	"fmt"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

func (s *scene) configCheck(again bool) bot.ConfigCheck {
	return bot.ConfigCheck{Repo: s.repo, SHA: s.sha, PR: s.pr, Again: again}
}

// made are all check runs of the file on the head, also those GitHub hides.
func (s *scene) made() int {
	s.t.Helper()
	all, err := s.client.ownChecks(s.ctx(), commit{s.repo, s.sha}, configContext)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(all)
}

func (s *scene) shownConfig() sim.CheckRun {
	s.t.Helper()
	for _, run := range s.sim.CheckRuns("octo/shop", s.sha) {
		if run.Name == configContext && run.App.ID == s.sim.AppID() {
			return run
		}
	}
	s.t.Fatal("there is no check of the file")
	return sim.CheckRun{}
}

func wrongFile(problems int) bot.ConfigReport {
	r := bot.ConfigReport{Conclusion: "failure", Title: "errors", Summary: "`x`"}
	for i := range problems {
		r.Problems = append(r.Problems, pipeline.Problem{File: ConfigFile, Line: i + 1, Column: 3, Path: "pipelines.deploy", Message: "It is wrong.", Suggestion: "right"})
	}
	return r
}

// TestConfigCheck: one check run with every problem at its line, whatever breaks off.
func TestConfigCheck(t *testing.T) {
	s := newScene(t)
	show := ConfigChecks{Client: s.client}
	s.sim.Inject(sim.Fault{Method: "PATCH", Status: 502, After: 1, Times: 1})
	if err := show.Show(s.ctx(), s.configCheck(false), wrongFile(120)); !pipeline.IsTemporary(err) {
		t.Fatalf("broken off: %v", err)
	}
	show.Client = s.newClient() // as after a crash
	if err := show.Show(s.ctx(), s.configCheck(false), wrongFile(120)); err != nil {
		t.Fatal(err)
	}
	notes := s.sim.Annotations("octo/shop", s.shownConfig().ID)
	if len(notes) != 120 || s.made() != 1 {
		t.Fatalf("%d annotations on %d check runs", len(notes), s.made())
	}
	for i, n := range notes {
		if n.Path != ConfigFile || n.StartLine != i+1 || n.EndLine != i+1 || n.StartColumn == nil || *n.StartColumn != 3 || n.Message != `It is wrong. Did you mean "right"?` {
			t.Fatalf("annotation %d: %+v", i, n)
		}
	}
	s.sim.ForgetRequests()
	if err := show.Show(s.ctx(), s.configCheck(false), wrongFile(120)); err != nil || s.writes() != 0 {
		t.Errorf("said again: %d writes, %v", s.writes(), err)
	}
	if err := show.Show(s.ctx(), s.configCheck(true), wrongFile(120)); err != nil || s.writes() != 1 || s.shownConfig().Output.AnnotationsCount != 120 {
		t.Errorf("asked for again: %d writes, %d annotations, %v", s.writes(), s.shownConfig().Output.AnnotationsCount, err)
	}
}

// TestConfigCheckSaysSomethingElse: what was said before stands on another
// check run, also if it is said once more.
func TestConfigCheckSaysSomethingElse(t *testing.T) {
	s := newScene(t)
	show := ConfigChecks{Client: s.client}
	good := bot.ConfigReport{Conclusion: "success", Title: "The file is good", Summary: "good"}
	for i, r := range []bot.ConfigReport{wrongFile(2), good, wrongFile(2)} {
		if err := show.Show(s.ctx(), s.configCheck(false), r); err != nil {
			t.Fatal(err)
		}
		run := s.shownConfig()
		if value(run.Conclusion) != r.Conclusion || run.Output.AnnotationsCount != len(r.Problems) || s.made() != i+1 {
			t.Errorf("%d: %s with %d annotations, %d check runs", i, value(run.Conclusion), run.Output.AnnotationsCount, s.made())
		}
	}
	ref, err := show.About(s.ctx(), s.repo, s.sha)
	if want := fmt.Sprintf("config/%d//", s.pr); err != nil || len(ref) < len(want) || ref[:len(want)] != want {
		t.Errorf("it is about %q: %v", ref, err)
	}
}

func TestConfigCheckOfAnotherAppIsNotOurs(t *testing.T) {
	s := newScene(t)
	evil, err := s.sim.AddApp("evil", 0)
	if err != nil {
		t.Fatal(err)
	}
	name, conclusion := configContext, "success"
	if _, err := evil.CreateCheckRun("octo/shop", sim.CheckRunRequest{Name: &name, HeadSHA: &s.sha, Conclusion: &conclusion}); err != nil {
		t.Fatal(err)
	}
	if err := (ConfigChecks{Client: s.client}).Show(s.ctx(), s.configCheck(false), wrongFile(1)); err != nil || value(s.shownConfig().Conclusion) != "failure" {
		t.Errorf("%v", err)
	}
}

func TestConfigCheckAsAStatus(t *testing.T) {
	s := newScene(t)
	show := ConfigChecks{Client: s.client, Report: Statuses}
	for range 2 {
		if err := show.Show(s.ctx(), s.configCheck(false), wrongFile(1)); err != nil {
			t.Fatal(err)
		}
	}
	list := s.sim.Statuses("octo/shop", s.sha)
	if len(list) != 1 || list[0].Context != configContext || list[0].State != "failure" || s.writes() != 1 || s.made() != 0 {
		t.Errorf("%+v, %d writes", list, s.writes())
	}
}

func TestConfigCheckOfACommitThatIsGone(t *testing.T) {
	s := newScene(t)
	m := s.configCheck(false)
	m.SHA = "00000000000000000000000000000000000000aa"
	if err := (ConfigChecks{Client: s.client}).Show(s.ctx(), m, wrongFile(1)); err != nil {
		t.Error(err)
	}
}
