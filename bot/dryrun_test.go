package bot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

const nothingChanged = "nothing was changed"

// Whoever sees a dry run, wherever, reads that it changed nothing.
func TestADryRunSaysThatNothingWasChanged(t *testing.T) {
	for _, end := range []pipeline.State{pipeline.Succeeded, pipeline.Failed, pipeline.Cancelled} {
		r := &pipeline.Run{Request: pipeline.Request{ID: "r-1", Service: "shop", SHA: head, DryRun: true, Environment: &pipeline.Environment{Name: "prod"}}}
		r.State, r.Message = end, "Why. "+pipeline.NothingChanged
		v := bot.Show(r)
		if !strings.Contains(v.Headline, nothingChanged) || v.Note != "Why." || slices.Contains(v.Buttons, bot.ButtonRollback) {
			t.Errorf("%s: %+v", end, v)
		}
	}
}

func TestStatusTellsDryRunsApart(t *testing.T) {
	s := asked(t)
	s.engine.Runners = nil
	first := s.say(mona, "/deploy staging --dry-run --at 23:00").Run
	if a := s.say(mona, "/status staging"); !strings.Contains(a.Text, "Dry run "+string(first)) || !strings.Contains(a.Text, "changes nothing") {
		t.Errorf("%s", a.Text)
	}
	s.say(mona, "/cancel "+string(first))
	if a := s.say(mona, "/status "+string(first)); !strings.Contains(a.Text, nothingChanged) {
		t.Errorf("%s", a.Text)
	}
}

// A dry run does not come between people and the deploy they mean.
func TestADryRunIsNotWhatCommandsMean(t *testing.T) {
	s := asked(t)
	deploy := s.say(mona, "/deploy prod").Run
	dry := s.say(mona, "/deploy prod --dry-run --at 23:00").Run
	if a := s.say(mona, "/why prod"); a.Run != deploy {
		t.Errorf("/why is about %s: %s", a.Run, a.Text)
	}
	if a := s.say(mona, "/cancel prod"); a.Run != deploy {
		t.Errorf("/cancel is about %s: %s", a.Run, a.Text)
	}
	if a := s.say(mona, "/cancel prod"); a.Run != dry {
		t.Errorf("then /cancel is about %s: %s", a.Run, a.Text)
	}
	if a := s.say(mona, "/retry"); a.Code != "" || !strings.Contains(a.Text, "Deploying") {
		t.Errorf("/retry of the deploy: %s", a.Text)
	}
}

func TestDryRunsAreNotCounted(t *testing.T) {
	m := bot.NewMetrics(nil)
	p := pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{{Name: "build", Run: "make"}}}
	r := &pipeline.Run{Request: pipeline.Request{DryRun: true, Pipeline: p, Environment: &pipeline.Environment{Name: "prod"}}}
	step := &pipeline.StepRun{Name: "build", State: pipeline.Succeeded, Started: r.Created.Add(1), Ended: r.Created.Add(2)}
	m.Observer().RunEnded(r)
	m.Observer().StepEnded(r, step)
	if n := series(t, m); n != 0 {
		t.Errorf("%d series of a dry run", n)
	}
	r.DryRun = false
	m.Observer().RunEnded(r)
	m.Observer().StepEnded(r, step)
	if n := series(t, m); n != 2 {
		t.Errorf("%d series of a deploy, want 2", n)
	}
}

func series(t *testing.T, m *bot.Metrics) (n int) {
	t.Helper()
	all, err := m.Registry.Gather()
	if err != nil && len(all) == 0 {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "shipmate_run_seconds" || f.GetName() == "shipmate_step_seconds" {
			n += len(f.GetMetric())
		}
	}
	return n
}
