package openapi_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/shipmate/shipmate/test/sim/github/openapi"
)

func TestCheckFindsWhatIsNotDescribed(t *testing.T) {
	spec, hooks := openapi.ForTest(t)
	const reaction = `{"id":1,"node_id":"x","user":null,"content":"eyes","created_at":"2026-01-02T03:04:05Z"}`
	for name, tc := range map[string]struct {
		method, url, body string
		status            int
		answer            string
		fine              bool
	}{
		"a proper exchange":             {"POST", "/repos/a/b/issues/comments/1/reactions", `{"content":"eyes"}`, 201, reaction, true},
		"a request of the wrong value":  {"POST", "/repos/a/b/issues/comments/1/reactions", `{"content":"wave"}`, 201, reaction, false},
		"a request of the wrong type":   {"POST", "/repos/a/b/issues/1/comments", `{"body":1}`, 404, `{"message":"Not Found"}`, true},
		"an answer that lacks a field":  {"POST", "/repos/a/b/issues/comments/1/reactions", `{"content":"eyes"}`, 201, `{"id":1}`, false},
		"an endpoint that is not there": {"POST", "/repos/a/b/nonsense", ``, 200, `{}`, false},
		"an unknown query parameter":    {"GET", "/repos/a/b/deployments?env=prod", ``, 200, `[]`, false},
		"a known query parameter":       {"GET", "/api/v3/repos/a/b/deployments?environment=prod", ``, 200, `[]`, true},
		"a body where there is none":    {"GET", "/repos/a/b/deployments", `{}`, 200, `[]`, false},
		"a repository by number":        {"GET", "/repositories/1/deployments", ``, 200, `[]`, true},
		"a ref with a slash":            {"GET", "/repos/a/b/commits/x/y/status", ``, 200, `{}`, false},
		"a refusal in GitHub's shape":   {"GET", "/repos/a/b/deployments", ``, 403, `{"message":"no"}`, true},
		"a refusal in no shape":         {"GET", "/repos/a/b/deployments", ``, 403, `no`, false},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse("http://host" + tc.url)
			if err != nil {
				t.Fatal(err)
			}
			problems := spec.Check(openapi.Exchange{
				Method: tc.method, URL: u, Body: []byte(tc.body), Status: tc.status,
				Header: http.Header{"Content-Type": {"application/json"}}, Response: []byte(tc.answer),
			})
			if tc.fine != (len(problems) == 0) {
				t.Errorf("problems: %v", problems)
			}
		})
	}
	if err := hooks.Check("push", []byte(`{"ref":"refs/heads/main"}`)); err == nil {
		t.Error("a push webhook with nothing in it passed")
	}
}
