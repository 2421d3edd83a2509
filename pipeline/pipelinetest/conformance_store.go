package pipelinetest

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func runComesBack(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.PR = 12
	r.Params = map[string]any{"replicas": "3"}
	r.Steps[0].Checkpoint = json.RawMessage(`{"queue":7}`)
	r.Wake = s.Now().Add(time.Hour)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	equal(t, "version", r.Version, 1)
	got, err := s.Load(t.Context(), r.ID)
	must(t, err)
	sameJSON(t, "run", got, r)

	r.SHA = "a request never changes"
	r.State = pipeline.Succeeded
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	got, err = s.Load(t.Context(), r.ID)
	must(t, err)
	equal(t, "version", got.Version, 2)
	equal(t, "state", got.State, pipeline.Succeeded)
	equal(t, "sha", got.SHA, "0123456789012345678901234567890123456789")
}

func runNotFound(t *testing.T, s Subject) {
	for _, id := range []pipeline.RunID{s.NewRunID(repo), "", "r-", "r-1", "r-0000000u", "r-ilou0000", "something else", "r-\xff\x00000000"} {
		_, err := s.Load(t.Context(), id)
		wantErr(t, "load "+strconv.Quote(string(id)), err, pipeline.ErrNotFound)
	}
}

func staleChange(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.Wake = s.Now().Add(time.Hour)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Events: []pipeline.Event{{Kind: "run"}}}))
	same := newRun(s, repo)
	same.ID = r.ID
	wantErr(t, "make a run twice", s.Commit(t.Context(), pipeline.Change{Run: same}), pipeline.ErrConflict)

	stale, err := s.Load(t.Context(), r.ID)
	must(t, err)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	stale.State = pipeline.Failed
	err = s.Commit(t.Context(), pipeline.Change{
		Run: stale, Environment: &pipeline.EnvironmentState{Repo: repo, Name: "prod"},
		Deployment: &pipeline.Deployment{}, Events: []pipeline.Event{{Kind: "never"}},
		Jobs: []pipeline.Job{{ID: "never", Kind: "x", Repo: repo}},
	})
	wantErr(t, "stale commit", err, pipeline.ErrConflict)
	equal(t, "version after a conflict", stale.Version, 1)

	got, err := s.Load(t.Context(), r.ID)
	must(t, err)
	equal(t, "state", got.State, pipeline.Running)
	history, err := s.History(t.Context(), r.ID)
	must(t, err)
	equal(t, "events", len(history), 1)
	e, err := s.Environment(t.Context(), repo, "prod")
	must(t, err)
	equal(t, "environment's version", e.Version, 0)
	deployments, err := s.Deployments(t.Context(), repo, "prod", 0)
	must(t, err)
	equal(t, "deployments", len(deployments), 0)
	s.idle(t, longTTL)
}

func oneWinner(t *testing.T, s Subject) {
	r := newRun(s, repo)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	for version := int64(1); version <= 5; version++ {
		var won atomic.Int64
		race(32, func(int) {
			mine, err := s.Load(t.Context(), r.ID)
			if err != nil {
				t.Error(err)
				return
			}
			mine.Version = version
			err = s.Commit(t.Context(), pipeline.Change{Run: mine, Events: []pipeline.Event{{Kind: "run"}}})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, pipeline.ErrConflict) {
				t.Error(err)
			}
		})
		equal(t, "winners of version "+strconv.FormatInt(version, 10), won.Load(), 1)
	}
	history, err := s.History(t.Context(), r.ID)
	must(t, err)
	equal(t, "events", len(history), 5)
}

func environmentVersions(t *testing.T, s Subject) {
	e, err := s.Environment(t.Context(), repo, "prod")
	must(t, err)
	sameJSON(t, "unused environment", e, &pipeline.EnvironmentState{Repo: repo, Name: "prod"})
	e.Lock = &pipeline.Lock{Reason: "holiday", By: pipeline.Actor{ID: 1, Login: "mona"}}
	e.Queue = []pipeline.RunID{"r-00000000"}
	must(t, s.Commit(t.Context(), pipeline.Change{Environment: e}))
	equal(t, "version", e.Version, 1)
	got, err := s.Environment(t.Context(), repo, "prod")
	must(t, err)
	sameJSON(t, "environment", got, e)
	equal(t, "stored version", got.Version, 1)

	var won atomic.Int64
	race(32, func(int) {
		mine := *got
		if err := s.Commit(t.Context(), pipeline.Change{Environment: &mine}); err == nil {
			won.Add(1)
		} else if !errors.Is(err, pipeline.ErrConflict) {
			t.Error(err)
		}
	})
	equal(t, "winners", won.Load(), 1)
	other, err := s.Environment(t.Context(), repo+1, "prod")
	must(t, err)
	equal(t, "version in another repository", other.Version, 0)
}

func changeIsWhole(t *testing.T, s Subject) {
	r := newRun(s, repo)
	r.Wake = s.Now().Add(time.Hour)
	e := &pipeline.EnvironmentState{Repo: repo, Name: "prod", Active: r.ID}
	must(t, s.Commit(t.Context(), pipeline.Change{
		Run: r, Environment: e, Events: []pipeline.Event{{Kind: "run"}, {Kind: "environment"}},
		Deployment: &pipeline.Deployment{Run: r.ID}, Jobs: []pipeline.Job{{ID: "a", Kind: "x", Run: r.ID}, {ID: "b", Kind: "x", Repo: repo}},
	}))
	equal(t, "versions", r.Version+e.Version, 2)
	s.lease(t, 2, longTTL)
	stale := *e
	stale.Version = 0
	wantErr(t, "stale environment", s.Commit(t.Context(), pipeline.Change{Run: r, Environment: &stale}), pipeline.ErrConflict)
	got, err := s.Load(t.Context(), r.ID)
	must(t, err)
	equal(t, "run's version", got.Version, 1)
}

func incompleteChange(t *testing.T, s Subject) {
	for name, c := range map[string]pipeline.Change{
		"events without a run":                {Events: []pipeline.Event{{}}, Environment: &pipeline.EnvironmentState{Repo: repo, Name: "prod"}},
		"a signal without a run":              {Signal: true, Environment: &pipeline.EnvironmentState{Repo: repo, Name: "prod"}},
		"a deployment without an environment": {Deployment: &pipeline.Deployment{}, Run: newRun(s, repo)},
	} {
		if err := s.Commit(t.Context(), c); err == nil {
			t.Errorf("%s was committed", name)
		}
	}
}

func historyOrder(t *testing.T, s Subject) {
	r := newRun(s, repo)
	for i := range 210 {
		e, err := s.Environment(t.Context(), repo, "prod")
		must(t, err)
		must(t, s.Commit(t.Context(), pipeline.Change{
			Run: r, Environment: e, Deployment: &pipeline.Deployment{Run: r.ID, Ref: strconv.Itoa(i)},
			Events: []pipeline.Event{{Kind: "run", Message: strconv.Itoa(2 * i)}, {Kind: "step", Message: strconv.Itoa(2*i + 1)}},
		}))
	}
	history, err := s.History(t.Context(), r.ID)
	must(t, err)
	equal(t, "events", len(history), 420)
	for i, e := range history {
		equal(t, "event", e.Message, strconv.Itoa(i))
	}
	all, err := s.Deployments(t.Context(), repo, "prod", 0)
	must(t, err)
	equal(t, "deployments kept", len(all), 200)
	equal(t, "newest deployment", all[0].Ref, "209")
	few, err := s.Deployments(t.Context(), repo, "prod", 2)
	must(t, err)
	equal(t, "deployments asked for", len(few), 2)
	equal(t, "second deployment", few[1].Ref, "208")
}

func findRuns(t *testing.T, s Subject) {
	make := func(repo int64, pr int, env string, state pipeline.State) pipeline.RunID {
		r := newRun(s, repo)
		r.PR = pr
		if env != "" {
			r.Request.Environment = &pipeline.Environment{Name: env}
		}
		must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
		if r.State = state; state.Terminal() {
			must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
		}
		return r.ID
	}
	a := make(repo, 1, "prod", pipeline.Succeeded)
	b := make(repo, 1, "", pipeline.Running)
	c := make(repo, 2, "prod", pipeline.Running)
	d := make(repo+1, 1, "prod", pipeline.Running)
	dry := newRun(s, repo+3)
	dry.DryRun = true
	must(t, s.Commit(t.Context(), pipeline.Change{Run: dry}))
	for _, q := range []struct {
		name  string
		query pipeline.RunQuery
		want  []pipeline.RunID
	}{
		{"repository", pipeline.RunQuery{Repo: repo}, []pipeline.RunID{c, b, a}},
		{"pull request", pipeline.RunQuery{Repo: repo, PR: 1}, []pipeline.RunID{b, a}},
		{"environment", pipeline.RunQuery{Repo: repo, Environment: "prod"}, []pipeline.RunID{c, a}},
		{"both", pipeline.RunQuery{Repo: repo, PR: 1, Environment: "prod"}, []pipeline.RunID{a}},
		{"open", pipeline.RunQuery{Repo: repo, Open: true}, []pipeline.RunID{c, b}},
		{"open in an environment", pipeline.RunQuery{Repo: repo, Environment: "prod", Open: true}, []pipeline.RunID{c}},
		{"limit", pipeline.RunQuery{Repo: repo, Limit: 2}, []pipeline.RunID{c, b}},
		{"dry runs too", pipeline.RunQuery{Repo: repo + 3}, []pipeline.RunID{dry.ID}},
		{"no dry runs", pipeline.RunQuery{Repo: repo + 3, NoDryRuns: true}, nil},
		{"all repositories", pipeline.RunQuery{}, []pipeline.RunID{dry.ID, d, c, b, a}},
		{"all open", pipeline.RunQuery{Open: true}, []pipeline.RunID{dry.ID, d, c, b}},
		{"all open deploys and checks", pipeline.RunQuery{Open: true, NoDryRuns: true}, []pipeline.RunID{d, c, b}},
		{"nothing", pipeline.RunQuery{Repo: repo + 2}, nil},
	} {
		runs, err := s.Runs(t.Context(), q.query)
		must(t, err)
		var got []pipeline.RunID
		for _, r := range runs {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, q.want) {
			t.Errorf("%s: got %v, want %v", q.name, got, q.want)
		}
	}
}

func shownComesBack(t *testing.T, s Subject) {
	want := func(data, doubt string) {
		t.Helper()
		got, err := s.Shown(t.Context(), repo, "pr/12", "comment")
		must(t, err)
		sameJSON(t, "shown", got, pipeline.Shown{Repo: repo, Subject: "pr/12", Sink: "comment", Data: raw(data), Doubt: doubt})
	}
	save := func(repo int64, sink, data, doubt string) {
		t.Helper()
		must(t, s.Commit(t.Context(), pipeline.Change{Shown: &pipeline.Shown{Repo: repo, Subject: "pr/12", Sink: sink, Data: raw(data), Doubt: doubt}}))
	}
	want("", "")
	save(repo, "comment", `{"id":1}`, "")
	save(repo, "comment", `{"id":2}`, "")
	save(repo+1, "comment", `{"id":3}`, "")
	save(repo, "status", `{"id":4}`, "")
	want(`{"id":2}`, "")
	save(repo, "comment", "", "one")
	want(`{"id":2}`, "one")
	save(repo, "comment", "", "two")
	save(repo, "comment", `{"id":5}`, "one") // shown before the second doubt
	want(`{"id":5}`, "two")
	save(repo, "comment", `{"id":5}`, "two")
	want(`{"id":5}`, "")
}

func shownNeedsTheLease(t *testing.T, s Subject) {
	must(t, s.Enqueue(t.Context(), pipeline.Job{ID: "report", Repo: repo}))
	l := s.lease(t, 1, longTTL)[0]
	shown := pipeline.Shown{Repo: repo, Subject: "pr/12", Sink: "comment", Data: raw(`{"id":1}`)}
	must(t, s.Commit(t.Context(), pipeline.Change{Shown: &shown, Hold: l}))
	must(t, s.Commit(t.Context(), pipeline.Change{Shown: &shown, Finish: l}))
	shown.Data = raw(`{"id":2}`)
	if err := s.Commit(t.Context(), pipeline.Change{Shown: &shown, Finish: l}); !errors.Is(err, pipeline.ErrLeaseLost) {
		t.Fatalf("saved without a lease: %v", err)
	}
	got, err := s.Shown(t.Context(), repo, "pr/12", "comment")
	must(t, err)
	equal(t, "shown", string(got.Data), `{"id":1}`)
}

func raw(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

func signalled(t *testing.T, s Subject) {
	one, two := s.Signals(t.Context()), s.Signals(t.Context())
	r := newRun(s, repo)
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r}))
	must(t, s.Commit(t.Context(), pipeline.Change{Run: r, Signal: true}))
	for _, c := range []<-chan pipeline.RunID{one, two} {
		select {
		case id := <-c:
			equal(t, "signalled run", id, r.ID)
		case <-time.After(5 * time.Second):
			t.Fatal("no signal")
		}
	}
}

func records(t *testing.T, s Subject) {
	ctx := t.Context()
	for _, repo := range []int64{0, repo} {
		_, err := s.Get(ctx, repo, "k")
		wantErr(t, "get", err, pipeline.ErrNotFound)
		must(t, s.Put(ctx, repo, "k", []byte("old"), 0))
		must(t, s.Put(ctx, repo, "k", []byte("new"), longTTL))
		fresh, err := s.PutNew(ctx, repo, "k", []byte("third"), 0)
		must(t, err)
		equal(t, "put over another", fresh, false)
		got, err := s.Get(ctx, repo, "k")
		must(t, err)
		equal(t, "value", string(got), "new")
		all, err := s.GetAll(ctx, repo, "none", "k")
		must(t, err)
		equal(t, "nothing among others", all[0] == nil, true)
		equal(t, "value among others", string(all[1]), "new")

		var taken atomic.Int64
		race(16, func(int) {
			if v, err := s.Take(ctx, repo, "k"); err == nil && string(v) == "new" {
				taken.Add(1)
			} else if !errors.Is(err, pipeline.ErrNotFound) {
				t.Error(err)
			}
		})
		equal(t, "takers", taken.Load(), 1)
		fresh, err = s.PutNew(ctx, repo, "k", []byte("fourth"), 0)
		must(t, err)
		equal(t, "put where nothing is", fresh, true)
		must(t, s.Delete(ctx, repo, "k"))
		_, err = s.Get(ctx, repo, "k")
		wantErr(t, "get what was deleted", err, pipeline.ErrNotFound)

		for _, m := range []string{"b", "a", "b", "c"} {
			must(t, s.Add(ctx, repo, "set", m, longTTL))
		}
		must(t, s.Remove(ctx, repo, "set", "c"))
		members, err := s.Members(ctx, repo, "set")
		must(t, err)
		slices.Sort(members)
		if !slices.Equal(members, []string{"a", "b"}) {
			t.Fatalf("members %v", members)
		}
	}
	must(t, s.Put(ctx, repo, "short", []byte("x"), shortTTL))
	s.pass(shortTTL)
	eventually(t, "the record expires", func() bool {
		_, err := s.Get(ctx, repo, "short")
		return errors.Is(err, pipeline.ErrNotFound)
	})
}

// eventually asks until the answer is yes, at most 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never: " + what)
		}
	}
}

func budget(t *testing.T, s Subject) {
	const per = 400 * time.Millisecond
	var booked atomic.Int64
	start := time.Now()
	race(32, func(int) {
		ok, wait, err := s.Budget(t.Context(), "installation/1", 10, per, 1)
		switch {
		case err != nil:
			t.Error(err)
		case ok:
			booked.Add(1)
		case wait <= 0 || wait > per+per/10:
			t.Errorf("wait %s", wait)
		}
	})
	if took := time.Since(start); took < per {
		equal(t, "booked", booked.Load(), 10)
	}
	ok, _, err := s.Budget(t.Context(), "installation/2", 10, per, 10)
	must(t, err)
	equal(t, "another key", ok, true)
	s.pass(per)
	eventually(t, "the budget is free again", func() bool {
		ok, _, err := s.Budget(t.Context(), "installation/1", 10, per, 10)
		must(t, err)
		return ok
	})
	ok, _, err = s.Budget(t.Context(), "installation/3", 10, 10*per, 10)
	must(t, err)
	equal(t, "all of it", ok, true)
	ok, _, err = s.Budget(t.Context(), "installation/3", 5, 10*per, -4)
	must(t, err)
	equal(t, "some of it was given back", ok, true)
	ok, _, err = s.Budget(t.Context(), "installation/3", 10, 10*per, 4)
	must(t, err)
	equal(t, "what was given back", ok, true)
	ok, _, err = s.Budget(t.Context(), "installation/3", 10, 10*per, 1)
	must(t, err)
	equal(t, "more than that", ok, false)
	if _, _, err := s.Budget(t.Context(), "installation/1", 10, per, 11); err == nil {
		t.Fatal("a cost over the limit can never be booked and must be an error")
	}
}
