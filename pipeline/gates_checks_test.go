package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// gate asks one gate of a question in which all others pass.
func gate(t *testing.T, a *asked, name string) pipeline.Gate {
	t.Helper()
	var found pipeline.Gate
	for _, g := range pipeline.Gates(a.q, a.facts, noon) {
		switch {
		case g.Name == name:
			found = g
		case g.State != pipeline.Passes:
			t.Errorf("%s: %s: %s", g.Name, g.State, g.Sentence)
		}
	}
	if found.Name == "" {
		t.Fatalf("no gate %s", name)
	}
	if found.State != pipeline.Passes && (found.Code == "" || found.Sentence == "" || found.Fix == "") {
		t.Errorf("%s does not say what to do: %+v", name, found)
	}
	return found
}

func report(by string, id int64, state string) pipeline.CheckReport {
	app, _, _ := strings.Cut(by, "#")
	return pipeline.CheckReport{Name: "build", By: "app:" + by, App: app, ID: id, State: pipeline.CheckState(state)}
}

func TestChecksGate(t *testing.T) {
	type reports = []pipeline.CheckReport
	lint := func(state string) pipeline.CheckReport {
		r := report("ci", 9, state)
		r.Name = "lint"
		return r
	}
	status := func(by string, id int64, state string) pipeline.CheckReport {
		return pipeline.CheckReport{Name: "build", By: "user:" + by, ID: id, State: pipeline.CheckState(state)}
	}
	for _, row := range []struct {
		name     string
		required []string
		here     reports
		main     reports
		code     string
		says     string
	}{
		{"nobody reported it", []string{"build"}, nil, nil, "checks_missing", "Starts by itself when `build` (not reported yet) is green on `5a5a5a5`."},
		{"only another one was reported", []string{"build"}, reports{lint("success")}, nil, "checks_missing", "not reported"},
		{"it is green", []string{"build"}, reports{report("ci", 1, "success")}, nil, "", "All required checks are green."},
		{"one is green, the other is missing", []string{"build", "lint"}, reports{report("ci", 1, "success")}, nil, "checks_missing", "`lint` (not reported yet) is green"},
		{"both are green", []string{"build", "lint"}, reports{report("ci", 1, "success"), lint("success")}, nil, "", ""},
		{"it runs", []string{"build"}, reports{report("ci", 1, "pending")}, nil, "checks_pending", "Starts by itself when `build` is green on `5a5a5a5`."},
		{"one runs, one is missing", []string{"build", "lint"}, reports{report("ci", 1, "pending")}, nil, "checks_pending", "`build` and `lint` (not reported yet) are green"},
		{"one failed, one runs", []string{"build", "lint"}, reports{report("ci", 1, "failure"), lint("pending")}, nil, "checks_failed", "Not green on `5a5a5a5`: `build` (failure)."},
		{"it failed", []string{"build"}, reports{report("ci", 1, "failure")}, nil, "checks_failed", "`build` (failure)"},
		{"it was cancelled", []string{"build"}, reports{report("ci", 1, "cancelled")}, nil, "checks_failed", "(cancelled)"},
		{"it took too long", []string{"build"}, reports{report("ci", 1, "timed_out")}, nil, "checks_failed", "(timed out)"},
		{"it wants something", []string{"build"}, reports{report("ci", 1, "action_required")}, nil, "checks_failed", "(action required)"},
		{"it is neutral", []string{"build"}, reports{report("ci", 1, "neutral")}, nil, "checks_failed", "(neutral)"},
		{"it was skipped", []string{"build"}, reports{report("ci", 1, "skipped")}, nil, "checks_failed", "(skipped)"},
		{"it is stale", []string{"build"}, reports{report("ci", 1, "stale")}, nil, "checks_failed", "(stale)"},
		{"it could not start", []string{"build"}, reports{report("ci", 1, "startup_failure")}, nil, "checks_failed", "(startup failure)"},
		{"it ended as nobody knows", []string{"build"}, reports{report("ci", 1, "unknown")}, nil, "checks_failed", "(unknown)"},
		{"a word of the future", []string{"build"}, reports{report("ci", 1, "splendid")}, nil, "checks_failed", "(splendid)"},
		{"no word at all", []string{"build"}, reports{report("ci", 1, "")}, nil, "checks_failed", ""},
		{"a status is an error", []string{"build"}, reports{status("7", 1, "error")}, nil, "checks_failed", "(error)"},
		{"a status is green", []string{"build"}, reports{status("7", 1, "success")}, nil, "", ""},

		{"it failed, and was green when run again", []string{"build"}, reports{report("ci", 1, "failure"), report("ci", 2, "success")}, nil, "", ""},
		{"it was green, and failed when run again", []string{"build"}, reports{report("ci", 1, "success"), report("ci", 2, "failure")}, nil, "checks_failed", ""},
		{"it was green, and runs again", []string{"build"}, reports{report("ci", 2, "pending"), report("ci", 1, "success")}, nil, "checks_pending", ""},
		{"the order of the list says nothing", []string{"build"}, reports{report("ci", 2, "failure"), report("ci", 1, "success")}, nil, "checks_failed", ""},
		{"a status that came after the check does not replace it", []string{"build"}, reports{report("ci", 1, "failure"), status("7", 2, "success")}, nil, "checks_failed", ""},

		{"all who report it must be green", []string{"build"}, reports{report("ci", 1, "success"), report("other", 2, "failure")}, nil, "checks_failed", ""},
		{"a stranger is green, the one of the default branch is missing", []string{"build"}, reports{report("evil", 5, "success")}, reports{report("ci", 1, "success")}, "checks_missing", "(not reported yet; that of evil does not count)"},
		{"a stranger is green, the one of the default branch failed", []string{"build"}, reports{report("evil", 5, "success"), report("ci", 4, "failure")}, reports{report("ci", 1, "success")}, "checks_failed", "(failure; that of evil does not count)"},
		{"a stranger failed, the one of the default branch is green", []string{"build"}, reports{report("evil", 5, "failure"), report("ci", 4, "success")}, reports{report("ci", 1, "success")}, "", ""},
		{"a person's status beside the App of the default branch", []string{"build"}, reports{status("7", 5, "success")}, reports{report("ci", 1, "success")}, "checks_missing", "somebody else's does not count"},
		{"on the default branch it failed: it is theirs all the same", []string{"build"}, reports{report("evil", 5, "success")}, reports{report("ci", 1, "failure")}, "checks_missing", ""},
		{"a stranger reported it on the default branch too", []string{"build"}, reports{report("evil", 5, "success")}, reports{report("ci", 1, "success"), report("evil", 2, "success")}, "checks_missing", ""},
		{"both of the default branch are green", []string{"build"}, reports{report("evil", 5, "success"), report("ci", 6, "success")}, reports{report("ci", 1, "success"), report("evil", 2, "success")}, "", ""},
		{"another name on the default branch says nothing", []string{"build"}, reports{report("ci", 1, "success")}, reports{lint("success")}, "", ""},

		{"it is pinned, and green", []string{"build@ci"}, reports{report("ci", 1, "success"), report("evil", 2, "failure")}, nil, "", ""},
		{"it is pinned, and a stranger is green", []string{"build@ci"}, reports{report("evil", 2, "success")}, nil, "checks_missing", "`build@ci` (not reported yet; that of evil does not count)"},
		{"it is pinned, whatever the default branch shows", []string{"build@ci"}, reports{report("ci", 1, "success")}, reports{report("other", 2, "success")}, "", ""},
		{"a person does not get by a pin", []string{"build@ci"}, reports{status("7", 1, "success")}, nil, "checks_missing", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := fine()
			a.facts.Policy.Requires.Checks = row.required
			a.facts.Live.Checks, a.facts.Live.ChecksMain = row.here, row.main
			g := gate(t, a, pipeline.GateChecks)
			if g.Code != row.code || !strings.Contains(g.Sentence, row.says) || (row.code == "") != (g.State == pipeline.Passes) {
				t.Errorf("got %s %q: %s", g.State, g.Code, g.Sentence)
			}
			if g.Code != "" && (g.State != pipeline.Waits || g.Refuses != (g.Code == "checks_failed") || g.Until != noon.Add(5*time.Minute)) {
				t.Errorf("%+v", g)
			}
			a.q.Trigger = pipeline.ByRollback
			if g := gate(t, a, pipeline.GateChecks); g.State != pipeline.Passes {
				t.Errorf("a rollback: %+v", g)
			}
		})
	}
}

// A check that is pinned to an App means the one that had the name first, or the
// one with the id.
func TestAPinnedCheckWhoseAppWasReplaced(t *testing.T) {
	first := pipeline.CheckReport{Name: "build", By: "app:7", App: "ci", ID: 1, State: "success"}
	renamed, squatter := first, pipeline.CheckReport{Name: "build", By: "app:8", App: "ci", ID: 2, State: "success"}
	renamed.App = "ci-two"
	bot, otherBot := pipeline.CheckReport{Name: "build", By: "user:70", App: "ci", ID: 3, State: "success"}, pipeline.CheckReport{Name: "build", By: "user:80", App: "ci", ID: 4, State: "success"}
	known := pipeline.CheckApps{"ci": {"app:7", "user:70"}}
	for _, row := range []struct {
		name, required string
		here           pipeline.CheckReport
		code, says     string
	}{
		{"the first", "build@ci", first, "", ""},
		{"renamed", "build@ci", renamed, "", ""},
		{"another one", "build@ci", squatter, "checks_missing", "(not reported yet; ci is another App now than when it was first seen, and does not count; if it is meant, write `build@8`)"},
		{"a status of its bot", "build@ci", bot, "", ""},
		{"a status of another one's bot", "build@ci", otherBot, "checks_missing", "ci is another App now than when it was first seen, and does not count"},
		{"by id", "build@8", squatter, "", ""},
		{"by another id", "build@8", first, "checks_missing", "that of ci does not count"},
		{"the new name of the first", "build@ci-two", renamed, "", ""},
	} {
		a := fine()
		a.facts.Policy.Requires.Checks = []string{row.required}
		a.facts.Live.Checks, a.facts.Live.CheckApps = []pipeline.CheckReport{row.here}, known
		if g := gate(t, a, pipeline.GateChecks); g.Code != row.code || !strings.Contains(g.Sentence, row.says) {
			t.Errorf("%s: %q: %s", row.name, g.Code, g.Sentence)
		}
	}
}

func TestOurOwnPipelineAsACheck(t *testing.T) {
	for state, code := range map[pipeline.State]string{
		"":                    "checks_missing",
		pipeline.Queued:       "checks_pending",
		pipeline.Waiting:      "checks_pending",
		pipeline.Running:      "checks_pending",
		pipeline.Unknown:      "checks_pending",
		pipeline.RollingBack:  "checks_pending",
		pipeline.Succeeded:    "",
		pipeline.Failed:       "checks_failed",
		pipeline.Cancelled:    "checks_failed",
		pipeline.RolledBack:   "checks_failed",
		pipeline.State("new"): "checks_pending",
	} {
		a := fine()
		a.facts.Policy.Requires.Pipelines = []string{"tests"}
		a.facts.Live.Pipelines = map[string]pipeline.State{"other": pipeline.Succeeded}
		if state != "" {
			a.facts.Live.Pipelines["tests"] = state
		}
		// What GitHub shows under the name is nothing to us.
		a.facts.Live.Checks = []pipeline.CheckReport{{Name: "tests", By: "app:evil", ID: 1, State: "success"}, {Name: "shipmate/tests", By: "app:evil", ID: 2, State: "success"}}
		if g := gate(t, a, pipeline.GateChecks); g.Code != code {
			t.Errorf("%q: %+v", state, g)
		}
	}
}

func TestCheckName(t *testing.T) {
	for entry, want := range map[string][2]string{
		"build":                    {"build", ""},
		"build@ci":                 {"build", "ci"},
		"build / linux@github-app": {"build / linux", "github-app"},
		"test@node@github-actions": {"test@node", "github-actions"},
		"mail me @ home":           {"mail me @ home", ""},
		"@ci":                      {"@ci", ""},
		"build@":                   {"build@", ""},
		"build@CI":                 {"build@CI", ""},
		"build@-ci":                {"build@-ci", ""},
	} {
		if name, app := pipeline.CheckName(entry); name != want[0] || app != want[1] {
			t.Errorf("%q: %q, %q", entry, name, app)
		}
	}
}
