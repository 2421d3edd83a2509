package pipelinetest

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// refused blocks a leased job for an hour.
func refused(t *testing.T, s Subject, l *pipeline.Lease, tell ...pipeline.Job) {
	t.Helper()
	j := l.Job
	j.At = s.Now().Add(time.Hour)
	j.Blocked = &pipeline.Blocked{Code: "locked", Message: "It is locked.", LiftedBy: []string{"here"}, Since: s.Now().UTC().Truncate(time.Second), Tries: 1}
	must(t, s.Block(t.Context(), l, j, tell...))
	equal(t, "done", l.Done, true)
}

func oneBlocked(t *testing.T, s Subject) pipeline.Job {
	t.Helper()
	all, err := s.BlockedJobs(t.Context(), repo)
	must(t, err)
	equal(t, "blocked jobs", len(all), 1)
	return all[0]
}

func blocked(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), job("a")))
	l := s.lease(t, 1, longTTL)[0]
	late := *l
	refused(t, s, l, job("told"))
	wantErr(t, "block twice", s.Block(t.Context(), &late, late.Job), pipeline.ErrLeaseLost)
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...)) // the one that is told
	again := job("a")
	again.Again = true
	must(t, s.Enqueue(t.Context(), again)) // it does not hurry for that
	s.idle(t, longTTL)
	j := oneBlocked(t, s)
	equal(t, "code", j.Blocked.Code, "locked")
	everywhere, err := s.BlockedJobs(t.Context(), 0)
	must(t, err)
	equal(t, "blocked jobs of all", len(everywhere), 1)
	st, err := s.Stats(t.Context())
	must(t, err)
	equal(t, "blocked", st.Blocked, 1)
	equal(t, "delayed", st.Delayed, 1)
	equal(t, "soon", st.Soon, 0)

	j.Blocked.Tries = 0
	must(t, s.Lift(t.Context(), j))
	l = s.lease(t, 1, longTTL)[0]
	equal(t, "job", l.ID, "a")
	equal(t, "still blocked by", l.Blocked.Code, "locked")
	equal(t, "tries", l.Blocked.Tries, 0)
	must(t, s.Finish(t.Context(), l))
	must(t, s.Lift(t.Context(), j)) // it is over
	s.idle(t, longTTL)
	all, err := s.BlockedJobs(t.Context(), 0)
	must(t, err)
	equal(t, "blocked jobs in the end", len(all), 0)
}

func liftedWhileLeased(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), job("a")))
	refused(t, s, s.lease(t, 1, longTTL)[0])
	j := oneBlocked(t, s)
	must(t, s.Lift(t.Context(), j))
	l := s.lease(t, 1, longTTL)[0]
	must(t, s.Lift(t.Context(), j)) // the event that matters comes while the job is refused once more
	s.idle(t, longTTL)
	refused(t, s, l)
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.idle(t, longTTL)
}
