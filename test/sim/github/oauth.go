package github

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The App's web flow, as docs.github.com has it under "Generating a user access
// token for a GitHub App" and "Troubleshooting": pages beside the REST API, not in it.

const (
	oauthCodeLife = 10 * time.Minute
	userTokenLife = 8 * time.Hour
)

// oauthCode is what the App exchanges for a token of the person who agreed.
type oauthCode struct {
	user      *account
	redirect  string
	challenge string // S256; "": none was sent
	at        time.Time
}

// userToken acts as a person, by way of the App.
type userToken struct {
	user    *account
	expires time.Time
}

// OAuth is what the App's settings page says about signing in.
type OAuth struct {
	ClientID     string
	ClientSecret string
	Callbacks    []string // "Callback URL", matched whole
}

// SetOAuth fills in the App's settings page.
func (s *Server) SetOAuth(o OAuth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oauth = o
}

// ConsentAs says who is signed in in the browser and authorizes the App on the
// next visits of its authorization page; empty: they cancel.
func (s *Server) ConsentAs(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consenter = login
}

const oauthPath = "/login/oauth/"

func (s *Server) serveOAuth(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.URL.Path == oauthPath+"authorize" && r.Method == http.MethodGet:
		s.authorize(w, r)
	case r.URL.Path == oauthPath+"access_token" && r.Method == http.MethodPost:
		s.exchange(w, r)
	default:
		http.NotFound(w, r)
	}
}

// authorize is the page on which a person agrees. The lock is held.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if s.oauth.ClientID == "" || q.Get("client_id") != s.oauth.ClientID || len(s.oauth.Callbacks) == 0 {
		http.NotFound(w, r)
		return
	}
	to := q.Get("redirect_uri")
	if to == "" {
		to = s.oauth.Callbacks[0]
	}
	answer := url.Values{}
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	me, err := s.db.account(s.consenter)
	switch challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method"); {
	case !slices.Contains(s.oauth.Callbacks, to):
		to = s.oauth.Callbacks[0]
		answer.Set("error", "redirect_uri_mismatch")
		answer.Set("error_description", "The redirect_uri MUST match the registered callback URL for this application.")
	// The documentation says that both come together and plain is not supported,
	// not how it is refused; this is how RFC 7636 does.
	case (challenge == "") != (method == ""), challenge != "" && (method != "S256" || len(challenge) != 43):
		answer.Set("error", "invalid_request")
	case s.consenter == "" || err != nil:
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user has denied your application access.")
	default:
		code := randomHex(10)
		s.oauthCodes[code] = oauthCode{user: me, redirect: to, challenge: challenge, at: s.cfg.Now()}
		answer.Set("code", code)
	}
	w.Header().Set("Location", to+"?"+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

// exchange answers errors with status 200, in the format that is asked for. The lock is held.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	q, err := oauthArgs(r)
	if err != nil {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	code, known := s.oauthCodes[q.Get("code")]
	out := url.Values{}
	switch {
	case s.oauth.ClientID == "" || q.Get("client_id") != s.oauth.ClientID || q.Get("client_secret") != s.oauth.ClientSecret:
		out.Set("error", "incorrect_client_credentials")
		out.Set("error_description", "The client_id and/or client_secret passed are incorrect.")
	case q.Get("redirect_uri") != "" && !slices.Contains(s.oauth.Callbacks, q.Get("redirect_uri")):
		out.Set("error", "redirect_uri_mismatch")
		out.Set("error_description", "The redirect_uri MUST match the registered callback URL for this application.")
	case !known || s.cfg.Now().Sub(code.at) > oauthCodeLife || q.Get("redirect_uri") != "" && q.Get("redirect_uri") != code.redirect || !code.proves(q.Get("code_verifier")):
		delete(s.oauthCodes, q.Get("code"))
		out.Set("error", "bad_verification_code")
		out.Set("error_description", "The code passed is incorrect or expired.")
	default:
		delete(s.oauthCodes, q.Get("code"))
		token := "ghu_" + randomHex(18)
		s.userTokens[token] = userToken{code.user, s.cfg.Now().Add(userTokenLife)}
		out.Set("access_token", token)
		out.Set("expires_in", "28800")
		out.Set("refresh_token", "ghr_"+randomHex(38))
		out.Set("refresh_token_expires_in", "15897600")
		out.Set("token_type", "bearer")
		out.Set("scope", "")
	}
	if r.Header.Get("Accept") != "application/json" {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(out.Encode()))
		return
	}
	body := map[string]any{}
	for name := range out {
		body[name] = out.Get(name)
		if name == "expires_in" || name == "refresh_token_expires_in" {
			body[name] = json.Number(out.Get(name))
		}
	}
	w.Header().Set("Content-Type", jsonMedia)
	_, _ = w.Write(encode(body))
}

// proves: a code that was asked for with a challenge needs its verifier.
func (c oauthCode) proves(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return c.challenge == "" || base64.RawURLEncoding.EncodeToString(sum[:]) == c.challenge
}

// oauthArgs are the parameters in the query, a form or a JSON body.
func oauthArgs(r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		err := r.ParseForm()
		return r.Form, err
	}
	var in map[string]string
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	out := r.URL.Query()
	for k, v := range in {
		out.Set(k, v)
	}
	return out, nil
}

func (s *Server) getMe(c *call) (*reply, error) { return ok(s.profile(c.who.user)), nil }
