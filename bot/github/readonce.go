package github

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// ReadOnce returns a context in which GitHub is asked the same thing once:
// what a message asks for is decided on one view of it, and soon. It is for
// work that is over in seconds; what waits asks again when its time comes.
func (c *Client) ReadOnce(ctx context.Context) context.Context {
	return context.WithValue(ctx, readsKey{}, &reads{answers: map[string]*http.Response{}, bodies: map[string][]byte{}})
}

type readsKey struct{}

// reads are the answers so far.
type reads struct {
	mu      sync.Mutex
	answers map[string]*http.Response
	bodies  map[string][]byte
}

func readsOf(ctx context.Context) *reads {
	have, _ := ctx.Value(readsKey{}).(*reads)
	return have
}

// once gives the answer to a GET that was there before, else asks. A nil
// receiver always asks.
func (o *reads) once(key string, ask func() (*http.Response, error)) (*http.Response, error) {
	if o == nil {
		return ask()
	}
	o.mu.Lock()
	defer o.mu.Unlock() // also while asking: who asks the same waits for the answer
	if _, have := o.answers[key]; !have {
		resp, err := ask()
		if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength > maxCachedBody {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		o.answers[key], o.bodies[key] = resp, body
	}
	resp := *o.answers[key]
	resp.Body = io.NopCloser(bytes.NewReader(o.bodies[key]))
	return &resp, nil
}

// forget is called when something was written: it may be what was read.
func (o *reads) forget() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.answers)
	clear(o.bodies)
}
