package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipmate/shipmate/pipeline"
)

// link speaks to the shim of one pod.
type link struct {
	client *http.Client
	token  string
}

func (w *work) connect() *link {
	t, pod := w.at, w.cp.Pod
	return &link{token: w.cp.Pass.token(w.with.Keys), client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			return dial(ctx, t, pod, shimPort)
		},
		DisableCompression: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 20 * time.Second, ResponseHeaderTimeout: time.Minute,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
	}}}
}

func (l *link) close() { l.client.CloseIdleConnections() }

// shimError is a refusal of the shim's.
type shimError struct {
	status int
	text   string
}

func (e *shimError) Error() string { return fmt.Sprintf("shim: %d: %s", e.status, e.text) }

// conflict: the shim is at another stage than we thought.
func conflict(err error) bool {
	var e *shimError
	return errors.As(err, &e) && e.status == http.StatusConflict
}

// refusal is what a shim says no to whoever asks again: not the wrong moment,
// and not a token of another key, which may be renewed.
func refusal(err error) (text string, is bool) {
	var e *shimError
	if !errors.As(err, &e) || e.status >= http.StatusInternalServerError || e.status == http.StatusConflict || e.status == http.StatusUnauthorized {
		return "", false
	}
	return strings.TrimSuffix(e.text, "."), true
}

func (l *link) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://shim"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, &shimError{resp.StatusCode, strings.TrimSpace(string(text))}
	}
	return resp, nil
}

func (l *link) ask(ctx context.Context, method, path string, body io.Reader) error {
	resp, err := l.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// ready waits for the shim, which begins to listen a moment after its container runs.
func (l *link) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for pause := 25 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := l.ask(ctx, http.MethodGet, "/ready", nil)
		if err == nil || ctx.Err() != nil || errors.As(err, new(*shimError)) || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// order hands over the order; write writes it.
func (l *link) order(ctx context.Context, write func(io.Writer) error) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(w)
		w.CloseWithError(err)
		done <- err
	}()
	err := l.ask(ctx, http.MethodPut, "/order", r)
	r.CloseWithError(errUntaken)
	if werr := <-done; werr != nil && !errors.Is(werr, errUntaken) && !errors.Is(werr, io.ErrClosedPipe) { // it could not be made, which is why it was not taken
		return werr
	}
	return err
}

var errUntaken = errors.New("nobody takes it")

func (l *link) letGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return l.ask(ctx, http.MethodPost, "/go", nil)
}

// output passes on what the script prints, from a byte on. It returns nil when
// the script has ended and all of it was passed on.
func (l *link) output(ctx context.Context, from int64, to io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errors.New("the pod was silent for too long")) })
	defer quiet.Stop()
	resp, err := l.do(ctx, http.MethodGet, "/output?from="+strconv.FormatInt(from, 10), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	buf := make([]byte, maxFrame)
	for {
		b, err := readFrame(resp.Body, buf)
		if errors.Is(err, io.EOF) {
			_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
			return nil
		}
		if err != nil {
			return err
		}
		quiet.Reset(silence)
		if _, err := to.Write(b); err != nil {
			return &logError{err}
		}
	}
}

// logError: the output came, and could not be kept.
type logError struct{ error }

func (e *logError) Unwrap() error { return e.error }

func (l *link) result(ctx context.Context) (e ended, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := l.do(ctx, http.MethodGet, "/result", nil)
	if err != nil {
		return e, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&e)
	return e, err
}

// artifacts reads the packed files. What is wrong with them is an *Error at
// the end.
func (l *link) artifacts(ctx context.Context) (io.ReadCloser, error) {
	resp, err := l.do(ctx, http.MethodGet, "/artifacts", nil) //nolint:bodyclose // the caller closes it
	if err != nil {
		return nil, err
	}
	return &packedBody{resp}, nil
}

type packedBody struct{ *http.Response }

func (p *packedBody) Read(b []byte) (int, error) {
	n, err := p.Body.Read(b)
	if err != io.EOF { //nolint:errorlint // as io returns it
		return n, err
	}
	var said packed
	if json.Unmarshal([]byte(p.Trailer.Get(packedTrailer)), &said) != nil {
		return n, io.ErrUnexpectedEOF
	}
	switch {
	case said.OK:
		return n, io.EOF
	case said.Code != "":
		return n, &pipeline.Error{Code: said.Code, Message: said.Message}
	}
	return n, errors.New("the pod could not pack the artifacts")
}

func (p *packedBody) Close() error { return p.Body.Close() }
