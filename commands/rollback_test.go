package commands

import (
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// history is what an environment went through, newest first: "r-3 c2 ok",
// "r-4 c1 ok restores r-1", "r-5 c3 failed".
func history(lines ...string) []pipeline.Deployment {
	var out []pipeline.Deployment
	for _, l := range lines {
		w := strings.Fields(l)
		d := pipeline.Deployment{Run: pipeline.RunID(w[0]), SHA: w[1], State: pipeline.State(w[2])}
		if w[2] == "ok" {
			d.State = pipeline.Succeeded
		}
		if w[2] == "refused" {
			d.State, d.Untouched = pipeline.Failed, true
		}
		if len(w) == 5 {
			d.Restores = pipeline.RunID(w[4])
		}
		out = append(out, d)
	}
	return out
}

func TestWhatARollbackGoesBackTo(t *testing.T) {
	for _, test := range []struct {
		name    string
		history []pipeline.Deployment
		named   string
		want    string // the run, or a reason code
	}{
		{"nothing was deployed", nil, "", "no_target"},
		{"only failures", history("r-1 c1 failed"), "", "no_target"},
		{"the first one", history("r-1 c1 ok"), "", "no_target"},
		{"the one before", history("r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"a failure in between does not count", history("r-3 c3 ok", "r-2 c2 failed", "r-1 c1 ok"), "", "r-1"},
		{"after a failure to what was good before it", history("r-3 c3 failed", "r-2 c2 ok", "r-1 c1 ok"), "", "r-2"},
		{"a rollback that failed is tried again", history("r-3 c1 failed restores r-1", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"after a cancel too", history("r-3 c3 cancelled", "r-2 c2 ok"), "", "r-2"},
		{"a failure that was rolled back left what was good", history("r-3 c3 rolled_back", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"a failure that changed nothing left what was good", history("r-3 c3 refused", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"a rollback that changed nothing is said again", history("r-3 c1 refused restores r-1", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"nor does it hide another one", history("r-4 c4 refused", "r-3 c3 failed", "r-2 c2 ok", "r-1 c1 ok"), "", "r-2"},
		{"the same commit twice is no way back", history("r-3 c2 ok", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"only the same commit", history("r-2 c1 ok", "r-1 c1 ok"), "", "no_target"},
		{"a rollback goes on before what it brought back", history("r-4 c2 ok restores r-2", "r-3 c3 ok", "r-2 c2 ok", "r-1 c1 ok"), "", "r-1"},
		{"a rollback to the first one ends there", history("r-3 c1 ok restores r-1", "r-2 c2 ok", "r-1 c1 ok"), "", "no_target"},
		{"two rollbacks in a row", history("r-5 c1 ok restores r-1", "r-4 c2 ok restores r-2", "r-3 c3 ok", "r-2 c2 ok", "r-1 c1 ok"), "", "no_target"},
		{"a deploy after a rollback goes back to what was brought back", history("r-4 c4 ok", "r-3 c1 ok restores r-1", "r-2 c2 ok", "r-1 c1 ok"), "", "r-3"},
		{"and from there never to what was left", history("r-5 c1 ok restores r-3", "r-4 c4 ok", "r-3 c1 ok restores r-1", "r-2 c2 ok", "r-1 c1 ok"), "", "no_target"},
		{"what a rollback restored is swept away", history("r-4 c2 ok restores r-9", "r-3 c3 ok", "r-2 c2 ok"), "", "r-3"},
		{"named by run", history("r-3 c3 ok", "r-2 c2 ok", "r-1 c1 ok"), "r-1", "r-1"},
		{"named by run in capitals", history("r-2 c2 ok", "r-1 c1 ok"), "R-1", "r-1"},
		{"named by commit: the newest", history("r-3 c1 ok", "r-2 c2 ok", "r-1 c1 ok"), "c1", "r-3"},
		{"named, but it failed", history("r-2 c2 ok", "r-1 c1 failed"), "r-1", "no_target"},
		{"named, but unknown", history("r-2 c2 ok", "r-1 c1 ok"), "main", "no_target"},
		{"named, and nothing was deployed", nil, "r-1", "no_target"},
	} {
		got, err := rollbackTarget(test.history, test.named, "prod")
		result := string(got.Run)
		if err != nil {
			result = pipeline.Code(err)
		}
		if result != test.want {
			t.Errorf("%s: goes back to %s, want %s", test.name, result, test.want)
		}
	}
}

// A commit that holds the same files as one before it was never deployed by
// itself, so to go back means to go further.
func TestRollbackGoesPastTheSameFiles(t *testing.T) {
	d := func(run, sha, restores string) pipeline.Deployment {
		return pipeline.Deployment{Run: pipeline.RunID(run), SHA: sha, Restores: pipeline.RunID(restores), State: pipeline.Succeeded}
	}
	history := []pipeline.Deployment{d("r-3", "merge", "r-2"), d("r-2", "pull", ""), d("r-1", "old", "")}
	if got, err := rollbackTarget(history, "", "prod"); err != nil || got.Run != "r-1" {
		t.Errorf("goes back to %s, %v", got.Run, err)
	}
	if _, err := rollbackTarget(history[:2], "", "prod"); pipeline.Code(err) != "no_target" {
		t.Errorf("goes back to the same files: %v", err)
	}
}

func TestWhatStoodBefore(t *testing.T) {
	for _, test := range []struct {
		name    string
		history []pipeline.Deployment
		i       int
		to      string
		want    bool
	}{
		{"the one before", history("r-2 c2 ok", "r-1 c1 ok"), 0, "r-1", true},
		{"another one", history("r-3 c3 ok", "r-2 c3 ok", "r-1 c1 ok"), 0, "r-1", false},
		{"what a rollback brought there", history("r-4 c4 ok", "r-3 c1 ok restores r-1", "r-2 c2 ok", "r-1 c1 ok"), 0, "r-3", true},
		{"before what was rolled back", history("r-3 c3 ok", "r-2 c2 rolled_back", "r-1 c1 ok"), 0, "r-1", true},
		{"before what was refused", history("r-3 c3 ok", "r-2 c2 refused", "r-1 c1 ok"), 0, "r-1", true},
		{"a failure left nobody knows what", history("r-3 c3 ok", "r-2 c2 failed", "r-1 c1 ok"), 0, "r-1", false},
		{"the last one failed", history("r-3 c3 failed", "r-2 c2 ok", "r-1 c1 ok"), 0, "r-1", false},
		{"the last one was rolled back", history("r-3 c3 rolled_back", "r-2 c2 ok", "r-1 c1 ok"), 0, "r-1", false},
		{"under one that did nothing", history("r-3 c9 ok restores r-2", "r-2 c2 ok", "r-1 c1 ok"), 1, "r-1", true},
		{"nothing", history("r-1 c1 ok"), 0, "r-1", false},
	} {
		to := pipeline.Deployment{Run: pipeline.RunID(test.to)}
		got, whyNot := stoodBefore(test.history, test.i, to)
		if got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
		want := ""
		if test.name == "a failure left nobody knows what" {
			want = "run `r-2`, which ended in between (failed), may have left something"
		}
		if whyNot != want {
			t.Errorf("%s: because %q, want %q", test.name, whyNot, want)
		}
	}
}
