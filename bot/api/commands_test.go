package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

const status = `{"text": "/status", "repo": "acme/shop"}`

func TestNobodyIsLetInWithoutTheToken(t *testing.T) {
	var first string
	for _, test := range []struct {
		name    string
		headers []string
	}{
		{"no header", nil},
		{"an empty one", []string{""}},
		{"a wrong token", []string{"Bearer 0123456789abcdef0123456789abcdeX"}},
		{"the beginning of the token", []string{"Bearer " + token[:31]}},
		{"the token and more", []string{"Bearer " + token + "0"}},
		{"an empty token", []string{"Bearer "}},
		{"no scheme", []string{token}},
		{"another scheme", []string{"Basic " + token}},
		{"the token twice", []string{"Bearer " + token, "Bearer " + token}},
		{"a wrong token and the right one", []string{"Bearer x", "Bearer " + token}},
		{"two blanks", []string{"Bearer  " + token}},
	} {
		for _, path := range []string{"POST /api/v1/commands", "GET /api/v1/services", "GET /api/v1/nothing"} {
			s := newScene(t, mona)
			method, path, _ := strings.Cut(path, " ")
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(status))
			r.Header["Authorization"] = test.headers
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.api.ServeHTTP(w, r)
			refused(t, w, http.StatusUnauthorized, "unauthorized")
			if first == "" {
				first = w.Body.String()
			}
			if w.Body.String() != first || strings.Contains(s.log.String(), token[:8]) {
				t.Errorf("%s: %s %s answers %s and logs %s", test.name, method, path, w.Body, &s.log)
			}
			if n := s.work(); n != 0 {
				t.Errorf("%s: %d jobs on the queue", test.name, n)
			}
		}
	}
}

func TestAnAPIWithoutATokenLetsNobodyIn(t *testing.T) {
	h := api.New(api.Config{GitHub: forge{}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/services", nil)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	refused(t, w, http.StatusUnauthorized, "unauthorized")
}

func TestACommandIsReadStrictly(t *testing.T) {
	for _, test := range []struct {
		name    string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"a form", "text=/status", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "bad_content_type"},
		{"no content type", status, []string{"Content-Type", ""}, 415, "bad_content_type"},
		{"64 KiB and a byte", `{"text": "` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "too_large"},
		{"a field nobody knows", `{"text": "/status", "actor": "octavia"}`, nil, 400, "bad_json"},
		{"two commands", status + status, nil, 400, "bad_json"},
		{"half a command", `{"text": `, nil, 400, "bad_json"},
		{"a number as text", `{"text": 1}`, nil, 400, "bad_json"},
		{"no text", `{}`, nil, 400, "no_text"},
		{"blanks", `{"text": " \n"}`, nil, 400, "no_text"},
		{"a pull request below zero", `{"text": "/status", "pr": -1}`, nil, 400, "bad_pr"},
		{"a repository nobody knows", `{"text": "/status", "repo": "acme/depot"}`, nil, 404, "unknown_repo"},
		{"an empty key", status, []string{"Idempotency-Key", ""}, 400, "bad_key"},
		{"a key of 65 characters", status, []string{"Idempotency-Key", strings.Repeat("k", 65)}, 400, "bad_key"},
		{"a key beyond ASCII", status, []string{"Idempotency-Key", "schlüssel"}, 400, "bad_key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t, mona)
			refused(t, s.request(http.MethodPost, "/api/v1/commands", test.body, test.headers...), test.status, test.code)
			if n := s.work(); n != 0 {
				t.Errorf("%d jobs on the queue", n)
			}
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	s := newScene(t, mona)
	refused(t, s.request(http.MethodGet, "/api/v1/", ""), 404, "unknown_route")
	refused(t, s.request(http.MethodGet, "/api/v1/commands", ""), 405, "bad_method")
	refused(t, s.request(http.MethodDelete, "/api/v1/runs/r-1", ""), 405, "bad_method")
	refused(t, s.request(http.MethodGet, "/api/v1/commands/c-nothing", ""), 404, "unknown_command")
}

// told is the answer to a command.
func (s *scene) told(id string) api.Answer { return get[api.Answer](s, "/api/v1/commands/"+id) }

func TestTheSameKeyIsTheSameCommand(t *testing.T) {
	s := newScene(t, mona)
	key := []string{"Idempotency-Key", strings.Repeat("k", 64)}
	deploy := `{"text": "/deploy staging", "repo": "acme/shop"}`
	id := s.post(deploy, key...)
	if again := s.post(`{ "repo": "acme/shop", "text": "/deploy staging" }`, key...); again != id {
		t.Errorf("the same is %s and then %s", id, again)
	}
	if n := s.work(); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
	if again := s.post(deploy, key...); again != id || s.work() != 0 {
		t.Errorf("said again after it was done it is %s, or done again", again)
	}
	refused(t, s.request(http.MethodPost, "/api/v1/commands", `{"text": "/deploy prod", "repo": "acme/shop"}`, key...), 409, "key_reused")
	if other := s.post(deploy, "Idempotency-Key", "other"); other == id || s.work() != 1 {
		t.Error("another key is not another command")
	} else if a, b := s.told(other), s.told(id); a.Code != "already_asked" || a.Outcome != "done" || a.Run != b.Run {
		t.Errorf("what is under way is answered with %+v, not with %s", a, b.Run)
	}
	if s.post(`{"text": "/deploy staging --again", "repo": "acme/shop"}`, "Idempotency-Key", "again"); s.work() != 1 {
		t.Error("nothing was done")
	}
	if n := len(get[struct{ Runs []api.Run }](s, "/api/v1/runs?repo=acme/shop").Runs); n != 2 {
		t.Errorf("%d runs, want 2", n)
	}
}

// However far a request came before it broke off, the same one goes on from there.
func TestACrashBetweenQueueAndAnswer(t *testing.T) {
	for name, broken := range map[string]queue{
		"before it was on the queue": {before: pipeline.Temporary(errors.New("connection refused"))},
		"after it was on the queue":  {after: pipeline.Temporary(errors.New("connection reset"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, mona)
			key := []string{"Idempotency-Key", "k"}
			s.queue.before, s.queue.after = broken.before, broken.after
			refused(t, s.request(http.MethodPost, "/api/v1/commands", status, key...), 503, "unavailable")
			s.queue.before, s.queue.after = nil, nil
			id := s.post(status, key...)
			if n := s.work(); n != 1 {
				t.Errorf("%d jobs, want 1", n)
			}
			if a := get[api.Answer](s, "/api/v1/commands/"+id); !a.Done || a.Outcome != "done" {
				t.Errorf("the answer is %+v", a)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, body    string
		outcome, code string
		says          string
	}{
		{"as on Slack", `{"text": "/status shop staging"}`, "done", "", "**staging**: nothing"},
		{"in a repository", status, "done", "", "Environments of shop"},
		{"near a repository", `{"text": "/status", "default_repo": "ACME/shop"}`, "done", "", "Environments of shop"},
		{"near one, of another", `{"text": "/status cart", "default_repo": "acme/shop"}`, "done", "", "Environments of cart"},
		{"near one, of another by flag", `{"text": "/status --service cart", "default_repo": "acme/shop"}`, "done", "", "Environments of cart"},
		{"near one nobody knows", `{"text": "/status cart", "default_repo": "acme/depot"}`, "done", "", "Environments of cart"},
		{"nowhere", `{"text": "/status"}`, "refused", "which_service", "Say which service"},
		{"no such environment", `{"text": "/deploy shop prdo"}`, "refused", "unknown_environment", "`/deploy prod`"},
		{"no such command", `{"text": "/frobnicate"}`, "refused", "unknown_command", "`/frobnicate`"},
		{"no command", `{"text": "good morning"}`, "refused", "no_command", "begins with a slash"},
		{"one of two refused", `{"text": "/status shop\n/deploy shop nowhere"}`, "refused", "unknown_environment", "Environments of shop"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, a := newScene(t, mona).say(test.body)
			if !a.Done || a.Outcome != test.outcome || a.Code != test.code || !strings.Contains(a.Text, test.says) {
				t.Errorf("got %+v, want %s %s with %q", a, test.outcome, test.code, test.says)
			}
		})
	}
}

func TestTheTokenActsAsItsPerson(t *testing.T) {
	s := newScene(t, eve)
	if _, a := s.say(`{"text": "/deploy shop staging"}`); a.Code != "not_allowed" {
		t.Errorf("eve deploys: %+v", a)
	}
	if _, a := s.say(`{"text": "/status shop"}`); a.Code != "not_allowed" {
		t.Errorf("eve looks at shop: %+v", a)
	}
	if _, a := s.say(`{"text": "/status cart"}`); a.Outcome != "done" {
		t.Errorf("eve looks at cart: %+v", a)
	}
}

func TestATokenThatStandsForNobodyOnlyAsks(t *testing.T) {
	s := newScene(t, pipeline.Actor{})
	for _, text := range []string{"/deploy shop staging", "/rollback shop staging", "/approve r-1a2b3c4d --service shop", "/approve", "/reject --reason no", "/lock shop prod --reason x", "/cancel shop staging"} {
		_, a := s.say(`{"text": "` + strings.ReplaceAll(text, " --service shop", "") + `", "repo": "acme/shop"}`)
		if strings.Contains(text, "shop ") {
			_, a = s.say(`{"text": "` + text + `"}`)
		}
		if a.Outcome != "refused" || a.Code != "no_actor" || !strings.Contains(a.Text, "SHIPMATE_API_ACTOR") {
			t.Errorf("%s: %+v", text, a)
		}
	}
	for _, text := range []string{"/status shop", "/help", "/help deploy"} {
		if _, a := s.say(`{"text": "` + text + `"}`); a.Outcome != "done" {
			t.Errorf("%s: %+v", text, a)
		}
	}
	if runs := get[struct{ Runs []api.Run }](s, "/api/v1/runs").Runs; len(runs) != 0 {
		t.Errorf("it started %+v", runs)
	}
}

func TestAFloodIsAnsweredEveryTime(t *testing.T) {
	s := newScene(t, mona)
	for range 60 {
		s.say(`{"text": "/help"}`)
	}
	for range 2 {
		if _, a := s.say(`{"text": "/help"}`); a.Code != "rate_limited" || a.Text == "" {
			t.Errorf("beyond sixty: %+v", a)
		}
	}
}

func TestAnAnswerIsKeptForADay(t *testing.T) {
	s := newScene(t, mona)
	id, _ := s.say(status)
	s.clock.Advance(24*time.Hour - 1)
	if a := get[api.Answer](s, "/api/v1/commands/"+id); !a.Done {
		t.Errorf("within the day: %+v", a)
	}
	s.clock.Advance(1)
	refused(t, s.request(http.MethodGet, "/api/v1/commands/"+id, ""), 404, "unknown_command")
}

func TestTheTokenIsNeverLogged(t *testing.T) {
	s := newScene(t, mona)
	s.say(status)
	s.say(`{"text": "/deploy shop nowhere"}`)
	if log := s.log.String(); !strings.Contains(log, "command accepted") || slices.ContainsFunc([]string{token, "Bearer"}, func(x string) bool { return strings.Contains(log, x) }) {
		t.Errorf("the log:\n%s", log)
	}
}
