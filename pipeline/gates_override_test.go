package pipeline_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func TestOverrides(t *testing.T) {
	// frozen is a deploy that a freeze holds up, and two maintainers.
	frozen := func() *asked {
		a := fine()
		a.facts.Policy.Freeze = []pipeline.Freeze{{Cron: "0 10 * * *", For: pipeline.Duration(4 * time.Hour), Reason: "lunch"}}
		a.facts.Live.People[7] = pipeline.Standing{Login: "gus", Permission: pipeline.Maintain}
		a.facts.Live.People[8] = pipeline.Standing{Login: "ada", Permission: pipeline.Admin}
		return a
	}
	by := func(gate string, ago time.Duration, ids ...int64) func(*asked) {
		return func(a *asked) {
			for _, id := range ids {
				a.q.Overrides = append(a.q.Overrides, pipeline.Approval{Gate: pipeline.OverrideOf(gate), Yes: true, SHA: a.q.SHA, Reason: "the site is down",
					By: pipeline.Actor{ID: id, Login: a.facts.Live.People[id].Login}, At: noon.Add(-ago)})
			}
		}
	}
	both := func(changes ...func(*asked)) func(*asked) {
		return func(a *asked) {
			for _, change := range changes {
				change(a)
			}
		}
	}
	for _, row := range []struct {
		name   string
		change func(*asked)
		want   pipeline.GateState
		says   string
	}{
		{"nobody", both(), pipeline.Waits, "frozen"},
		{"two maintainers", by("freeze", time.Minute, 7, 8), pipeline.Passes, "Overridden by gus, ada"},
		{"one, and two are needed", by("freeze", time.Minute, 7), pipeline.Waits, "one more maintainer"},
		{"one twice", both(by("freeze", time.Minute, 7), by("freeze", 0, 7)), pipeline.Waits, "one more maintainer"},
		{"one, where nothing is protected", both(by("freeze", time.Minute, 7), func(a *asked) { a.facts.Policy.Protected = false }), pipeline.Passes, "Overridden by gus"},
		{"two, of another gate", by("lock", time.Minute, 7, 8), pipeline.Waits, "frozen"},
		{"two, a moment before it is over", by("freeze", pipeline.OverrideLasts-1, 7, 8), pipeline.Passes, ""},
		{"two, and it is over", by("freeze", pipeline.OverrideLasts, 7, 8), pipeline.Waits, "frozen"},
		{"two, and that of one is over", both(by("freeze", pipeline.OverrideLasts, 7), by("freeze", time.Minute, 8)), pipeline.Waits, "one more maintainer"},
		{"one who may not any more", both(by("freeze", time.Minute, 7, 8), func(a *asked) { a.facts.Live.People[8] = pipeline.Standing{Permission: pipeline.Write} }), pipeline.Waits, "one more maintainer"},
		{"one nobody knows", both(by("freeze", time.Minute, 7, 9)), pipeline.Waits, "one more maintainer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := frozen()
			row.change(a)
			for _, g := range pipeline.Gates(a.q, a.facts, noon) {
				if g.Name == pipeline.GateFreeze && (g.State != row.want || !strings.Contains(g.Sentence, row.says)) {
					t.Errorf("%s: %s, want %s with %q", g.State, g.Sentence, row.want, row.says)
				}
			}
		})
	}
}

// Who may, whose code it is, that it has not moved, and that one deploys at a
// time hold whoever says otherwise.
func TestWhatCannotBeOverridden(t *testing.T) {
	for gate, spoil := range map[string]func(*asked){
		pipeline.GateRole:        func(a *asked) { a.facts.Live.People[1] = pipeline.Standing{Permission: pipeline.Read} },
		pipeline.GateFork:        func(a *asked) { a.facts.Live.PullRequest.Fork = true },
		pipeline.GateHead:        func(a *asked) { a.facts.Live.PullRequest.Head = "6b6b6b6b" },
		pipeline.GateDraft:       func(a *asked) { a.facts.Live.PullRequest.Draft = true },
		pipeline.GateConcurrency: func(a *asked) { a.facts.Environment.Active = "r-2" },
	} {
		a := fine()
		spoil(a)
		for _, id := range []int64{7, 8} {
			a.facts.Live.People[id] = pipeline.Standing{Permission: pipeline.Admin}
			a.q.Overrides = append(a.q.Overrides, pipeline.Approval{Gate: pipeline.OverrideOf(gate), Yes: true, SHA: a.q.SHA, By: pipeline.Actor{ID: id}, At: noon})
		}
		i := slices.IndexFunc(pipeline.Gates(a.q, a.facts, noon), func(g pipeline.Gate) bool { return g.Name == gate })
		if g := pipeline.Gates(a.q, a.facts, noon)[i]; g.State == pipeline.Passes || slices.Contains(pipeline.Overridable(), gate) {
			t.Errorf("%s was overridden: %s", gate, g.Sentence)
		}
	}
}
