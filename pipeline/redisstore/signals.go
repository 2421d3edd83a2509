package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shipmate/shipmate/pipeline"
)

// signals hands what arrives on the process's one subscription to all listeners.
type signals struct {
	mu         sync.Mutex
	subscribed bool
	listeners  map[chan pipeline.RunID]bool
}

// Signals returns the ids of runs that any replica changed with Change.Signal,
// until ctx ends; then the channel is closed. A signal is a hint: it may be
// lost while the connection is, or when the listener is far behind.
func (s *Store) Signals(ctx context.Context) <-chan pipeline.RunID {
	c := make(chan pipeline.RunID, 256)
	g := &s.signals
	g.mu.Lock()
	g.listeners[c] = true
	if !g.subscribed && s.closing.Err() == nil {
		g.subscribed = true
		ready := make(chan struct{})
		s.work.Go(func() { s.listen(ready) })
		defer func() { <-ready }()
	}
	g.mu.Unlock()
	s.work.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.closing.Done():
		}
		g.mu.Lock()
		delete(g.listeners, c)
		close(c)
		g.mu.Unlock()
	})
	return c
}

// listen passes signals on until the store is closed. It closes ready when the
// server has confirmed the subscription, or could not at once.
func (s *Store) listen(ready chan struct{}) {
	sub := s.redis.Subscribe(s.closing, signalChannel)
	defer func() { _ = sub.Close() }()
	_, _ = sub.ReceiveTimeout(s.closing, 2*time.Second)
	messages := sub.Channel(redis.WithChannelHealthCheckInterval(10 * time.Second)) // connects again by itself
	close(ready)
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return
			}
			s.signals.tell(pipeline.RunID(m.Payload))
		case <-s.closing.Done():
			return
		}
	}
}

func (g *signals) tell(id pipeline.RunID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.listeners {
		select {
		case c <- id:
		default:
		}
	}
}
