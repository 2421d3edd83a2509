package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/bot/api"
	"github.com/shipmate/shipmate/pipeline"
)

func withToken(name string) string {
	return map[string]string{"SHIPMATE_API_TOKEN": "0123456789abcdef0123456789abcdef"}[name]
}

func TestTheTokenGoesToOneAddressOnly(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with %q", r.Host, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c, err := (&remote{server: srv.URL}).client(withToken)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.get(t.Context(), "/api/v1/services", &struct{}{}); pipeline.Code(err) != "no_api" {
		t.Errorf("a redirect is answered with %v", err)
	}
}

func TestACommandIsSentAgainUnderItsKey(t *testing.T) {
	var keys []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"id": "c-1"}`))
	}))
	defer srv.Close()
	c, err := (&remote{server: srv.URL + "/"}).client(withToken)
	if err != nil {
		t.Fatal(err)
	}
	var a api.Accepted
	if err := c.post(t.Context(), "/api/v1/commands", "k", api.Command{Text: "/status"}, &a); err != nil || a.ID != "c-1" {
		t.Errorf("%+v %v", a, err)
	}
	if strings.Join(keys, " ") != "k k" {
		t.Errorf("keys: %q", keys)
	}
}
