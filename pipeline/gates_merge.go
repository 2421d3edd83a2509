package pipeline

import (
	"fmt"
	"time"
)

// Mergeable is what GitHub says of merging a pull request into its base.
type Mergeable string

const (
	MergeUnknown   Mergeable = "" // it finds that out, and knows it a little later
	MergeClean     Mergeable = "clean"
	MergeConflicts Mergeable = "conflicts"
)

// upToDate: the commit holds all that its base branch has.
func upToDate(q Question, f Facts) Gate {
	if q.Trigger == ByRollback || !f.Policy.Requires.UpToDate {
		return pass(GateUpToDate, "It need not be up to date.")
	}
	if f.Live.Behind == 0 {
		return pass(GateUpToDate, "It is up to date.")
	}
	base := "the default branch"
	if pr := f.Live.PullRequest; pr != nil {
		base = typed(pr.Into)
	}
	return Gate{Name: GateUpToDate, State: Fails, Code: "behind",
		Sentence: fmt.Sprintf("`%s` is %s behind %s, and %s wants it up to date.", short(q.SHA), count(f.Live.Behind, "commit"), base, f.Policy.Name),
		Fix:      fmt.Sprintf("Merge %s into it, or rebase it, then ask again.", base)}
}

// conflict: what does not merge is not what will be in the base branch, so it
// does not go to a protected environment.
func conflict(q Question, f Facts, now time.Time) Gate {
	pr := f.Live.PullRequest
	if pr == nil || pr.Merged || !pr.Open || !f.Policy.Protected || q.Trigger == ByRollback || pr.Merge == MergeClean {
		return pass(GateConflict, "It merges.")
	}
	if pr.Merge == MergeConflicts {
		return Gate{Name: GateConflict, State: Fails, Code: "conflict",
			Sentence: fmt.Sprintf("The pull request conflicts with %s, and %s is protected.", typed(pr.Into), f.Policy.Name),
			Fix:      "Resolve the conflicts, then ask again."}
	}
	const soon = 5 * time.Second
	return Gate{Name: GateConflict, State: Waits, Code: "mergeable_unknown", Until: now.Add(soon), Polls: true,
		Sentence: "Starts by itself when GitHub knows whether the pull request merges.", Fix: "Wait; it starts by itself."}
}
