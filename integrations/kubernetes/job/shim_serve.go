package job

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
	"github.com/shipmate/shipmate/pipeline/artifact"
	"github.com/shipmate/shipmate/pipeline/script"
)

// handler answers the requests of protocol.go.
func (s *shim) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /order", s.takeOrder)
	mux.HandleFunc("POST /go", s.takeGo)
	mux.HandleFunc("GET /output", s.giveOutput)
	mux.HandleFunc("GET /result", s.giveResult)
	mux.HandleFunc("GET /artifacts", s.giveArtifacts)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(hash(token)), []byte(s.token)) != 1 {
			http.Error(w, "not yours", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// takeOrder takes one order. One that was torn may come again: nothing has begun.
func (s *shim) takeOrder(w http.ResponseWriter, r *http.Request) {
	if !s.receives(r.Context()) {
		http.Error(w, "there is an order already", http.StatusConflict)
		return
	}
	o, err := receive(r.Body, s.dir, s.place())
	if err == nil {
		err = s.accept(o)
	}
	if err != nil {
		s.mu.Lock()
		s.to(waiting)
		s.mu.Unlock()
		status := http.StatusUnprocessableEntity // it will not fare better
		if errors.Is(err, io.ErrUnexpectedEOF) {
			status = http.StatusInternalServerError // it was torn on its way
		}
		http.Error(w, err.Error(), status)
	}
}

// receives claims the place of the one order. Where another is being received,
// it waits for its end: whoever asks may know sooner than the shim that it was torn.
func (s *shim) receives(ctx context.Context) bool {
	for {
		s.mu.Lock()
		stage, changed := s.stage, s.changed
		if stage == waiting {
			s.to(receiving)
		}
		s.mu.Unlock()
		if stage != receiving {
			return stage == waiting
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *shim) accept(o order) error {
	out, err := os.OpenFile(filepath.Join(s.dir, "output"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var secrets []pipeline.Secret
	for _, v := range o.Secrets {
		secrets = append(secrets, pipeline.NewSecret(v))
	}
	s.masked = io.Discard
	if masker, err := pipeline.NewMasker(secrets...); err == nil { // better nothing than secrets
		s.masked = masker.Writer(os.Stdout)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order, s.log = o, script.NewLog(out, o.MaxLog)
	s.to(ordered)
	return nil
}

func (s *shim) takeGo(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.stage {
	case waiting, receiving:
		http.Error(w, "there is no order", http.StatusConflict)
	case ordered:
		s.to(running)
		close(s.released)
	default: // said before
	}
}

// giveOutput sends what is kept of the output from a byte on, and what comes.
func (s *shim) giveOutput(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil || from < 0 {
		http.Error(w, "from which byte?", http.StatusBadRequest)
		return
	}
	f, err := os.Open(filepath.Join(s.dir, "output"))
	if err != nil {
		http.Error(w, "there is no order", http.StatusConflict)
		return
	}
	defer f.Close()
	flow := http.NewResponseController(w)
	if s.stream(r.Context(), f, from, func(b []byte) error {
		if err := writeFrame(w, b); err != nil {
			return err
		}
		return flow.Flush()
	}) == nil {
		_ = writeEnd(w) // who does not get it asks again
	}
}

// stream returns nil when all is sent.
func (s *shim) stream(ctx context.Context, f *os.File, at int64, send func([]byte) error) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	buf := make([]byte, maxFrame)
	if err := send(nil); err != nil { // the header goes out at once
		return err
	}
	for {
		s.mu.Lock()
		changed, last := s.changed, s.stage == over
		s.mu.Unlock()
		for {
			n, err := f.ReadAt(buf, at)
			if n > 0 {
				if err := send(buf[:n]); err != nil {
					return err
				}
				at += int64(n)
			}
			if err != nil {
				break // the end, for now
			}
		}
		if last {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := send(nil); err != nil {
				return err
			}
		}
	}
}

func (s *shim) finished(w http.ResponseWriter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != over {
		http.Error(w, "it has not ended", http.StatusConflict)
		return false
	}
	return true
}

func (s *shim) giveResult(w http.ResponseWriter, r *http.Request) {
	if !s.finished(w) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if json.NewEncoder(w).Encode(s.result) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.fetched:
	default:
		close(s.fetched)
	}
}

// giveArtifacts sends the files, and in the end whether it was all of them: by
// then the status is out.
func (s *shim) giveArtifacts(w http.ResponseWriter, _ *http.Request) {
	if !s.finished(w) {
		return
	}
	w.Header().Set("Trailer", packedTrailer)
	w.Header().Set("Content-Type", "application/gzip")
	err := artifact.Pack(w, s.place().Src, s.order.Artifacts, s.order.MaxArtifacts)
	said := packed{OK: err == nil}
	if err != nil {
		said.Code, said.Message = pipeline.Code(err), pipeline.Message(err)
	}
	b, _ := json.Marshal(said) // a bool and two strings
	w.Header().Set(packedTrailer, string(b))
}

// packed is how packing ended, in a trailer of the answer.
type packed struct {
	OK      bool   `json:"ok"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

const packedTrailer = "X-Packed"
