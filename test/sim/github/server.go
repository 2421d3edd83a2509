package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Config says what the simulated GitHub looks like. The zero value works.
type Config struct {
	AppID         int64  // default 1234567
	AppSlug       string // default "shipmate"
	PrivateKey    []byte // PEM of the App's RSA key; empty: one is made, see Server.PrivateKeyPEM
	WebhookSecret string // empty: one is made, see Server.WebhookSecret
	WebhookURL    string // empty: see Server.SetWebhookURL

	NoWebhookSecret bool // the App's settings page says that there is none
	WebhookForm     bool // and that webhooks are forms

	// Permissions and Events are what the App asks for when it is installed;
	// nil means what a deployment bot needs.
	Permissions map[string]string
	Events      []string

	// Wrap, if not nil, is put around the handler by Start, to watch the traffic of
	// another process, such as with openapi.Spec.Handler.
	Wrap func(http.Handler) http.Handler

	BaseURL string // of links in answers when the Server is used as a bare handler; Start sets it
	Latency time.Duration
	Logger  *slog.Logger
	Now     func() time.Time
	Root    string // directory of the git repositories; empty: a temporary one, removed by Close
	Limits  Limits

	// MergeableAfter is how many reads of a pull request answer
	// "mergeable": null after its head or base moved, as GitHub does while it computes.
	MergeableAfter int
}

// Server is the simulated GitHub. It is an http.Handler for the REST API under
// /api/v3/ (the shape of Enterprise Server) and under /, and for git.
type Server struct {
	cfg     Config
	key     *rsa.PrivateKey
	keyPEM  []byte
	routes  []route
	ownRoot bool // New made cfg.Root

	http   *http.Server
	served chan struct{}

	mu       sync.Mutex // guards everything below
	base     string     // scheme://host
	db       database
	changed  chan struct{} // closed and replaced by every change
	watchers map[chan Change]bool
	faults   []*Fault
	limits   limiter
	withhold time.Duration // until a new token may do what it is for
	requests []Request
	hooks    *deliverer
	lag      time.Duration     // see SetLag
	copies   int               // made for it so far
	offered  map[string]string // objects of Git LFS by the signature of their address

	oauth      OAuth
	consenter  string // login
	oauthCodes map[string]oauthCode
	userTokens map[string]userToken
}

// New makes a Server; webhooks flow from now on. Close it after use.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, changed: make(chan struct{}), watchers: map[chan Change]bool{}, oauthCodes: map[string]oauthCode{}, userTokens: map[string]userToken{}}
	s.defaults()
	if err := s.loadKey(); err != nil {
		return nil, fmt.Errorf("app key: %w", err)
	}
	if err := mayHear(s.cfg.Permissions, s.cfg.Events); err != nil {
		return nil, err
	}
	if s.cfg.Root == "" {
		dir, err := os.MkdirTemp("", "sim-github-")
		if err != nil {
			return nil, err
		}
		s.cfg.Root, s.ownRoot = dir, true
	}
	s.base = s.cfg.BaseURL
	s.db = newDatabase()
	s.addOwnApp()
	s.limits = newLimiter(cfg.Limits)
	s.routes = s.table()
	s.hooks = newDeliverer(s)
	return s, nil
}

func (s *Server) defaults() {
	c := &s.cfg
	if c.AppID == 0 {
		c.AppID = 1234567
	}
	if c.AppSlug == "" {
		c.AppSlug = "shipmate"
	}
	if c.WebhookSecret == "" {
		c.WebhookSecret = randomHex(20)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://github.example"
	}
	if c.Permissions == nil {
		c.Permissions = map[string]string{
			"checks": "write", "contents": "read", "deployments": "write", "issues": "read", "members": "read",
			"merge_queues": "read", "metadata": "read", "pull_requests": "write", "statuses": "write",
		}
	}
	if c.Events == nil {
		c.Events = []string{
			"check_run", "check_suite", "deployment", "deployment_status", "issue_comment",
			"merge_group", "pull_request", "pull_request_review", "pull_request_review_comment", "push", "repository", "status",
		}
	}
}

func (s *Server) loadKey() error {
	if len(s.cfg.PrivateKey) == 0 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		s.key = key
		s.keyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		return nil
	}
	block, _ := pem.Decode(s.cfg.PrivateKey)
	if block == nil {
		return errors.New("no PEM block")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	s.key, s.keyPEM = key, s.cfg.PrivateKey
	return nil
}

// Start listens on a free port of 127.0.0.1 and returns the base URL.
func (s *Server) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return s.Serve(l), nil
}

// Serve takes requests from l until Close and returns the base URL.
func (s *Server) Serve(l net.Listener) string {
	s.mu.Lock()
	s.base = "http://" + l.Addr().String()
	base := s.base
	s.mu.Unlock()
	var handler http.Handler = s
	if s.cfg.Wrap != nil {
		handler = s.cfg.Wrap(s)
	}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // always http.ErrServerClosed after Close
	}()
	return base
}

// Close stops listening and delivering, and removes what New made on disk.
func (s *Server) Close() error {
	var err error
	if s.http != nil {
		err = s.http.Close()
		<-s.served
	}
	s.hooks.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		close(w)
		delete(s.watchers, w)
	}
	if s.ownRoot {
		err = errors.Join(err, os.RemoveAll(s.cfg.Root))
	}
	return err
}

// URL is the base of pages and clone URLs, without a slash at the end.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base
}

// APIURL is the base of the REST API, http://host/api/v3.
func (s *Server) APIURL() string { return s.URL() + "/api/v3" }

// PrivateKeyPEM is the App's private key, for the bot under test.
func (s *Server) PrivateKeyPEM() []byte { return s.keyPEM }

// WebhookSecret is the secret that signs webhooks.
func (s *Server) WebhookSecret() string { return s.cfg.WebhookSecret }

// AppID is the App's id.
func (s *Server) AppID() int64 { return s.cfg.AppID }

// SetWebhookURL changes where webhooks go, for a bot that starts after GitHub.
func (s *Server) SetWebhookURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.WebhookURL = url
}

func (s *Server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }

func (s *Server) api(format string, args ...any) string {
	return s.base + "/api/v3" + fmt.Sprintf(format, args...)
}

func (s *Server) page(format string, args ...any) string {
	return s.base + "/" + fmt.Sprintf(format, args...)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Must is for tests that set up a scene: it panics on an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sleep waits, or less when the caller goes away.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
