package github

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

var update = flag.Bool("update", false, "rewrite golden files")

const testSecret = "0123456789abcdef0123456789abcdef"

// inbox is a queue's Accept, in memory.
type inbox struct {
	jobs []pipeline.Job
	seen map[string]bool
	err  error
}

func (q *inbox) Accept(_ context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error) {
	if q.err != nil {
		return false, q.err
	}
	if q.seen == nil {
		q.seen = map[string]bool{}
	}
	known := slices.ContainsFunc(keys, func(k string) bool { return q.seen[k] })
	for _, k := range keys {
		q.seen[k] = true
	}
	if !known {
		q.jobs = append(q.jobs, j)
	}
	return !known, nil
}

var testNow = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

func newTestWebhook(q acceptor, secrets ...string) http.Handler {
	if len(secrets) == 0 {
		secrets = []string{testSecret}
	}
	return NewWebhook(WebhookConfig{
		Secrets: secrets, Queue: q, AppID: 25811, Slug: "shipmate",
		Now: func() time.Time { return testNow }, Log: slog.New(slog.DiscardHandler),
	})
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func deliver(event, guid string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/github/webhook", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", guid)
	r.Header.Set("X-Hub-Signature-256", sign(testSecret, body))
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSignatures(t *testing.T) {
	const githubSecret, hello = "It's a Secret to Everybody", "Hello, World!"
	const vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	const emptySecret = "sha256=22f8eea909400af98adf3681a9f31923ef6b7fcba4abb553d92823a3e9d5c25e"
	for name, c := range map[string]struct {
		secrets    []string
		body       string
		signatures []string
		want       int
	}{
		"the documentation's example":       {[]string{githubSecret}, hello, []string{vector}, 200},
		"the previous secret":               {[]string{"another secret", githubSecret}, hello, []string{vector}, 200},
		"a bit is wrong":                    {[]string{githubSecret}, hello, []string{strings.Replace(vector, "757", "747", 1)}, 401},
		"a byte is missing":                 {[]string{githubSecret}, hello, []string{vector[:len(vector)-2]}, 401},
		"upper case, a bit is wrong":        {[]string{githubSecret}, hello, []string{"sha256=" + strings.ToUpper(strings.Replace(vector[7:], "757", "747", 1))}, 401},
		"upper case prefix":                 {[]string{githubSecret}, hello, []string{"SHA256=" + vector[7:]}, 401},
		"no prefix":                         {[]string{githubSecret}, hello, []string{vector[7:]}, 401},
		"another hash's prefix":             {[]string{githubSecret}, hello, []string{"sha1=" + vector[7:]}, 401},
		"twice":                             {[]string{githubSecret}, hello, []string{vector, vector}, 401},
		"not hexadecimal":                   {[]string{githubSecret}, hello, []string{"sha256=" + strings.Repeat("zz", 32)}, 401},
		"none":                              {[]string{githubSecret}, hello, nil, 401},
		"empty":                             {[]string{githubSecret}, hello, []string{""}, 401},
		"another body":                      {[]string{githubSecret}, hello + " ", []string{vector}, 401},
		"forged with no secret":             {[]string{githubSecret}, "{}", []string{emptySecret}, 401},
		"forged, and the secret is empty":   {[]string{""}, "{}", []string{emptySecret}, 401},
		"forged, and the secret is spaces":  {[]string{"  \n"}, "{}", []string{emptySecret}, 401},
		"forged, and there are no secrets":  {nil, "{}", []string{emptySecret}, 401},
		"forged, the previous one is empty": {[]string{githubSecret, ""}, "{}", []string{emptySecret}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewWebhook(WebhookConfig{Secrets: c.secrets, Queue: &inbox{}, Log: slog.New(slog.DiscardHandler)})
			r := deliver("star", "guid-1", []byte(c.body))
			r.Header["X-Hub-Signature-256"] = c.signatures
			w := serve(h, r)
			if w.Code != c.want {
				t.Fatalf("answered %d, want %d", w.Code, c.want)
			}
			if w.Code == 401 && w.Body.String() != "unauthorized\n" {
				t.Errorf("the body tells more than it should: %q", w.Body)
			}
		})
	}
}

func TestBeforeTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"another method":         {func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"a form":                 {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400},
		"no content type":        {func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
		"with a charset":         {func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, 200},
		"no event":               {func(r *http.Request) { r.Header.Del("X-GitHub-Event") }, 400},
		"no delivery id":         {func(r *http.Request) { r.Header.Del("X-GitHub-Delivery") }, 400},
		"a strange delivery id":  {func(r *http.Request) { r.Header.Set("X-GitHub-Delivery", "a b") }, 400},
		"a length over 25 MiB":   {func(r *http.Request) { r.ContentLength = maxBody + 1 }, 413},
		"unsigned and too large": {func(r *http.Request) { r.Header.Del("X-Hub-Signature-256"); r.ContentLength = maxBody + 1 }, 401},
	} {
		t.Run(name, func(t *testing.T) {
			r := deliver("star", "guid-1", []byte("{}"))
			unread := &countingReader{r: strings.NewReader("{}")}
			r.Body = io.NopCloser(unread)
			c.change(r)
			w := serve(newTestWebhook(&inbox{}), r)
			if w.Code != c.want {
				t.Errorf("answered %d, want %d", w.Code, c.want)
			}
			if w.Code != 200 && unread.n != 0 {
				t.Errorf("read %d bytes first", unread.n)
			}
		})
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// endless is a body that says nothing about its length.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestEndlessBody(t *testing.T) {
	body := &countingReader{r: endless{}}
	r := deliver("push", "guid-1", nil)
	r.Body, r.ContentLength = io.NopCloser(body), -1
	h := newTestWebhook(&inbox{}).(*webhook)
	if w := serve(h, r); w.Code != 413 {
		t.Errorf("answered %d", w.Code)
	}
	if body.n > maxBody+64<<10 {
		t.Errorf("read %d bytes", body.n)
	}
	if held := h.held.Load(); held != 0 {
		t.Errorf("%d bytes are still booked", held)
	}
}

func TestTooMuchHeldAtOnce(t *testing.T) {
	h := newTestWebhook(&inbox{}).(*webhook)
	h.held.Store(maxHeld)
	big := []byte(`{"a":"` + strings.Repeat("x", maxPooled) + `"}`)
	if w := serve(h, deliver("push", "guid-1", big)); w.Code != 503 {
		t.Errorf("a large body: answered %d", w.Code)
	}
	if w := serve(h, deliver("star", "guid-2", []byte("{}"))); w.Code != 200 {
		t.Errorf("a small body: answered %d", w.Code)
	}
}

func TestNotDurable(t *testing.T) {
	h := newTestWebhook(&inbox{err: errors.New("redis is away")})
	if w := serve(h, deliver("issue_comment", "guid-1", commentBody(nil))); w.Code != 503 {
		t.Errorf("answered %d", w.Code)
	}
}

// commentBody is a real comment with a command in it, changed by edit.
func commentBody(edit func(body, comment map[string]any)) []byte {
	var body map[string]any
	if err := json.Unmarshal(readPayload("issue_comment.created.1.json"), &body); err != nil {
		panic(err)
	}
	comment := body["comment"].(map[string]any)
	comment["body"] = "Looks good.\n/deploy prod"
	comment["user"] = maps.Clone(body["sender"].(map[string]any))
	body["issue"].(map[string]any)["pull_request"] = map[string]any{"url": "https://evil.example/pulls/1"}
	body["installation"] = map[string]any{"id": 77}
	if edit != nil {
		edit(body, comment)
	}
	return encode(body)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func readPayload(name string) []byte {
	b, err := os.ReadFile(filepath.Join("testdata/payloads", name))
	if err != nil {
		panic(err)
	}
	return b
}

func TestComments(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(body, comment map[string]any)
		want int
	}{
		"a command":               {nil, 202},
		"a mention":               {func(_, c map[string]any) { c["body"] = "@Shipmate deploy prod" }, 202},
		"after three spaces":      {func(_, c map[string]any) { c["body"] = "   /deploy prod" }, 202},
		"after a carriage return": {func(_, c map[string]any) { c["body"] = "x\r/deploy prod" }, 202},
		"after four spaces":       {func(_, c map[string]any) { c["body"] = "    /deploy prod" }, 200},
		"in the middle of a line": {func(_, c map[string]any) { c["body"] = "use /deploy prod" }, 200},
		"nothing":                 {func(_, c map[string]any) { c["body"] = "" }, 200},
		"null":                    {func(_, c map[string]any) { c["body"] = nil }, 200},
		"edited":                  {func(b, _ map[string]any) { b["action"] = "edited" }, 200},
		"deleted":                 {func(b, _ map[string]any) { b["action"] = "deleted" }, 200},
		"on an issue":             {func(b, _ map[string]any) { delete(b["issue"].(map[string]any), "pull_request") }, 200},
		"sent by somebody else":   {func(b, _ map[string]any) { b["sender"].(map[string]any)["id"] = 1 }, 200},
		"by a bot": {func(b, c map[string]any) {
			b["sender"].(map[string]any)["type"] = "Bot"
			c["user"].(map[string]any)["type"] = "Bot"
		}, 200},
		"no action":                     {func(b, _ map[string]any) { delete(b, "action") }, 400},
		"an id that is a text":          {func(_, c map[string]any) { c["id"] = "1" }, 400},
		"an id that is no whole number": {func(_, c map[string]any) { c["id"] = 1.5 }, 400},
		"a negative id":                 {func(_, c map[string]any) { c["id"] = -1 }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			q := &inbox{}
			w := serve(newTestWebhook(q), deliver("issue_comment", "guid-1", commentBody(c.edit)))
			if w.Code != c.want || (len(q.jobs) == 1) != (c.want == 202) {
				t.Fatalf("answered %d with %d jobs, want %d", w.Code, len(q.jobs), c.want)
			}
		})
	}
}

func TestSaid(t *testing.T) {
	q := &inbox{}
	serve(newTestWebhook(q), deliver("issue_comment", "guid-1", commentBody(nil)))
	var said bot.Said
	if err := json.Unmarshal(q.jobs[0].Payload, &said); err != nil {
		t.Fatal(err)
	}
	want := bot.Said{
		Repo:   pipeline.Repo{ID: 186853002, Installation: 77, Owner: "Codertocat", Name: "Hello-World"},
		Actor:  pipeline.Actor{ID: 21031067, Login: "Codertocat"},
		Origin: pipeline.Origin{Surface: "github", PR: 1, Comment: 492700400},
		Text:   "Looks good.\n/deploy prod",
		At:     time.Date(2019, 5, 15, 15, 20, 21, 0, time.UTC),
		Came:   time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC),
	}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", said, want)
	}
	if j := q.jobs[0]; j.ID != "github:comment:186853002:492700400" || j.Kind != bot.KindSaid || j.Pool != pipeline.Control || j.Repo != 186853002 {
		t.Errorf("job %+v", j)
	}
}

func TestReplays(t *testing.T) {
	body := commentBody(nil)
	other := commentBody(func(_, c map[string]any) { c["id"] = 5 })
	for name, c := range map[string]struct {
		event, guid string
		body        []byte
		want        int
	}{
		"the same delivery again":   {"issue_comment", "guid-1", body, 200},
		"under a new id":            {"issue_comment", "guid-2", body, 200},
		"another comment":           {"issue_comment", "guid-2", other, 202},
		"under another event":       {"push", "guid-2", body, 400},
		"under a related event":     {"pull_request", "guid-2", body, 400},
		"under an unknown event":    {"future_event", "guid-2", body, 200},
		"a known id, another thing": {"issue_comment", "guid-1", other, 200},
	} {
		t.Run(name, func(t *testing.T) {
			q := &inbox{}
			h := newTestWebhook(q)
			if w := serve(h, deliver("issue_comment", "guid-1", body)); w.Code != 202 {
				t.Fatalf("first: %d", w.Code)
			}
			if w := serve(h, deliver(c.event, c.guid, c.body)); w.Code != c.want {
				t.Errorf("answered %d %q, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

func TestPressedAgainLater(t *testing.T) {
	q, now := &inbox{}, testNow
	h := NewWebhook(WebhookConfig{Secrets: []string{testSecret}, Queue: q, AppID: 25811, Slug: "shipmate", Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	body := readPayload("check_run.requested_action.1.json")
	for _, c := range []struct {
		after time.Duration
		guid  string
		want  int
	}{{0, "a", 202}, {time.Second, "b", 200}, {2 * time.Minute, "c", 202}, {2 * time.Minute, "c", 200}} {
		now = testNow.Add(c.after)
		if w := serve(h, deliver("check_run", c.guid, body)); w.Code != c.want {
			t.Errorf("after %s as %s: answered %d, want %d", c.after, c.guid, w.Code, c.want)
		}
	}
}

// TestPayloads delivers GitHub's own examples. The golden file lists what each
// becomes.
func TestPayloads(t *testing.T) {
	names, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(names) < 150 {
		t.Fatalf("%d payloads: %v", len(names), err)
	}
	var out strings.Builder
	for _, path := range names {
		name := filepath.Base(path)
		event, _, _ := strings.Cut(name, ".")
		q := &inbox{}
		w := serve(newTestWebhook(q), deliver(event, "guid-1", readPayload(name)))
		if w.Code != 200 && w.Code != 202 {
			t.Errorf("%s: answered %d %s", name, w.Code, w.Body)
		}
		for _, j := range q.jobs {
			fmt.Fprintf(&out, "%s\n\tjob %s\n\t%s %s\n", name, j.ID, j.Kind, j.Payload)
		}
	}
	golden(t, "testdata/messages.golden", out.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

// TestMutations changes the type of every value of a payload in turn, or takes it away: no panic,
// and an answer that GitHub understands.
func TestMutations(t *testing.T) {
	names := []string{
		"check_run.requested_action.1.json", "check_run.rerequested.1.json", "check_run.created.1.json", "check_suite.rerequested.1.json",
		"installation.created.1.json", "installation.deleted.1.json", "installation_repositories.added.1.json", "issue_comment.created.1.json",
		"issue_comment.edited.1.json", "merge_group.checks_requested.1.json", "pull_request.opened.1.json", "pull_request.closed.1.json",
		"pull_request.synchronize.1.json", "pull_request.ready_for_review.1.json", "pull_request.converted_to_draft.2.json", "push.any.1.json",
		"push.any.2.json", "push.any.4.json", "repository.renamed.1.json", "repository.transferred.1.json", "pull_request_review.submitted.1.json",
		"pull_request_review.dismissed.1.json", "pull_request_review_comment.created.1.json", "check_run.completed.1.json", "check_suite.completed.1.json", "status.any.1.json",
	}
	long := strings.Repeat("x", 1<<20)
	q := &inbox{}
	h := newTestWebhook(q)
	for i, name := range names {
		event, _, _ := strings.Cut(name, ".")
		body := readPayload(name)
		if name == "issue_comment.created.1.json" {
			body = commentBody(nil)
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
		n := 0
		try := func(where string) {
			n++
			q.seen = nil
			w := serve(h, deliver(event, "guid-1", encode(v)))
			if w.Code != 200 && w.Code != 202 && w.Code != 400 {
				t.Errorf("%s, %s: answered %d", name, where, w.Code)
			}
		}
		mutate(v, "", func(set func(any), remove func(), was any, where string) {
			for k, with := range []any{nil, -1.5, "x", true, []any{nil}, map[string]any{"id": "x"}} {
				if (n+k)%3 == 0 { // each place meets some, each kind of place all
					set(with)
					try(where)
				}
			}
			if strings.Count(where, ".") == 1 && i%5 == 0 {
				set(long)
				try(where + " long")
			}
			remove()
			try(where + " removed")
			set(was)
		})
		if n < 100 {
			t.Errorf("%s: only %d mutations", name, n)
		}
	}
}

// mutate visits every value to a depth of three.
func mutate(v any, where string, visit func(set func(any), remove func(), was any, where string)) {
	if strings.Count(where, ".") >= 3 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			was := v[k]
			mutate(was, where+"."+k, visit)
			visit(func(with any) { v[k] = with }, func() { delete(v, k) }, was, where+"."+k)
		}
	case []any:
		if len(v) > 0 {
			was := v[0]
			mutate(was, where+".0", visit)
			visit(func(with any) { v[0] = with }, func() { v[0] = nil }, was, where+".0")
		}
	}
}

func TestSpaceAround(t *testing.T) {
	body := append(append([]byte(" \n"), commentBody(nil)...), "\r\n "...)
	if w := serve(newTestWebhook(&inbox{}), deliver("issue_comment", "guid-1", body)); w.Code != 202 {
		t.Errorf("answered %d", w.Code)
	}
	for _, cut := range [][]byte{body[:len(body)-4], append(body, "{}"...)} {
		if w := serve(newTestWebhook(&inbox{}), deliver("issue_comment", "guid-1", cut)); w.Code != 400 {
			t.Errorf("%.20q: answered %d", cut[len(cut)-10:], w.Code)
		}
	}
}

func TestNotJSON(t *testing.T) {
	for _, body := range []string{"", "{", "[]", "null", `"x"`, "{}{}", "\xff", `{"action":"created"}`, strings.Repeat("[", 2<<20)} {
		if w := serve(newTestWebhook(&inbox{}), deliver("push", "guid-1", []byte(body))); w.Code != 400 {
			t.Errorf("%.20q: answered %d", body, w.Code)
		}
	}
}

// swallow accepts everything and keeps nothing.
type swallow struct{}

func (swallow) Accept(context.Context, pipeline.Job, time.Duration, ...string) (bool, error) {
	return true, nil
}

// benchmarkBody is a comment of 14 kB, as long as most deliveries.
func benchmarkBody() []byte {
	short := len(commentBody(nil))
	return commentBody(func(b, c map[string]any) { c["body"] = c["body"].(string) + strings.Repeat(" word", (14_000-short)/5) })
}

func BenchmarkWebhook(b *testing.B) {
	for _, c := range []struct {
		name, event string
		body        []byte
	}{{"comment", "issue_comment", benchmarkBody()}, {"pull_request", "pull_request", readPayload("pull_request.opened.1.json")}} {
		b.Run(c.name, func(b *testing.B) {
			h := newTestWebhook(swallow{})
			r := deliver(c.event, "guid-1", c.body)
			body := bytes.NewReader(c.body)
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				r.Body = io.NopCloser(body)
				w := discard{http.Header{}}
				h.ServeHTTP(&w, r)
			}
		})
	}
	b.Run("the HMAC alone", func(b *testing.B) {
		body := benchmarkBody()
		mac := hmac.New(sha256.New, []byte(testSecret))
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			mac.Reset()
			mac.Write(body)
			mac.Sum(nil)
		}
	})
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
