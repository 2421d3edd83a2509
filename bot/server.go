package bot

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Routes are what the public server answers. A nil handler means that the
// platform is not configured; its route is then 404.
type Routes struct {
	GitHubWebhook     http.Handler
	SlackCommands     http.Handler
	SlackInteractions http.Handler
	SlackEvents       http.Handler
	API               http.Handler // under /api/v1/; see bot/api
	Link              http.Handler // /link and below; see bot/link
	Front             http.Handler // the page at "/" itself
	Ready             func(ctx context.Context) error
}

// Handler is the whole public surface; whatever is not in it does not exist.
func (r Routes) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.Handler{
		"POST /github/webhook":     r.GitHubWebhook,
		"POST /slack/commands":     r.SlackCommands,
		"POST /slack/interactions": r.SlackInteractions,
		"POST /slack/events":       r.SlackEvents,
		"/api/v1/":                 r.API,
		"GET /{$}":                 r.Front,
		"/link":                    r.Link,
		"/link/":                   r.Link,
	} {
		if h != nil {
			mux.Handle(pattern, h)
		}
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), 2*time.Second)
		defer cancel()
		if err := r.Ready(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: Redis cannot be reached")
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client is gone if this fails
}

// Internal is what the operator's own port answers: metrics and profiles.
func Internal(m *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	return mux
}

// Serve answers on the listener until ctx ends, then lets requests in hand end.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	const patience = 5 * time.Second
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := srv.Shutdown(closing)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
