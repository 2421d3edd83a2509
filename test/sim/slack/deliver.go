package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Delivery says how the bot answered one request of Slack.
type Delivery struct {
	Kind     string        // slash_commands, interactive or events_api
	Status   int           // HTTP status; 0 if no answer came; 200 for an acknowledged envelope
	Ack      string        // body of the answer
	Took     time.Duration // wall clock until the answer
	Error    string        // what the person is told: operation_timeout, dispatch_failed, ...
	Attempts int           // of an event: how often it was sent so far

	Dialog *Dialog           // of a click: the question that was asked before
	Denied bool              // of a click: it was answered with no, nothing was sent
	Errors map[string]string // of a submitted modal: the errors shown, by block_id

	noRetry bool
	reason  string // for X-Slack-Retry-Reason
	isText  bool   // the answer is text/plain, not JSON
}

// What a person reads after "failed with the error".
const (
	OperationTimeout = "operation_timeout"
	DispatchFailed   = "dispatch_failed"
)

// outgoing is a request to the bot before it is known how it will travel.
type outgoing struct {
	kind    string
	url     string
	form    bool
	body    []byte // for HTTP
	payload any    // for a socket
	retry   int
	reason  string
}

// Signed is a request as it was sent, kept for replays.
type Signed struct {
	Kind   string
	URL    string
	Header http.Header
	Body   []byte

	envelope Block
}

func formRequest(kind, address string, values url.Values) outgoing {
	payload := Block{}
	for key := range values {
		payload[key] = values.Get(key)
	}
	return outgoing{kind: kind, url: address, form: true, body: []byte(values.Encode()), payload: payload}
}

func interaction(address string, payload Block) outgoing {
	raw, _ := json.Marshal(payload)
	body := []byte(url.Values{"payload": {string(raw)}}.Encode())
	return outgoing{kind: "interactive", url: address, form: true, body: body, payload: payload}
}

func jsonRequest(kind, address string, payload Block) outgoing {
	raw, _ := json.Marshal(payload)
	return outgoing{kind: kind, url: address, body: raw, payload: payload}
}

// deliver sends a request over the transport the app is configured for.
func (s *Server) deliver(ctx context.Context, out outgoing) Delivery {
	signed := s.sign(out)
	s.mu.Lock()
	s.sent = append(s.sent, signed)
	if len(s.sent) > maxRecorded {
		s.sent = s.sent[len(s.sent)-maxRecorded:]
	}
	s.mu.Unlock()
	return s.Replay(ctx, signed)
}

// Replay sends a request exactly as it is, signature and timestamp included.
func (s *Server) Replay(ctx context.Context, r Signed) Delivery {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AckTimeout)
	defer cancel()
	start := time.Now()
	var d Delivery
	if s.cfg.SocketMode {
		d = s.overSocket(ctx, r)
	} else {
		d = s.overHTTP(ctx, r)
	}
	d.Kind, d.Took, d.Attempts = r.Kind, time.Since(start), 1
	return d
}

// Sent lists the requests to the bot, the oldest first.
func (s *Server) Sent() []Signed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// LastSent is the newest of Sent; the zero Signed if there is none.
func (s *Server) LastSent() Signed {
	all := s.Sent()
	if len(all) == 0 {
		return Signed{}
	}
	return all[len(all)-1]
}

// Resign gives the request with another timestamp, which may be nonsense, and a
// signature that is right for it.
func (s *Server) Resign(r Signed, timestamp string) Signed {
	r.Header = r.Header.Clone()
	r.Header.Set("X-Slack-Request-Timestamp", timestamp)
	r.Header.Set("X-Slack-Signature", Signature(s.cfg.SigningSecret, timestamp, r.Body))
	return r
}

// Signature is the v0 signature of docs.slack.dev/authentication/verifying-requests-from-slack.
func Signature(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":"))
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

func (s *Server) sign(out outgoing) Signed {
	h := http.Header{}
	h.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	h.Set("Accept", "application/json,*/*")
	h.Set("Content-Type", "application/json")
	if out.form {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if out.retry > 0 {
		h.Set("X-Slack-Retry-Num", strconv.Itoa(out.retry))
		h.Set("X-Slack-Retry-Reason", out.reason)
	}
	r := Signed{Kind: out.kind, URL: out.url, Header: h, Body: out.body, envelope: s.envelope(out)}
	return s.Resign(r, strconv.FormatInt(s.now().Unix(), 10))
}

func (s *Server) overHTTP(ctx context.Context, r Signed) Delivery {
	if r.URL == "" {
		return Delivery{Error: DispatchFailed, reason: "connection_failed"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Delivery{Error: DispatchFailed, reason: "connection_failed"}
	}
	req.Header = r.Header.Clone()
	resp, err := s.client.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }()
	ack, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return unanswered(err)
	}
	d := Delivery{Status: resp.StatusCode, Ack: string(ack), noRetry: resp.Header.Get("X-Slack-No-Retry") == "1"}
	d.isText = !json.Valid(ack)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		d.Error, d.reason = DispatchFailed, "http_error"
	}
	return d
}

func unanswered(err error) Delivery {
	if errors.Is(err, context.DeadlineExceeded) {
		return Delivery{Error: OperationTimeout, reason: "http_timeout"}
	}
	return Delivery{Error: DispatchFailed, reason: "connection_failed"}
}
