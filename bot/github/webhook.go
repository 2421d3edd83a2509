package github

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/tidwall/gjson"
)

// WebhookConfig says whose webhooks are taken and where they go.
type WebhookConfig struct {
	Secrets []string // the current one, then the previous one while it is being changed; empty ones never verify
	Queue   acceptor
	Told    remembers // keeps what deliveries tell, for the Client; nil: nothing is kept
	AppID   int64
	Slug    string           // of the App: its mention is "@slug", its comments are ignored
	Moved   func(repo int64) // told that a repository has another name or owner; may be nil
	Now     func() time.Time
	Log     *slog.Logger
	// Observe is told of every delivery, for metrics: the event's name if it is
	// one of ours ("other" if not), and how it ended. May be nil.
	Observe func(event, outcome string, took time.Duration)
}

// acceptor is the queue: it remembers all keys and enqueues in one step, unless
// one of the keys was seen.
type acceptor interface {
	Accept(ctx context.Context, j pipeline.Job, keep time.Duration, keys ...string) (bool, error)
}

const (
	maxBody = 25 << 20 // larger payloads are not delivered; docs.github.com, "Webhook events and payloads"
	// maxHeld bounds what all requests together hold before they are verified,
	// not counting the first maxPooled bytes of each.
	maxHeld    = 128 << 20
	maxPooled  = 64 << 10
	keepKeys   = 96 * time.Hour // GitHub keeps deliveries for redelivery for 3 days
	acceptTime = 5 * time.Second
)

// NewWebhook takes deliveries: 202 new and durable, 200 known already or not
// for us, 400 malformed, 401 no or a wrong signature, 413 too large, 503 not
// durable. GitHub shows everything from 400 on as failed, to be redelivered.
func NewWebhook(c WebhookConfig) http.Handler {
	h := &webhook{WebhookConfig: c, bodies: sync.Pool{New: func() any { b := make([]byte, 0, maxPooled); return &b }}}
	for _, secret := range c.Secrets {
		if secret = strings.TrimSpace(secret); secret != "" {
			h.macs = append(h.macs, &sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(secret)) }})
		}
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	h.told = &told{records: c.Told, now: h.Now}
	return h
}

type webhook struct {
	WebhookConfig
	told   *told
	macs   []*sync.Pool // of hash.Hash, one pool for each secret
	bodies sync.Pool    // of *[]byte
	held   atomic.Int64
}

// answer is how a delivery ends: the status, and the word for body, log and metrics.
type answer struct {
	status int
	word   string
}

var (
	accepted     = answer{http.StatusAccepted, "accepted"}
	duplicate    = answer{http.StatusOK, "duplicate"}
	ignored      = answer{http.StatusOK, "ignored"}
	malformed    = answer{http.StatusBadRequest, "malformed"}
	unsigned     = answer{http.StatusUnauthorized, "unauthorized"}
	badMethod    = answer{http.StatusMethodNotAllowed, "method not allowed"}
	tooLarge     = answer{http.StatusRequestEntityTooLarge, "too large"}
	unavailable  = answer{http.StatusServiceUnavailable, "unavailable"}
	disconnected = answer{http.StatusBadRequest, "incomplete"}
)

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.Now()
	event := r.Header.Get("X-GitHub-Event")
	a := h.serve(w, r, event)
	if a == badMethod {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.word+"\n") // the caller may be gone
	if h.Observe == nil {
		return
	}
	if _, ours := events[event]; !ours {
		event = "other"
	}
	h.Observe(event, a.word, h.Now().Sub(began))
}

func (h *webhook) serve(w http.ResponseWriter, r *http.Request, event string) answer {
	signature, a := h.precheck(r)
	if a != (answer{}) {
		return a
	}
	buf := h.bodies.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 1<<20 {
			*buf = (*buf)[:0]
			h.bodies.Put(buf)
		}
	}()
	if a := h.read(w, r, buf, signature); a != (answer{}) {
		return a
	}
	return h.take(r, event, *buf)
}

// precheck looks at what comes before the body. A zero answer means: read it.
func (h *webhook) precheck(r *http.Request) (signature [sha256.Size]byte, a answer) {
	if r.Method != http.MethodPost {
		return signature, badMethod
	}
	signatures := r.Header["X-Hub-Signature-256"]
	if len(signatures) != 1 || !decodeSignature(&signature, signatures[0]) {
		return signature, unsigned
	}
	if media := r.Header.Get("Content-Type"); media != "application/json" {
		if media, _, err := mime.ParseMediaType(media); err != nil || media != "application/json" {
			return signature, malformed
		}
	}
	if r.Header.Get("X-Github-Event") == "" || !isDeliveryID(r.Header.Get("X-Github-Delivery")) {
		return signature, malformed
	}
	if r.ContentLength > maxBody {
		return signature, tooLarge
	}
	return signature, answer{}
}

func decodeSignature(to *[sha256.Size]byte, header string) bool {
	text, ok := strings.CutPrefix(header, "sha256=")
	if !ok || len(text) != 2*sha256.Size {
		return false
	}
	var digits [2 * sha256.Size]byte
	copy(digits[:], text)
	_, err := hex.Decode(to[:], digits[:])
	return err == nil
}

func isDeliveryID(id string) bool {
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// read fills buf with the body and verifies it. The code for the current secret
// is computed while the body comes in.
func (h *webhook) read(w http.ResponseWriter, r *http.Request, buf *[]byte, signature [sha256.Size]byte) answer {
	if len(h.macs) == 0 {
		return unsigned
	}
	mac := h.macs[0].Get().(hash.Hash)
	defer h.macs[0].Put(mac)
	mac.Reset()
	booked := int64(0)
	defer func() { h.held.Add(-booked) }()
	body := http.MaxBytesReader(w, r.Body, maxBody)
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			more := int64(cap(b)) // append about doubles
			booked += more
			if h.held.Add(more) > maxHeld {
				return unavailable
			}
			b = append(b, 0)[:len(b)]
		}
		n, err := body.Read(b[len(b):cap(b)])
		mac.Write(b[len(b) : len(b)+n])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			return tooLarge
		}
		if err != nil {
			return disconnected
		}
	}
	*buf = b
	if h.verified(mac, b, signature) {
		return answer{}
	}
	return unsigned
}

func (h *webhook) verified(mac hash.Hash, body []byte, signature [sha256.Size]byte) bool {
	var sum [sha256.Size]byte
	if hmac.Equal(mac.Sum(sum[:0]), signature[:]) {
		return true
	}
	for _, pool := range h.macs[1:] {
		mac := pool.Get().(hash.Hash)
		mac.Reset()
		mac.Write(body)
		same := hmac.Equal(mac.Sum(sum[:0]), signature[:])
		pool.Put(mac)
		if same {
			return true
		}
	}
	return false
}

// take turns a verified body into a job.
func (h *webhook) take(r *http.Request, event string, body []byte) answer {
	read, ours := events[event]
	if !ours {
		return ignored
	}
	d := &delivery{appID: h.AppID, slug: h.Slug, now: h.Now()}
	d.decode(gjson.ParseBytes(body))
	m := read(d)
	if d.wrong {
		return malformed
	}
	// Before the job: whoever does it knows what has happened meanwhile too.
	if err := h.tell(r.Context(), d, event); err != nil {
		h.Log.Error("keep what was told", "delivery", r.Header.Get("X-Github-Delivery"), "event", event, "err", err)
		return unavailable
	}
	if m.kind == "" {
		return ignored
	}
	if m.moved != 0 && h.Moved != nil {
		h.Moved(m.moved)
	}
	return h.accept(r, m)
}

func (h *webhook) tell(ctx context.Context, d *delivery, event string) error {
	ctx, cancel := context.WithTimeout(ctx, acceptTime)
	defer cancel()
	for _, t := range d.tells {
		t.fact.By = strings.TrimSpace(event + " " + d.action)
		if err := h.told.tell(ctx, d.repo.id, t.about, t.fact); err != nil {
			return err
		}
	}
	return nil
}

func (h *webhook) accept(r *http.Request, m message) answer {
	payload, err := json.Marshal(m.body)
	if err != nil {
		h.Log.Error("encode message", "kind", m.kind, "err", err)
		return malformed
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTime)
	defer cancel()
	delivery := r.Header.Get("X-Github-Delivery")
	if m.also != nil {
		if _, err := h.Queue.Accept(ctx, m.also.job(nil), keepKeys); err != nil {
			h.Log.Error("accept delivery", "delivery", delivery, "kind", m.also.kind, "err", err)
			return unavailable
		}
	}
	job, keys := m.job(payload), []string{"github:delivery:" + delivery}
	if m.key != "" {
		keys = append(keys, "github:"+m.key)
	}
	isNew, err := h.Queue.Accept(ctx, job, keepKeys, keys...)
	switch {
	case err != nil:
		h.Log.Error("accept delivery", "delivery", delivery, "kind", m.kind, "err", err)
		return unavailable
	case !isNew:
		h.Log.Info("delivery known already", "delivery", delivery, "job", job.ID)
		return duplicate
	}
	return accepted
}
