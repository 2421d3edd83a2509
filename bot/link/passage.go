package link

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// passage is somebody on the way to a platform and back. It is kept under its
// state; the browser holds a cookie, of which only the digest is kept here.
type passage struct {
	Team    string    `json:"team"`
	User    string    `json:"user"`
	To      string    `json:"to"` // the callback that it must come back to
	Cookie  string    `json:"cookie"`
	Expires time.Time `json:"expires"`
}

func stateKey(state string) string { return "link-state:" + digest(state) }

// leave begins a passage with a cookie of its own, whatever cookie the browser
// had: nobody else can have put it there.
func (h *handler) leave(ctx context.Context, w http.ResponseWriter, who pipeline.Actor, to string) (state, cookie string, err error) {
	state, cookie = rand.Text(), rand.Text()+rand.Text()
	value, err := json.Marshal(passage{who.SlackTeam, who.SlackUser, to, digest(cookie), h.Now().Add(within)})
	if err != nil {
		return "", "", err
	}
	if _, err := h.Records.PutNew(ctx, nowhere, stateKey(state), value, within); err != nil {
		return "", "", err
	}
	h.setCookie(w, cookie, int(within.Seconds()))
	return state, cookie, nil
}

var (
	errState = pipeline.Refuse("link_state", "This answer belongs to no sign-in that was begun in this browser within the last ten minutes, so nobody was linked. Say /link on Slack and go through it in one browser.")
	errNo    = pipeline.Refuse("link_declined", "You did not agree, so nobody was linked. Say /link on Slack if you change your mind.")
)

// comeBack ends the passage a request comes back from. Whatever becomes of it,
// its state is used up.
func (h *handler) comeBack(r *http.Request, at string) (who pipeline.Actor, cookie string, err error) {
	q := r.URL.Query()
	state := q.Get("state")
	if !randomText.MatchString(state) {
		return who, "", errState
	}
	value, err := h.Records.Take(r.Context(), nowhere, stateKey(state))
	if errors.Is(err, pipeline.ErrNotFound) {
		return who, "", errState
	}
	if err != nil {
		return who, "", err
	}
	var p passage
	if err := json.Unmarshal(value, &p); err != nil {
		return who, "", fmt.Errorf("passage: %w", err)
	}
	held, err := r.Cookie(h.cookieName())
	if err != nil || subtle.ConstantTimeCompare([]byte(digest(held.Value)), []byte(p.Cookie)) != 1 || p.To != at || !h.Now().Before(p.Expires) {
		return who, "", errState
	}
	who = pipeline.Actor{SlackTeam: p.Team, SlackUser: p.User}
	if q.Get("error") == "access_denied" {
		return who, "", errNo
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		return who, "", notConfirmed(fmt.Errorf("came back to %s with error %.100q", at, q.Get("error")))
	}
	return who, held.Value, nil
}

// notConfirmed is a sign-in that did not say who somebody is.
func notConfirmed(err error) error {
	return &pipeline.Error{Code: "sign_in_failed", Message: "The sign-in did not confirm who you are, so nobody was linked. Say /link on Slack to begin anew.", Err: err}
}

// derive makes a secret of a passage out of its cookie, so that it is kept
// nowhere but in the browser.
func derive(cookie, purpose string) string {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (h *handler) secure() bool { return strings.HasPrefix(h.BaseURL, "https://") }

// cookieName has the prefix by which browsers refuse the cookie to other hosts
// and to plain HTTP; without TLS, which is for this machine alone, it cannot.
func (h *handler) cookieName() string {
	if h.secure() {
		return "__Host-shipmate-link"
	}
	return "shipmate-link"
}

// setCookie: Lax, because it must come along when a platform sends people back.
func (h *handler) setCookie(w http.ResponseWriter, value string, age int) {
	c := &http.Cookie{Name: h.cookieName(), Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	c.Secure = h.secure() // else not every browser would give it back to this machine
	http.SetCookie(w, c)
}

// goTo sends the browser to a platform. A page there is the operator's setting;
// nothing of it comes from the request.
func goTo(w http.ResponseWriter, page string, q url.Values) {
	w.Header().Set("Location", page+"?"+q.Encode())
	w.WriteHeader(http.StatusSeeOther)
}
