package main

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shipmate/shipmate/test/world"
)

// front stands between the bot and the simulated GitHub, in both directions,
// and notes when they speak.
type front struct {
	url    string
	server *http.Server
	served sync.WaitGroup
	bound  chan struct{} // closed by bind; requests before wait for it
	github http.Handler
	bot    http.Handler

	mu      sync.Mutex
	arrived time.Time // of the first webhook since forget
	spans   []span
}

// span is a request that GitHub worked on.
type span struct {
	from, to time.Time
	read     bool
	what     string
}

// reads reports whether the bot cannot go on without the answer. Writes are
// reports made beside the path; where they are not, their time stays ours.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/git-upload-pack") || strings.HasSuffix(r.URL.Path, "/access_tokens")
}

func startFront() (*front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{url: "http://" + l.Addr().String(), bound: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/webhook-of-the-bot", f.toBot)
	mux.HandleFunc("/", f.toGitHub)
	f.server = &http.Server{Handler: mux}
	f.served.Go(func() { _ = f.server.Serve(l) }) // always http.ErrServerClosed
	return f, nil
}

// env sends the bot to the front.
func (f *front) env() []string {
	return []string{"SHIPMATE_GITHUB_API_URL=" + f.url + "/api/v3", "SHIPMATE_GITHUB_CLONE_URL=" + f.url}
}

func (f *front) bind(w *world.World) {
	bot, _ := url.Parse(w.URL + "/github/webhook") // of our own making
	f.github = w.GitHub
	f.bot = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL, r.Out.Host = bot, bot.Host
	}}
	close(f.bound)
	w.GitHub.SetWebhookURL(f.url + "/webhook-of-the-bot")
}

func (f *front) toGitHub(w http.ResponseWriter, r *http.Request) {
	<-f.bound
	from := time.Now()
	f.github.ServeHTTP(w, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = append(f.spans, span{from, time.Now(), reads(r), r.Method + " " + r.URL.Path})
}

func (f *front) toBot(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if f.arrived.IsZero() {
		f.arrived = time.Now()
	}
	f.mu.Unlock()
	f.bot.ServeHTTP(w, r)
}

func (f *front) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrived, f.spans = time.Time{}, nil
}

// path is what happened from the webhook to the given time. Requests that
// overlap count once.
func (f *front) path(until time.Time) (path, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arrived.IsZero() {
		return path{}, errors.New("no webhook came")
	}
	p := path{began: f.arrived, took: until.Sub(f.arrived)}
	slices.SortFunc(f.spans, func(a, b span) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
	counted := f.arrived
	for _, s := range f.spans {
		if s.from.After(until) {
			break
		}
		p.requests++
		if !s.read {
			continue
		}
		from, to := latest(s.from, counted), s.to
		if to.After(until) {
			to = until
		}
		if to.After(from) {
			p.github += to.Sub(from)
			counted = to
		}
	}
	return p, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (f *front) close() error {
	err := f.server.Close()
	f.served.Wait()
	return err
}
