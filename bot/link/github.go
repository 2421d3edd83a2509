package link

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// askGitHub sends the browser to the App's authorization page, with PKCE
// (docs.github.com, "Generating a user access token for a GitHub App").
func (h *handler) askGitHub(w http.ResponseWriter, r *http.Request, who pipeline.Actor) error {
	state, cookie, err := h.leave(r.Context(), w, who, githubCallback)
	if err != nil {
		return err
	}
	challenge := sha256.Sum256([]byte(derive(cookie, "pkce")))
	goTo(w, h.GitHub.Page, url.Values{
		"client_id": {h.GitHub.ClientID}, "redirect_uri": {h.BaseURL + githubCallback}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"allow_signup": {"false"}, "prompt": {"select_account"},
	})
	return nil
}

// fromGitHub links the two, and says so to both.
func (h *handler) fromGitHub(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	who, cookie, err := h.comeBack(r, githubCallback)
	if err == nil {
		var me githubUser
		me, err = h.githubUser(ctx, r.URL.Query().Get("code"), derive(cookie, "pkce"))
		who.ID, who.Login = me.ID, me.Login
	}
	var name string
	if err == nil {
		name, err = h.Member(ctx, who.SlackTeam, who.SlackUser)
	}
	var before pipeline.Actor
	key := digest(r.URL.Query().Get("state"))
	if err == nil {
		before, err = h.People.Link(ctx, key, who, h.Now())
	}
	if err != nil {
		h.fail(w, r, who, err)
		return
	}
	h.setCookie(w, "", -1)
	h.tell(ctx, key, who, before)
	h.Log.Info("slack person linked", "actor", who.Login, "actor_id", who.ID, "slack_team", who.SlackTeam, "slack_user", who.SlackUser)
	done := page{Title: "Linked", Lines: []string{
		fmt.Sprintf("The Slack account @%s (user %s of team %s) now acts as GitHub user %s (%d).", name, who.SlackUser, who.SlackTeam, who.Login, who.ID),
		"You can close this page. To end it, say /link --remove on Slack.",
	}}
	if before.SlackUser != "" {
		done.Lines = append(done.Lines, fmt.Sprintf("Before, Slack user %s acted as %s. That account is linked to nobody any more, and is told so.", before.SlackUser, who.Login))
	}
	write(w, http.StatusOK, done)
}

// tell writes to the Slack person who is linked, and to the one who was before.
// The link stands whether they can be told or not.
func (h *handler) tell(ctx context.Context, key string, who, before pipeline.Actor) {
	at := pipeline.Origin{Surface: "slack"}
	jobs := []pipeline.Job{commands.Notice{To: who, At: at,
		Text: fmt.Sprintf("Your Slack account now acts as GitHub user %s (%d). If that was not you, say `/link --remove` and tell the operator.", commands.Code(who.Login), who.ID)}.Job("link:" + key)}
	if before.SlackUser != "" {
		jobs = append(jobs, commands.Notice{To: before, At: at,
			Text: fmt.Sprintf("GitHub user %s (%d) is now linked to Slack user %s, so your Slack account is linked to nobody any more. If that was not you, tell the operator.",
				commands.Code(who.Login), who.ID, commands.Code(who.SlackUser))}.Job("link-before:"+key))
	}
	if err := h.Queue.Enqueue(ctx, jobs...); err != nil {
		h.Log.Error("people are not told that they were linked", "actor", who.Login, "slack_user", who.SlackUser, "err", err)
	}
}

type githubUser struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

// githubUser asks GitHub whom a code stands for. The token it takes is used for
// this one question and kept nowhere.
func (h *handler) githubUser(ctx context.Context, code, verifier string) (githubUser, error) {
	var me githubUser
	token, err := h.githubToken(ctx, code, verifier)
	if err != nil {
		return me, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.GitHub.API+"user", nil)
	if err != nil {
		return me, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	if err := h.ask(req, &me); err != nil {
		return me, fmt.Errorf("read the GitHub user: %w", err)
	}
	if me.ID <= 0 || me.Login == "" || me.Type != "User" {
		return githubUser{}, notConfirmed(fmt.Errorf("GitHub answered with user %d of type %.20q", me.ID, me.Type))
	}
	return me, nil
}

func (h *handler) githubToken(ctx context.Context, code, verifier string) (pipeline.Secret, error) {
	form := url.Values{"client_id": {h.GitHub.ClientID}, "client_secret": {h.GitHub.Secret.Reveal()}, "code": {code},
		"redirect_uri": {h.BaseURL + githubCallback}, "code_verifier": {verifier}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.GitHub.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return pipeline.Secret{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	var got struct {
		Token string `json:"access_token"`
		Error string `json:"error"` // with status 200
	}
	if err := h.ask(req, &got); err != nil {
		return pipeline.Secret{}, fmt.Errorf("exchange the code at GitHub: %w", err)
	}
	if got.Error != "" || got.Token == "" {
		return pipeline.Secret{}, notConfirmed(fmt.Errorf("exchange the code at GitHub: %.100q", got.Error))
	}
	return pipeline.NewSecret(got.Token), nil
}

// ask does a request and reads its JSON answer, which is in no error.
func (h *handler) ask(req *http.Request, into any) error {
	const most = 1 << 20
	req.Header.Set("User-Agent", "shipmate")
	resp, err := h.github.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if json.Unmarshal(body, into) != nil {
		return errors.New("the answer is not what it should be")
	}
	return nil
}
