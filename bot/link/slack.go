package link

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

const slackIssuer = "https://slack.com"

// askSlack sends the browser to "Sign in with Slack"
// (docs.slack.dev/authentication/sign-in-with-slack).
func (h *handler) askSlack(w http.ResponseWriter, r *http.Request, who pipeline.Actor) error {
	state, cookie, err := h.leave(r.Context(), w, who, slackCallback)
	if err != nil {
		return err
	}
	goTo(w, h.Slack.Page, url.Values{
		"response_type": {"code"}, "scope": {"openid"}, "client_id": {h.Slack.ClientID}, "team": {who.SlackTeam},
		"redirect_uri": {h.BaseURL + slackCallback}, "state": {state}, "nonce": {derive(cookie, "nonce")},
	})
	return nil
}

// fromSlack: only the very person the address was made for goes on to GitHub.
func (h *handler) fromSlack(w http.ResponseWriter, r *http.Request) {
	who, cookie, err := h.comeBack(r, slackCallback)
	var signedIn slackPerson
	if err == nil {
		signedIn, err = h.slackPerson(r.Context(), r.URL.Query().Get("code"), derive(cookie, "nonce"))
	}
	if err == nil && (signedIn.Team != who.SlackTeam || signedIn.User != who.SlackUser) {
		err = pipeline.Refuse("link_not_yours", "You are signed in to Slack as user %s of team %s, and this link was made for user %s of team %s, so nobody was linked. Say /link yourself.",
			commands.Code(signedIn.User), commands.Code(signedIn.Team), commands.Code(who.SlackUser), commands.Code(who.SlackTeam))
	}
	if err == nil {
		_, err = h.Member(r.Context(), who.SlackTeam, who.SlackUser)
	}
	if err == nil {
		err = h.askGitHub(w, r, who)
	}
	if err != nil {
		h.fail(w, r, who, err)
	}
}

type slackPerson struct{ Team, User string }

// slackPerson asks Slack whom a code stands for. The ID token comes from Slack
// itself over TLS, so its signature adds nothing (OpenID Connect Core 3.1.3.7);
// that it is for us, fresh, and of this passage is checked. The access token
// that comes with it is not used.
func (h *handler) slackPerson(ctx context.Context, code, nonce string) (slackPerson, error) {
	got, err := slackgo.GetOpenIDConnectTokenContext(ctx, &h.slack, h.Slack.ClientID, h.Slack.Secret.Reveal(), code, h.BaseURL+slackCallback, slackgo.OAuthOptionAPIURL(h.Slack.API))
	var refused slackgo.SlackErrorResponse
	switch {
	case errors.As(err, &refused):
		return slackPerson{}, notConfirmed(fmt.Errorf("openid.connect.token: %w", err))
	case err != nil:
		return slackPerson{}, fmt.Errorf("openid.connect.token: %w", err)
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Nonce    string `json:"nonce"`
		Team     string `json:"https://slack.com/team_id"`
		User     string `json:"https://slack.com/user_id"`
	}
	parts := strings.Split(got.IdToken, ".")
	if len(parts) != 3 {
		return slackPerson{}, notConfirmed(errors.New("openid.connect.token: no ID token"))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		return slackPerson{}, notConfirmed(errors.New("openid.connect.token: the ID token cannot be read"))
	}
	switch {
	case claims.Issuer != slackIssuer, claims.Audience != h.Slack.ClientID, h.Now().Unix() >= claims.Expires,
		subtle.ConstantTimeCompare([]byte(claims.Nonce), []byte(nonce)) != 1, claims.Team == "", claims.User == "":
		return slackPerson{}, notConfirmed(fmt.Errorf("openid.connect.token: the ID token is of %.100q for %.100q until %d, or of another sign-in", claims.Issuer, claims.Audience, claims.Expires))
	}
	return slackPerson{claims.Team, claims.User}, nil
}
