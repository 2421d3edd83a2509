package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func TestReviewsGate(t *testing.T) {
	const head, before = "5a5a5a5a", "4b4b4b4b"
	people := map[string]pipeline.Actor{"mona": {ID: 1}, "octavia": {ID: 2}, "alice": {ID: 3}, "eve": {ID: 4}, "bob": {ID: 5}, "robot": {ID: 6}}
	rights := map[int64]pipeline.Permission{1: pipeline.Write, 2: pipeline.Maintain, 3: pipeline.Write, 4: pipeline.Triage, 5: pipeline.Write, 6: pipeline.Admin}
	yes, no, comment, dismissed := pipeline.Approved, pipeline.ChangesRequested, pipeline.Commented, pipeline.ReviewState("DISMISSED")
	type said struct {
		who   string
		state pipeline.ReviewState
		sha   string
	}
	for _, row := range []struct {
		name    string
		need    int
		reviews []said
		code    string
		says    string
	}{
		{"nobody", 1, nil, "reviews_missing", "`5a5a5a5` has 0 of 1 approving review."},
		{"one approves", 1, []said{{"octavia", yes, head}}, "", "Reviewed by octavia."},
		{"one of two", 2, []said{{"octavia", yes, head}}, "reviews_missing", "has 1 of 2 approving reviews."},
		{"two of two", 2, []said{{"octavia", yes, head}, {"alice", yes, head}}, "", "Reviewed by octavia, alice."},
		{"one approves twice", 2, []said{{"octavia", yes, head}, {"octavia", yes, head}}, "reviews_missing", "has 1 of 2"},
		{"an approval, then a push", 1, []said{{"octavia", yes, before}}, "reviews_missing", "octavia's does not count: it is of `4b4b4b4`."},
		{"approved again after the push", 1, []said{{"octavia", yes, before}, {"octavia", yes, head}}, "", ""},
		{"the later approval is of an earlier commit", 1, []said{{"octavia", yes, head}, {"octavia", yes, before}}, "reviews_missing", ""},
		{"approved, then changes requested", 1, []said{{"octavia", yes, head}, {"octavia", no, head}}, "changes_requested", "octavia requested changes."},
		{"changes requested, then approved", 1, []said{{"octavia", no, head}, {"octavia", yes, head}}, "", ""},
		{"changes requested of an earlier commit still stand", 1, []said{{"octavia", no, before}, {"alice", yes, head}}, "changes_requested", ""},
		{"two request changes", 1, []said{{"octavia", no, head}, {"alice", no, head}}, "changes_requested", "octavia and alice requested changes."},
		{"changes requested, then dismissed", 1, []said{{"octavia", dismissed, head}, {"alice", yes, head}}, "", ""},
		{"an approval that was dismissed", 1, []said{{"octavia", dismissed, head}}, "reviews_missing", "has 0 of 1"},
		{"approved, then something that was dismissed", 1, []said{{"octavia", yes, head}, {"octavia", dismissed, head}}, "reviews_missing", "has 0 of 1"},
		{"a comment takes nothing back", 1, []said{{"octavia", yes, head}, {"octavia", comment, head}}, "", ""},
		{"a comment is no approval", 1, []said{{"octavia", comment, head}}, "reviews_missing", ""},
		{"a comment does not settle what was asked for", 1, []said{{"octavia", no, head}, {"octavia", comment, head}, {"alice", yes, head}}, "changes_requested", ""},
		{"a review that was not submitted", 1, []said{{"octavia", yes, head}, {"octavia", "PENDING", head}}, "", ""},
		{"a word of the future", 1, []said{{"octavia", yes, head}, {"octavia", "ENDORSED", head}}, "reviews_missing", ""},
		{"a reader approves", 1, []said{{"eve", yes, head}}, "reviews_missing", "eve's does not count: it needs write access, and they have triage."},
		{"a reader requests changes", 1, []said{{"eve", no, head}, {"octavia", yes, head}}, "", ""},
		{"a co-author approves", 1, []said{{"bob", yes, head}}, "reviews_missing", "bob's does not count: who wrote or pushed a part of it does not review it."},
		{"the author approves", 1, []said{{"alice", yes, head}, {"mona", yes, head}}, "", "Reviewed by alice."},
		{"who asks approves", 1, []said{{"mona", yes, head}}, "reviews_missing", "mona's does not count: who asks does not review it."},
		{"an App approves", 1, []said{{"robot", yes, head}}, "reviews_missing", "robot's does not count: only people's do."},
		{"an App requests changes", 1, []said{{"robot", no, head}, {"alice", yes, head}}, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := fine()
			a.q.Excluded = []int64{5}
			a.facts.Policy.Requires.Reviews = row.need
			a.facts.Live.People = map[int64]pipeline.Standing{}
			pull := pipeline.ReviewedPull{Number: 4, Author: 7, Head: head}
			for login, who := range people {
				a.facts.Live.People[who.ID] = pipeline.Standing{Login: login, Permission: rights[who.ID]}
			}
			for i, s := range row.reviews {
				at := noon.Add(time.Duration(i-100) * time.Minute)
				pull.Reviews = append(pull.Reviews, pipeline.Review{ID: int64(i), By: pipeline.Actor{ID: people[s.who].ID, Login: s.who}, Person: s.who != "robot", State: s.state, SHA: s.sha, At: at})
			}
			a.facts.Live.Reviewed = []pipeline.ReviewedPull{pull}
			g := gate(t, a, pipeline.GateReviews)
			if g.Code != row.code || !strings.Contains(g.Sentence, row.says) || (row.code == "") != (g.State == pipeline.Passes) {
				t.Errorf("got %s %q: %s", g.State, g.Code, g.Sentence)
			}
			if g.Code != "" && (g.State != pipeline.Waits || !g.Refuses || g.Until.IsZero()) {
				t.Errorf("%+v", g)
			}
		})
	}
}

func TestReviewsOfWhatHasNoPullRequest(t *testing.T) {
	a := fine()
	a.q.PR, a.facts.Live.PullRequest = 0, nil
	a.facts.Policy.Requires.Reviews = 1
	if g := gate(t, a, pipeline.GateReviews); g.State != pipeline.Fails || g.Code != "no_pull_request" {
		t.Errorf("%+v", g)
	}
	// What was merged is another commit than what was reviewed.
	review := pipeline.Review{By: pipeline.Actor{ID: 2, Login: "octavia"}, Person: true, State: pipeline.Approved, SHA: "99999999"}
	a.facts.Live.Reviewed = []pipeline.ReviewedPull{{Number: 9, Author: 7, Head: "99999999", Reviews: []pipeline.Review{review}}}
	if g := gate(t, a, pipeline.GateReviews); g.State != pipeline.Passes {
		t.Errorf("%+v", g)
	}
	a.facts.Live.Reviewed[0].Author = 2
	if g := gate(t, a, pipeline.GateReviews); g.Code != "reviews_missing" {
		t.Errorf("its author: %+v", g)
	}
	a.q.Trigger, a.facts.Live.Reviewed = pipeline.ByRollback, nil
	if g := gate(t, a, pipeline.GateReviews); g.State != pipeline.Passes {
		t.Errorf("a rollback: %+v", g)
	}
}

// A list that GitHub gives in another order is read by time.
func TestLatestReviews(t *testing.T) {
	at := func(id int64, m int, state pipeline.ReviewState) pipeline.Review {
		return pipeline.Review{ID: id, By: pipeline.Actor{ID: 2}, State: state, At: noon.Add(time.Duration(m) * time.Minute)}
	}
	for name, list := range map[string][]pipeline.Review{
		"begun first, submitted last": {at(1, 5, pipeline.ChangesRequested), at(2, 3, pipeline.Approved)},
		"in the same second":          {at(4, 3, pipeline.ChangesRequested), at(3, 3, pipeline.Approved)},
	} {
		got := pipeline.ReviewedPull{Reviews: list}.Latest()
		if len(got) != 1 || got[0].State != pipeline.ChangesRequested {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
