package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// deploying is run r-1 of three steps to prod, as far as the progress says.
func deploying(p pipeline.Progress) *pipeline.Run {
	return &pipeline.Run{
		Request: pipeline.Request{
			ID: "r-1", Repo: shop, Service: "shop", SHA: head, Actor: mona, Trigger: pipeline.ByCommand,
			Environment: &pipeline.Environment{Name: "prod"},
			Pipeline: pipeline.Pipeline{Name: "deploy", Steps: []pipeline.Step{
				{Name: "build", Run: "make"}, {Name: "look", Uses: "approval"}, {Name: "release", Run: "make release"},
			}},
		},
		Progress: p,
	}
}

// steps are the states of build, look and release.
func steps(states ...pipeline.State) []pipeline.StepRun {
	names := []string{"build", "look", "release"}
	var out []pipeline.StepRun
	for i, state := range states {
		out = append(out, pipeline.StepRun{Name: names[i], State: state})
	}
	return out
}

const (
	queued    = pipeline.Queued
	waiting   = pipeline.Waiting
	running   = pipeline.Running
	succeeded = pipeline.Succeeded
)

func TestShow(t *testing.T) {
	began, ended := nine, nine.Add(75*time.Second)
	rollback := func(r *pipeline.Run) { r.Trigger = pipeline.ByRollback }
	for _, row := range []struct {
		name     string
		progress pipeline.Progress
		change   func(*pipeline.Run)
		want     string // icon, headline, note; then buttons; then lines to paste
	}{
		{"it was just made", pipeline.Progress{State: queued, Steps: steps(queued, queued, queued)}, nil,
			"⏳ queued | cancel | /cancel r-1"},
		{"it waits for its turn", pipeline.Progress{State: waiting, Code: "queued", Message: "Number 1 in the queue of prod.", Steps: steps(queued, queued, queued)}, nil,
			"⏸️ waiting: Number 1 in the queue of prod. | cancel | /cancel r-1"},
		{"it waits for approval", pipeline.Progress{State: waiting, Code: "approval", Message: "Waiting for 1 approval.", Steps: steps(queued, queued, queued)}, nil,
			`⏸️ waiting: Waiting for 1 approval. | approve reject cancel of environment | /approve r-1, /reject r-1 --reason "...", /cancel r-1`},
		{"its first step runs", pipeline.Progress{State: running, Admitted: true, Started: began, Steps: steps(running, queued, queued)}, nil,
			"🔄 build: step 1 of 3 | cancel | /cancel r-1"},
		{"its steps run beside each other", pipeline.Progress{State: running, Admitted: true, Started: began, Steps: steps(running, succeeded, running)}, nil,
			"🔄 build: step 2 of 3 | cancel | /cancel r-1"},
		{"a step waits for approval", pipeline.Progress{State: running, Admitted: true, Started: began, Steps: steps(succeeded, waiting, queued)}, nil,
			`🔄 look: step 2 of 3 | approve reject cancel of look | /approve r-1, /reject r-1 --reason "...", /cancel r-1`},
		{"between two steps", pipeline.Progress{State: running, Admitted: true, Started: began, Steps: steps(succeeded, queued, queued)}, nil,
			"🔄 running | cancel | /cancel r-1"},
		{"it is being cancelled", pipeline.Progress{State: running, Admitted: true, Started: began, Cancel: &pipeline.Cancellation{By: mona}, Steps: steps(succeeded, running, queued)}, nil,
			"🔄 cancelling, look: step 2 of 3 |  | "},
		{"it is being cancelled while a step waits for approval", pipeline.Progress{State: running, Admitted: true, Started: began, Cancel: &pipeline.Cancellation{By: mona}, Steps: steps(succeeded, waiting, queued)}, nil,
			"🔄 cancelling, look: step 2 of 3 |  | "},
		{"it succeeded", pipeline.Progress{State: succeeded, Admitted: true, Started: began, Ended: ended, Steps: steps(succeeded, succeeded, succeeded)}, nil,
			"✅ succeeded after 1m15s | rollback | /rollback prod"},
		{"a rollback succeeded", pipeline.Progress{State: succeeded, Admitted: true, Started: began, Ended: ended, Steps: steps(succeeded, pipeline.Skipped, succeeded)}, rollback,
			"✅ succeeded after 1m15s |  | "},
		{"a dry run succeeded", pipeline.Progress{State: succeeded, Admitted: true, Started: began, Ended: ended}, func(r *pipeline.Run) { r.DryRun = true },
			"✅ succeeded after 1m15s, nothing was changed |  | "},
		{"a run that deploys nowhere succeeded", pipeline.Progress{State: succeeded, Admitted: true, Started: began, Ended: ended}, func(r *pipeline.Run) { r.Environment = nil },
			"✅ succeeded after 1m15s |  | "},
		{"it failed", pipeline.Progress{State: pipeline.Failed, Admitted: true, Message: "`build` exited with code 2.", Started: began, Ended: ended, Steps: steps(pipeline.Failed, pipeline.Skipped, pipeline.Skipped)}, nil,
			"❌ failed after 1m15s: `build` exited with code 2. | retry | /retry r-1"},
		{"only another commit can do better", pipeline.Progress{State: pipeline.Failed, Admitted: true, Code: "invalid_manifest", Message: "No file matches.", Started: began, Ended: ended, Steps: steps(pipeline.Failed, pipeline.Skipped, pipeline.Skipped)}, nil,
			"❌ failed after 1m15s: No file matches. |  | "},
		{"it was cancelled before it began", pipeline.Progress{State: pipeline.Cancelled, Message: "Cancelled by mona.", Cancel: &pipeline.Cancellation{By: mona}, Ended: ended}, nil,
			"🚫 cancelled: Cancelled by mona. | retry | /retry r-1"},
		{"it was cancelled under way", pipeline.Progress{State: pipeline.Cancelled, Admitted: true, Started: began, Ended: began.Add(time.Second)}, nil,
			"🚫 cancelled after 1s | retry | /retry r-1"},
		{"it is rolling back", pipeline.Progress{State: pipeline.RollingBack, Admitted: true, Started: began, Steps: steps(succeeded, succeeded, pipeline.RollingBack)}, nil,
			"↩️ rolling back |  | "},
		{"it was rolled back", pipeline.Progress{State: pipeline.RolledBack, Admitted: true, Started: began, Ended: ended}, nil,
			"↩️ rolled back after 1m15s |  | "},
		{"nobody saw how steps ended", pipeline.Progress{State: pipeline.Unknown, Admitted: true, Started: began, Message: "Nobody saw how build ended.", Steps: steps(pipeline.Unknown, succeeded, pipeline.Unknown)}, nil,
			`❓ unknown: Nobody saw how build ended. |  | /resolve r-1 build succeeded --reason "...", /resolve r-1 build failed --reason "...", /resolve r-1 release succeeded --reason "...", /resolve r-1 release failed --reason "..."`},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := deploying(row.progress)
			if row.change != nil {
				row.change(r)
			}
			v := bot.Show(r)
			says := v.Icon + " " + v.Headline
			if v.Note != "" {
				says += ": " + v.Note
			}
			var buttons []string
			for _, b := range v.Buttons {
				buttons = append(buttons, string(b))
			}
			offers := strings.Join(buttons, " ")
			if v.Gate != "" {
				offers += " of " + v.Gate
			}
			if got := says + " | " + offers + " | " + strings.Join(v.Paste, ", "); got != row.want {
				t.Errorf("\n got %s\nwant %s", got, row.want)
			}
			if v.State != r.State || len(v.Steps) != len(r.Steps) {
				t.Errorf("state %s with %d steps, want %s with %d", v.State, len(v.Steps), r.State, len(r.Steps))
			}
		})
	}
}

func TestShowSteps(t *testing.T) {
	at := func(s pipeline.StepRun, took time.Duration) pipeline.StepRun {
		s.Name, s.Started = "build", nine
		if took > 0 {
			s.Ended = nine.Add(took)
		}
		return s
	}
	for _, row := range []struct {
		name string
		step pipeline.StepRun
		want string
	}{
		{"not its turn", pipeline.StepRun{State: queued}, "⏳ "},
		{"it runs", at(pipeline.StepRun{State: running, Attempt: 1}, 0), "🔄 running"},
		{"it runs again", at(pipeline.StepRun{State: running, Attempt: 2}, 0), "🔄 running (attempt 2)"},
		{"it waits", at(pipeline.StepRun{State: waiting, Message: "Waiting for 1 approval."}, 0), "⏸️ waiting: Waiting for 1 approval."},
		{"it succeeded", at(pipeline.StepRun{State: succeeded, Attempt: 1}, 12*time.Second), "✅ succeeded in 12s"},
		{"it succeeded at last", at(pipeline.StepRun{State: succeeded, Attempt: 3}, time.Second), "✅ succeeded in 1s (attempt 3)"},
		{"it failed", at(pipeline.StepRun{State: pipeline.Failed, Message: "exit code 2"}, time.Second), "❌ failed in 1s: exit code 2"},
		{"it was skipped", pipeline.StepRun{State: pipeline.Skipped, Ended: nine, Message: "Skipped by its condition."}, "⏭️ skipped: Skipped by its condition."},
		{"it is being undone", at(pipeline.StepRun{State: pipeline.RollingBack}, 0), "↩️ rolling back"},
		{"it was undone", at(pipeline.StepRun{State: pipeline.RolledBack}, time.Minute), "↩️ rolled back in 1m0s"},
		{"nobody saw its end", at(pipeline.StepRun{State: pipeline.Unknown}, time.Second), "❓ unknown in 1s"},
		{"it was cancelled", at(pipeline.StepRun{State: pipeline.Cancelled}, time.Second), "🚫 cancelled in 1s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := bot.Show(deploying(pipeline.Progress{State: running, Steps: []pipeline.StepRun{row.step}})).Steps[0]
			if got := v.Icon + " " + v.Text; got != row.want || v.Name != row.step.Name || !v.Since.Equal(row.step.Started) {
				t.Errorf("got %s %q since %s, want %q", v.Name, got, v.Since, row.want)
			}
		})
	}
}

func TestTitle(t *testing.T) {
	for want, change := range map[string]func(*pipeline.Run){
		"Deploy of shop to prod":   func(*pipeline.Run) {},
		"Rollback of shop to prod": func(r *pipeline.Run) { r.Trigger = pipeline.ByRollback },
		"Dry run of shop to prod":  func(r *pipeline.Run) { r.DryRun = true },
		"deploy":                   func(r *pipeline.Run) { r.Environment = nil },
	} {
		r := deploying(pipeline.Progress{})
		change(r)
		if got := bot.Title(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for _, row := range []struct {
		took time.Duration
		want string
	}{
		{-time.Second, "10ms"}, // the clocks of two machines
		{0, "10ms"},            // nothing takes no time
		{time.Millisecond, "10ms"},
		{847 * time.Millisecond, "850ms"},
		{994 * time.Millisecond, "990ms"},
		{time.Second, "1s"},
		{12*time.Second + 400*time.Millisecond, "12s"},
		{3*time.Minute + 5*time.Second, "3m5s"},
		{2*time.Hour + 10*time.Minute + 29*time.Second, "2h10m"},
		{26 * time.Hour, "26h0m"},
	} {
		if got := bot.Took(nine, nine.Add(row.took)); got != row.want {
			t.Errorf("%s: got %s, want %s", row.took, got, row.want)
		}
	}
}

// GitHub takes 20 characters, and every state has its sign.
func TestLabelsAndIcons(t *testing.T) {
	var labels, icons []string
	for _, kind := range []bot.ButtonKind{bot.ButtonApprove, bot.ButtonReject, bot.ButtonCancel, bot.ButtonRetry, bot.ButtonRollback} {
		labels = append(labels, kind.Label())
	}
	if want := []string{"Approve", "Reject", "Cancel", "Re-run", "Roll back"}; !slices.Equal(labels, want) {
		t.Errorf("labels %q", labels)
	}
	for _, state := range []pipeline.State{queued, waiting, running, succeeded, pipeline.Failed, pipeline.Cancelled, pipeline.Skipped, pipeline.RollingBack, pipeline.RolledBack, pipeline.Unknown} {
		icons = append(icons, bot.Icon(state))
	}
	if got := fmt.Sprint(icons); got != "[⏳ ⏸️ 🔄 ✅ ❌ 🚫 ⏭️ ↩️ ↩️ ❓]" {
		t.Errorf("icons %s", got)
	}
}
