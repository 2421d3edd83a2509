package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// FuzzGates: whatever is known or not known, the gates do not panic, come to the
// same twice, and each that does not pass says so in a sentence, with a code and
// with what to do; none that waits for the clock waits for a time that is over.
func FuzzGates(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, seed*7919)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		d := dice{rand.New(rand.NewPCG(a, b))}
		q, facts := d.question(), d.facts()
		now := noon.Add(time.Duration(d.IntN(1e6)) * time.Second)
		gates := pipeline.Gates(q, facts, now)
		if again := pipeline.Gates(q, facts, now); fmt.Sprint(again) != fmt.Sprint(gates) {
			t.Fatalf("asked again they say something else:\n%v\n%v", gates, again)
		}
		if len(gates) == 0 {
			t.Fatal("no gate was asked")
		}
		seen := map[string]bool{}
		for _, g := range gates {
			if g.Name == "" || seen[g.Name] || g.Sentence == "" || !strings.HasSuffix(g.Sentence, ".") && !strings.HasSuffix(g.Sentence, "`") {
				t.Errorf("%+v", g)
			}
			seen[g.Name] = true
			switch g.State {
			case pipeline.Passes:
			case pipeline.Waits, pipeline.Fails:
				if g.Code == "" || g.Fix == "" {
					t.Errorf("it does not say what to do: %+v", g)
				}
				if !g.Until.IsZero() && !g.Until.After(now) {
					t.Errorf("it waits for what is over: %+v", g)
				}
			default:
				t.Errorf("%+v", g)
			}
		}
		if facts.Live.Unverified != "" && (len(gates) != 1 || gates[0].State == pipeline.Passes) {
			t.Errorf("GitHub could not be asked, and %v", gates)
		}
	})
}

// dice make things up.
type dice struct{ *rand.Rand }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

func several[T any](d dice, most int, one func() T) []T {
	var out []T
	for range d.IntN(most + 1) {
		out = append(out, one())
	}
	return out
}

func (d dice) yes() bool { return d.IntN(2) == 0 }

func (d dice) sha() string {
	return pick(d, "", "5a", "5a5a5a5a", strings.Repeat("b", 40), strings.Repeat("c", 40))
}

func (d dice) text() string { return pick(d, "", "staging", "prod", "main", "`", "a\nb", "größe") }

func (d dice) someone() pipeline.Actor {
	id := int64(d.IntN(5))
	return pipeline.Actor{ID: id, Login: pick(d, "", fmt.Sprintf("p%d", id))}
}

func (d dice) when() time.Time {
	return pick(d, time.Time{}, noon.Add(time.Duration(d.IntN(2e6)-1e6)*time.Second))
}

func (d dice) entry() string { return pick(d, "team:a", "team:b", "user:p1", "user:P2", "x", "") }

func (d dice) approval(gate string) pipeline.Approval {
	return pipeline.Approval{Gate: gate, By: d.someone(), Yes: d.yes(), SHA: d.sha(), Reason: d.text(), At: d.when()}
}

func (d dice) question() pipeline.Question {
	overridden := pick(d, append(pipeline.Overridable(), pipeline.GateRole, "x")...)
	return pipeline.Question{
		Run: pick[pipeline.RunID](d, "", "r-1", "r-2"), SHA: d.sha(), PR: d.IntN(3), Base: d.text(), Actor: d.someone(),
		Trigger:   pick(d, pipeline.ByCommand, pipeline.ByPullRequest, pipeline.ByPush, pipeline.BySchedule, pipeline.ByMergeGroup, pipeline.ByRollback, ""),
		Approvals: several(d, 3, func() pipeline.Approval { return d.approval(pipeline.EnvironmentGate) }),
		Allowed:   several(d, 2, func() pipeline.Approval { return d.approval(pipeline.GateFork) }),
		Overrides: several(d, 3, func() pipeline.Approval { return d.approval(pipeline.OverrideOf(overridden)) }),
		Promoted:  d.IntN(8) == 0, Excluded: several(d, 3, func() int64 { return int64(d.IntN(5)) }), Parent: pick[pipeline.RunID](d, "", "", "r-0"), DryRun: d.IntN(8) == 0,
	}
}

func (d dice) facts() pipeline.Facts {
	f := pipeline.Facts{Live: d.live(), Everywhere: d.lock()}
	if d.IntN(8) == 0 {
		return f // it deploys nowhere
	}
	f.Policy = d.policy()
	f.Environment = &pipeline.EnvironmentState{Name: f.Policy.Name, Active: pick[pipeline.RunID](d, "", "", "r-0", "r-1"), Lock: d.lock(), Queue: pick(d, nil, []pipeline.RunID{"r-1"}, []pipeline.RunID{"r-3", "r-1", "r-2"})}
	return f
}

func (d dice) lock() *pipeline.Lock {
	return pick(d, nil, nil, &pipeline.Lock{By: d.someone(), Reason: d.text(), Run: pick[pipeline.RunID](d, "", "r-9"), At: d.when(), Expires: d.when()})
}

func (d dice) policy() *pipeline.Environment {
	e := &pipeline.Environment{Name: "prod", Protected: d.yes(), After: pick(d, nil, []string{"staging"}), DeployFrom: pick(d, nil, []string{"default_branch"}, []string{"pull_request"}),
		Deployers: several(d, 2, d.entry), Concurrency: pick(d, pipeline.Enqueue, pipeline.Supersede, pipeline.RefuseNew, "")}
	if d.yes() {
		e.Approvals = &pipeline.ApprovalPolicy{Count: d.IntN(4), By: several(d, 2, d.entry), Requester: d.yes()}
	}
	e.Requires.Checks = pick(d, nil, []string{"build"}, []string{"build", "app/lint"})
	e.Requires.Reviews, e.Requires.UpToDate = d.IntN(3), d.yes()
	for range d.IntN(3) {
		e.Freeze = append(e.Freeze, pipeline.Freeze{Cron: pick(d, "0 13 * * *", "0 * * * *", "30 2 29 2 *", "never", ""), For: pipeline.Duration(d.IntN(1e6)) * pipeline.Duration(time.Second),
			Timezone: pick(d, "", "Europe/Berlin", "Australia/Lord_Howe", "nowhere"), Reason: d.text()})
	}
	return e
}

func (d dice) live() *pipeline.Live {
	l := &pipeline.Live{OnDefault: d.yes(), Behind: d.IntN(3), People: map[int64]pipeline.Standing{}, AfterOK: map[string]bool{"staging": d.yes()}}
	if d.IntN(10) == 0 {
		l.Unverified, l.Again = "it does not answer", d.yes()
	}
	for id := range int64(5) {
		if d.yes() {
			l.People[id] = pipeline.Standing{Users: []string{fmt.Sprintf("p%d", id)}, Permission: pipeline.Permission(d.IntN(6)), Teams: several(d, 2, func() string { return pick(d, "a", "b") })}
		}
	}
	if d.yes() {
		l.PullRequest = &pipeline.PullRequest{Number: 1, Head: d.sha(), Into: d.text(), Merge: pick(d, pipeline.MergeUnknown, pipeline.MergeClean, pipeline.MergeConflicts), Author: int64(d.IntN(5)),
			Open: d.yes(), Merged: d.IntN(4) == 0, Draft: d.yes(), Fork: d.IntN(4) == 0}
	}
	report := func() pipeline.CheckReport {
		return pipeline.CheckReport{Name: pick(d, "build", "lint"), By: pick(d, "", "app:1", "user:2"), App: pick(d, "", "app"), ID: int64(d.IntN(3)), State: pick[pipeline.CheckState](d, "", "success", "failure", "pending", "neutral", "odd")}
	}
	l.Checks, l.ChecksMain = several(d, 3, report), several(d, 2, report)
	l.Pipelines = pick(d, nil, map[string]pipeline.State{"build": pick(d, pipeline.Succeeded, pipeline.Failed, pipeline.Running, "")})
	l.Reviewed = several(d, 2, func() pipeline.ReviewedPull {
		return pipeline.ReviewedPull{Number: d.IntN(3), Author: int64(d.IntN(5)), Head: d.sha(), Reviews: several(d, 3, func() pipeline.Review {
			return pipeline.Review{ID: int64(d.IntN(5)), By: d.someone(), Person: d.yes(), State: pick(d, pipeline.Approved, pipeline.ChangesRequested, pipeline.Commented, pipeline.Unsubmitted, "DISMISSED", "ODD"), SHA: d.sha(), At: d.when()}
		})}
	})
	return l
}
