package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Logs shows the end of a step's log.
type Logs struct {
	Store Store
	Logs  Tailer
}

func (Logs) Help() Help {
	return Help{
		Name:     "/logs",
		Args:     []Arg{{Name: "run", Optional: true}, {Name: "step", Optional: true}},
		Summary:  "Shows the last lines of a step: of what failed last, else of what runs, unless you name another.",
		Needs:    pipeline.Read,
		Question: true,
		Steady:   true,
		Examples: []string{"/logs", "/logs r-1a2b3c4d", "/logs r-1a2b3c4d build"},
	}
}

func (g Logs) Do(ctx context.Context, c *Call) (Reply, error) {
	r, err := g.which(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	step, err := stepOf(r, c.Line.Arg("step"), "/logs %s %s")
	if err != nil {
		return Reply{}, err
	}
	if step.Attempt == 0 {
		why := ""
		if step.Message != "" {
			why = " " + step.Message
		}
		return Reply{Run: r.ID, Text: fmt.Sprintf("Step %s of run %s has not run.%s", step.Name, r.ID, why)}, nil
	}
	text, err := g.tail(ctx, r, step, r.Reverts != "") // what was done is in the log of the run that is undone
	if err == nil && step.Reverting && r.Reverts == "" {
		var undo string
		undo, err = g.tail(ctx, r, step, true)
		text += "\n\n" + undo
	}
	return Reply{Run: r.ID, Text: text}, err
}

// tail is the end of a step's log, or of its undoing's.
func (g Logs) tail(ctx context.Context, r *pipeline.Run, step *pipeline.StepRun, undo bool) (string, error) {
	const shown = 60
	what := fmt.Sprintf("step %s of run %s", step.Name, r.ID)
	if undo {
		what = "undoing " + what
	}
	lines, err := g.Logs.Tail(ctx, r.ID, step.LogName(undo), step.Attempt, shown)
	switch {
	case err != nil && !errors.Is(err, pipeline.ErrNotFound):
		return "", err
	case len(lines) == 0:
		return strings.ToUpper(what[:1]) + what[1:] + " has written nothing.", nil
	}
	return fmt.Sprintf("The last lines of %s:\n%s", what, Fence(lines)), nil
}

// which is the run that was named, the thread's, else what failed last in the
// pull request, else what runs, else the newest.
func (g Logs) which(ctx context.Context, c *Call) (*pipeline.Run, error) {
	if id := c.Run("run"); id != "" {
		return known(ctx, g.Store, c, id)
	}
	runs, err := g.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR})
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, pipeline.Refuse("unknown_run", "Nothing has run here yet, so there is no log. Name a run, `/logs <run>`; which there are says `/status`.")
	}
	return mostWanted(runs), nil
}

// mostWanted is the run whose log people look for: of those that have one the
// last that failed, else the newest that goes on, else the newest. runs is
// newest first.
func mostWanted(runs []*pipeline.Run) *pipeline.Run {
	best, rank := runs[0], 0
	for _, r := range runs {
		now := 0
		switch wrong := wentWrong(r); {
		case !hasLog(r):
		case wrong:
			now = 3
		case !r.State.Terminal():
			now = 2
		default:
			now = 1
		}
		if now > rank || now == 3 && rank == 3 && failedAfter(r, best) {
			best, rank = r, now
		}
	}
	return best
}

func hasLog(r *pipeline.Run) bool {
	return slices.ContainsFunc(r.Steps, func(s pipeline.StepRun) bool { return s.Attempt > 0 })
}

// wentWrong reports whether a run failed, or is about to because a step did.
func wentWrong(r *pipeline.Run) bool {
	switch r.State {
	case pipeline.Failed, pipeline.RollingBack, pipeline.RolledBack, pipeline.Unknown:
		return r.Reverts == "" || r.State == pipeline.Failed || r.State == pipeline.Unknown
	case pipeline.Succeeded:
		return false
	}
	return slices.ContainsFunc(r.Steps, func(s pipeline.StepRun) bool { return s.State == pipeline.Failed && counts(r, &s) })
}

// counts reports whether a failure of the step is one of the run.
func counts(r *pipeline.Run, s *pipeline.StepRun) bool {
	def, ok := r.Pipeline.Step(s.Name)
	return s.Code != "run_failed" && (!ok || !def.ContinueOnError)
}

// failedAfter: what has not ended fails now.
func failedAfter(r, other *pipeline.Run) bool {
	return !other.Ended.IsZero() && (r.Ended.IsZero() || r.Ended.After(other.Ended))
}

// stepOf is the named step, else the one that went wrong or runs, else the last that began.
// again is the command with run and step, to paste with the right name.
func stepOf(r *pipeline.Run, name, again string) (*pipeline.StepRun, error) {
	var names []string
	var best *pipeline.StepRun
	most := 0
	rank := map[pipeline.State]int{pipeline.Failed: 4, pipeline.Unknown: 4, pipeline.Running: 3, pipeline.Waiting: 2, pipeline.Succeeded: 1, pipeline.Cancelled: 1, pipeline.RolledBack: 1}
	for i := range r.Steps {
		s := &r.Steps[i]
		names = append(names, s.Name)
		if strings.EqualFold(s.Name, name) {
			return s, nil
		}
		now := rank[s.State]
		if s.State == pipeline.Failed && !counts(r, s) {
			now = 1
		}
		if best == nil || now >= most && now > 0 {
			best, most = s, now
		}
	}
	if name == "" && best != nil {
		return best, nil
	}
	if near, ok := pipeline.Nearest(name, names); ok {
		return nil, pipeline.Refuse("unknown_step", "Run %s has no step %s. Did you mean %s?", r.ID, Code(name), Code(fmt.Sprintf(again, r.ID, near)))
	}
	return nil, pipeline.Refuse("unknown_step", "Run %s has no step %s. Name one of its steps: %s.", r.ID, Code(name), strings.Join(names, ", "))
}

// Fence puts lines into a code block that none of them can close.
func Fence(lines []string) string {
	text := strings.Join(lines, "\n")
	mark := "```"
	for strings.Contains(text, mark) {
		mark += "`"
	}
	return mark + "\n" + text + "\n" + mark
}
