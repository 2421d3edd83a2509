package link_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// watched sees what goes to the platforms and what comes back, and what is stored.
type watched struct {
	*scene
	secrets []string
	stored  strings.Builder
}

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, _ := url.ParseQuery(string(body))
		for _, name := range []string{"code", "code_verifier"} {
			w.saw(form.Get(name))
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var got map[string]any
	_ = json.Unmarshal(body, &got)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		token, _ := got[name].(string)
		w.saw(token)
	}
	return resp, err
}

func (w *watched) saw(secret string) {
	if secret != "" {
		w.secrets = append(w.secrets, secret)
	}
}

func (w *watched) Get(ctx context.Context, repo int64, key string) ([]byte, error) {
	return w.store.Get(ctx, repo, key)
}

func (w *watched) Take(ctx context.Context, repo int64, key string) ([]byte, error) {
	return w.store.Take(ctx, repo, key)
}

func (w *watched) PutNew(ctx context.Context, repo int64, key string, value []byte, keep time.Duration) (bool, error) {
	w.stored.WriteString(key + " " + string(value) + "\n")
	return w.store.PutNew(ctx, repo, key, value, keep)
}
