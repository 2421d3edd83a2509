// Package link is where people prove in a browser who they are on Slack and on
// GitHub, so that the one acts as the other. [Invitations] gives out the
// addresses, [New] answers there: a page with a button, "Sign in with Slack",
// the authorization page of the GitHub App, and a page that says who is linked.
//
// Each step leads to the next by a random state that is good once, for ten
// minutes, and only in the browser that began it.
package link

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Config is what the pages work with. All of it is needed.
type Config struct {
	BaseURL string // of shipmate; every address that is given out begins with it
	Slack   App
	GitHub  App
	Member  Member
	People  people
	Records records
	Queue   enqueuer
	Now     func() time.Time
	Log     *slog.Logger
}

// App is how shipmate is known to a platform that people sign in to.
type App struct {
	ClientID string
	Secret   pipeline.Secret
	Page     string // where people agree: "https://slack.com/openid/connect/authorize"
	Token    string // where a code becomes a token; not of Slack, whose API has it
	API      string // ends in a slash
	HTTP     http.RoundTripper
}

// Member returns what a Slack person is called, or refuses one who may not act:
// a guest, a bot, a stranger, somebody who left.
type Member func(ctx context.Context, team, user string) (name string, err error)

// people keeps who is linked to whom; bot.People does it.
type people interface {
	Link(ctx context.Context, key string, who pipeline.Actor, now time.Time) (before pipeline.Actor, err error)
	Refused(ctx context.Context, key string, who pipeline.Actor, why error) error
}

// records keep a small value under a key.
type records interface {
	Get(ctx context.Context, repo int64, key string) ([]byte, error)
	PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error)
	// Take returns the value and removes it: of many who ask, one gets it.
	Take(ctx context.Context, repo int64, key string) ([]byte, error)
}

type enqueuer interface {
	Enqueue(ctx context.Context, jobs ...pipeline.Job) error
}

const (
	nowhere = 0                // links belong to no repository
	within  = 10 * time.Minute // how long an address or a step is good
)

type handler struct {
	Config
	slack, github http.Client
}

// New answers /link and everything below it.
func New(cfg Config) http.Handler {
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	h := &handler{Config: cfg, slack: client(cfg.Slack.HTTP), github: client(cfg.GitHub.HTTP)}
	mux := http.NewServeMux()
	for path, routes := range map[string]map[string]http.HandlerFunc{
		"/link":        {http.MethodGet: h.invited, http.MethodPost: h.begin},
		slackCallback:  {http.MethodGet: h.fromSlack},
		githubCallback: {http.MethodGet: h.fromGitHub},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if do, ok := routes[r.Method]; ok { // HEAD is none of them: a look must not use anything up
				do(w, r)
				return
			}
			w.Header()["Allow"] = methods(routes)
			h.refuse(w, r, http.StatusMethodNotAllowed, pipeline.Refuse("bad_method", "This address does not take %s. Say `/link` on Slack, and open the address it gives.", methodName(r)))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, http.StatusNotFound, pipeline.Refuse("unknown_route", "There is nothing at this address. Say /link on Slack to get a link."))
	})
	return h.guard(mux)
}

const (
	slackCallback  = "/link/slack"
	githubCallback = "/link/github"
)

// client calls a platform. It follows nothing: what it sends is secret.
func client(tr http.RoundTripper) http.Client {
	const timeout = 10 * time.Second
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return http.Client{Transport: tr, Timeout: timeout, CheckRedirect: stay}
}

// guard refuses what another site has a browser post, and says what a browser
// may do with our pages: nothing but to show them, and to post the one form.
func (h *handler) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	if u, err := url.Parse(h.BaseURL); err == nil {
		// Of ours, also where a proxy calls us by another name. An origin that is
		// none is refused here, and then only this comparison is left out.
		_ = origin.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, http.StatusForbidden, pipeline.Refuse("cross_site", "Another site asked for this, so nothing was done. Open the link from Slack and press the button there."))
	}))
	guarded := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		// There is no form-action: browsers apply it to all redirects after a post,
		// and where Slack sends people to sign in is not ours to list.
		head.Set("Content-Security-Policy", "default-src 'none'; style-src '"+styleHash+"'; base-uri 'none'; frame-ancestors 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

func methods(routes map[string]http.HandlerFunc) []string {
	var out []string
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		if routes[m] != nil {
			out = append(out, m)
		}
	}
	return []string{strings.Join(out, ", ")}
}

func methodName(r *http.Request) string {
	if len(r.Method) > 10 {
		return "this method"
	}
	return r.Method
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

var _ people = (*bot.People)(nil)
