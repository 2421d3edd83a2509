package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/bot"
	"github.com/shipmate/shipmate/pipeline"
)

// Command is what is said: the body of POST /api/v1/commands.
type Command struct {
	Text string `json:"text"` // "/deploy prod", as in a comment
	// Repo is the repository it is said in, as if in a comment there. Without
	// one the text names the service, as on Slack: "/deploy shop prod".
	Repo string `json:"repo,omitempty"`
	// DefaultRepo is meant where the text names no service. One that is not
	// known is passed over.
	DefaultRepo string `json:"default_repo,omitempty"`
	PR          int    `json:"pr,omitempty"` // as if on this pull request
}

// Accepted is the answer to a command: it is on the queue, durably.
type Accepted struct {
	ID string `json:"id"`
}

const (
	maxBody    = 64 << 10
	maxKey     = 64
	acceptTime = 5 * time.Second
	keep       = 24 * time.Hour // keys, commands and answers

	// slack is what our clock may be ahead of GitHub's: a commit is only taken
	// to have been there before the command if it was by GitHub's clock too.
	slack = 2 * time.Second
)

// ClientHeader says which program speaks; "cli" is the command line.
const ClientHeader = "X-Shipmate-Client"

// post puts a command on the queue. Nothing is carried out here.
func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status := h.take(w, r)
	if h.Observe != nil {
		h.Observe(strconv.Itoa(status), time.Since(began))
	}
}

func (h *handler) take(w http.ResponseWriter, r *http.Request) int {
	refuse := func(status int, code, message string) int {
		fail(w, status, code, message)
		return status
	}
	c, key, p, status := readCommand(w, r)
	if status != 0 {
		return refuse(status, p.Code, p.Message)
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTime)
	defer cancel()
	said, err := h.said(ctx, c, r.Header.Get(ClientHeader))
	if err == nil {
		var id string
		if id, err = h.accept(ctx, said, c, key); err == nil {
			write(w, http.StatusAccepted, Accepted{id})
			return http.StatusAccepted
		}
	}
	switch code := pipeline.Code(err); code {
	case "unknown_repo":
		return refuse(http.StatusNotFound, code, pipeline.Message(err))
	case "key_reused":
		return refuse(http.StatusConflict, code, pipeline.Message(err))
	}
	h.Log.Error("command not accepted", "err", err)
	return refuse(http.StatusServiceUnavailable, "unavailable", "shipmate cannot store the command right now, so nothing was done. Try again in a minute, with the same Idempotency-Key.")
}

// readCommand reads a request strictly; a status says that it is not one, and why.
func readCommand(w http.ResponseWriter, r *http.Request) (c Command, key string, p Problem, status int) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return c, "", Problem{"bad_content_type", "Send Content-Type: application/json."}, http.StatusUnsupportedMediaType
	}
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) > 1 || len(keys) == 1 && !isKey(keys[0]) {
		return c, "", Problem{"bad_key", fmt.Sprintf("Idempotency-Key is one header of 1 to %d printable ASCII characters.", maxKey)}, http.StatusBadRequest
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return c, "", Problem{"too_large", "A command has at most 64 KiB."}, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return c, "", Problem{"incomplete", "The request ended before its body did."}, http.StatusBadRequest
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, "", Problem{"bad_json", "The body is not a command: " + strings.TrimPrefix(err.Error(), "json: ") + "."}, http.StatusBadRequest
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, "", Problem{"bad_json", "After the command there is something more in the body."}, http.StatusBadRequest
	}
	switch {
	case strings.TrimSpace(c.Text) == "":
		return c, "", Problem{"no_text", `There is no text. Say what is to be done, for example {"text": "/status"}.`}, http.StatusBadRequest
	case c.PR < 0:
		return c, "", Problem{"bad_pr", "pr is the number of a pull request."}, http.StatusBadRequest
	}
	if len(keys) == 1 {
		key = keys[0]
	}
	return c, key, Problem{}, 0
}

func isKey(s string) bool {
	return s != "" && len(s) <= maxKey && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// said is the message that a command becomes, without its id.
func (h *handler) said(ctx context.Context, c Command, client string) (bot.Said, error) {
	m := bot.Said{Actor: h.Actor, Text: c.Text, At: h.Now().Add(-slack).UTC(), Came: h.Now().UTC(), Origin: pipeline.Origin{Surface: bot.SurfaceAPI, PR: c.PR}}
	if m.Actor.ID == 0 {
		m.Actor.Login = "api"
	}
	if client == bot.SurfaceCLI {
		m.Origin.Surface = bot.SurfaceCLI
	}
	if c.Repo == "" && c.DefaultRepo == "" {
		return m, nil
	}
	all, err := h.Services.All(ctx)
	if err != nil {
		return m, err
	}
	if near, ok := serviceOf(all, c.DefaultRepo); ok {
		m.Near = near.Repo
	}
	if c.Repo == "" {
		return m, nil
	}
	there, ok := serviceOf(all, c.Repo)
	if !ok {
		return m, errUnknownRepo
	}
	m.Repo = there.Repo
	return m, nil
}

var errUnknownRepo = pipeline.Refuse("unknown_repo", "No such repository with a `.shipmate.yaml` is known. Name it owner/name; GET /api/v1/services lists those there are.")

func serviceOf(all []bot.Service, repo string) (bot.Service, bool) {
	for _, s := range all {
		if strings.EqualFold(s.Repo.String(), repo) {
			return s, true
		}
	}
	return bot.Service{}, false
}

// issued is what a key stands for.
type issued struct {
	ID     string `json:"id"`
	Digest string `json:"digest"` // of what was said
}

// accept makes the command durable and returns its id. Whatever was done of it
// before a crash is found again by its key, and done once.
func (h *handler) accept(ctx context.Context, m bot.Said, c Command, key string) (string, error) {
	id := newID()
	if key != "" {
		kept, err := h.keyed(ctx, key, issued{id, digest(c)})
		if err != nil {
			return "", err
		}
		if id = kept.ID; kept.Digest != digest(c) {
			return "", pipeline.Refuse("key_reused", "This Idempotency-Key was used for another command. Use a new key for every command.")
		}
	}
	if err := h.Records.Put(ctx, nowhere, commandKey(id), []byte("{}"), keep); err != nil {
		return "", err
	}
	m.Origin.Command = id
	payload, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	job := pipeline.Job{ID: "api:" + id, Kind: bot.KindSaid, Pool: pipeline.Control, Repo: m.Repo.ID, Payload: payload}
	isNew, err := h.Queue.Accept(ctx, job, keep, job.ID)
	if err == nil {
		h.Log.Info("command accepted over the API", "job", job.ID, "actor", m.Actor.Login, "surface", m.Origin.Surface, "new", isNew)
	}
	return id, err
}

// keyed returns what the key was first used for, which may be now.
func (h *handler) keyed(ctx context.Context, key string, now issued) (issued, error) {
	sum := sha256.Sum256([]byte(key))
	name := "api-key:" + hex.EncodeToString(sum[:])
	value, err := json.Marshal(now)
	if err != nil {
		return issued{}, err
	}
	fresh, err := h.Records.PutNew(ctx, nowhere, name, value, keep)
	if fresh || err != nil {
		return now, err
	}
	old, err := h.Records.Get(ctx, nowhere, name)
	if err != nil {
		return issued{}, err
	}
	var kept issued
	err = json.Unmarshal(old, &kept)
	return kept, err
}

func digest(c Command) string {
	text, _ := json.Marshal(c) // texts and a number: it cannot fail
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func newID() string { return "c-" + strings.ToLower(rand.Text()) }
