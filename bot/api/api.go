// Package api is the edge to programs and to the command line: JSON under
// /api/v1, for whoever holds the token. What it is told to do it puts on the
// queue and answers 202; it is done in a worker, by the same commands, for the
// same person, with the same refusals as anything said in a comment.
//
// Start reading at [New], the list of routes. commands.go takes what is said,
// [Surface] keeps the answers, the other files show what there is.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Config is what the API answers with.
type Config struct {
	Token    pipeline.Secret
	Actor    pipeline.Actor // who the token acts as; zero: nobody, it may only ask
	Queue    acceptor
	Records  bot.Records
	Services bot.Services
	Runs     runs
	Logs     tailer
	GitHub   github
	Web      string          // where repositories are shown: "https://github.com"
	Stop     <-chan struct{} // closed when the server ends: nobody waits any longer
	Now      func() time.Time
	Log      *slog.Logger
	Observe  func(status string, took time.Duration) // told of every command that was posted; may be nil
}

// acceptor makes a message durable; pipeline.Queue does it.
type acceptor interface {
	Accept(ctx context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error)
}

// runs reads what there is.
type runs interface {
	Load(ctx context.Context, id pipeline.RunID) (*pipeline.Run, error)
	Runs(ctx context.Context, q pipeline.RunQuery) ([]*pipeline.Run, error)
	Environment(ctx context.Context, repo int64, name string) (*pipeline.EnvironmentState, error)
}

// tailer reads the end of a step's log.
type tailer interface {
	Tail(ctx context.Context, run pipeline.RunID, step string, attempt, lines int) ([]string, error)
}

// github says who may look at a repository.
type github interface {
	Standing(ctx context.Context, repo pipeline.Repo, who pipeline.Actor, asked pipeline.Roster) (pipeline.Standing, error)
	ReadOnce(ctx context.Context) context.Context
}

type handler struct {
	Config
	token [sha256.Size]byte
}

// New answers everything under /api/v1/.
func New(cfg Config) http.Handler {
	h := &handler{Config: cfg, token: sha256.Sum256([]byte(cfg.Token.Reveal()))}
	mux := http.NewServeMux()
	for path, routes := range map[string]map[string]http.HandlerFunc{
		"/api/v1/commands":              {http.MethodPost: h.post},
		"/api/v1/commands/{id}":         {http.MethodGet: h.answer},
		"/api/v1/runs":                  {http.MethodGet: h.list},
		"/api/v1/runs/{id}":             {http.MethodGet: h.run},
		"/api/v1/runs/{id}/logs/{step}": {http.MethodGet: h.log},
		"/api/v1/environments":          {http.MethodGet: h.environments},
		"/api/v1/services":              {http.MethodGet: h.services},
	} {
		for method, do := range routes {
			mux.HandleFunc(method+" "+path, do)
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Allow", method)
				fail(w, http.StatusMethodNotAllowed, "bad_method", "This address takes "+method+" only.")
			})
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "unknown_route", "There is nothing at this address. The routes are in docs/api.md.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.admits(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "unauthorized", "Send the token of SHIPMATE_API_TOKEN in one header: Authorization: Bearer <token>.")
			return
		}
		mux.ServeHTTP(w, r.WithContext(h.GitHub.ReadOnce(r.Context())))
	})
}

// admits compares digests: they are of one length, whatever was sent.
func (h *handler) admits(r *http.Request) bool {
	all := r.Header["Authorization"]
	if len(all) != 1 || h.Token.Reveal() == "" {
		return false
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	sent := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sent[:], h.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// Problem is how every refused request is answered.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func fail(w http.ResponseWriter, status int, code, message string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	write(w, status, Problem{code, message})
}

// failed answers an error: a refusal with its sentence, anything else as a
// trouble of ours that goes away.
func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	code := pipeline.Code(err)
	if code != "" && !pipeline.IsTemporary(err) {
		fail(w, http.StatusForbidden, code, pipeline.Message(err))
		return
	}
	h.Log.Error("answer a request of the API", "route", r.Pattern, "err", err)
	fail(w, http.StatusServiceUnavailable, "unavailable", "shipmate cannot look it up right now, because Redis or GitHub does not answer. Try again in a minute.")
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // it is never shown as a page
	_ = enc.Encode(body)     // the caller is gone if this fails
}

// mayRead reports whether the token's person may look at a repository. A token
// that stands for nobody is the operator's, who may look at everything.
func (h *handler) mayRead(ctx context.Context, repo pipeline.Repo) (bool, error) {
	if h.Actor.ID == 0 {
		return true, nil
	}
	who, err := h.GitHub.Standing(ctx, repo, h.Actor, pipeline.Roster{})
	return err == nil && who.Permission >= pipeline.Read, err
}

// number reads a number of the query, and answers for itself if it is none.
func number(w http.ResponseWriter, r *http.Request, name string, without, most int) (int, bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return without, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		fail(w, http.StatusBadRequest, "bad_"+name, name+" is a number from 1 to "+strconv.Itoa(most)+".")
		return 0, false
	}
	return n, true
}
