package github_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	gh "github.com/google/go-github/v60/github"

	"github.com/shipmate/shipmate/test/needs"
	sim "github.com/shipmate/shipmate/test/sim/github"
)

// scene is a GitHub with an organization, a repository with an open pull
// request, the App installed, and a bot that only takes webhooks.
type scene struct {
	*sim.Server
	t    *testing.T
	id   int64 // of the installation
	pr   sim.PullRequest
	mona sim.Person
	hook *bot
}

const shop = "acme/shop"

// bot records webhooks.
type bot struct {
	mu     sync.Mutex
	events []string
	status int
}

func (b *bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, r.Header.Get("X-GitHub-Event"))
	w.WriteHeader(b.status)
}

// appKey is one key for all tests, as making one takes its time.
var appKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

func newScene(t *testing.T, cfg sim.Config) *scene {
	t.Helper()
	needs.On(t, needs.Git())
	hook := &bot{status: http.StatusAccepted}
	receiver := httptest.NewServer(hook)
	t.Cleanup(receiver.Close)
	cfg.WebhookURL = receiver.URL
	cfg.Root = t.TempDir()
	cfg.PrivateKey = appKey()
	s, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"mona", "hubot", "eve", "lead"} {
		sim.Must(s.AddUser(sim.NewUser{Login: login, Name: "The " + login}))
	}
	sim.Must(s.AddOrg(sim.NewOrg{Login: "acme", Owners: []string{"lead"}, Members: []string{"mona"}}))
	sim.Must(s.CreateRepo(sim.NewRepo{
		Owner: "acme", Name: "shop",
		Collaborators: map[string]string{"mona": "maintain", "hubot": "write", "eve": "read"},
		Files:         map[string]string{"README.md": "shop\n", "src/a.txt": "1\n2\n3\n", ".shipmate.yaml": "service: shop\n"},
	}))
	sim.Must(s.AddTeam(sim.NewTeam{Org: "acme", Slug: "release-leads", Members: []string{"lead"}, Repos: map[string]string{shop: "admin"}}))
	id := sim.Must(s.Install(shop))
	mona := s.As("mona")
	sim.Must(mona.Push(sim.Push{Repo: shop, Branch: "feature/cart", Files: map[string]string{"src/a.txt": "1\n2\nthree\n", "src/b.txt": "new\n"}}))
	pr := sim.Must(mona.OpenPR(sim.NewPR{Repo: shop, Head: "feature/cart", Title: "Add the cart", Body: "Adds it."}))
	return &scene{Server: s, t: t, id: id, pr: pr, mona: mona, hook: hook}
}

// app is a client with the App's own token.
func (s *scene) app(base http.RoundTripper) *gh.Client {
	s.t.Helper()
	tr, err := ghinstallation.NewAppsTransport(orDefault(base), s.AppID(), s.PrivateKeyPEM())
	if err != nil {
		s.t.Fatal(err)
	}
	tr.BaseURL = s.APIURL()
	return s.client(tr)
}

// installation is a client with an installation token, narrowed by opts if not nil.
func (s *scene) installation(base http.RoundTripper, opts *gh.InstallationTokenOptions) *gh.Client {
	s.t.Helper()
	tr, err := ghinstallation.New(orDefault(base), s.AppID(), s.id, s.PrivateKeyPEM())
	if err != nil {
		s.t.Fatal(err)
	}
	tr.BaseURL, tr.InstallationTokenOptions = s.APIURL(), opts
	return s.client(tr)
}

func orDefault(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		return http.DefaultTransport
	}
	return base
}

func (s *scene) client(tr http.RoundTripper) *gh.Client {
	s.t.Helper()
	c, err := gh.NewClient(&http.Client{Transport: tr}).WithEnterpriseURLs(s.APIURL(), s.APIURL())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// clock is a time that moves when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
