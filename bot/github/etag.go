package github

import (
	"bytes"
	"container/list"
	"io"
	"net/http"
	"sync"
)

// etagCache keeps answers to reads with their ETag: asking again whether they
// changed costs GitHub little and our hourly limit nothing.
type etagCache struct {
	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of *cached, most recent first
	size    int
}

type cached struct {
	key    string
	tag    string
	header http.Header
	body   []byte
}

const (
	maxCached     = 32 << 20  // bytes in all
	maxCachedBody = 256 << 10 // bytes of one answer
)

func newETagCache() *etagCache {
	return &etagCache{entries: map[string]*list.Element{}, recent: list.New()}
}

// roundTrip sends a GET. The key keeps what one token sees from another.
func (c *etagCache) roundTrip(key string, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	have := c.get(key)
	if have != nil {
		r.Header.Set("If-None-Match", have.tag)
	}
	resp, err := next.RoundTrip(r)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotModified && have != nil:
		drain(resp)
		header := have.header.Clone()
		for k, v := range resp.Header {
			if _, known := header[k]; !known {
				header[k] = v
			}
		}
		return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: resp.Proto, ProtoMajor: resp.ProtoMajor, ProtoMinor: resp.ProtoMinor,
			Header: header, Body: io.NopCloser(bytes.NewReader(have.body)), ContentLength: int64(len(have.body)), Request: r}, nil
	case resp.StatusCode == http.StatusOK && resp.Header.Get("ETag") != "":
		return c.keep(key, resp)
	}
	return resp, nil
}

func (c *etagCache) get(key string) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached)
}

func (c *etagCache) keep(key string, resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCachedBody+1))
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	if len(body) > maxCachedBody {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
		return resp, nil
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	header := http.Header{}
	for _, name := range []string{"Etag", "Link", "Content-Type"} {
		if v := resp.Header[name]; v != nil {
			header[name] = v
		}
	}
	c.put(&cached{key: key, tag: resp.Header.Get("ETag"), header: header, body: body})
	return resp, nil
}

func (c *etagCache) put(e *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.key]; old != nil {
		c.drop(old)
	}
	c.entries[e.key] = c.recent.PushFront(e)
	c.size += len(e.body) + len(e.key)
	for c.size > maxCached {
		c.drop(c.recent.Back())
	}
}

func (c *etagCache) drop(e *list.Element) {
	old := c.recent.Remove(e).(*cached)
	delete(c.entries, old.key)
	c.size -= len(old.body) + len(old.key)
}
