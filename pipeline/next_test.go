package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// say writes decisions the way the tables below want them.
func say(ds []pipeline.Decision) string {
	var out []string
	for _, d := range ds {
		out = append(out, sayOne(d))
	}
	return strings.Join(out, "; ")
}

func sayOne(d pipeline.Decision) string {
	words := func(parts ...any) string { return strings.Join(strings.Fields(fmt.Sprintln(parts...)), " ") }
	switch d := d.(type) {
	case pipeline.AskLive:
		return "ask GitHub"
	case pipeline.Hold:
		text := words("hold", d.Code)
		if !d.Until.IsZero() {
			text += d.Until.UTC().Format(" until 15:04")
		}
		if d.Queue {
			text += " in the queue"
		}
		return text
	case pipeline.Admit:
		return "admit"
	case pipeline.Begin:
		return words("begin", d.Step)
	case pipeline.Reuse:
		return words("reuse", d.Step)
	case pipeline.Call:
		return words("call", d.Step)
	case pipeline.Skip:
		return words("skip", d.Step, d.Code)
	case pipeline.Settle:
		return words("settle", d.Step, d.State, d.Code)
	case pipeline.StopStep:
		return words("stop", d.Step, d.Why)
	case pipeline.CancelRun:
		return words("cancel", d.Code)
	case pipeline.Revert:
		return words("revert", d.Step)
	case pipeline.RollBack:
		if d.To != nil {
			return words("roll back to", d.To.SHA)
		}
		return "roll back"
	case pipeline.Block:
		return "block"
	case pipeline.Finish:
		text := words("finish", d.State, d.Code)
		if d.Lock != "" {
			text += ", locked"
		}
		return text
	}
	return fmt.Sprintf("%T", d)
}

// admitted is a run of steps a, b, ... each after the one before, of which the
// states are given.
func admitted(states ...pipeline.State) *pipeline.Run {
	r := &pipeline.Run{Request: pipeline.Request{ID: "r-1", SHA: "5a5a5a5a", Actor: pipeline.Actor{ID: 1, Login: "mona"}}}
	r.State, r.Admitted, r.Deadline = pipeline.Running, true, noon.Add(time.Hour)
	for i, state := range states {
		name := string(rune('a' + i))
		def := pipeline.Step{Name: name, Run: "true"}
		if i > 0 {
			def.Needs = []string{string(rune('a' + i - 1))}
		}
		s := pipeline.StepRun{Name: name, State: state}
		switch state {
		case pipeline.Queued, pipeline.Skipped:
		default:
			s.Attempt, s.Call = 1, 1
		}
		if state.Terminal() {
			s.Ended = noon.Add(time.Duration(i-10) * time.Minute)
		}
		r.Pipeline.Steps = append(r.Pipeline.Steps, def)
		r.Steps = append(r.Steps, s)
	}
	return r
}

func (c *nextCase) step(i int) *pipeline.StepRun { return &c.run.Steps[i] }
func (c *nextCase) def(i int) *pipeline.Step     { return &c.run.Pipeline.Steps[i] }

// nextCase is what a row of a table may change.
type nextCase struct {
	run   *pipeline.Run
	facts pipeline.Facts
	now   time.Time
}

type nextRow struct {
	name   string
	states []pipeline.State
	change func(*nextCase)
	want   string
}

func checkNext(t *testing.T, rows []nextRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := &nextCase{run: admitted(row.states...), now: noon}
			if row.change != nil {
				row.change(c)
			}
			before := fmt.Sprintf("%+v", *c.run)
			if got := say(pipeline.Next(c.run, c.facts, c.now)); got != row.want {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
			if fmt.Sprintf("%+v", *c.run) != before {
				t.Error("Next changed the run")
			}
		})
	}
}

type states = []pipeline.State

const (
	queued, waiting, running = pipeline.Queued, pipeline.Waiting, pipeline.Running
	done, failed, cancelled  = pipeline.Succeeded, pipeline.Failed, pipeline.Cancelled
	skipped, unknown         = pipeline.Skipped, pipeline.Unknown
	undoing, undone          = pipeline.RollingBack, pipeline.RolledBack
)

func TestNextMovesSteps(t *testing.T) {
	parallel := func(c *nextCase) {
		for i := range c.run.Pipeline.Steps {
			c.def(i).Needs = nil
		}
	}
	due := func(code string) func(*nextCase) {
		return func(c *nextCase) { c.step(0).Code, c.step(0).Due = code, noon }
	}
	checkNext(t, []nextRow{
		{"the first step begins", states{queued, queued}, nil, "begin a"},
		{"a step waits for what it needs", states{running, queued}, nil, ""},
		{"a step begins when what it needs has succeeded", states{done, queued}, nil, "begin b"},
		{"steps that need nothing begin together", states{queued, queued, queued}, parallel, "begin a; begin b; begin c"},
		{"a step waits for all it needs", states{done, running, queued}, func(c *nextCase) { c.def(1).Needs, c.def(2).Needs = nil, []string{"a", "b"} }, ""},
		{"a step skipped by its condition lets the next one run", states{skipped, queued}, func(c *nextCase) { c.step(0).Code = "condition" }, "begin b"},
		{"after a failure nothing more begins", states{failed, queued, queued}, nil, "skip b run_failed; skip c run_failed"},
		{"after a failure what runs goes on", states{failed, running}, parallel, ""},
		{"a failure that may be does not stop the next step", states{failed, queued}, func(c *nextCase) { c.def(0).ContinueOnError = true }, "begin b"},
		{"nobody knows how a step ended, and the next one waits", states{unknown, queued}, nil, "block"},
		{"while another step runs nobody need look", states{unknown, running}, parallel, ""},
		{"a step that polls is left alone until it is due", states{waiting}, func(c *nextCase) { c.step(0).Due = noon.Add(time.Second) }, ""},
		{"a step that polls is called when it is due", states{waiting}, due("polling"), "call a"},
		{"a step is tried again after its pause", states{waiting}, due("retry"), "begin a"},
		{"a step is not tried again once another has failed", states{waiting, failed}, func(c *nextCase) { parallel(c); c.step(0).Code = "retry" }, "settle a failed run_failed"},
		{"a step that runs too long is stopped", states{running}, func(c *nextCase) { c.step(0).Deadline = noon }, "stop a timeout"},
		{"a step that polls too long is stopped", states{waiting}, func(c *nextCase) { c.step(0).Deadline = noon }, "stop a timeout"},
		{"a step that is being stopped is not stopped again", states{running}, func(c *nextCase) { c.step(0).Deadline, c.step(0).Stopping = noon, "timeout" }, ""},
		{"a step that could not be stopped yet is called again", states{waiting}, func(c *nextCase) { c.step(0).Due, c.step(0).Stopping = noon, "timeout" }, "call a"},
		{"all steps have succeeded", states{done, done}, nil, "finish succeeded"},
		{"a step has failed", states{done, failed, skipped}, nil, "finish failed step_failed"},
		{"a run that has ended stays as it is", states{queued}, func(c *nextCase) { c.run.State = pipeline.Failed }, ""},
		{"a run that takes too long is wound down", states{running}, func(c *nextCase) { c.run.Deadline = noon }, "cancel deadline"},
		{"the time until somebody looks does not count", states{unknown}, func(c *nextCase) { c.run.State, c.run.Deadline = unknown, noon.Add(-time.Hour) }, "block"},
		{"a dry run waits for nobody", states{queued, queued}, func(c *nextCase) {
			parallel(c)
			c.run.DryRun, c.def(0).Uses, c.def(1).Uses = true, "approval", "wait"
		}, "skip a dry_run; skip b dry_run"},
		{"a rollback needs no approval on its way", states{queued}, func(c *nextCase) { c.run.Trigger, c.def(0).Uses = pipeline.ByRollback, "approval" }, "skip a rollback"},
	})
}

func TestNextWaitsForPeopleAndTime(t *testing.T) {
	approval := func(c *nextCase) {
		c.def(0).Uses, c.def(0).With = "approval", map[string]any{"count": 1}
		c.step(0).Call, c.step(0).Code, c.step(0).Deadline = 0, "approval", noon.Add(time.Minute)
	}
	yes := func(c *nextCase) {
		approval(c)
		c.run.Environment = &pipeline.Environment{Name: "prod"}
		c.run.Approvals = []pipeline.Approval{{Gate: "a", By: pipeline.Actor{ID: 2, Login: "octavia"}, Yes: true, SHA: c.run.SHA}}
		c.facts.Live = &pipeline.Live{People: map[int64]pipeline.Standing{1: {Permission: pipeline.Write}, 2: {Permission: pipeline.Write}}}
	}
	wait := func(c *nextCase) {
		c.def(0).Uses, c.step(0).Code, c.step(0).Call, c.step(0).Due = "wait", "wait", 0, noon
	}
	checkNext(t, []nextRow{
		{"nobody has approved yet", states{waiting}, approval, ""},
		{"nobody approved in time", states{waiting}, func(c *nextCase) { approval(c); c.now = noon.Add(time.Minute) }, "settle a failed approval_expired"},
		{"somebody approved", states{waiting}, yes, "settle a succeeded"},
		{"whether the approval still counts is asked first", states{waiting}, func(c *nextCase) { yes(c); c.facts.Live = nil }, "ask GitHub"},
		{"one person counts once", states{waiting}, func(c *nextCase) {
			yes(c)
			c.def(0).With["count"] = 2
			c.run.Approvals = append(c.run.Approvals, c.run.Approvals[0])
		}, ""},
		{"an approval of another commit does not count", states{waiting}, func(c *nextCase) { yes(c); c.run.Approvals[0].SHA = "6b6b6b6b" }, ""},
		{"an approval of another step does not count", states{waiting}, func(c *nextCase) { yes(c); c.run.Approvals[0].Gate = "b" }, ""},
		{"a no does not count", states{waiting}, func(c *nextCase) { yes(c); c.run.Approvals[0].Yes = false }, ""},
		{"who lost the right to approve does not count", states{waiting}, func(c *nextCase) { yes(c); c.facts.Live.People[2] = pipeline.Standing{Permission: pipeline.Read} }, ""},
		{"who asked does not count", states{waiting}, func(c *nextCase) { yes(c); c.run.Approvals[0].By.ID = 1 }, ""},
		{"who wrote it does not count", states{waiting}, func(c *nextCase) { yes(c); c.run.Excluded = []int64{2} }, ""},
		{"the pull request moved while people were asked", states{waiting}, func(c *nextCase) {
			yes(c)
			c.facts.Live.PullRequest = &pipeline.PullRequest{Head: "6b6b6b6b", Open: true}
		}, "cancel head_moved"},
		{"who asked lost the right to while people were asked", states{waiting}, func(c *nextCase) { yes(c); c.facts.Live.People[1] = pipeline.Standing{} }, "cancel not_allowed"},
		{"nobody need approve once another step has failed", states{waiting, failed}, approval, "skip a run_failed"},
		{"a wait is not over", states{waiting}, func(c *nextCase) { wait(c); c.now = noon.Add(-1) }, ""},
		{"a wait is over", states{waiting}, wait, "settle a succeeded"},
		{"a wait ends with the failure of another step", states{waiting, failed}, wait, "skip a run_failed"},
	})
}

func TestNextCancels(t *testing.T) {
	by := func(code string) func(*nextCase) {
		return func(c *nextCase) { c.run.Cancel = &pipeline.Cancellation{Code: code} }
	}
	with := func(change func(*nextCase)) func(*nextCase) {
		return func(c *nextCase) { by("cancelled")(c); change(c) }
	}
	checkNext(t, []nextRow{
		{"what has not begun never does", states{queued, queued}, by("cancelled"), "skip a cancelled; skip b cancelled"},
		{"what runs is stopped", states{running}, by("cancelled"), "stop a cancelled"},
		{"what polls is stopped", states{waiting}, by("cancelled"), "stop a cancelled"},
		{"what waits for a person or a time just ends", states{waiting}, with(func(c *nextCase) { c.step(0).Call = 0 }), "settle a cancelled cancelled"},
		{"what would be tried again just ends", states{waiting}, with(func(c *nextCase) { c.step(0).Code = "retry" }), "settle a cancelled cancelled"},
		{"what is being stopped is waited for", states{running, skipped}, with(func(c *nextCase) { c.step(0).Stopping = "cancelled" }), ""},
		{"what could not be stopped yet is called again", states{waiting}, with(func(c *nextCase) { c.step(0).Stopping, c.step(0).Due = "cancelled", noon }), "call a"},
		{"a run that has been wound down is cancelled", states{done, cancelled}, by("cancelled"), "finish cancelled cancelled"},
		{"a run that never began is cancelled", states{skipped}, with(func(c *nextCase) { c.step(0).Code, c.run.Admitted = "cancelled", false }), "finish cancelled cancelled"},
		{"a run whose last step succeeded all the same has succeeded", states{done, done}, by("cancelled"), "finish succeeded"},
		{"a run with a step nobody knows of stays blocked", states{done, unknown}, by("cancelled"), "block"},
		{"a run that took too long has failed", states{done, cancelled}, by("deadline"), "finish failed deadline"},
		{"a deploy that took too long is rolled back", states{done, cancelled}, func(c *nextCase) {
			by("deadline")(c)
			rollsBack(c)
		}, "roll back"},
		{"a deploy that somebody cancelled is not", states{done, cancelled}, with(rollsBack), "finish cancelled cancelled"},
		{"a rollback is not cut short", states{done}, with(func(c *nextCase) { rollsBack(c); c.run.State = undoing }), "revert a"},
	})
}

// rollsBack makes the run a deploy whose steps can all be undone.
func rollsBack(c *nextCase) {
	c.run.Pipeline.OnFailure = pipeline.Rollback
	c.run.Environment = &pipeline.Environment{Name: "prod"}
	c.facts.Environment = &pipeline.EnvironmentState{Active: "r-1", Current: &pipeline.Deployment{SHA: "0ldc0de"}}
	c.facts.Revertible = func(*pipeline.StepRun) bool { return true }
}

func TestNextRollsBack(t *testing.T) {
	failing := func(change func(*nextCase)) func(*nextCase) {
		return func(c *nextCase) { rollsBack(c); change(c) }
	}
	halfway := func(change func(*nextCase)) func(*nextCase) {
		return failing(func(c *nextCase) { c.run.State = undoing; change(c) })
	}
	none := func(c *nextCase) { c.facts.Revertible = nil }
	only := func(name string) func(*nextCase) {
		return func(c *nextCase) {
			c.facts.Revertible = func(s *pipeline.StepRun) bool { return s.Name == name }
		}
	}
	child := func(state pipeline.State) func(*nextCase) {
		return halfway(func(c *nextCase) {
			c.run.RedeployedBy = "r-2"
			c.facts.Redeployed = &pipeline.Run{Request: pipeline.Request{ID: "r-2"}, Progress: pipeline.Progress{State: state}}
		})
	}
	checkNext(t, []nextRow{
		{"all that was begun can be undone", states{done, failed}, rollsBack, "roll back"},
		{"a step that succeeded cannot be undone", states{done, failed}, failing(only("b")), "roll back to 0ldc0de"},
		{"the step that failed may only have looked", states{done, failed}, failing(only("a")), "roll back"},
		{"the step that failed may have done half its work", states{failed}, failing(none), "roll back to 0ldc0de"},
		{"an approval is nothing to undo", states{done, failed}, failing(func(c *nextCase) { c.def(0).Uses = "approval"; only("b")(c) }), "roll back"},
		{"nothing can be undone and nothing ran before", states{done, failed}, failing(func(c *nextCase) { none(c); c.facts.Environment.Current = nil }), "finish failed cannot_roll_back, locked"},
		{"a redeploy is not answered with another one", states{done, failed}, failing(func(c *nextCase) { none(c); c.run.Restores = &pipeline.Deployment{} }), "finish failed cannot_roll_back, locked"},
		{"nothing was done yet", states{failed, skipped}, failing(func(c *nextCase) { c.step(0).Call = 0 }), "finish failed step_failed"},
		{"the only step was refused before it changed anything", states{failed}, failing(func(c *nextCase) { none(c); c.step(0).Untouched = true }), "finish failed step_failed"},
		{"a step before it may have changed something", states{done, failed}, failing(func(c *nextCase) { none(c); c.step(1).Untouched = true }), "roll back to 0ldc0de"},
		{"what was not changed is not undone", states{done, failed}, halfway(func(c *nextCase) { c.step(1).Untouched = true }), "revert a"},
		{"a pipeline that stops is left as it is", states{done, failed}, failing(func(c *nextCase) { c.run.Pipeline.OnFailure = pipeline.Stop }), "finish failed step_failed"},
		{"a dry run has nothing to undo", states{done, failed}, failing(func(c *nextCase) { c.run.DryRun = true }), "finish failed step_failed"},
		{"a step nobody knows of is looked at first", states{unknown, failed}, rollsBack, "block"},
		{"what ended last is undone first", states{done, done, failed}, halfway(func(*nextCase) {}), "revert c"},
		{"the order is that of time, not of the file", states{done, done}, halfway(func(c *nextCase) { c.step(0).Ended = noon }), "revert a"},
		{"one at a time", states{done, undoing}, halfway(func(*nextCase) {}), ""},
		{"an undoing that polls is called when it is due", states{done, undoing}, halfway(func(c *nextCase) { c.step(1).Due = noon }), "call b"},
		{"an undoing that takes too long is stopped", states{done, undoing}, halfway(func(c *nextCase) { c.step(1).Deadline = noon }), "stop b timeout"},
		{"what is undone is done with", states{done, undone}, halfway(func(*nextCase) {}), "revert a"},
		{"all is undone", states{undone, undone}, halfway(func(*nextCase) {}), "finish rolled_back rolled_back, locked"},
		{"an undoing failed", states{done, failed}, halfway(func(c *nextCase) { c.step(1).Reverting = true }), "finish failed rollback_failed, locked"},
		{"nobody saw how an undoing ended", states{done, unknown}, halfway(func(c *nextCase) { c.step(1).Reverting = true }), "block"},
		{"a step that failed and cannot be undone is left", states{undone, failed}, halfway(none), "finish rolled_back rolled_back, locked"},
		{"a step cannot be undone any more", states{done, undone}, halfway(none), "roll back to 0ldc0de"},
		{"a step cannot be undone any more and nothing ran before", states{done, undone}, halfway(func(c *nextCase) { none(c); c.facts.Environment.Current = nil }), "finish failed rollback_failed, locked"},
		{"a step refuses to be undone", states{done, failed}, halfway(func(c *nextCase) { c.step(1).Reverting, c.step(1).Code = true, "cannot_revert" }), "roll back to 0ldc0de"},
		{"a run that was to undo another one has done so", states{undone}, halfway(func(c *nextCase) { c.run.Reverts = "r-0" }), "finish succeeded, locked"},
		{"the redeploy has not begun", states{done, failed}, halfway(func(c *nextCase) { c.run.RedeployedBy = "r-2" }), ""},
		{"the redeploy runs", states{done, failed}, child(running), ""},
		{"nobody knows how the redeploy ended", states{done, failed}, child(unknown), ""},
		{"the redeploy succeeded", states{done, failed}, child(done), "finish rolled_back rolled_back, locked"},
		{"the redeploy failed", states{done, failed}, child(failed), "finish failed rollback_failed, locked"},
		{"a rollback that was asked for locks its environment", states{done}, func(c *nextCase) { c.run.Trigger = pipeline.ByRollback }, "finish succeeded, locked"},
		{"so does one that failed", states{failed}, func(c *nextCase) { c.run.Trigger = pipeline.ByRollback }, "finish failed step_failed, locked"},
		{"a redeploy leaves that to the run it serves", states{done}, func(c *nextCase) { c.run.Trigger, c.run.Parent = pipeline.ByRollback, "r-0" }, "finish succeeded"},
	})
}

func TestNextAdmits(t *testing.T) {
	later := noon.Add(time.Hour)
	in := func(change func(*nextCase)) func(*nextCase) {
		return func(c *nextCase) {
			c.run.Admitted, c.run.State = false, queued
			c.run.Environment = &pipeline.Environment{Name: "prod"}
			c.facts.Environment = &pipeline.EnvironmentState{}
			c.facts.Live = &pipeline.Live{People: map[int64]pipeline.Standing{1: {Permission: pipeline.Write}, 2: {Permission: pipeline.Write}}}
			change(c)
		}
	}
	supersede := func(queue ...pipeline.RunID) func(*nextCase) {
		return in(func(c *nextCase) {
			c.run.Environment.Concurrency = pipeline.Supersede
			c.facts.Environment.Active, c.facts.Environment.Queue = "r-0", queue
		})
	}
	checkNext(t, []nextRow{
		{"a run that deploys nowhere just begins", states{queued}, func(c *nextCase) { c.run.Admitted, c.run.State = false, queued }, "admit"},
		{"GitHub is asked before a deploy", states{queued}, in(func(c *nextCase) { c.facts.Live = nil }), "ask GitHub"},
		{"GitHub is asked before a run of a pull request", states{queued}, in(func(c *nextCase) { c.run.Environment, c.facts.Live, c.run.PR = nil, nil, 4 }), "ask GitHub"},
		{"a redeploy works while GitHub does not", states{queued}, in(func(c *nextCase) {
			c.facts.Live, c.run.Parent, c.run.Trigger, c.run.Actor = nil, "r-0", pipeline.ByRollback, pipeline.Bot()
			c.facts.Environment.Active = "r-0"
		}), "admit"},
		{"a redeploy whose run has ended is too late", states{queued}, in(func(c *nextCase) {
			c.run.Parent, c.run.Trigger, c.run.Actor = "r-0", pipeline.ByRollback, pipeline.Bot()
		}), "finish cancelled rollback_over"},
		{"all gates pass", states{queued}, in(func(*nextCase) {}), "admit"},
		{"a gate fails", states{queued}, in(func(c *nextCase) { c.facts.Live.People = nil }), "finish cancelled not_allowed"},
		{"a run for later waits for its time", states{queued}, in(func(c *nextCase) { c.run.NotBefore = later }), "hold scheduled until 13:00"},
		{"a run for later asks people at once", states{queued}, in(func(c *nextCase) {
			c.run.NotBefore, c.run.Environment.Approvals = later, &pipeline.ApprovalPolicy{Count: 1}
		}), "hold approval until 13:00"},
		{"a run for later that was approved waits for its time", states{queued}, in(func(c *nextCase) {
			c.run.NotBefore, c.run.Environment.Approvals = later, &pipeline.ApprovalPolicy{Count: 1}
			c.run.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: pipeline.Actor{ID: 2}, Yes: true, SHA: c.run.SHA}}
		}), "hold scheduled until 13:00"},
		{"what holds now does not matter to a run for later", states{queued}, in(func(c *nextCase) {
			c.run.NotBefore, c.facts.Environment.Lock = later, &pipeline.Lock{}
		}), "hold scheduled until 13:00"},
		{"its time has come, and all gates are asked", states{queued}, in(func(c *nextCase) {
			c.run.NotBefore, c.facts.Environment.Lock = noon, &pipeline.Lock{Expires: later}
		}), "hold locked until 13:00 in the queue"},
		{"what is promoted was built before", states{queued, queued}, func(c *nextCase) {
			c.run.Promotes = &pipeline.Deployment{Run: "r-0", Artifacts: map[string]string{"a.digest": "sha256:1"}}
			c.run.Pipeline.Steps[0].Reuse, c.run.Pipeline.Steps[1].Reuse = true, true
		}, "reuse a"},
		{"what is brought back was built before", states{queued}, func(c *nextCase) {
			c.run.Trigger, c.run.Restores = pipeline.ByRollback, &pipeline.Deployment{Run: "r-0", Artifacts: map[string]string{"a.digest": "sha256:1"}}
			c.run.Pipeline.Steps[0].Reuse = true
		}, "reuse a"},
		{"what is promoted left no record", states{queued}, func(c *nextCase) {
			c.run.Promotes, c.run.Pipeline.Steps[0].Reuse = &pipeline.Deployment{Artifacts: map[string]string{"b.digest": "sha256:1"}}, true
		}, "begin a"},
		{"what made files alone was built before, too", states{queued, queued}, func(c *nextCase) {
			c.run.Promotes = &pipeline.Deployment{Run: "r-2", Made: map[string]pipeline.RunID{"a": "r-1"}}
			c.run.Pipeline.Steps[0].Reuse, c.run.Pipeline.Steps[1].Reuse = true, true
		}, "reuse a"},
		{"what failed then is built", states{queued}, func(c *nextCase) {
			c.run.Promotes = &pipeline.Deployment{Run: "r-2", Made: map[string]pipeline.RunID{}, Artifacts: map[string]string{"a.half": "done"}}
			c.run.Pipeline.Steps[0].Reuse = true
		}, "begin a"},
		{"what is new is built", states{queued}, func(c *nextCase) { c.run.Pipeline.Steps[0].Reuse = true }, "begin a"},
		{"nothing is to be done", states{queued, queued}, in(func(c *nextCase) {
			c.run.Environment, c.facts.Environment, c.run.Nothing = nil, nil, "Nothing has changed."
		}), "skip a nothing_to_do; skip b nothing_to_do; finish succeeded nothing_to_do"},
		{"the same runs there already", states{queued}, in(func(c *nextCase) {
			c.run.Nothing, c.run.Same, c.facts.Environment.Current = "The same runs there.", "r-9", &pipeline.Deployment{Run: "r-9"}
		}), "skip a nothing_to_do; finish succeeded nothing_to_do"},
		{"the same ran there, and something else does now", states{queued}, in(func(c *nextCase) {
			c.run.Nothing, c.run.Same, c.facts.Environment.Current = "The same runs there.", "r-9", &pipeline.Deployment{Run: "r-10"}
		}), "admit"},
		{"the same runs there, and something else is on its way", states{queued}, in(func(c *nextCase) {
			c.run.Nothing, c.run.Same, c.facts.Environment.Current = "The same runs there.", "r-9", &pipeline.Deployment{Run: "r-9"}
			c.facts.Environment.Active = "r-10"
		}), "hold queued in the queue"},
		{"a run that waits for its time already has nothing to do", states{queued}, in(func(c *nextCase) {
			c.run.NotBefore, c.run.HeldUntil, c.run.State, c.run.Code, c.run.Message = later, later, waiting, "scheduled", "Starts at 2026-03-02 13:00 UTC."
		}), ""},
		{"a run that waits does not stand in the queue for a person", states{queued}, in(func(c *nextCase) { c.run.Environment.Approvals = &pipeline.ApprovalPolicy{Count: 1} }), "hold approval"},
		{"a run waits for another one", states{queued}, in(func(c *nextCase) { c.facts.Environment.Active = "r-0" }), "hold queued in the queue"},
		{"a run waits for a lock, and knows until when", states{queued}, in(func(c *nextCase) { c.facts.Environment.Lock = &pipeline.Lock{Expires: later} }), "hold locked until 13:00 in the queue"},
		{"the lock was made to last longer", states{queued}, in(func(c *nextCase) {
			c.facts.Environment.Lock = &pipeline.Lock{Expires: later.Add(time.Hour)}
			c.facts.Environment.Queue = []pipeline.RunID{"r-1"}
			c.run.State, c.run.Code, c.run.Message, c.run.HeldUntil = waiting, "locked", "prod is locked by : .", later
		}), "hold locked until 14:00 in the queue"},
		{"a run that waits too long fails", states{queued}, in(func(c *nextCase) { c.run.Deadline = noon }), "cancel deadline"},
		{"the newest run stays", states{queued}, supersede("r-0", "r-1"), "hold queued in the queue"},
		{"an older one goes", states{queued}, supersede("r-1", "r-2"), "finish cancelled superseded"},
		{"an older one that was approved stays", states{queued}, func(c *nextCase) {
			supersede("r-1", "r-2")(c)
			c.run.Environment.Approvals = &pipeline.ApprovalPolicy{Count: 1}
			c.run.Approvals = []pipeline.Approval{{Gate: pipeline.EnvironmentGate, By: pipeline.Actor{ID: 2}, Yes: true, SHA: c.run.SHA}}
		}, "hold queued in the queue"},
		{"a rollback stays", states{queued}, func(c *nextCase) { supersede("r-1", "r-2")(c); c.run.Trigger = pipeline.ByRollback }, "hold queued in the queue"},
		{"a dry run waits for nothing", states{queued}, func(c *nextCase) { supersede("r-1", "r-2")(c); c.run.DryRun = true }, "admit"},
	})
}

func TestNextTimer(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for name, row := range map[string]struct {
		change func(*nextCase)
		want   time.Time
	}{
		"the deadline of the run":                        {func(*nextCase) {}, at(60)},
		"the deadline of a step":                         {func(c *nextCase) { c.step(0).Deadline = at(5) }, at(5)},
		"the time a step is due":                         {func(c *nextCase) { c.step(0).State, c.step(0).Due = waiting, at(4) }, at(4)},
		"a step that ended has no timer":                 {func(c *nextCase) { c.step(0).State, c.step(0).Deadline = done, at(4) }, at(60)},
		"a step being stopped has its next try only":     {func(c *nextCase) { c.step(0).Deadline, c.step(0).Stopping = at(4), "timeout" }, at(60)},
		"a run being wound down has no deadline":         {func(c *nextCase) { c.run.Cancel = &pipeline.Cancellation{} }, time.Time{}},
		"a run that is blocked has none":                 {func(c *nextCase) { c.step(0).State, c.run.State = unknown, unknown }, time.Time{}},
		"a run that goes back has none":                  {func(c *nextCase) { c.step(0).State, c.run.State = done, undoing }, time.Time{}},
		"the end of a freeze":                            {func(c *nextCase) { c.run.Admitted, c.run.HeldUntil = false, at(7) }, at(7)},
		"a start that is over is no timer":               {func(c *nextCase) { c.run.Admitted, c.run.NotBefore = false, at(-7) }, at(60)},
		"what held the run up is forgotten once it runs": {func(c *nextCase) { c.run.HeldUntil = at(-1) }, at(60)},
	} {
		t.Run(name, func(t *testing.T) {
			c := &nextCase{run: admitted(running)}
			row.change(c)
			if got := c.run.NextTimer(); !got.Equal(row.want) {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}
