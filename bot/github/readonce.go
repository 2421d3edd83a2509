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
	return context.WithValue(ctx, readsKey{}, &reads{answers: map[string]*asked{}})
}

type readsKey struct{}

// reads are the answers so far.
type reads struct {
	mu      sync.Mutex
	answers map[string]*asked
}

// asked is one question, and what came of it.
type asked struct {
	mu   sync.Mutex // also while asking: who asks the same waits for the answer
	resp *http.Response
	body []byte
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
	a := o.answerTo(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.resp == nil {
		resp, err := ask()
		if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength > maxCachedBody {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		a.resp, a.body = resp, body
	}
	resp := *a.resp
	resp.Body = io.NopCloser(bytes.NewReader(a.body))
	return &resp, nil
}

func (o *reads) answerTo(key string) *asked {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.answers[key]
	if a == nil {
		a = &asked{}
		o.answers[key] = a
	}
	return a
}

// forget is called when something was written: it may be what was read.
func (o *reads) forget() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.answers)
}
