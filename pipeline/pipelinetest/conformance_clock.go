package pipelinetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// runWakes also is the repair of a run whose job was lost: nothing but the
// run itself is needed for it to be looked at again.
func runWakes(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.Wake = s.Now().Add(shortTTL)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	if s.Pass != nil {
		s.idle(t, longTTL)
	}
	s.pass(shortTTL)
	l := s.lease(t, 1, longTTL)[0]
	if s.Now().Before(r.Wake) {
		t.Fatal("too early")
	}
	equal(t, "job", l.ID, "advance:"+string(r.ID))
	equal(t, "kind", l.Kind, "advance")
	equal(t, "run", l.Run, r.ID)
	must(t, s.Finish(t.Context(), l))
	s.idle(t, longTTL)

	// While it is being worked on, its time is not lost.
	r.Wake = s.Now()
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	l = s.lease(t, 1, longTTL)[0]
	r.Wake = s.Now().Add(shortTTL)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Hold: l}))
	s.pass(shortTTL)
	s.idle(t, longTTL)
	eventually(t, "its time comes", func() bool { return !s.Now().Before(r.Wake.Add(100*time.Millisecond)) || s.Pass != nil })
	must(t, s.Finish(t.Context(), l))
	s.lease(t, 1, longTTL)
}

func runSleeps(t *testing.T, s Subject) {
	ended := newRun(s, repo)
	ended.Wake = s.Now().Add(shortTTL)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: ended}))
	ended.State = pipeline.Cancelled
	must(t, s.Commit(t.Context(), pipeline.Change{Run: ended}))
	asleep := newRun(s, repo)
	asleep.Wake = s.Now().Add(shortTTL)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: asleep}))
	asleep.Wake = s.Now().Add(time.Hour)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: asleep}))
	busy := newRun(s, repo) // with work in flight it is left alone for a while
	must(t, s.Commit(t.Context(), pipeline.Change{Run: busy}))
	s.pass(2 * shortTTL)
	ctx, cancel := context.WithTimeout(t.Context(), 2*shortTTL)
	defer cancel()
	ls, err := s.Lease(ctx, pipeline.Control, 1, longTTL)
	if len(ls) > 0 || err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("leased %v, %v", ls, err)
	}
	equal(t, "open runs", count(t, s).open, 2)
}

func allShards(t *testing.T, s Subject) {
	want := []string{}
	ids := map[pipeline.RunID]bool{}
	for repo := int64(1); repo <= 60; repo++ {
		r := newRun(s, repo)
		r.Wake = s.Now().Add(time.Hour)
		ids[r.ID] = true
		id := "job-" + strconv.FormatInt(repo, 10)
		must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Jobs: []pipeline.Job{{ID: id, Kind: "x", Run: r.ID}}}))
		must(t, s.Enqueue(t.Context(), pipeline.Job{ID: "alone-" + id, Kind: "x"}))
		want = append(want, id, "alone-"+id)
		_, err := s.Load(t.Context(), r.ID)
		must(t, err)
	}
	equal(t, "different run ids", len(ids), 60)
	var got []string
	for _, l := range s.lease(t, len(want), longTTL) {
		got = append(got, l.ID)
		must(t, s.Finish(t.Context(), l))
		equal(t, "done", l.Done, true)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("got %v", got)
	}
}

type counted struct{ ready, leased, delayed, soon, open, dead int64 }

func count(t *testing.T, s Subject) counted {
	t.Helper()
	st, err := s.Stats(t.Context())
	must(t, err)
	c := counted{delayed: st.Delayed, soon: st.Soon, open: st.Open, dead: st.Dead}
	for _, q := range st.Queues {
		c.ready += q.Ready
		c.leased += q.Leased
	}
	return c
}

func statistics(t *testing.T, s Subject) {
	later := job("later")
	later.At = s.Now().Add(time.Hour)
	soon := job("soon")
	soon.At = s.Now().Add(pipeline.Soon / 2)
	must(t, s.Enqueue(t.Context(), job("a"), job("b"), job("c"), job("d"), later, soon))
	ls := s.lease(t, 2, longTTL)
	must(t, s.Bury(t.Context(), ls[0], "x"))
	r := newRun(s, repo)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	equal(t, "statistics", count(t, s), counted{ready: 2, leased: 1, delayed: 2, soon: 1, open: 1, dead: 1})
	must(t, s.Ping(t.Context()))
	s.pass(shortTTL)
	eventually(t, "the oldest job ages", func() bool {
		st, err := s.Stats(t.Context())
		must(t, err)
		return slices.ContainsFunc(st.Queues, func(q pipeline.QueueStats) bool { return q.Oldest >= shortTTL })
	})
}
