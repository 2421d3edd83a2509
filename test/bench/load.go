package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A real comment on a pull request with "/deploy prod", 14 kB. The id of the
// comment is the one thing that changes: each is an effect of its own.
//
//go:embed testdata/issue_comment.json
var issueComment []byte

const commentID = "1000000000"

// load sends signed webhooks. It writes bytes to sockets itself: on one machine
// what the client takes is missing to the server.
type load struct {
	addr    string
	path    string
	at      int // of the comment's id in the body
	next    *atomic.Int64
	started int64
}

func newLoad(to string) (*load, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	at := bytes.Index(issueComment, []byte(commentID))
	first, err := strconv.ParseInt(commentID, 10, 64)
	if err != nil || at < 0 {
		return nil, fmt.Errorf("the payload has no comment %s", commentID)
	}
	l := &load{addr: u.Host, path: u.Path, at: at, next: &atomic.Int64{}, started: time.Now().UnixNano()}
	l.next.Store(first)
	return l, nil
}

// run sends for a while over all connections and returns how many were accepted.
func (l *load) run(ctx context.Context, d time.Duration) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	until := time.Now().Add(d)
	var sent atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			n, err := l.sendUntil(ctx, until)
			sent.Add(n)
			if err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return sent.Load(), context.Cause(ctx)
}

// sendUntil sends one request after the other over one connection.
func (l *load) sendUntil(ctx context.Context, until time.Time) (sent int64, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(until.Add(10 * time.Second)); err != nil {
		return 0, err
	}
	answers := bufio.NewReader(c)
	mac := hmac.New(sha256.New, []byte(secret))
	body, request := bytes.Clone(issueComment), make([]byte, 0, len(issueComment)+1024)
	for ; time.Now().Before(until) && ctx.Err() == nil; sent++ {
		request = l.request(request[:0], body, mac)
		if _, err := c.Write(request); err != nil {
			return sent, err
		}
		if err := accepted(answers); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (l *load) request(buf, body []byte, mac hash.Hash) []byte {
	id := l.next.Add(1)
	copy(body[l.at:], strconv.FormatInt(id, 10))
	mac.Reset()
	mac.Write(body)
	guid := fmt.Sprintf("%08x-%04x-11f0-8000-%012x", id&0xffffffff, l.started&0xffff, id)
	buf = fmt.Appendf(buf, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nX-GitHub-Event: issue_comment\r\nX-GitHub-Delivery: %s\r\n"+
		"X-GitHub-Hook-ID: 1\r\nX-GitHub-Hook-Installation-Target-ID: 1\r\nX-GitHub-Hook-Installation-Target-Type: integration\r\n"+
		"X-Hub-Signature-256: sha256=%s\r\n\r\n", l.path, l.addr, len(body), guid, hex.EncodeToString(mac.Sum(nil)))
	return append(buf, body...)
}

// accepted reads an answer, which must be good: a refusal would be cheap.
func accepted(r *bufio.Reader) error {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted || bytes.Contains(said, []byte("ignored")) {
		return fmt.Errorf("webhook refused: %s: %s", res.Status, said)
	}
	return err
}
