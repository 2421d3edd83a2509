package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// View is what every surface shows of a run: the same facts and words, each in
// its own markup. It is made by Show, which is pure.
type View struct {
	Title    string // "Deploy of shop to prod", "checks"
	State    pipeline.State
	Icon     string // one emoji for the state
	Headline string // one sentence: how it stands
	Note     string // what is to do or why it ended so; "" if there is nothing to say
	Lock     string // whether it leaves, or left, its environment locked; "" if it does not
	Steps    []StepView
	Buttons  []ButtonKind
	Gate     string     // what the approve and reject buttons are about
	Paste    []string   // commands to paste that make sense now
	Plans    []PlanView // while people are asked: what it would do
	Warnings []string   // what everybody who looks must know: gates that people overrode
}

// StepView is one line of the list of steps.
type StepView struct {
	Name  string
	Icon  string
	Text  string // "succeeded in 12s", "exit code 2"
	Since time.Time
}

// ButtonKind is what a button does.
type ButtonKind string

const (
	ButtonApprove  ButtonKind = "approve"
	ButtonReject   ButtonKind = "reject"
	ButtonCancel   ButtonKind = "cancel"
	ButtonRetry    ButtonKind = "retry"
	ButtonRollback ButtonKind = "rollback"
	ButtonConfirm  ButtonKind = "confirm" // of an answer, never of a run
)

// Label is what stands on the button, at most 20 characters (GitHub's limit).
func (k ButtonKind) Label() string {
	return map[ButtonKind]string{ButtonApprove: "Approve", ButtonReject: "Reject", ButtonCancel: "Cancel", ButtonRetry: "Re-run", ButtonRollback: "Roll back"}[k]
}

// Show describes a run.
func Show(r *pipeline.Run) View {
	v := View{Title: Title(r), State: r.State, Icon: Icon(r.State), Headline: headline(r), Note: r.Message, Lock: lockNote(r)}
	if r.DryRun {
		v.Headline, v.Note = dryHeadline(r), strings.TrimSpace(strings.TrimSuffix(r.Message, pipeline.NothingChanged))
	}
	for _, s := range r.Steps {
		v.Steps = append(v.Steps, stepView(s))
	}
	for _, a := range r.Approvals {
		if gate, is := strings.CutPrefix(a.Gate, pipeline.OverrideOf("")); is {
			v.Warnings = append(v.Warnings, fmt.Sprintf("%s overrode %s: %s", a.By.Login, gate, commands.Code(a.Reason)))
		}
	}
	if open := r.OpenGates(); len(open) > 0 {
		v.Gate = open[0]
		v.Plans = plansOf(r, v.Gate)
		v.Buttons = append(v.Buttons, ButtonApprove, ButtonReject)
		v.Paste = append(v.Paste, "/approve "+string(r.ID), "/reject "+string(r.ID)+` --reason "..."`)
	}
	switch {
	case r.State == pipeline.Unknown:
		for _, s := range r.Steps {
			if s.State == pipeline.Unknown {
				v.Paste = append(v.Paste, fmt.Sprintf(`/resolve %s %s succeeded --reason "..."`, r.ID, s.Name), fmt.Sprintf(`/resolve %s %s failed --reason "..."`, r.ID, s.Name))
			}
		}
	case !r.State.Terminal() && r.Cancel == nil && r.State != pipeline.RollingBack:
		v.Buttons = append(v.Buttons, ButtonCancel)
		v.Paste = append(v.Paste, "/cancel "+string(r.ID))
	case r.State == pipeline.Succeeded && r.Deploys() && r.Trigger != pipeline.ByRollback:
		v.Buttons = append(v.Buttons, ButtonRollback)
		v.Paste = append(v.Paste, "/rollback "+r.Environment.Name)
	case r.State == pipeline.Failed && r.Reverts != "": // to try the very same again is no way on
		v.Buttons = append(v.Buttons, ButtonRollback)
		v.Paste = append(v.Paste, "/rollback "+r.EnvironmentName())
	case (r.State == pipeline.Failed || r.State == pipeline.Cancelled) && commands.RetryHelps(r):
		v.Buttons = append(v.Buttons, ButtonRetry)
		v.Paste = append(v.Paste, "/retry "+string(r.ID))
	}
	return v
}

// lockNote says whether the end of the run locks its environment.
func lockNote(r *pipeline.Run) string {
	switch {
	case r.Environment == nil:
	case r.Locked:
		return fmt.Sprintf("🔒 It left %s locked. To let new deploys in: `/unlock %s`.", r.Environment.Name, r.Environment.Name)
	case r.Locks() && !r.State.Terminal():
		return fmt.Sprintf("🔒 Afterwards %s stays locked, until somebody says `/unlock %s`.", r.Environment.Name, r.Environment.Name)
	}
	return ""
}

// Title names what the run does.
func Title(r *pipeline.Run) string {
	if r.Environment == nil {
		return r.Pipeline.Name
	}
	what := "Deploy"
	if r.Trigger == pipeline.ByRollback {
		what = "Rollback"
	}
	if r.DryRun {
		what = "Dry run"
	}
	return fmt.Sprintf("%s of %s to %s", what, r.Service, r.Environment.Name)
}

// Icon is the emoji of a state.
func Icon(s pipeline.State) string {
	return map[pipeline.State]string{
		pipeline.Queued: "⏳", pipeline.Waiting: "⏸️", pipeline.Running: "🔄", pipeline.Succeeded: "✅", pipeline.Failed: "❌",
		pipeline.Cancelled: "🚫", pipeline.Skipped: "⏭️", pipeline.RollingBack: "↩️", pipeline.RolledBack: "↩️", pipeline.Unknown: "❓",
	}[s]
}

// Words is a state as people say it.
func Words(s pipeline.State) string { return strings.ReplaceAll(string(s), "_", " ") }

func headline(r *pipeline.Run) string {
	done := 0
	running := ""
	for _, s := range r.Steps {
		if s.State.Terminal() {
			done++
		} else if running == "" && s.State != pipeline.Queued {
			running = s.Name
		}
	}
	switch {
	case r.State == pipeline.Running && running != "":
		line := fmt.Sprintf("%s: step %d of %d", running, done+1, len(r.Steps))
		if r.Cancel != nil {
			line = "cancelling, " + line
		}
		return line
	case r.State.Terminal() && !r.Started.IsZero():
		return fmt.Sprintf("%s after %s", Words(r.State), Took(r.Started, r.Ended))
	}
	return Words(r.State)
}

// dryHeadline: who sees no more of a dry run than this must not take it for a deploy.
func dryHeadline(r *pipeline.Run) string {
	if r.State.Terminal() {
		return headline(r) + ", nothing was changed"
	}
	return headline(r) + ", nothing is changed"
}

func stepView(s pipeline.StepRun) StepView {
	v := StepView{Name: s.Name, Icon: Icon(s.State), Since: s.Started}
	var parts []string
	if s.State != pipeline.Queued {
		parts = append(parts, Words(s.State))
	}
	if !s.Ended.IsZero() && !s.Started.IsZero() {
		parts = append(parts, "in "+Took(s.Started, s.Ended))
	}
	if s.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("(attempt %d)", s.Attempt))
	}
	v.Text = strings.Join(parts, " ")
	if s.Message != "" {
		v.Text = strings.Join(slices.DeleteFunc([]string{v.Text, s.Message}, func(t string) bool { return t == "" }), ": ")
	}
	return v
}

// Took is a duration as people say it: "850ms", "12s", "3m5s", "2h10m".
func Took(from, to time.Time) string {
	d := max(to.Sub(from), 0) // clocks of two machines
	switch {
	case d < time.Second:
		return cmp.Or(d.Round(10*time.Millisecond), 10*time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
