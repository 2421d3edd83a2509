package link

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Invitations gives out the addresses that lead to the pages.
type Invitations struct {
	BaseURL string
	Missing []string // settings without which nobody can be linked
	Member  Member
	Records records
	Now     func() time.Time
}

// invitation is what the code in an address stands for.
type invitation struct {
	Team    string    `json:"team"`
	User    string    `json:"user"`
	Expires time.Time `json:"expires"`
}

func codeKey(code string) string { return "link-code:" + digest(code) }

// Invite returns the address for a Slack person, the same for the same key. Its
// code has 130 random bits.
func (i Invitations) Invite(ctx context.Context, key string, who pipeline.Actor) (string, error) {
	if len(i.Missing) > 0 {
		return "", pipeline.Refuse("link_not_configured", "People cannot link their accounts here, because the operator has not set %s. Until then, ask the operator to add Slack user %s of team %s to the identities file.",
			strings.Join(i.Missing, ", "), commands.Code(who.SlackUser), commands.Code(who.SlackTeam))
	}
	if _, err := i.Member(ctx, who.SlackTeam, who.SlackUser); err != nil {
		return "", err
	}
	code := []byte(rand.Text())
	fresh, err := i.Records.PutNew(ctx, nowhere, "link-of:"+key, code, within)
	if err == nil && !fresh {
		code, err = i.Records.Get(ctx, nowhere, "link-of:"+key)
	}
	if err != nil {
		return "", pipeline.Temporary(err)
	}
	value, err := json.Marshal(invitation{who.SlackTeam, who.SlackUser, i.Now().Add(within)})
	if err != nil {
		return "", err
	}
	if _, err := i.Records.PutNew(ctx, nowhere, codeKey(string(code)), value, within); err != nil {
		return "", pipeline.Temporary(err)
	}
	return strings.TrimRight(i.BaseURL, "/") + "/link?" + url.Values{"code": {string(code)}}.Encode(), nil
}

var (
	randomText = regexp.MustCompile(`^[A-Z2-7]{26}$`) // what rand.Text makes

	errUsed = pipeline.Refuse("link_expired", "This link was used before, or is older than ten minutes. Say /link on Slack to get a new one.")
)

// invited shows whom the address is for. To look at it uses nothing up: those
// who preview links look too.
func (h *handler) invited(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	to, err := h.invitation(r.Context(), code, h.Records.Get)
	if err != nil {
		h.fail(w, r, pipeline.Actor{}, err)
		return
	}
	name, err := h.Member(r.Context(), to.Team, to.User)
	if err != nil {
		h.fail(w, r, pipeline.Actor{}, err)
		return
	}
	write(w, http.StatusOK, page{
		Title: "Link Slack to GitHub",
		Lines: []string{
			fmt.Sprintf("This links the Slack account @%s (user %s of team %s) to your GitHub account. From then on, what this Slack account says to shipmate counts as said by you on GitHub.", name, to.User, to.Team),
			"You sign in to Slack, as this very account, and then to GitHub. shipmate learns who you are there, and keeps no access.",
			"If you did not say /link on Slack yourself, close this page.",
		},
		Action: h.BaseURL + "/link", Code: code, Button: "Sign in with Slack, then GitHub",
	})
}

// begin uses the address up and sends its person to Slack.
func (h *handler) begin(w http.ResponseWriter, r *http.Request) {
	const most = 4 << 10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	code := r.PostFormValue("code") // of the body alone
	to, err := h.invitation(r.Context(), code, h.Records.Get)
	if err == nil { // asked before the code is gone: it may be tried again
		_, err = h.Member(r.Context(), to.Team, to.User)
	}
	if err == nil {
		to, err = h.invitation(r.Context(), code, h.Records.Take)
	}
	if err == nil {
		err = h.askSlack(w, r, pipeline.Actor{SlackTeam: to.Team, SlackUser: to.User})
	}
	if err != nil {
		h.fail(w, r, pipeline.Actor{}, err)
	}
}

func (h *handler) invitation(ctx context.Context, code string, read func(context.Context, int64, string) ([]byte, error)) (invitation, error) {
	var to invitation
	if !randomText.MatchString(code) {
		return to, errUsed
	}
	value, err := read(ctx, nowhere, codeKey(code))
	if errors.Is(err, pipeline.ErrNotFound) {
		return to, errUsed
	}
	if err != nil {
		return to, err
	}
	if err := json.Unmarshal(value, &to); err != nil {
		return to, fmt.Errorf("invitation: %w", err)
	}
	if !h.Now().Before(to.Expires) {
		return to, errUsed
	}
	return to, nil
}
