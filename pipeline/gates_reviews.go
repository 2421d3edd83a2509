package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ReviewedPull is a pull request whose reviews speak of the commit: the run's
// own, or one that the commit came from.
type ReviewedPull struct {
	Number  int
	Author  int64
	Head    string // the commit that must have been reviewed: what the pull request brings
	Reviews []Review
}

// Review is one review, as GitHub has it.
type Review struct {
	ID     int64
	By     Actor
	Person bool // no App, no organization
	State  ReviewState
	SHA    string // the commit that was reviewed
	At     time.Time
}

// ReviewState is GitHub's word for what a review says.
type ReviewState string

const (
	Approved         ReviewState = "APPROVED"
	ChangesRequested ReviewState = "CHANGES_REQUESTED"
	Commented        ReviewState = "COMMENTED" // says neither yes nor no
	Unsubmitted      ReviewState = "PENDING"   // nobody but its author sees it
)

// Latest is the review that counts of each reviewer: the last one that says
// more than a comment.
func (p ReviewedPull) Latest() []Review {
	all := slices.Clone(p.Reviews)
	slices.SortStableFunc(all, func(a, b Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	var out []Review
	for _, r := range all {
		if r.State == Commented || r.State == Unsubmitted {
			continue
		}
		out = slices.DeleteFunc(out, func(o Review) bool { return o.By.ID == r.By.ID })
		out = append(out, r)
	}
	return out
}

// reviews: enough people who may, and had no part in it, approved this very commit.
func reviews(q Question, f Facts, now time.Time) Gate {
	need := f.Policy.Requires.Reviews
	if q.Trigger == ByRollback || need == 0 {
		return pass(GateReviews, "No reviews are required.")
	}
	if len(f.Live.Reviewed) == 0 {
		return Gate{Name: GateReviews, State: Fails, Code: "no_pull_request",
			Sentence: fmt.Sprintf("%s needs reviews, and `%s` is not known to come from a pull request into the default branch, so nobody has reviewed it.", f.Policy.Name, short(q.SHA)),
			Fix:      "Bring it in by a pull request."}
	}
	yes, no, void := countReviews(q, f)
	g := Gate{Name: GateReviews, State: Waits, Until: now.Add(looksAgain), Polls: true, Refuses: true}
	switch {
	case len(no) > 0:
		g.Code, g.Sentence, g.Fix = "changes_requested", fmt.Sprintf("%s requested changes.", strings.Join(no, " and ")), "Settle that first."
	case len(yes) < need:
		g.Code, g.Fix = "reviews_missing", "Ask for a review."
		g.Sentence = fmt.Sprintf("`%s` has %d of %s.", short(q.SHA), len(yes), count(need, "approving review"))
		if len(void) > 0 {
			g.Sentence += " " + strings.Join(void, " ")
		}
	default:
		return pass(GateReviews, "Reviewed by "+strings.Join(yes, ", ")+".")
	}
	return g
}

// countReviews tells who approved, who asks for changes, and whose approval
// does not count and why.
func countReviews(q Question, f Facts) (yes, no, void []string) {
	const most = 3 // of those that do not count
	for _, pull := range f.Live.Reviewed {
		for _, r := range pull.Latest() {
			who := f.Live.People[r.By.ID]
			switch {
			case r.State == ChangesRequested && r.Person && who.Permission >= Write && !slices.Contains(no, r.By.Login):
				no = append(no, r.By.Login)
			case r.State != Approved:
			default:
				why := whyVoid(q, pull, r, who)
				switch {
				case why == "" && !slices.Contains(yes, r.By.Login):
					yes = append(yes, r.By.Login)
				case why != "" && len(void) < most:
					void = append(void, fmt.Sprintf("%s's does not count: %s.", r.By.Login, why))
				}
			}
		}
	}
	return yes, no, void
}

// whyVoid is why an approval does not count, "" if it does.
func whyVoid(q Question, pull ReviewedPull, r Review, who Standing) string {
	switch {
	case !r.Person:
		return "only people's do"
	case r.By.ID == pull.Author, slices.Contains(q.Excluded, r.By.ID):
		return "who wrote or pushed a part of it does not review it"
	case r.By.ID == q.Actor.ID:
		return "who asks does not review it"
	case r.SHA != pull.Head:
		return fmt.Sprintf("it is of `%s`", short(r.SHA))
	case who.Permission < Write:
		return fmt.Sprintf("it needs write access, and they have %s", who.Permission)
	}
	return ""
}
