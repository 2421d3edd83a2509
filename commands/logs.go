package commands

import (
	"context"
	"errors"
	"fmt"
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
		Summary:  "Shows the last lines of a step: the one that failed or runs, unless you name another.",
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

// which is the run that was named, the thread's, else the newest of the pull request.
func (g Logs) which(ctx context.Context, c *Call) (*pipeline.Run, error) {
	if id := c.Run("run"); id != "" {
		return known(ctx, g.Store, c, id)
	}
	runs, err := g.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, PR: c.PR, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, pipeline.Refuse("unknown_run", "Nothing has run here yet, so there is no log.")
	}
	return runs[0], nil
}

// stepOf is the named step, else the one that went wrong or runs, else the last that began.
// again is the command with run and step, to paste with the right name.
func stepOf(r *pipeline.Run, name, again string) (*pipeline.StepRun, error) {
	var names []string
	var best *pipeline.StepRun
	rank := map[pipeline.State]int{pipeline.Failed: 4, pipeline.Unknown: 4, pipeline.Running: 3, pipeline.Waiting: 2, pipeline.Succeeded: 1, pipeline.Cancelled: 1, pipeline.RolledBack: 1}
	for i := range r.Steps {
		s := &r.Steps[i]
		names = append(names, s.Name)
		if strings.EqualFold(s.Name, name) {
			return s, nil
		}
		if best == nil || rank[s.State] >= rank[best.State] && rank[s.State] > 0 {
			best = s
		}
	}
	if name == "" && best != nil {
		return best, nil
	}
	if near, ok := pipeline.Nearest(name, names); ok {
		return nil, pipeline.Refuse("unknown_step", "Run %s has no step %s. Did you mean %s?", r.ID, Code(name), Code(fmt.Sprintf(again, r.ID, near)))
	}
	return nil, pipeline.Refuse("unknown_step", "Run %s has no step %s. It has: %s.", r.ID, Code(name), strings.Join(names, ", "))
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
