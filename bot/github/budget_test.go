package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/pipelinetest"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// Sixty deploys in a minute, by the clock of the simulated GitHub, which
// enforces its limits. Reads that decide never wait, though reports do all the
// time; every run's last state is shown in the end.
func TestReportsLeaveRoomForDecisions(t *testing.T) {
	clock := pipelinetest.NewClock(time.Now())
	store := pipelinetest.NewStore(clock)
	t.Cleanup(store.Close)
	s := newScene(t, func(c *Config) { c.Budget = store })
	var sinks []*sink
	for _, name := range sinkNames {
		sinks = append(sinks, s.sink(name))
	}
	type report struct {
		sink *sink
		run  *pipeline.Run
	}
	var waiting []report
	tell := func() (told int) {
		var left []report
		for _, w := range waiting {
			var wait *Patience
			switch err := w.sink.show(s.ctx(), w.run); {
			case errors.As(err, &wait):
				left = append(left, w)
			case err != nil:
				t.Fatal(err)
			default:
				told++
			}
		}
		waiting = left
		return told
	}
	held := 0
	for i := range 60 {
		for range 6 {
			s.client.cache = newETagCache()
			if _, err := s.client.pull(s.ctx(), s.repo, s.pr); err != nil {
				t.Fatalf("deploy %d waits for its reports: %v", i, err)
			}
		}
		r := s.run()
		r.ID, r.Environment.Name = pipeline.RunID(fmt.Sprintf("r-%08d", i)), fmt.Sprintf("e%d", i)
		start(r)
		finish(r, pipeline.Succeeded, "", "")
		for _, k := range sinks {
			waiting = append(waiting, report{k, r})
		}
		tell()
		held = max(held, len(waiting))
		s.clock.add(time.Second)
		clock.Advance(time.Second)
	}
	if held < 60 {
		t.Errorf("only %d reports waited: this tests nothing", held)
	}
	began := s.clock.Now()
	for len(waiting) > 0 && s.clock.Now().Sub(began) < 40*time.Minute {
		s.clock.add(5 * time.Second)
		clock.Advance(5 * time.Second)
		tell()
	}
	if len(waiting) > 0 {
		t.Errorf("%d reports were never made", len(waiting))
	}
	t.Logf("the last report is made after %s", s.clock.Now().Sub(began))
	if v := s.sim.Violations(); v != (sim.Violations{}) {
		t.Errorf("limits: %s", v)
	}
	for _, d := range s.sim.Deployments("octo/shop") {
		if len(d.Statuses) != 1 {
			t.Errorf("deployment to %s has %d statuses", d.Environment, len(d.Statuses))
		}
	}
}

// Nothing can stand there before the first try, so nothing is looked for. After
// a crash in the middle of it it is.
func TestTheFirstReportDoesNotLook(t *testing.T) {
	for _, name := range []string{"github-check", "github-deployment"} {
		s := newScene(t)
		k := s.sink(name)
		r := s.run()
		start(r)
		var kept json.RawMessage
		reads := func() (n int) {
			for _, q := range s.sim.Requests() {
				if q.Method == "GET" {
					n++
				}
			}
			return n
		}
		first := pipeline.Shown{Save: func(_ context.Context, data json.RawMessage) error { kept = data; return nil }}
		if _, err := k.Show(s.ctx(), r, first); err != nil { // and the worker dies before what it returns is kept
			t.Fatal(err)
		}
		if n := reads(); n != 0 {
			t.Errorf("%s: %d reads at first", name, n)
		}
		before := s.writes()
		data, err := k.Show(s.ctx(), r, pipeline.Shown{Data: kept, Save: first.Save})
		if err != nil || reads() == 0 || decodeShown[shownCheck](pipeline.Shown{Data: data}).ID == 0 {
			t.Errorf("%s: %s, %v, after %d reads", name, data, err, reads())
		}
		if n := s.writes() - before; name == "github-deployment" && n != 0 {
			t.Errorf("%s: %d writes for what stands there", name, n)
		}
		checks := 0
		s.sim.View(func(state *sim.State) { checks = len(state.CheckRuns("octo/shop", s.sha)) })
		if n := checks + len(s.sim.Deployments("octo/shop")); n != 1 {
			t.Errorf("%s: it stands there %d times", name, n)
		}
	}
}

// The last requests of an hour are for what decides.
func TestTheLastRequestsOfAnHourAreKept(t *testing.T) {
	s := newScene(t)
	s.sim.SetLimits(sim.Limits{PerHour: 100})
	decide := func() error { _, err := s.client.user(s.ctx(), s.repo, "users/mona"); return err }
	for range 92 {
		s.client.cache = newETagCache()
		if err := decide(); err != nil {
			t.Fatal(err)
		}
	}
	r := s.run()
	start(r)
	finish(r, pipeline.Succeeded, "", "")
	var wait *Patience
	if err := s.sink("github-status").show(s.ctx(), r); !errors.As(err, &wait) || wait.Wait > time.Minute {
		t.Errorf("a report: %v", err)
	}
	if err := decide(); err != nil {
		t.Errorf("a read that decides: %v", err)
	}
	s.clock.add(65 * time.Minute)
	l := s.client.limitsOf(s.repo.Installation)
	if err := l.spare(lasting, s.clock.Now()); err != nil {
		t.Errorf("in the next hour: %v", err)
	}
}

// GitHub takes the deployment that is made last for what stands in the
// environment: one that comes too late is left out.
func TestADeploymentThatWasOvertakenIsLeftOut(t *testing.T) {
	s := newScene(t)
	k := s.sink("github-deployment")
	older := s.run()
	start(older)
	finish(older, pipeline.Succeeded, "", "")
	newer := s.run()
	newer.ID, newer.Created = "r-0000efgh", older.Created.Add(time.Second)
	start(newer)
	finish(newer, pipeline.Succeeded, "", "")
	for _, r := range []*pipeline.Run{newer, older} {
		if err := k.show(s.ctx(), r); err != nil {
			t.Fatal(err)
		}
	}
	if all := s.sim.Deployments("octo/shop"); len(all) != 1 || all[0].Statuses[0].State != "success" {
		t.Errorf("%+v", all)
	}
}
