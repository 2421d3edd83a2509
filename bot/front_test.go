package bot_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/bot"
)

// shown is what "/" answers to somebody who accepts this.
func shown(t *testing.T, h http.Handler, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("answers %d", w.Code)
	}
	return w
}

// The public page says that something is wrong, and nothing that is nobody's business.
func TestTheFrontPageKeepsNamesToItself(t *testing.T) {
	now := time.Now()
	arrivals := &bot.Arrivals{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	var down error
	f := &bot.Front{GitHub: true, Arrivals: arrivals, Now: func() time.Time { return now }, Ready: func(*http.Request) error { return down }}
	page := bot.Routes{Front: f}.Handler()
	f.Found(bot.OnGitHub, []bot.Finding{{Kind: "github_not_accepted", Gravity: bot.Lacking, Text: "secret-org has not accepted <b>"}})
	f.Found(bot.OnSlack, []bot.Finding{{Kind: "slack_unreachable", Gravity: bot.Unknown, Text: "x"}})
	for _, accept := range []string{"text/html", "text/plain", "*/*", ""} {
		w := shown(t, page, accept)
		if html := strings.Contains(accept, "html"); html != strings.Contains(w.Body.String(), "<main>") || html != strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%q gets %s", accept, w.Header().Get("Content-Type"))
		}
		for _, says := range []string{"github_not_accepted", "shipmate doctor", "no webhook has come since the start"} {
			if !strings.Contains(w.Body.String(), says) {
				t.Errorf("%q is not told %q:\n%s", accept, says, w.Body)
			}
		}
		if strings.Contains(w.Body.String(), "secret-org") {
			t.Errorf("%q is told the organization:\n%s", accept, w.Body)
		}
		if strings.Contains(w.Body.String(), "http://") || strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "src=") {
			t.Errorf("the page loads something:\n%s", w.Body)
		}
	}
	down = errors.New("no")
	if text := shown(t, page, "").Body.String(); !strings.Contains(text, "shipmate waits for Redis") {
		t.Errorf("without Redis it says\n%s", text)
	}
	for _, path := range []string{"/index.html", "/x", "//"} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code == http.StatusOK {
			t.Errorf("%s is answered as well", path)
		}
	}
}

// However many forged requests come, the log has a line a minute, and the page their number.
func TestForgedRequestsAreSaidOnceAMinute(t *testing.T) {
	now, log, counted := time.Now(), &bytes.Buffer{}, 0
	a := &bot.Arrivals{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(log, nil)), Refused: func(string) { counted++ }}
	status := http.StatusUnauthorized
	h := a.Watch(bot.OnGitHub, "SHIPMATE_GITHUB_WEBHOOK_SECRET", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	send := func(times int) {
		for range times {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/github/webhook", nil))
		}
	}
	send(500)
	if n := strings.Count(log.String(), "SHIPMATE_GITHUB_WEBHOOK_SECRET"); n != 1 || counted != 500 || a.Of(bot.OnGitHub).Refused != 500 {
		t.Errorf("%d lines, %d counted, %+v", n, counted, a.Of(bot.OnGitHub))
	}
	now = now.Add(time.Minute)
	send(1)
	if n := strings.Count(log.String(), "SHIPMATE_GITHUB_WEBHOOK_SECRET"); n != 2 || !strings.Contains(log.String(), "refused=500") {
		t.Errorf("%d lines after a minute:\n%s", n, log)
	}
	for _, status = range []int{http.StatusServiceUnavailable, http.StatusBadRequest} {
		send(1)
	}
	if !a.Of(bot.OnGitHub).Good.IsZero() {
		t.Error("what failed counts as a webhook that came")
	}
	status = http.StatusAccepted
	send(1)
	if a.Of(bot.OnGitHub).Good != now {
		t.Error("a webhook that came is not kept")
	}
	if a.Watch(bot.OnSlack, "", nil) != nil {
		t.Error("a platform that is not configured gets a route")
	}
}
