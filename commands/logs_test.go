package commands

import (
	"slices"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func TestLogsShowsWhatFailedLast(t *testing.T) {
	began := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	run := func(id string, state pipeline.State, ended int, steps ...pipeline.State) *pipeline.Run {
		r := &pipeline.Run{Request: pipeline.Request{ID: pipeline.RunID(id)}}
		r.State = state
		if state.Terminal() {
			r.Ended = began.Add(time.Duration(ended) * time.Minute)
		}
		for _, s := range steps {
			r.Steps = append(r.Steps, pipeline.StepRun{Name: "build", State: s, Attempt: 1})
		}
		return r
	}
	good, bad, works := pipeline.Succeeded, pipeline.Failed, pipeline.Running
	for name, c := range map[string]struct {
		want   string
		oldest []*pipeline.Run
	}{
		"the newest ended well":             {"r-1", []*pipeline.Run{run("r-1", bad, 1, bad), run("r-2", good, 2, good)}},
		"two failed":                        {"r-2", []*pipeline.Run{run("r-1", bad, 1, bad), run("r-2", bad, 2, bad)}},
		"the older one failed later":        {"r-1", []*pipeline.Run{run("r-1", bad, 3, bad), run("r-2", bad, 2, bad)}},
		"one runs, and a step of it failed": {"r-2", []*pipeline.Run{run("r-1", bad, 1, bad), run("r-2", works, 0, bad, works)}},
		"one was rolled back":               {"r-1", []*pipeline.Run{run("r-1", pipeline.RolledBack, 1, pipeline.RolledBack), run("r-2", good, 2, good)}},
		"nothing failed, and one runs":      {"r-1", []*pipeline.Run{run("r-1", works, 0, works), run("r-2", good, 2, good)}},
		"nothing failed or runs":            {"r-2", []*pipeline.Run{run("r-1", good, 1, good), run("r-2", good, 2, good)}},
		"one failed before a step began":    {"r-1", []*pipeline.Run{run("r-1", good, 1, good), run("r-2", bad, 2)}},
		"one waits, and has no log":         {"r-1", []*pipeline.Run{run("r-1", good, 1, good), run("r-2", pipeline.Waiting, 0)}},
	} {
		slices.Reverse(c.oldest)
		if got := mostWanted(c.oldest); string(got.ID) != c.want {
			t.Errorf("%s: %s, want %s", name, got.ID, c.want)
		}
	}
}
