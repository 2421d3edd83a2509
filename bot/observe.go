package bot

import (
	"net/http"
	"strconv"
	"time"
)

// Transport counts the calls of an API.
func (m *Metrics) Transport(api string, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			m.Called(api, "error")
			return res, err
		}
		m.Called(api, strconv.Itoa(res.StatusCode))
		return res, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Acks measures how long a platform waits for its answer.
func (m *Metrics) Acks(source string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next(status, req)
		m.Acked(source, strconv.Itoa(status.status), time.Since(began))
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
