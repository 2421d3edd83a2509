package slack

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config says which app is installed in the simulated workspace.
// Everything has a default except the three secrets a test wants to check.
type Config struct {
	BotToken      string // default xoxb-sim
	AppToken      string // for Socket Mode, default xapp-sim
	SigningSecret string
	ClientID      string // for oauth.v2.access and "Sign in with Slack"
	ClientSecret  string
	RedirectURLs  []string // of the app, matched whole; nil: any

	// The app's request URLs. They can be given later with SetRequestURLs,
	// because a bot under test usually starts after its Slack.
	CommandsURL     string
	InteractionsURL string
	EventsURL       string

	// SocketMode delivers over the app's websockets instead of the URLs.
	SocketMode bool

	// Scopes of the bot token; nil grants AllScopes.
	Scopes []string

	// BaseURL is where the handler is reached when somebody else serves it.
	// Start sets it.
	BaseURL string

	AckTimeout time.Duration    // how long Slack waits for the bot, default 3 s
	Latency    time.Duration    // added to every Web API answer
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default: silent
}

// Server is one simulated Slack. It is an http.Handler and safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	mux     *http.ServeMux
	methods map[string]method
	signer  func() (*rsa.PrivateKey, error) // of ID tokens; made when it is needed
	client  *http.Client

	mu       sync.Mutex // guards everything below
	world    world
	urls     RequestURLs
	limits   limits
	faults   []*Fault
	requests []Request
	sent     []Signed
	retries  []retry
	watchers map[chan struct{}]struct{}
	sockets  sockets

	http    *http.Server
	closed  chan struct{}
	closing sync.Once
	running sync.WaitGroup
}

// RequestURLs are the addresses of the bot, as entered in the app's configuration.
type RequestURLs struct {
	Commands, Interactions, Events string
}

// RequestURLsAt gives shipmate's three routes under a base URL.
func RequestURLsAt(base string) RequestURLs {
	base = strings.TrimSuffix(base, "/")
	return RequestURLs{
		Commands:     base + "/slack/commands",
		Interactions: base + "/slack/interactions",
		Events:       base + "/slack/events",
	}
}

// New makes a Slack with one workspace (T0SIM) that has the app installed and
// no people or channels yet.
func New(cfg Config) *Server {
	cfg = withDefaults(cfg)
	s := &Server{
		cfg:      cfg,
		log:      cfg.Logger,
		urls:     RequestURLs{cfg.CommandsURL, cfg.InteractionsURL, cfg.EventsURL},
		world:    newWorld(Team{ID: "T0SIM", Domain: "sim", Name: "Sim", BotToken: cfg.BotToken}),
		limits:   newLimits(),
		watchers: map[chan struct{}]struct{}{},
		sockets:  sockets{tickets: map[string]bool{}, waiting: map[string]waiter{}},
		closed:   make(chan struct{}),
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.methods = s.webAPI()
	s.signer = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/api/{method}", s.serveAPI)
	s.mux.HandleFunc("POST /response/{id}", s.serveResponseURL)
	s.mux.HandleFunc("GET /link/", s.serveSocket)
	s.mux.HandleFunc("GET /oauth/v2/authorize", s.serveAuthorize)
	s.mux.HandleFunc("GET /openid/connect/authorize", s.serveSignIn)
	return s
}

func withDefaults(cfg Config) Config {
	if cfg.BotToken == "" {
		cfg.BotToken = "xoxb-sim"
	}
	if cfg.AppToken == "" {
		cfg.AppToken = "xapp-sim"
	}
	if cfg.Scopes == nil {
		cfg.Scopes = AllScopes()
	}
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = 3 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Start serves on a free port of 127.0.0.1 until Close.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for simulated Slack: %w", err)
	}
	s.cfg.BaseURL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	s.running.Go(func() {
		if err := s.http.Serve(l); err != http.ErrServerClosed {
			s.log.Error("simulated slack stopped", "err", err)
		}
	})
	return nil
}

// Close stops serving, drops all websockets and waits for what was under way.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.closed) })
	if s.http != nil {
		_ = s.http.Close()
	}
	s.DropSockets()
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// URL is the base address, without a slash at its end.
func (s *Server) URL() string { return s.cfg.BaseURL }

// APIURL is the base of the Web API; it ends in /api/, as slack-go's OptionAPIURL wants it.
func (s *Server) APIURL() string { return s.cfg.BaseURL + "/api/" }

// SetRequestURLs does what saving the request URLs on the app's configuration page does,
// without the url_verification handshake (see VerifyURL).
func (s *Server) SetRequestURLs(urls RequestURLs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = urls
}

func (s *Server) requestURLs() RequestURLs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls
}

func (s *Server) now() time.Time { return s.cfg.Now() }

// pause waits on the wall clock; it is only used for latency and delays that a test asked for.
func (s *Server) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.closed:
	}
}
