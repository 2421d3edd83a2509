package slack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"

	"github.com/shipmate/shipmate/pipeline"
)

// Socket receives Slack's requests over websockets instead of HTTP. slack-go's
// own client closes a connection as soon as Slack announces that it will; what
// Slack sent on it and nobody acknowledged is lost then. Here the next
// connection is up before the old one ends.
type Socket struct {
	Requests    *Requests
	Connections int           // at once; default 2. Slack allows 10 for all replicas together
	Stagger     time.Duration // between the first dials; default 2 s
	// Drain is how long a connection stays open beside its successor, if Slack
	// does not close it before; default 20 s. After a mere warning Slack goes on
	// to deliver on it for about 10 s.
	Drain time.Duration
	Log   *slog.Logger
}

const (
	silent       = 40 * time.Second // Slack pings more often than this
	writeTimeout = 5 * time.Second
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// Run receives until ctx ends, then answers what came in before and returns.
func (s *Socket) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for n := range orDefault(s.Connections, 2) {
		wg.Go(func() {
			if pause(ctx, time.Duration(n)*orDefault(s.Stagger, 2*time.Second)) {
				s.keep(ctx, &wg)
			}
		})
	}
	wg.Wait()
}

// keep has one connection open at any time. A connection that is told to end
// goes on beside its successor until nothing more comes.
func (s *Socket) keep(ctx context.Context, wg *sync.WaitGroup) {
	for failed := 0; ctx.Err() == nil; {
		k, err := s.dial(ctx)
		if err != nil {
			wait := backoff(failed, err)
			failed++
			s.Log.Warn("slack websocket", "err", err, "retry_in", wait.String())
			pause(ctx, wait)
			continue
		}
		started := time.Now()
		wg.Go(func() { k.serve(ctx, orDefault(s.Drain, 20*time.Second)) })
		<-k.ending
		failed = rest(ctx, failed, time.Since(started))
	}
}

// rest lets connections that end soon be replaced at once, but not for ever.
func rest(ctx context.Context, failed int, lived time.Duration) int {
	const soon, atOnce = time.Minute, 5
	if lived > soon {
		return 0
	}
	if failed >= atOnce {
		pause(ctx, backoff(failed-atOnce, nil))
	}
	return failed + 1
}

// backoff doubles from a fifth of a second, with chance, unless Slack says how long.
func backoff(failed int, err error) time.Duration {
	var w waitError
	if errors.As(err, &w) {
		return w.after
	}
	d := min(maxBackoff, firstBackoff<<min(failed, 10))
	return d/2 + rand.N(d/2)
}

// pause reports whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

func (s *Socket) dial(ctx context.Context) (*connection, error) {
	c := s.Requests.client
	var address string
	err := c.call(ctx, "apps.connections.open", func(ctx context.Context) (err error) {
		_, address, err = c.api.StartSocketModeContext(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: callTimeout}
	conn, resp, err := d.DialContext(ctx, address, nil)
	if err != nil {
		return nil, pipeline.Temporary(errors.New("dial: " + err.Error()))
	}
	_ = resp.Body.Close()
	conn.SetReadLimit(maxBody)
	k := &connection{conn: conn, requests: s.Requests, log: s.Log, ending: make(chan struct{})}
	conn.SetPingHandler(k.pinged)
	return k, nil
}

// connection is one websocket.
type connection struct {
	conn     *websocket.Conn
	requests *Requests
	log      *slog.Logger
	ending   chan struct{} // closed when a successor is needed
	once     sync.Once
	writing  sync.Mutex
	handling sync.WaitGroup

	mu      sync.Mutex // orders what sets the time until which to read
	stopped bool
}

func (k *connection) end() { k.once.Do(func() { close(k.ending) }) }

// serve reads until the connection ends, or until ctx does, and answers what came.
func (k *connection) serve(ctx context.Context, drain time.Duration) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
		case <-k.ending:
			select { // Slack closes it; if not, we do
			case <-time.After(drain):
			case <-ctx.Done():
			case <-done:
			}
		}
		k.stopReading() // what was read is answered before the connection goes
	})
	k.read(ctx)
	k.end()
	close(done)
	watching.Wait()
	k.handling.Wait()
	_ = k.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(writeTimeout))
	_ = k.conn.Close()
}

// delivery is one request over a websocket.
type delivery struct {
	Type     string          `json:"type"`
	ID       string          `json:"envelope_id"`
	Reason   string          `json:"reason"`
	Payload  json.RawMessage `json:"payload"`
	Accepts  bool            `json:"accepts_response_payload"`
	Attempts int             `json:"retry_attempt"`
}

// alive says that Slack was heard of.
func (k *connection) alive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		_ = k.conn.SetReadDeadline(time.Now().Add(silent))
	}
}

func (k *connection) stopReading() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	_ = k.conn.SetReadDeadline(time.Now())
}

func (k *connection) read(ctx context.Context) {
	for {
		k.alive()
		var d delivery
		if err := k.conn.ReadJSON(&d); err != nil {
			k.log.Debug("slack websocket ended", "err", err)
			return
		}
		switch d.Type {
		case "disconnect":
			k.log.Info("slack asks to reconnect", "reason", d.Reason)
			k.end()
		case "slash_commands", "interactive", "events_api":
			k.handling.Go(func() { k.handle(ctx, d) })
		}
	}
}

func (k *connection) pinged(data string) error {
	k.alive()
	_ = k.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTimeout))
	return nil // a pong that cannot be sent shows in the next read
}

// handle does a request and acknowledges it if it was taken. A shutdown must
// not cut it short: it was read, so nobody else will do it.
func (k *connection) handle(ctx context.Context, d delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	a := k.requests.receive(ctx, d)
	if a.status != http.StatusOK {
		return
	}
	ack := map[string]any{"envelope_id": d.ID}
	if a.body != nil && d.Accepts {
		ack["payload"] = a.body
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	_ = k.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := k.conn.WriteJSON(ack); err != nil {
		k.log.Warn("acknowledge to slack", "kind", d.Type, "err", err)
	}
}

// receive hands a request to the same code that serves HTTP.
func (q *Requests) receive(ctx context.Context, d delivery) answer {
	a := arrival{at: q.now()}
	switch d.Type {
	case "slash_commands":
		var c slackgo.SlashCommand
		if json.Unmarshal(d.Payload, &c) != nil {
			return answer{status: http.StatusBadRequest}
		}
		return q.command(ctx, a, c)
	case "interactive":
		return q.interaction(ctx, a, d.Payload)
	}
	return q.event(ctx, a, d.Payload)
}
