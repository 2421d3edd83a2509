package slack_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/test/sim/slack"
)

func TestSigningInWithSlack(t *testing.T) {
	s, _ := start(t, slack.Config{ClientID: "1.2", ClientSecret: "hush"})
	const back = "https://shipmate.example/link/slack"
	visit := func() url.Values {
		noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		q := url.Values{"client_id": {"1.2"}, "state": {"s-1"}, "redirect_uri": {back}}
		resp, err := noRedirect.Get(s.AuthorizeURL() + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return to.Query()
	}
	if q := visit(); q.Get("error") != "access_denied" {
		t.Errorf("declined: %v", q)
	}
	s.ConsentAs("mona")
	q := visit()
	if q.Get("state") != "s-1" {
		t.Errorf("state %q", q.Get("state"))
	}
	exchange := func(secret, code string) (*slackgo.OAuthV2Response, error) {
		return slackgo.GetOAuthV2ResponseContext(t.Context(), http.DefaultClient, "1.2", secret, code, back, slackgo.OAuthOptionAPIURL(s.APIURL()))
	}
	if _, err := exchange("wrong", q.Get("code")); err == nil || err.Error() != "bad_client_secret" {
		t.Errorf("wrong secret: %v", err)
	}
	got, err := exchange("hush", q.Get("code"))
	if err != nil || got.AuthedUser.ID != "U1" || got.Team.ID != "T0SIM" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := exchange("hush", q.Get("code")); err == nil || err.Error() != "invalid_code" {
		t.Errorf("twice: %v", err)
	}
}

func TestSigningInWithOpenID(t *testing.T) {
	const back = "https://shipmate.example/link/slack"
	s, _ := start(t, slack.Config{ClientID: "1.2", ClientSecret: "hush", RedirectURLs: []string{back}})
	s.ConsentAs("mona")
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	visit := func(change url.Values) (int, url.Values) {
		q := url.Values{"response_type": {"code"}, "scope": {"openid"}, "client_id": {"1.2"}, "state": {"s-1"}, "nonce": {"n-1"}, "redirect_uri": {back}}
		for k, v := range change {
			q[k] = v
		}
		resp, err := stay.Get(s.SignInURL() + "?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			return resp.StatusCode, nil
		}
		return resp.StatusCode, to.Query()
	}
	for name, change := range map[string]url.Values{
		"a token at once":         {"response_type": {"token"}},
		"no openid":               {"scope": {"profile"}},
		"a scope of another flow": {"scope": {"openid chat:write"}},
		"another app":             {"client_id": {"1.3"}},
		"a page below ours":       {"redirect_uri": {back + "/x"}},
	} {
		if status, q := visit(change); status != http.StatusBadRequest || q != nil {
			t.Errorf("%s: %d, %v", name, status, q)
		}
	}
	exchange := func(code, redirect string) (*slackgo.OpenIDConnectResponse, error) {
		return slackgo.GetOpenIDConnectTokenContext(t.Context(), http.DefaultClient, "1.2", "hush", code, redirect, slackgo.OAuthOptionAPIURL(s.APIURL()))
	}
	_, q := visit(nil)
	got, err := exchange(q.Get("code"), back)
	if err != nil || q.Get("state") != "s-1" {
		t.Fatal(q, err)
	}
	claims := decodeClaims(t, got.IdToken)
	if claims["iss"] != "https://slack.com" || claims["aud"] != "1.2" || claims["nonce"] != "n-1" || claims["https://slack.com/user_id"] != "U1" ||
		claims["https://slack.com/team_id"] != "T0SIM" || claims["email"] != nil || claims["name"] != nil {
		t.Errorf("claims: %v", claims)
	}
	me, err := client(s, got.AccessToken).GetOpenIDConnectUserInfo()
	if err != nil || me.UserID != "U1" || me.TeamID != "T0SIM" {
		t.Errorf("user info: %+v, %v", me, err)
	}
	if _, err := client(s, "xoxp-sim-U1").GetOpenIDConnectUserInfo(); err == nil || err.Error() != "invalid_auth" {
		t.Errorf("a guessed token: %v", err)
	}
	if _, err := exchange(q.Get("code"), back); err == nil || err.Error() != "invalid_code" {
		t.Errorf("twice: %v", err)
	}
	_, q = visit(nil)
	if _, err := exchange(q.Get("code"), back+"/x"); err == nil || err.Error() != "bad_redirect_uri" {
		t.Errorf("another address: %v", err)
	}
}

func decodeClaims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		t.Fatalf("no signed token: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var out map[string]any
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
