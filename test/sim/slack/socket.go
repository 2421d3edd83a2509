package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxSockets   = 10
	pingInterval = 5 * time.Second
)

// sockets are the Socket Mode connections of the app. The server's lock guards them.
type sockets struct {
	tickets map[string]bool
	open    []*socket
	waiting map[string]waiter // by envelope_id
	next    int
}

type socket struct {
	conn     *websocket.Conn
	writing  sync.Mutex
	gone     chan struct{}
	draining bool // told to reconnect: gets nothing new
}

// waiter is a delivery that waits for its acknowledgement.
type waiter chan json.RawMessage

// openConnection is apps.connections.open. Its token has to be in the header.
func openConnection(c *call) (reply, error) {
	if c.has("token") {
		return nil, refuse("not_allowed_token_type")
	}
	ticket := strings.ToLower(c.id(""))
	c.server.sockets.tickets[ticket] = true
	address := "ws" + strings.TrimPrefix(c.server.cfg.BaseURL, "http") + "/link/?ticket=" + ticket + "&app_id=" + AppID
	return reply{"url": address}, nil
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	if !s.takeTicket(r.URL.Query().Get("ticket")) {
		http.Error(w, "invalid ticket", http.StatusForbidden)
		return
	}
	defer s.running.Done()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	k := &socket{conn: conn, gone: make(chan struct{})}
	defer s.drop(k)
	if n := s.admit(k); n > maxSockets {
		_ = k.send(Block{"type": "disconnect", "reason": "too_many_websockets", "debug_info": Block{"host": "sim"}})
		return
	} else if k.send(hello(n)) != nil {
		return
	}
	var pings sync.WaitGroup
	pings.Go(func() { k.ping(s.closed) })
	defer pings.Wait()
	s.read(k)
}

// takeTicket uses up a ticket and counts the connection, so that Close waits for it.
func (s *Server) takeTicket(ticket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sockets.tickets[ticket] || s.isClosed() {
		return false
	}
	delete(s.sockets.tickets, ticket)
	s.running.Add(1)
	return true
}

func (s *Server) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func hello(connections int) Block {
	return Block{
		"type": "hello", "num_connections": connections, "connection_info": Block{"app_id": AppID},
		"debug_info": Block{"host": "sim", "started": "2024-01-01 00:00:00.000", "build_number": 1, "approximate_connection_time": 18060},
	}
}

// admit adds a connection and gives how many there are with it.
func (s *Server) admit(k *socket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sockets.open) >= maxSockets {
		s.limits.violations["socket"]++
		return maxSockets + 1
	}
	s.sockets.open = append(s.sockets.open, k)
	s.wake()
	return len(s.sockets.open)
}

func (s *Server) drop(k *socket) {
	s.mu.Lock()
	s.sockets.open = slices.DeleteFunc(s.sockets.open, func(o *socket) bool { return o == k })
	s.wake()
	s.mu.Unlock()
	_ = k.conn.Close()
}

// read takes acknowledgements until the connection ends.
func (s *Server) read(k *socket) {
	defer close(k.gone)
	for {
		var ack struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := k.conn.ReadJSON(&ack); err != nil {
			return
		}
		s.mu.Lock()
		if w, ok := s.sockets.waiting[ack.ID]; ok {
			delete(s.sockets.waiting, ack.ID) // a second ack has no effect
			w <- ack.Payload
		}
		s.mu.Unlock()
	}
}

func (k *socket) send(v any) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.conn.WriteJSON(v)
}

// ping keeps the connection alive in the eyes of clients, until it is gone.
func (k *socket) ping(closed <-chan struct{}) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		_ = k.conn.WriteControl(websocket.PingMessage, []byte("sim"), time.Now().Add(time.Second))
		select {
		case <-ticker.C:
		case <-k.gone:
			return
		case <-closed:
			_ = k.conn.Close()
			return
		}
	}
}

func (s *Server) envelope(out outgoing) Block {
	if !s.cfg.SocketMode {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := Block{
		"envelope_id": strings.ToLower(s.world.id("e-")), "type": out.kind, "payload": out.payload,
		"accepts_response_payload": out.kind != "events_api",
	}
	if out.kind == "events_api" {
		e["retry_attempt"], e["retry_reason"] = out.retry, out.reason
	}
	return e
}

// overSocket sends an envelope down one of the connections and waits for its ack.
func (s *Server) overSocket(ctx context.Context, r Signed) Delivery {
	id := text(r.envelope["envelope_id"])
	k, w := s.pick(id)
	defer s.forget(id)
	if k == nil || k.send(r.envelope) != nil {
		return Delivery{Error: DispatchFailed, reason: "connection_failed"}
	}
	select {
	case payload := <-w:
		return Delivery{Status: http.StatusOK, Ack: string(payload)}
	case <-k.gone:
		return Delivery{Error: DispatchFailed, reason: "connection_failed"}
	case <-ctx.Done():
		return Delivery{Error: OperationTimeout, reason: "timeout"}
	}
}

// pick chooses the next connection in turn and waits there for an acknowledgement.
func (s *Server) pick(envelope string) (*socket, waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range s.sockets.open {
		s.sockets.next++
		k := s.sockets.open[s.sockets.next%len(s.sockets.open)]
		if !k.draining {
			w := make(waiter, 1)
			s.sockets.waiting[envelope] = w
			return k, w
		}
	}
	return nil, nil
}

func (s *Server) forget(envelope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets.waiting, envelope)
}

func (k sockets) live() int {
	n := 0
	for _, one := range k.open {
		if !one.draining {
			n++
		}
	}
	return n
}

// Disconnect tells all connections to reconnect, for "refresh_requested" or "warning".
// After anything but a warning a connection gets no new envelopes.
func (s *Server) Disconnect(reason string) {
	s.mu.Lock()
	open := slices.Clone(s.sockets.open)
	for _, k := range open {
		k.draining = k.draining || reason != "warning"
	}
	s.wake()
	s.mu.Unlock()
	for _, k := range open {
		_ = k.send(Block{"type": "disconnect", "reason": reason, "debug_info": Block{"host": "sim"}})
	}
}

// DropSockets breaks all connections without a word.
func (s *Server) DropSockets() {
	s.mu.Lock()
	open := slices.Clone(s.sockets.open)
	s.mu.Unlock()
	for _, k := range open {
		_ = k.conn.Close()
	}
}
