package slack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// Config is what requests of Slack are handled with.
type Config struct {
	Client   *Client
	Secrets  []string // signing secrets: the current and, while it is changed, the previous one
	Queue    Acceptor
	Services Directory        // choices of the deploy form; nil: people type them
	Threads  Threads          // which run a message shows
	Now      func() time.Time // default time.Now
	Log      *slog.Logger
}

// Acceptor makes a message durable; pipeline.Queue does it.
type Acceptor interface {
	// Accept enqueues the job unless one of the keys was seen within keep, and
	// reports whether it did.
	Accept(ctx context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error)
}

// Requests answers what Slack sends: over HTTP as three handlers, over
// websockets through [Socket]. What a request asks for is put on the queue,
// durably and once, before Slack is answered; nothing is carried out here.
type Requests struct {
	client   *Client
	verifier verifier
	queue    Acceptor
	services Directory
	threads  Threads
	now      func() time.Time
	log      *slog.Logger
}

const (
	maxBody       = 1 << 20
	acceptTimeout = 1500 * time.Millisecond // leaves time to say no within Slack's 3 s
	keepKeys      = time.Hour               // Slack retries for 5 minutes, signatures live for as long
)

// NewRequests makes the handlers.
func NewRequests(cfg Config) *Requests {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Requests{cfg.Client, newVerifier(cfg.Secrets, cfg.Now), cfg.Queue, cfg.Services, cfg.Threads, cfg.Now, cfg.Log}
}

// Register adds the three routes.
func (q *Requests) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /slack/commands", q.Commands)
	mux.HandleFunc("POST /slack/interactions", q.Interactions)
	mux.HandleFunc("POST /slack/events", q.Events)
}

// Commands is the handler of slash commands.
func (q *Requests) Commands(w http.ResponseWriter, r *http.Request) {
	q.serve(w, r, func(a arrival, body []byte) answer {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return answer{status: http.StatusBadRequest}
		}
		return q.command(r.Context(), a, slackgo.SlashCommand{
			TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), ChannelName: form.Get("channel_name"), UserID: form.Get("user_id"),
			Command: form.Get("command"), Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
		})
	})
}

// Interactions is the handler of buttons, forms and shortcuts.
func (q *Requests) Interactions(w http.ResponseWriter, r *http.Request) {
	q.serve(w, r, func(a arrival, body []byte) answer {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return answer{status: http.StatusBadRequest}
		}
		return q.interaction(r.Context(), a, []byte(form.Get("payload")))
	})
}

// Events is the handler of the Events API.
func (q *Requests) Events(w http.ResponseWriter, r *http.Request) {
	q.serve(w, r, func(a arrival, body []byte) answer { return q.event(r.Context(), a, body) })
}

// arrival is how a request came to us.
type arrival struct {
	at        time.Time // by Slack's clock where it says so
	signature string    // "" over a websocket
}

// answer is what Slack is told. Over a websocket one without status 200 is no
// answer at all, so that Slack delivers again.
type answer struct {
	status int
	body   any // as JSON; nil: nothing
}

func ok(body any) answer { return answer{http.StatusOK, body} }

// serve verifies a request before it looks at it. Every failure of that looks
// the same from outside.
func (q *Requests) serve(w http.ResponseWriter, r *http.Request, handle func(arrival, []byte) answer) {
	timestamp, signature := r.Header.Get("X-Slack-Request-Timestamp"), r.Header.Get("X-Slack-Signature")
	at, fresh := q.verifier.fresh(timestamp)
	if !fresh || signature == "" {
		unauthorized(w)
		return
	}
	if r.ContentLength > maxBody {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "unreadable", http.StatusBadRequest)
	case !q.verifier.signed(signature, timestamp, body):
		unauthorized(w)
	default:
		q.write(w, handle(arrival{at, signature}, body))
	}
}

func unauthorized(w http.ResponseWriter) {
	http.Error(w, "unauthorized", http.StatusUnauthorized)
}

func (q *Requests) write(w http.ResponseWriter, a answer) {
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	if err := json.NewEncoder(w).Encode(a.body); err != nil {
		q.log.Debug("answer slack", "err", err)
	}
}

// accept puts a message on the queue unless it is there or was there. The
// first key names it; the signature is remembered with it.
func (q *Requests) accept(ctx context.Context, a arrival, kind string, repo int64, message any, keys ...string) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return err
	}
	job := pipeline.Job{ID: keys[0], Kind: kind, Pool: pipeline.Control, Repo: repo, Payload: payload}
	return q.acceptJob(ctx, a, job, keys...)
}

func (q *Requests) acceptJob(ctx context.Context, a arrival, job pipeline.Job, keys ...string) error {
	if a.signature != "" {
		keys = append(keys, "slack:signature:"+a.signature)
	}
	ctx, cancel := context.WithTimeout(ctx, acceptTimeout)
	defer cancel()
	added, err := q.queue.Accept(ctx, job, keepKeys, keys...)
	switch {
	case err != nil:
		q.log.Error("slack request not accepted", "job", job.ID, "err", err)
	case !added:
		q.log.Info("slack request seen before", "job", job.ID)
	}
	return err
}

// ephemeral is a message only the person who acted sees.
type ephemeral struct {
	Type    string `json:"response_type"`
	Text    string `json:"text"`
	Replace bool   `json:"replace_original"`
}

func privately(text string) ephemeral { return ephemeral{Type: "ephemeral", Text: text} }

// notAccepted is what people read when their request could not be made durable.
const notAccepted = "Not accepted: shipmate cannot store it right now, so nothing was done. Please try again in a minute."
