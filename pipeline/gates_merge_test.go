package pipeline_test

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func TestMergeGates(t *testing.T) {
	unprotected := func(a *asked) { a.facts.Policy.Protected = false }
	merge := func(m pipeline.Mergeable) func(*asked) {
		return func(a *asked) { a.facts.Live.PullRequest.Merge = m }
	}
	both := func(all ...func(*asked)) func(*asked) {
		return func(a *asked) {
			for _, f := range all {
				f(a)
			}
		}
	}
	rollback := func(a *asked) { a.q.Trigger = pipeline.ByRollback }
	behind := func(a *asked) { a.facts.Policy.Requires.UpToDate, a.facts.Live.Behind = true, 2 }
	for _, row := range []struct {
		name, gate string
		change     func(*asked)
		want       pipeline.GateState
		code       string
	}{
		{"nobody asks for it to be up to date", pipeline.GateUpToDate, func(a *asked) { a.facts.Live.Behind = 3 }, pipeline.Passes, ""},
		{"it is up to date", pipeline.GateUpToDate, func(a *asked) { a.facts.Policy.Requires.UpToDate = true }, pipeline.Passes, ""},
		{"it is behind", pipeline.GateUpToDate, behind, pipeline.Fails, "behind"},
		{"without a pull request it is behind the default branch", pipeline.GateUpToDate, func(a *asked) { behind(a); a.q.PR, a.facts.Live.PullRequest = 0, nil }, pipeline.Fails, "behind"},
		{"a rollback is always behind", pipeline.GateUpToDate, both(behind, rollback), pipeline.Passes, ""},

		{"it merges", pipeline.GateConflict, merge(pipeline.MergeClean), pipeline.Passes, ""},
		{"it conflicts", pipeline.GateConflict, merge(pipeline.MergeConflicts), pipeline.Fails, "conflict"},
		{"GitHub does not know yet", pipeline.GateConflict, merge(pipeline.MergeUnknown), pipeline.Waits, "mergeable_unknown"},
		{"a conflict where nothing is protected", pipeline.GateConflict, both(merge(pipeline.MergeConflicts), unprotected), pipeline.Passes, ""},
		{"it is not known where nothing is protected", pipeline.GateConflict, both(merge(pipeline.MergeUnknown), unprotected), pipeline.Passes, ""},
		{"what is merged is not merged again", pipeline.GateConflict, func(a *asked) {
			a.facts.Live.PullRequest.Merged, a.facts.Live.PullRequest.Open, a.facts.Live.PullRequest.Merge = true, false, pipeline.MergeUnknown
		}, pipeline.Passes, ""},
		{"what has no pull request", pipeline.GateConflict, func(a *asked) { a.q.PR, a.facts.Live.PullRequest = 0, nil }, pipeline.Passes, ""},
		{"a rollback beside a conflict", pipeline.GateConflict, both(merge(pipeline.MergeConflicts), rollback), pipeline.Passes, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := fine()
			row.change(a)
			g := gate(t, a, row.gate)
			if g.State != row.want || g.Code != row.code {
				t.Errorf("%+v", g)
			}
			if g.State == pipeline.Waits && (g.Refuses || !g.Until.After(noon) || g.Until.After(noon.Add(10*time.Second))) {
				t.Errorf("GitHub knows it in a moment: %+v", g)
			}
		})
	}
}
