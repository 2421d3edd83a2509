package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

func TestARunIsShown(t *testing.T) {
	s := newScene(t, mona)
	id, a := s.say(`{"text": "/deploy shop prod ` + head + ` --reason \"big sale\""}`)
	r := get[api.Run](s, "/api/v1/runs/"+strings.ToUpper(a.Run))
	want := api.Run{ID: a.Run, Version: r.Version, Title: "Deploy of shop to prod", Repo: "acme/shop", Service: "shop", Pipeline: "deploy", Environment: "prod",
		SHA: head, Trigger: "command", Actor: "mona", Reason: "big sale", Command: id,
		State: "waiting", Code: "approval", Message: r.Message, Asks: []string{"environment"},
		Next:  []string{"/approve " + a.Run, "/reject " + a.Run + ` --reason "..."`, "/cancel " + a.Run},
		Steps: []api.Step{{Name: "build", State: "queued"}},
		Links: map[string]string{"self": "/api/v1/runs/" + a.Run, "commit": "https://github.example/acme/shop/commit/" + head}, CreatedAt: s.clock.Now()}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got\n%+v\nwant\n%+v", r, want)
	}
}

// made is a run as if somebody had asked for it.
func (s *scene) made(r pipeline.Run) pipeline.RunID {
	s.t.Helper()
	r.ID, r.SHA, r.Created = s.store.NewRunID(r.Repo.ID), head, s.clock.Now()
	if err := s.store.Commit(s.t.Context(), pipeline.Change{Run: &r}); err != nil {
		s.t.Fatal(err)
	}
	return r.ID
}

func fromSlack(repo pipeline.Repo) pipeline.Run {
	r := pipeline.Run{}
	r.Repo, r.Origin, r.State = repo, pipeline.Origin{Surface: "slack", ReplyTo: "https://hooks.slack.com/secret"}, pipeline.Running
	r.Environment = &pipeline.Environment{Name: "prod", URL: "https://shop.example"}
	r.PR = 7
	r.Steps = []pipeline.StepRun{{Name: "build", State: pipeline.Running, Attempt: 2, Checkpoint: []byte(`{"inner": "secret"}`), With: map[string]any{"k": "secret"}}, {Name: "release", State: pipeline.Queued}}
	return r
}

func TestARunShowsNothingThatIsSecret(t *testing.T) {
	s := newScene(t, mona)
	id := s.made(fromSlack(shop))
	w := s.request(http.MethodGet, "/api/v1/runs/"+string(id), "")
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("it shows %s", w.Body)
	}
	r := get[api.Run](s, "/api/v1/runs/"+string(id))
	if r.Links["pull_request"] != "https://github.example/acme/shop/pull/7" || r.Links["environment"] != "https://shop.example" || r.Steps[0].Log != "/api/v1/runs/"+string(id)+"/logs/build" || r.Steps[1].Log != "" {
		t.Errorf("links %v, steps %+v", r.Links, r.Steps)
	}
}

func TestWhatOnesPersonMayNotReadIsNotThere(t *testing.T) {
	s := newScene(t, eve)
	hers, other := s.made(fromSlack(cart)), s.made(fromSlack(shop))
	get[api.Run](s, "/api/v1/runs/"+string(hers))
	for path, code := range map[string]string{
		"/api/v1/runs/" + string(other):                 "unknown_run",
		"/api/v1/runs/" + string(other) + "/logs/build": "unknown_run",
		"/api/v1/runs/r-1a2b3c4d":                       "unknown_run",
		"/api/v1/runs?repo=acme/shop":                   "unknown_repo",
		"/api/v1/environments?repo=acme/shop":           "unknown_repo",
		"/api/v1/environments?repo=acme/depot":          "unknown_repo",
	} {
		refused(t, s.request(http.MethodGet, path, ""), 404, code)
	}
	if all := get[struct{ Runs []api.Run }](s, "/api/v1/runs").Runs; len(all) != 1 || all[0].ID != string(hers) {
		t.Errorf("runs: %+v", all)
	}
	if all := get[struct{ Services []api.Service }](s, "/api/v1/services").Services; len(all) != 1 || all[0].Repo != "acme/cart" {
		t.Errorf("services: %+v", all)
	}
}

func TestRunsAreListed(t *testing.T) {
	s := newScene(t, eve)
	first := s.made(fromSlack(cart))
	for range 9 { // newer ones that she may not see
		s.clock.Advance(time.Second)
		s.made(fromSlack(shop))
	}
	ended := fromSlack(cart)
	ended.State, ended.Environment = pipeline.Failed, nil
	s.clock.Advance(time.Second)
	last := s.made(ended)
	for query, want := range map[string][]pipeline.RunID{
		"":                                     {last, first},
		"?limit=1":                             {last},
		"?limit=2":                             {last, first},
		"?open=true":                           {first},
		"?open=false":                          {last, first},
		"?repo=acme/cart&environment=prod":     {first},
		"?repo=ACME/Cart&open=true&limit=1":    {first},
		"?repo=acme/cart&environment=nowhere":  {},
		"?environment=prod&open=1&repo=&limit": nil,
	} {
		w := s.request(http.MethodGet, "/api/v1/runs"+query, "")
		if want == nil {
			refused(t, w, 400, "no_repo")
			continue
		}
		got := []pipeline.RunID{}
		for _, r := range get[struct{ Runs []api.Run }](s, "/api/v1/runs"+query).Runs {
			got = append(got, pipeline.RunID(r.ID))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for query, code := range map[string]string{"?limit=0": "bad_limit", "?limit=201": "bad_limit", "?limit=x": "bad_limit", "?open=maybe": "bad_open"} {
		refused(t, s.request(http.MethodGet, "/api/v1/runs"+query, ""), 400, code)
	}
}

func TestLogs(t *testing.T) {
	s := newScene(t, mona)
	id := string(s.made(fromSlack(shop)))
	s.logs["build"], s.logs["build:undo"] = []string{"one", "two", "three"}, []string{"back"}
	for query, want := range map[string][]string{"build": {"one", "two", "three"}, "build?lines=2": {"two", "three"}, "build?undo=true": {"back"}, "release": {}} {
		if got := get[api.Log](s, "/api/v1/runs/"+id+"/logs/"+query); !reflect.DeepEqual(got.Lines, want) {
			t.Errorf("%s: %+v, want %q", query, got, want)
		}
	}
	refused(t, s.request(http.MethodGet, "/api/v1/runs/"+id+"/logs/nothing", ""), 404, "unknown_step")
	refused(t, s.request(http.MethodGet, "/api/v1/runs/"+id+"/logs/build?lines=2001", ""), 400, "bad_lines")
}

func TestEnvironments(t *testing.T) {
	s := newScene(t, mona)
	if _, a := s.say(`{"text": "/lock shop prod --reason audit"}`); a.Outcome != "done" {
		t.Fatal(a)
	}
	_, a := s.say(`{"text": "/deploy shop staging"}`)
	got := get[struct {
		Service      string
		Environments []api.Environment
	}](s, "/api/v1/environments?repo=acme/shop")
	if len(got.Environments) != 2 || got.Service != "shop" {
		t.Fatalf("%+v", got)
	}
	if staging := got.Environments[0]; staging.Name != "staging" || staging.Active != a.Run || staging.Lock != nil || staging.Current != nil {
		t.Errorf("%+v", staging)
	}
	if prod := got.Environments[1]; prod.Lock == nil || prod.Lock.By != "mona" || prod.Lock.Reason != "audit" || prod.Lock.Expires.IsZero() {
		t.Errorf("%+v", prod)
	}
	s.clock.Advance(48 * time.Hour)
	if prod := get[struct{ Environments []api.Environment }](s, "/api/v1/environments?repo=acme/shop").Environments[1]; prod.Lock != nil {
		t.Errorf("a lock that has expired is shown: %+v", prod.Lock)
	}
	refused(t, s.request(http.MethodGet, "/api/v1/environments", ""), 400, "no_repo")
}

func TestAnAnswerIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		name string
		wait string
		then func(s *scene) // after a second
		done bool
		took time.Duration
	}{
		{"it comes", "25s", func(s *scene) { s.work() }, true, 1200 * time.Millisecond},
		{"it does not come", "25s", func(*scene) {}, false, 25 * time.Second},
		{"half a minute is the most", "1h", func(*scene) {}, false, 30 * time.Second},
		{"no wait", "0s", func(*scene) {}, false, 0},
		{"the server stops", "25s", func(s *scene) { close(s.stop) }, false, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, mona)
				id := s.post(status)
				time.AfterFunc(1010*time.Millisecond, func() { test.then(s) })
				began := time.Now()
				a := get[api.Answer](s, "/api/v1/commands/"+id+"?wait="+test.wait)
				if took := time.Since(began).Truncate(100 * time.Millisecond); a.Done != test.done || took != test.took {
					t.Errorf("after %s: %+v, want done=%v after %s", took, a, test.done, test.took)
				}
			})
		})
	}
	s := newScene(t, mona)
	for _, wait := range []string{"25", "-1s", "soon"} {
		refused(t, s.request(http.MethodGet, "/api/v1/commands/"+s.post(status)+"?wait="+wait, ""), 400, "bad_wait")
	}
}

func TestARunIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, mona)
		id := s.made(fromSlack(shop))
		time.AfterFunc(1010*time.Millisecond, func() {
			r, err := s.store.Load(context.Background(), id)
			if err == nil {
				r.State = pipeline.Failed
				err = s.store.Commit(context.Background(), pipeline.Change{Run: r})
			}
			if err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		if r := get[api.Run](s, "/api/v1/runs/"+string(id)+"?wait=25s&since=1"); r.State != "failed" || !r.Ended || time.Since(began) != 1200*time.Millisecond {
			t.Errorf("after %s: %+v", time.Since(began), r)
		}
		began = time.Now()
		get[api.Run](s, "/api/v1/runs/"+string(id)+"?wait=25s&since=2") // it has ended
		get[api.Run](s, "/api/v1/runs/"+string(id)+"?wait=25s&since=1") // it is another version
		get[api.Run](s, "/api/v1/runs/"+string(id)+"?wait=25s")
		if took := time.Since(began); took != 0 {
			t.Errorf("there was nothing to wait for, and it took %s", took)
		}
	})
}

// The server gives up on slow senders after a while; who waits is none.
func TestAWaitOutlivesTheServersDeadline(t *testing.T) {
	s := newScene(t, mona)
	id := s.post(status)
	srv := httptest.NewUnstartedServer(s.api)
	srv.Config.ReadTimeout = 100 * time.Millisecond
	srv.Start()
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/commands/"+id+"?wait=600ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	began := time.Now()
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || time.Since(began) < 500*time.Millisecond {
		t.Errorf("after %s: %d %s %v", time.Since(began), res.StatusCode, body, err)
	}
}
