package slack

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const codeLife = 10 * time.Minute

// oauthCode is a temporary code that proves that a person agreed.
type oauthCode struct {
	user     string
	redirect string
	nonce    string
	at       time.Time
}

// userTokenPrefix begins the tokens of people; the rest is their id.
const userTokenPrefix = "xoxp-sim-"

// ConsentAs says which person is signed in in the browser and agrees on the next visits
// of the authorize page; empty means that they decline.
func (s *Server) ConsentAs(user string) {
	s.change(func(w *world) { w.consenter = user })
}

// AuthorizeURL is the page to send a browser to, without its query.
func (s *Server) AuthorizeURL() string { return s.cfg.BaseURL + "/oauth/v2/authorize" }

func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("redirect_uri") == "" || q.Get("client_id") != s.cfg.ClientID {
		http.Error(w, "invalid client_id or redirect_uri", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	s.change(func(w *world) {
		u := w.user("", w.consenter)
		if u == nil || w.consenter == "" {
			answer.Set("error", "access_denied")
			return
		}
		code := strings.ToLower(w.id(""))
		w.codes[code] = oauthCode{user: u.ID, redirect: q.Get("redirect_uri"), nonce: q.Get("nonce"), at: s.now()}
		answer.Set("code", code)
	})
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func oauthAccess(c *call) (reply, error) {
	u, _, err := c.exchange()
	if err != nil {
		return nil, err
	}
	team := c.world.team(u.Team)
	return reply{
		"app_id": AppID, "team": reply{"id": team.ID, "name": team.Name}, "enterprise": nil,
		"authed_user": reply{
			"id": u.ID, "scope": "identity.basic", "token_type": "user", "access_token": userTokenPrefix + u.ID,
		},
		"is_enterprise_install": false,
	}, nil
}

func openidToken(c *call) (reply, error) {
	u, nonce, err := c.exchange()
	if err != nil {
		return nil, err
	}
	claims := u.claims(c)
	claims["iss"], claims["aud"], claims["nonce"] = "https://slack.com", c.server.cfg.ClientID, nonce
	claims["iat"], claims["exp"] = c.now.Unix(), c.now.Add(5*time.Minute).Unix()
	raw, _ := json.Marshal(claims)
	part := base64.RawURLEncoding.EncodeToString
	return reply{
		"access_token": userTokenPrefix + u.ID, "token_type": "Bearer",
		"id_token": fmt.Sprintf("%s.%s.", part([]byte(`{"alg":"none"}`)), part(raw)),
	}, nil
}

func openidUserInfo(c *call) (reply, error) {
	id, ok := strings.CutPrefix(c.token, userTokenPrefix)
	if !ok {
		return nil, refuse("invalid_auth")
	}
	u := c.user("", id)
	if u == nil {
		return nil, refuse("invalid_auth")
	}
	return u.claims(c), nil
}

func (u *User) claims(c *call) reply {
	return reply{
		"sub": u.ID, "https://slack.com/user_id": u.ID, "https://slack.com/team_id": u.Team,
		"https://slack.com/team_domain": c.world.team(u.Team).Domain, "name": u.RealName, "email": u.Email,
	}
}

// exchange uses up a code.
func (c *call) exchange() (*User, string, error) {
	switch {
	case c.str("client_id") != c.server.cfg.ClientID || c.str("client_id") == "":
		return nil, "", refuse("invalid_client_id")
	case c.str("client_secret") != c.server.cfg.ClientSecret:
		return nil, "", refuse("bad_client_secret")
	}
	code, ok := c.codes[c.str("code")]
	delete(c.codes, c.str("code"))
	switch {
	case !ok || c.now.Sub(code.at) > codeLife:
		return nil, "", refuse("invalid_code")
	case c.str("redirect_uri") != code.redirect:
		return nil, "", refuse("bad_redirect_uri")
	}
	return c.user("", code.user), code.nonce, nil
}
