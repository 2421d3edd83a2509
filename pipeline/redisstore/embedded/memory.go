package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// expireEvery is how late a key may expire: miniredis is told that time passed.
const expireEvery = 100 * time.Millisecond

// StartInMemory starts a server within this process: nothing of it is on disk,
// and it ends with the process, however that ends.
func StartInMemory() (*Server, error) {
	m := miniredis.NewMiniRedis()
	password := rand.Text() // others on this machine reach loopback too
	m.RequireAuth(password)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded redis in memory: %w", err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(expireEvery)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			case <-end:
				return
			}
		}
	}()
	stop := func(context.Context) error {
		close(end)
		<-ended
		m.Close()
		return nil
	}
	return &Server{url: "redis://:" + password + "@" + m.Addr(), stop: stop}, nil
}
