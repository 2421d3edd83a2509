package slack

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const codeLife = 10 * time.Minute

// oauthCode is a temporary code that proves that a person agreed.
type oauthCode struct {
	user     string
	redirect string
	nonce    string
	openid   bool     // of "Sign in with Slack", not of an installation
	scopes   []string // of openid
	at       time.Time
}

// userToken is a token that acts as a person who signed in.
type userToken struct {
	user   string
	scopes []string
}

// ConsentAs says which person is signed in in the browser and agrees on the next visits
// of the authorize pages; empty means that they decline.
func (s *Server) ConsentAs(user string) {
	s.change(func(w *world) { w.consenter = user })
}

// AuthorizeURL is the page to send a browser to, without its query.
func (s *Server) AuthorizeURL() string { return s.cfg.BaseURL + "/oauth/v2/authorize" }

// SignInURL is the page of "Sign in with Slack", without its query.
func (s *Server) SignInURL() string { return s.cfg.BaseURL + "/openid/connect/authorize" }

// SetRedirectURLs changes what Config.RedirectURLs says, for an app that starts after its Slack.
func (s *Server) SetRedirectURLs(urls ...string) {
	s.change(func(*world) { s.cfg.RedirectURLs = urls })
}

func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) { s.authorize(w, r, false) }

// serveSignIn is the authorization endpoint of
// https://slack.com/.well-known/openid-configuration. The team in the query
// only spares people the choice of one, so it is not looked at.
func (s *Server) serveSignIn(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	scopes := strings.Fields(q.Get("scope"))
	if q.Get("response_type") != "code" {
		http.Error(w, "invalid response_type", http.StatusBadRequest)
		return
	}
	known := func(scope string) bool { return slices.Contains([]string{"openid", "profile", "email"}, scope) }
	if !slices.Contains(scopes, "openid") || slices.ContainsFunc(scopes, func(scope string) bool { return !known(scope) }) {
		http.Error(w, "invalid_scope", http.StatusBadRequest)
		return
	}
	s.authorize(w, r, true)
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request, openid bool) {
	q := r.URL.Query()
	to := q.Get("redirect_uri")
	back, err := url.Parse(to)
	if err != nil || to == "" || q.Get("client_id") != s.cfg.ClientID || s.cfg.ClientID == "" {
		http.Error(w, "invalid client_id or redirect_uri", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	refused := false
	s.change(func(w *world) {
		if refused = s.cfg.RedirectURLs != nil && !slices.Contains(s.cfg.RedirectURLs, to); refused {
			return
		}
		u := w.user("", w.consenter)
		if u == nil || w.consenter == "" {
			answer.Set("error", "access_denied")
			return
		}
		code := strings.ToLower(w.id(""))
		w.codes[code] = oauthCode{user: u.ID, redirect: to, nonce: q.Get("nonce"), openid: openid, scopes: strings.Fields(q.Get("scope")), at: s.now()}
		answer.Set("code", code)
	})
	if refused {
		http.Error(w, "bad_redirect_uri: redirect_uri did not match any configured URIs. Passed URI: "+to, http.StatusBadRequest)
		return
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func oauthAccess(c *call) (reply, error) {
	u, code, err := c.exchange(false)
	if err != nil {
		return nil, err
	}
	team := c.world.team(u.Team)
	return reply{
		"app_id": AppID, "team": reply{"id": team.ID, "name": team.Name}, "enterprise": nil,
		"authed_user": reply{
			"id": u.ID, "scope": "identity.basic", "token_type": "user", "access_token": c.userToken(u, code),
		},
		"is_enterprise_install": false,
	}, nil
}

func openidToken(c *call) (reply, error) {
	if grant := c.str("grant_type"); grant != "" && grant != "authorization_code" {
		return nil, refuse("invalid_grant_type")
	}
	u, code, err := c.exchange(true)
	if err != nil {
		return nil, err
	}
	claims := u.claims(c, code.scopes)
	claims["iss"], claims["aud"] = "https://slack.com", c.server.cfg.ClientID
	if code.nonce != "" {
		claims["nonce"] = code.nonce
	}
	claims["auth_time"], claims["iat"], claims["exp"] = c.now.Unix(), c.now.Unix(), c.now.Add(5*time.Minute).Unix()
	token, err := c.server.idToken(claims)
	if err != nil {
		return nil, err
	}
	return reply{"access_token": c.userToken(u, code), "token_type": "Bearer", "id_token": token}, nil
}

// idToken is signed as Slack signs it, with RS256.
func (s *Server) idToken(claims reply) (string, error) {
	key, err := s.signer()
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"typ":"JWT","alg":"RS256","kid":"sim"}`)) + "." + part(raw)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + part(signature), err
}

func openidUserInfo(c *call) (reply, error) {
	token := c.token
	if token == "" {
		token = c.str("token")
	}
	known, ok := c.userTokens[token]
	u := c.user("", known.user)
	if !ok || u == nil {
		return nil, refuse("invalid_auth")
	}
	if !slices.Contains(known.scopes, "openid") {
		return nil, refuse("missing_scope")
	}
	return u.claims(c, known.scopes), nil
}

// claims are what the scopes of a sign-in let an app know.
func (u *User) claims(c *call, scopes []string) reply {
	out := reply{"sub": u.ID, "https://slack.com/user_id": u.ID, "https://slack.com/team_id": u.Team}
	if slices.Contains(scopes, "profile") {
		out["name"], out["https://slack.com/team_domain"] = u.RealName, c.world.team(u.Team).Domain
	}
	if slices.Contains(scopes, "email") {
		out["email"], out["email_verified"] = u.Email, u.Email != ""
	}
	return out
}

func (c *call) userToken(u *User, code oauthCode) string {
	token := "xoxp-" + rand.Text()
	c.userTokens[token] = userToken{u.ID, code.scopes}
	return token
}

// exchange uses up a code.
func (c *call) exchange(openid bool) (*User, oauthCode, error) {
	switch {
	case c.str("client_id") != c.server.cfg.ClientID || c.str("client_id") == "":
		return nil, oauthCode{}, refuse("invalid_client_id")
	case c.str("client_secret") != c.server.cfg.ClientSecret:
		return nil, oauthCode{}, refuse("bad_client_secret")
	}
	code, ok := c.codes[c.str("code")]
	delete(c.codes, c.str("code"))
	switch {
	case !ok || c.now.Sub(code.at) > codeLife || code.openid != openid:
		return nil, oauthCode{}, refuse("invalid_code")
	case c.str("redirect_uri") != code.redirect:
		return nil, oauthCode{}, refuse("bad_redirect_uri")
	}
	return c.user("", code.user), code, nil
}
