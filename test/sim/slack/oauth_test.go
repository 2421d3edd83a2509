package slack_test

import (
	"net/http"
	"net/url"
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
