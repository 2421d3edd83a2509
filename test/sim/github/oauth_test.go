package github_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	sim "github.com/shipmate/shipmate/test/sim/github"
	"github.com/shipmate/shipmate/test/sim/github/openapi"
)

const (
	oauthBack = "https://shipmate.example/link/github"
	verifier  = "a-verifier-that-is-at-least-43-characters-long"
)

// signIn is a browser and an App on one person's way through the web flow.
type signIn struct {
	t   *testing.T
	s   *sim.Server
	now time.Time
}

func newSignIn(t *testing.T) *signIn {
	f := &signIn{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	f.s = sim.Must(sim.New(sim.Config{Now: func() time.Time { return f.now }}))
	t.Cleanup(func() { _ = f.s.Close() })
	sim.Must(f.s.Start())
	sim.Must(f.s.AddUser(sim.NewUser{Login: "mona", ID: 11}))
	f.s.SetOAuth(sim.OAuth{ClientID: "Iv1", ClientSecret: "hush", Callbacks: []string{"https://shipmate.example/other", oauthBack}})
	f.s.ConsentAs("mona")
	return f
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func with(base url.Values, change map[string]string) url.Values {
	for k, v := range change {
		if base.Set(k, v); v == "" {
			base.Del(k)
		}
	}
	return base
}

// visit opens the authorization page and returns the address it leads back to.
func (f *signIn) visit(change map[string]string) (int, *url.URL) {
	f.t.Helper()
	q := with(url.Values{"client_id": {"Iv1"}, "redirect_uri": {oauthBack}, "state": {"s-1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}, change)
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := stay.Get(f.s.URL() + "/login/oauth/authorize?" + q.Encode())
	if err != nil {
		f.t.Fatal(err)
	}
	_ = resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		to = &url.URL{}
	}
	return resp.StatusCode, to
}

func (f *signIn) code() string {
	f.t.Helper()
	status, to := f.visit(nil)
	if status != http.StatusFound || !strings.HasPrefix(to.String(), oauthBack+"?") || to.Query().Get("state") != "s-1" || to.Query().Get("code") == "" {
		f.t.Fatalf("%d, %s", status, to)
	}
	return to.Query().Get("code")
}

func (f *signIn) exchange(code string, change map[string]string) map[string]any {
	f.t.Helper()
	form := with(url.Values{"client_id": {"Iv1"}, "client_secret": {"hush"}, "code": {code}, "redirect_uri": {oauthBack}, "code_verifier": {verifier}}, change)
	req, _ := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.s.URL()+"/login/oauth/access_token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	return f.do(req, http.StatusOK)
}

func (f *signIn) do(req *http.Request, want int) map[string]any {
	f.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != want {
		f.t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return out
}

func (f *signIn) me(token string, want int) map[string]any {
	f.t.Helper()
	req, _ := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.s.APIURL()+"/user", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	return f.do(req, want)
}

func TestSigningInWithGitHub(t *testing.T) {
	f := newSignIn(t)
	code := f.code()
	got := f.exchange(code, nil)
	token, _ := got["access_token"].(string)
	if !strings.HasPrefix(token, "ghu_") || got["token_type"] != "bearer" || got["expires_in"] != 28800.0 {
		t.Errorf("token: %v", got)
	}
	if me := f.me(token, http.StatusOK); me["login"] != "mona" || me["id"] != 11.0 || me["type"] != "User" {
		t.Errorf("me: %v", me)
	}
	if again := f.exchange(code, nil); again["error"] != "bad_verification_code" {
		t.Errorf("a code twice: %v", again)
	}
	f.me("ghu_guessed", http.StatusUnauthorized)
	f.now = f.now.Add(9 * time.Hour)
	f.me(token, http.StatusUnauthorized)
}

// GET /user answers as GitHub's OpenAPI description says, and only to people's tokens.
func TestMeIsAsDescribed(t *testing.T) {
	spec, _ := openapi.ForTest(t)
	f := newSignIn(t)
	token, _ := f.exchange(f.code(), nil)["access_token"].(string)
	ask := func(path, token string) int {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, f.s.APIURL()+path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: spec.Transport(http.DefaultTransport, func(err error) { t.Error(err) })}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask("/user", token); got != http.StatusOK {
		t.Errorf("a person's token: %d", got)
	}
	if got := ask("/repos/acme/shop", token); got != http.StatusForbidden {
		t.Errorf("a person's token for a repository: %d", got)
	}
}

func TestGitHubRefusesAnExchange(t *testing.T) {
	for name, row := range map[string]struct {
		change map[string]string
		later  time.Duration
		want   string
	}{
		"another secret":              {map[string]string{"client_secret": "loud"}, 0, "incorrect_client_credentials"},
		"another App":                 {map[string]string{"client_id": "Iv2"}, 0, "incorrect_client_credentials"},
		"a code nobody got":           {map[string]string{"code": "0123"}, 0, "bad_verification_code"},
		"an old code":                 {nil, 10*time.Minute + time.Second, "bad_verification_code"},
		"no verifier":                 {map[string]string{"code_verifier": ""}, 0, "bad_verification_code"},
		"another verifier":            {map[string]string{"code_verifier": verifier + "x"}, 0, "bad_verification_code"},
		"another callback of ours":    {map[string]string{"redirect_uri": "https://shipmate.example/other"}, 0, "bad_verification_code"},
		"a callback that is nobody's": {map[string]string{"redirect_uri": oauthBack + "/x"}, 0, "redirect_uri_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newSignIn(t)
			code := f.code()
			f.now = f.now.Add(row.later)
			if got := f.exchange(code, row.change); got["error"] != row.want || got["access_token"] != nil {
				t.Errorf("got %v, want %s", got, row.want)
			}
		})
	}
}

func TestGitHubRefusesToAuthorize(t *testing.T) {
	f := newSignIn(t)
	if status, _ := f.visit(map[string]string{"client_id": "Iv2"}); status != http.StatusNotFound {
		t.Errorf("another App: %d", status)
	}
	if _, to := f.visit(map[string]string{"redirect_uri": oauthBack + "?x=1"}); to.Query().Get("error") != "redirect_uri_mismatch" || to.Path != "/other" {
		t.Errorf("a callback with a query: %s", to)
	}
	for name, change := range map[string]map[string]string{"plain": {"code_challenge_method": "plain"}, "no method": {"code_challenge_method": ""}, "no challenge": {"code_challenge": ""}} {
		if _, to := f.visit(change); to.Query().Get("error") != "invalid_request" || to.Query().Get("code") != "" {
			t.Errorf("%s: %s", name, to)
		}
	}
	f.s.ConsentAs("")
	if _, to := f.visit(nil); to.Query().Get("error") != "access_denied" || to.Query().Get("state") != "s-1" {
		t.Errorf("declined: %s", to)
	}
}
