package main

import (
	"embed"
	"errors"
	"html"
	"io/fs"
	"net"
	"net/http"
	"path"
)

//go:embed web
var web embed.FS

// handler serves the page, the stream of what happens, what people do, and the
// sites that were deployed.
func (p *Playground) handler() http.Handler {
	mux := http.NewServeMux()
	for name, do := range p.acts() {
		mux.HandleFunc("POST /act/"+name, doing(do))
	}
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /site/{env}/{$}", p.page)
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	mux.Handle("GET /", withPolicy(http.FileServerFS(files)))
	return thisMachine(http.NewCrossOriginProtection().Handler(mux))
}

// thisMachine refuses requests made under the name of another site, which a
// page there could have pointed at this address.
func thisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this page is served as 127.0.0.1 only", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// withPolicy lets the page load only what it brings, and make no markup of texts.
func withPolicy(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// page shows what is deployed to an environment. It is what somebody pushed, so
// it is shown without scripts and without this site's rights.
func (p *Playground) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	env := r.PathValue("env")
	text, err := fs.ReadFile(p.site.FS(), path.Join(env, "current", "index.html"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = []byte("<!doctype html><title>Nothing here</title><p style='font: 20px sans-serif; padding: 1em; color: #667'>Nothing is deployed to " + html.EscapeString(env) + " yet.</p>")
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the reader is gone if this fails
}
