package github

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"
)

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	ID             int64
	GUID           string // the same for a redelivery
	Event          string
	Action         string
	InstallationID int64
	RepositoryID   int64
	Redelivery     bool
	Header         map[string]string
	Body           []byte

	Pending      bool // in the queue, or on its way
	DeliveredAt  time.Time
	Duration     time.Duration
	StatusCode   int // 0: no answer
	Status       string
	ResponseBody string
}

// deliverTimeout is how long GitHub waits for an answer.
const deliverTimeout = 10 * time.Second

// deliverer sends webhooks one after the other. The Server's lock guards it.
type deliverer struct {
	s      *Server
	client *http.Client
	all    []*Delivery
	queue  []*Delivery
	held   bool
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

func newDeliverer(s *Server) *deliverer {
	ctx, cancel := context.WithCancel(context.Background())
	d := &deliverer{
		s:      s,
		wake:   make(chan struct{}, 1),
		cancel: cancel,
		done:   make(chan struct{}),
		client: &http.Client{
			Timeout:       deliverTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	go d.run(ctx)
	return d
}

func (d *deliverer) stop() {
	d.cancel()
	<-d.done
	d.client.CloseIdleConnections()
}

func (d *deliverer) run(ctx context.Context) {
	defer close(d.done)
	for {
		next, url := d.next()
		if next == nil {
			select {
			case <-ctx.Done():
				return
			case <-d.wake:
			}
			continue
		}
		d.deliver(ctx, next, url)
		if ctx.Err() != nil {
			return
		}
	}
}

func (d *deliverer) next() (*Delivery, string) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if len(d.queue) == 0 {
		return nil, ""
	}
	next := d.queue[0]
	d.queue = d.queue[1:]
	return next, d.s.cfg.WebhookURL
}

func (d *deliverer) deliver(ctx context.Context, dl *Delivery, url string) {
	start := time.Now()
	code, body, err := d.post(ctx, url, dl.Header, dl.Body)
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	dl.Pending, dl.Duration, dl.DeliveredAt = false, time.Since(start), d.s.now()
	dl.StatusCode, dl.ResponseBody = code, body
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		dl.Status = "timed out"
	case err != nil:
		dl.Status = "failed to connect to host"
		d.s.cfg.Logger.Warn("webhook not delivered", "event", dl.Event, "err", err)
	case code >= 200 && code < 300:
		dl.Status = "OK"
	default:
		dl.Status = "Invalid HTTP Response: " + strconv.Itoa(code)
	}
	d.s.notify(Change{Kind: "delivery", ID: dl.ID})
}

func (d *deliverer) post(ctx context.Context, url string, header map[string]string, body []byte) (int, string, error) {
	if url == "" {
		return 0, "", errors.New("no webhook URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(text), err
}

func (d *deliverer) add(dl *Delivery) {
	dl.ID, dl.Pending = d.s.db.newID(), true
	d.all = append(d.all, dl)
	if !d.held {
		d.enqueue(dl)
	}
}

func (d *deliverer) enqueue(list ...*Delivery) {
	d.queue = append(d.queue, list...)
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// send puts a webhook of the App into the queue, if it is installed there and
// subscribed. Installation events always come.
func (s *Server) send(inst *installation, r *repository, event, action string, payload map[string]any) {
	if inst == nil {
		return
	}
	about := event == "installation" || event == "installation_repositories"
	// The buttons and re-runs of check runs come to every App that may write them.
	always := event == "check_run" && (action == "requested_action" || action == "rerequested") ||
		event == "check_suite" && (action == "requested" || action == "rerequested")
	if !about && (inst.suspended != nil || !always && !slices.Contains(inst.events, event)) {
		return
	}
	if action != "" {
		payload["action"] = action
	}
	dl := &Delivery{GUID: newGUID(), Event: event, Action: action, InstallationID: inst.id, Body: nil}
	if r != nil {
		dl.RepositoryID = r.id
		if payload["repository"] == nil {
			payload["repository"] = s.repository(r)
		}
		if r.owner.kind == "Organization" {
			payload["organization"] = s.organization(r.owner)
		}
	}
	if !about {
		payload["installation"] = map[string]any{"id": inst.id, "node_id": nodeID("I", inst.id)}
	}
	dl.Body = encode(payload)
	dl.Header = s.hookHeader(dl.GUID, event, dl.Body)
	s.hooks.add(dl)
}

func (s *Server) hookHeader(guid, event string, body []byte) map[string]string {
	return map[string]string{
		"Accept":                                 "*/*",
		"Content-Type":                           "application/json",
		"User-Agent":                             "GitHub-Hookshot/" + randomHex(4)[:7],
		"X-GitHub-Delivery":                      guid,
		"X-GitHub-Event":                         event,
		"X-GitHub-Hook-ID":                       strconv.FormatInt(firstID+1, 10),
		"X-GitHub-Hook-Installation-Target-ID":   strconv.FormatInt(s.cfg.AppID, 10),
		"X-GitHub-Hook-Installation-Target-Type": "integration",
		"X-Hub-Signature-256":                    Sign(s.cfg.WebhookSecret, body),
	}
}

// Sign is the X-Hub-Signature-256 of a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func newGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x10, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Webhook is a webhook made by hand, to see what a bot does with a forged or
// replayed one. Empty fields are filled in as GitHub would; Header wins.
type Webhook struct {
	Event  string
	GUID   string
	Body   []byte
	Header map[string]string
}

// SendWebhook sends w at once and returns the status of the answer. It is not
// among the Deliveries.
func (s *Server) SendWebhook(ctx context.Context, w Webhook) (int, error) {
	if w.GUID == "" {
		w.GUID = newGUID()
	}
	s.mu.Lock()
	header, url := s.hookHeader(w.GUID, w.Event, w.Body), s.cfg.WebhookURL
	s.mu.Unlock()
	for k, v := range w.Header {
		header[http.CanonicalHeaderKey(k)] = v
		if v == "" {
			delete(header, k)
		}
	}
	code, _, err := s.hooks.post(ctx, url, header, w.Body)
	return code, err
}

// Deliveries lists all webhooks, oldest first, those still waiting as well.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (&State{s}).Deliveries()
}

// Redeliver delivers a webhook once more, with the same GUID, as the button on
// the App's settings page does. GitHub never does it by itself.
func (s *Server) Redeliver(guid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dl := range s.hooks.all {
		if dl.GUID == guid {
			s.redeliver(dl)
			return nil
		}
	}
	return fmt.Errorf("no delivery %q", guid)
}

func (s *Server) redeliver(dl *Delivery) {
	s.hooks.add(&Delivery{
		GUID: dl.GUID, Event: dl.Event, Action: dl.Action, InstallationID: dl.InstallationID, RepositoryID: dl.RepositoryID,
		Redelivery: true, Header: dl.Header, Body: dl.Body,
	})
}

// HoldWebhooks keeps webhooks back until ReleaseWebhooks, as a bad day at GitHub does.
func (s *Server) HoldWebhooks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.held = true
}

// ReleaseWebhooks delivers the held webhooks with these GUIDs in this order;
// with none it delivers all that wait and holds no more.
func (s *Server) ReleaseWebhooks(guids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.hooks
	waits := func(dl *Delivery) bool { return dl.Pending && !slices.Contains(d.queue, dl) }
	if len(guids) == 0 {
		d.held = false
		for _, dl := range d.all {
			if waits(dl) {
				d.enqueue(dl)
			}
		}
		return
	}
	for _, guid := range guids {
		for _, dl := range d.all {
			if dl.GUID == guid && waits(dl) {
				d.enqueue(dl)
			}
		}
	}
}

// WaitDelivered waits until no webhook is under way or in the queue. Held ones count.
func (s *Server) WaitDelivered(ctx context.Context) error {
	return s.WaitFor(ctx, func(st *State) bool {
		return !slices.ContainsFunc(st.s.hooks.all, func(dl *Delivery) bool { return dl.Pending })
	})
}
