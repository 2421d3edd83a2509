package pipelinetest

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func job(id string) pipeline.Job { return pipeline.Job{ID: id, Kind: "test", Repo: repo} }

func handedOutOnce(t *testing.T, s Subject) {
	const jobs = 200
	go func() {
		for i := range jobs {
			j := job("job-" + strconv.Itoa(i))
			j.Repo = int64(i%5 + 1)
			j.Payload = json.RawMessage(strconv.Itoa(i))
			if err := s.Enqueue(t.Context(), j); err != nil {
				t.Error(err)
			}
		}
	}()
	var mu sync.Mutex
	times := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	race(8, func(i int) {
		for ctx.Err() == nil {
			ls, err := s.Lease(ctx, pipeline.Control, 1+i%3, longTTL)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			mu.Lock()
			for _, l := range ls {
				times[l.ID]++
				if l.Fence != 1 || l.ID != "job-"+string(l.Payload) || l.TTL != longTTL {
					t.Errorf("lease %+v", l)
				}
			}
			if len(times) == jobs {
				cancel()
			}
			mu.Unlock()
			if err := s.Finish(context.WithoutCancel(ctx), ls...); err != nil {
				t.Error(err)
			}
		}
	})
	equal(t, "jobs handed out", len(times), jobs)
	for id, n := range times {
		equal(t, "times of "+id, n, 1)
	}
}

func limitHolds(t *testing.T, s Subject) {
	for i := range 20 {
		j := job("job-" + strconv.Itoa(i))
		j.Repo = int64(i)
		must(t, s.Enqueue(t.Context(), j))
	}
	for n := range 6 {
		ls, err := s.Lease(t.Context(), pipeline.Control, 3, longTTL)
		must(t, err)
		if len(ls) < 1 || len(ls) > 3 {
			t.Fatalf("%d jobs, asked for 3", len(ls))
		}
		must(t, s.Finish(t.Context(), ls...))
		if n == 2 {
			equal(t, "leased behind our back", count(t, s).leased, 0)
		}
	}
}

func poolsAreSeparate(t *testing.T, s Subject) {
	slow := job("slow")
	slow.Pool = pipeline.Steps
	must(t, s.Enqueue(t.Context(), slow, job("fast")))
	equal(t, "control job", s.lease(t, 1, longTTL)[0].ID, "fast")
	ls, err := s.Lease(t.Context(), pipeline.Steps, 5, longTTL)
	must(t, err)
	equal(t, "steps", len(ls), 1)
	equal(t, "step job", ls[0].ID, "slow")
	equal(t, "pool", ls[0].Pool, pipeline.Steps)
	must(t, s.Renew(t.Context(), ls[0]))
	must(t, s.Finish(t.Context(), ls[0]))
	equal(t, "done", ls[0].Done, true)
	bad := job("bad")
	bad.Pool = "other"
	if s.Enqueue(t.Context(), bad) == nil || s.Enqueue(t.Context(), pipeline.Job{Kind: "no id"}) == nil {
		t.Fatal("a job nobody could take or name was enqueued")
	}
}

func leaseEnds(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	start := time.Now()
	_, err := s.Lease(ctx, pipeline.Control, 1, longTTL)
	wantErr(t, "lease", err, context.Canceled)
	if took := time.Since(start); took > time.Second {
		t.Fatalf("took %s", took)
	}
	// What arrives while nobody waits is there for the next who does.
	must(t, s.Enqueue(t.Context(), job("later")))
	equal(t, "fence", s.lease(t, 1, longTTL)[0].Fence, 1)
}

// waitsOn: the read that waits in the store ends sooner than the Lease that
// waits for it, which must get the job all the same, not only the next Lease.
func waitsOn(t *testing.T, s Subject) {
	const read = 50 * time.Millisecond
	s.ReadWait(read)
	for round, id := range []string{"a", "b"} { // the reader of the first one may be there yet for the second
		got := make(chan []*pipeline.Lease, 1)
		go func() {
			ls, err := s.Lease(t.Context(), pipeline.Control, 1, longTTL)
			if err != nil {
				t.Error(err)
			}
			got <- ls
		}()
		select {
		case ls := <-got:
			t.Fatalf("round %d: leased %v before there was a job", round, ls)
		case <-time.After(4 * read):
		}
		must(t, s.Enqueue(t.Context(), job(id)))
		ls := <-got
		equal(t, "jobs of the wait that was under way", len(ls), 1)
		equal(t, "job", ls[0].ID, id)
		equal(t, "fence", ls[0].Fence, 1)
		must(t, s.Finish(t.Context(), ls...))
	}
}

func lapse(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), job("a")))
	for fence := int64(1); fence <= 3; fence++ {
		l := s.lease(t, 1, shortTTL)[0]
		equal(t, "job", l.ID, "a")
		equal(t, "fence", l.Fence, fence)
		s.idle(t, shortTTL)
		s.pass(shortTTL)
	}
	must(t, s.Finish(t.Context(), s.lease(t, 1, shortTTL)...))
	s.pass(shortTTL)
	s.idle(t, shortTTL)
}

func renewed(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), job("a")))
	l := s.lease(t, 1, shortTTL)[0]
	tick := time.NewTicker(shortTTL / 5)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 4*shortTTL)
	defer cancel()
	race(2, func(i int) {
		for i == 0 && ctx.Err() == nil {
			ls, err := s.Lease(ctx, pipeline.Control, 1, shortTTL)
			if len(ls) > 0 || err != nil && ctx.Err() == nil {
				t.Errorf("leased %v, %v", ls, err)
				cancel()
			}
		}
		for n := 0; i == 1 && ctx.Err() == nil; n++ {
			if err := s.Renew(t.Context(), l); err != nil {
				t.Error(err)
			}
			s.pass(shortTTL / 5)
			<-tick.C
		}
	})
	must(t, s.Finish(t.Context(), l))
	equal(t, "done", l.Done, true)
}

func lateFinisher(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.Wake = s.Now().Add(time.Hour)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Jobs: []pipeline.Job{job("a")}}))
	late := s.lease(t, 1, shortTTL)[0]
	s.pass(shortTTL)
	current := s.lease(t, 1, shortTTL)[0]
	equal(t, "fence", current.Fence, 2)

	refused := func(t *testing.T, late *pipeline.Lease) {
		t.Helper()
		ctx := t.Context()
		wantErr(t, "renew", s.Renew(ctx, late), pipeline.ErrLeaseLost)
		wantErr(t, "retry", s.Retry(ctx, late, s.Now()), pipeline.ErrLeaseLost)
		wantErr(t, "bury", s.Bury(ctx, late, "no"), pipeline.ErrLeaseLost)
		wantErr(t, "commit that finishes", s.Commit(ctx, pipeline.Change{Run: r, Finish: late}), pipeline.ErrLeaseLost)
		wantErr(t, "commit that holds", s.Commit(ctx, pipeline.Change{Run: r, Hold: late}), pipeline.ErrLeaseLost)
		must(t, s.Finish(ctx, late))
		equal(t, "done", late.Done, false)
	}
	refused(t, late)
	must(t, s.Renew(t.Context(), current))
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Hold: current}))
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Finish: current}))
	equal(t, "version", r.Version, 3)
	equal(t, "done", current.Done, true)
	current.Done = false
	refused(t, late)
	refused(t, current)

	// The same id enqueued anew is another job.
	must(t, s.Enqueue(t.Context(), job("a")))
	fresh := s.lease(t, 1, longTTL)[0]
	refused(t, late)
	refused(t, current)
	must(t, s.Finish(t.Context(), fresh))
	equal(t, "done", fresh.Done, true)
}

func idempotentIDs(t *testing.T, s Subject) {
	race(64, func(i int) {
		j := job("same")
		j.Payload = json.RawMessage(strconv.Itoa(i))
		if i%4 == 0 {
			j.Again = true
		}
		if err := s.Enqueue(t.Context(), j, j); err != nil {
			t.Error(err)
		}
	})
	l := s.lease(t, 1, longTTL)[0]
	must(t, s.Enqueue(t.Context(), job("same")))
	must(t, s.Finish(t.Context(), l))
	s.idle(t, longTTL)
	must(t, s.Enqueue(t.Context(), job("same")))
	s.lease(t, 1, longTTL)
}

func enqueuesItself(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.Wake = s.Now().Add(time.Hour)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Jobs: []pipeline.Job{job("a")}}))
	for range 3 {
		l := s.lease(t, 1, longTTL)[0]
		equal(t, "fence", l.Fence, 1)
		must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Finish: l, Jobs: []pipeline.Job{job("a")}}))
	}
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.idle(t, longTTL)
}

func again(t *testing.T, s Subject) {
	j := job("a")
	j.Again = true
	must(t, s.Enqueue(t.Context(), j))
	must(t, s.Enqueue(t.Context(), j)) // not leased: it will run anyway
	l := s.lease(t, 1, longTTL)[0]
	for _, p := range []string{"1", "2"} {
		j.Payload = json.RawMessage(p)
		must(t, s.Enqueue(t.Context(), j))
	}
	s.idle(t, longTTL)
	must(t, s.Finish(t.Context(), l))
	l = s.lease(t, 1, longTTL)[0]
	equal(t, "fence", l.Fence, 1)
	equal(t, "payload", string(l.Payload), "2")
	must(t, s.Finish(t.Context(), l))
	s.idle(t, longTTL)

	r := newRun(s, repo)
	r.Wake = s.Now().Add(time.Hour)
	must(t, s.Enqueue(t.Context(), j))
	l = s.lease(t, 1, longTTL)[0]
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Hold: l, Jobs: []pipeline.Job{j}}))
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Finish: l}))
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.idle(t, longTTL)
}

func forward(t *testing.T, s Subject) {
	j := job("a")
	j.Again, j.At, j.Payload = true, s.Now().Add(time.Hour), json.RawMessage("1")
	must(t, s.Enqueue(t.Context(), j))
	j.At, j.Payload = s.Now().Add(2*time.Hour), json.RawMessage("2")
	must(t, s.Enqueue(t.Context(), j)) // later than it is: nothing
	s.idle(t, longTTL)
	now := j
	now.At, now.Again = time.Time{}, false
	must(t, s.Enqueue(t.Context(), now)) // not asked for
	s.idle(t, longTTL)
	now.Again, now.Payload = true, json.RawMessage("3")
	must(t, s.Enqueue(t.Context(), now))
	l := s.lease(t, 1, longTTL)[0]
	equal(t, "payload", string(l.Payload), "3")

	// One that failed waits its time.
	must(t, s.Retry(t.Context(), l, s.Now().Add(time.Hour)))
	must(t, s.Enqueue(t.Context(), now))
	s.idle(t, longTTL)
}

func againAfterFailure(t *testing.T, s Subject) {
	j := job("a")
	j.Again = true
	must(t, s.Enqueue(t.Context(), j))
	l := s.lease(t, 1, longTTL)[0]
	must(t, s.Enqueue(t.Context(), j))
	must(t, s.Retry(t.Context(), l, s.Now()))
	l = s.lease(t, 1, longTTL)[0]
	equal(t, "tries", l.Tries, 1)
	must(t, s.Finish(t.Context(), l))
	s.idle(t, longTTL)

	must(t, s.Enqueue(t.Context(), j))
	l = s.lease(t, 1, longTTL)[0]
	must(t, s.Enqueue(t.Context(), j))
	must(t, s.Bury(t.Context(), l, "hopeless"))
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.idle(t, longTTL)
}

func delayed(t *testing.T, s Subject) {
	start := s.Now()
	var jobs []pipeline.Job
	for _, ms := range []int{500, 200, 350} {
		j := job("in-" + strconv.Itoa(ms))
		j.At = start.Add(time.Duration(ms) * time.Millisecond)
		jobs = append(jobs, j)
	}
	must(t, s.Enqueue(t.Context(), jobs...))
	must(t, s.Enqueue(t.Context(), job("in-200"))) // there already
	for _, ms := range []int{200, 350, 500} {
		at := start.Add(time.Duration(ms) * time.Millisecond)
		if s.Pass != nil {
			s.idle(t, longTTL)
			s.pass(at.Sub(s.Now()))
		}
		l := s.lease(t, 1, longTTL)[0]
		equal(t, "job", l.ID, "in-"+strconv.Itoa(ms))
		late := s.Now().Sub(at)
		if late < 0 || late > 5*time.Second {
			t.Errorf("%s came %s after its time", l.ID, late)
		}
		must(t, s.Finish(t.Context(), l))
	}
}

func acceptedOnce(t *testing.T, s Subject) {
	var accepted atomic.Int64
	race(32, func(i int) {
		ok, err := s.Accept(t.Context(), job("delivery-"+strconv.Itoa(i)), longTTL, "delivery/"+strconv.Itoa(i), "comment/7")
		if err != nil {
			t.Error(err)
		}
		if ok {
			accepted.Add(1)
		}
	})
	equal(t, "accepted", accepted.Load(), 1)
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.idle(t, longTTL)

	ok, err := s.Accept(t.Context(), job("short"), shortTTL, "short")
	must(t, err)
	equal(t, "accepted", ok, true)
	must(t, s.Finish(t.Context(), s.lease(t, 1, longTTL)...))
	s.pass(shortTTL)
	eventually(t, "the key is forgotten", func() bool {
		ok, err := s.Accept(t.Context(), job("short"), shortTTL, "short")
		must(t, err)
		return ok
	})
}

func retried(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), job("a")))
	at := s.Now()
	for tries := range 3 {
		l := s.lease(t, 1, longTTL)[0]
		equal(t, "tries", l.Tries, tries)
		equal(t, "fence", l.Fence, 1)
		if s.Now().Before(at) {
			t.Fatal("too early")
		}
		at = s.Now().Add(shortTTL)
		must(t, s.Retry(t.Context(), l, at))
		equal(t, "done", l.Done, true)
		must(t, s.Enqueue(t.Context(), job("a"))) // waits already
		s.idle(t, longTTL)
		s.pass(shortTTL)
	}
}

func buried(t *testing.T, s Subject) {
	ctx := t.Context()
	must(t, s.Enqueue(ctx, job("a")))
	l := s.lease(t, 1, longTTL)[0]
	must(t, s.Retry(ctx, l, s.Now()))
	must(t, s.Bury(ctx, s.lease(t, 1, longTTL)[0], "no such handler"))
	s.idle(t, longTTL)
	dead, err := s.Dead(ctx, 10)
	must(t, err)
	equal(t, "dead", len(dead), 1)
	equal(t, "reason", dead[0].Reason, "no such handler")
	equal(t, "tries", dead[0].Job.Tries, 1)
	must(t, s.Requeue(ctx, dead[0].Handle))
	wantErr(t, "requeue twice", s.Requeue(ctx, dead[0].Handle), pipeline.ErrNotFound)
	l = s.lease(t, 1, longTTL)[0]
	equal(t, "job", l.ID, "a")
	equal(t, "tries", l.Tries, 0)
	dead, err = s.Dead(ctx, 10)
	must(t, err)
	equal(t, "dead", len(dead), 0)
}
