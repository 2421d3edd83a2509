package bot

import (
	"context"
	"sync"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// ackAfter is how long a message is worked on before it is shown that it was
// seen. What has an answer sooner needs no such sign.
const ackAfter = time.Second

// seen shows that a message is being worked on.
type seen struct {
	over func()        // the outcome is there
	done chan struct{} // closed when nothing more will be shown
}

// ack shows that a message was seen, if its outcome takes long. What has to be
// tried again does: then it is shown at once, and not with every further try.
func (b *Bot) ack(ctx context.Context, repo pipeline.Repo, at pipeline.Origin) *seen {
	s, ok := b.Surfaces[at.Surface]
	tries := triesBefore(ctx)
	if !ok || tries > 1 {
		return nil
	}
	after := ackAfter
	if tries == 1 {
		after = 0
	}
	over := make(chan struct{})
	a := &seen{over: sync.OnceFunc(func() { close(over) }), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		defer func() {
			if p := recover(); p != nil {
				b.Log.Error("ack panicked", "repo", repo.String(), "panic", p)
			}
		}()
		if after > 0 {
			t := time.NewTimer(after)
			defer t.Stop()
			select {
			case <-over:
				return
			case <-t.C:
			}
		}
		if err := s.Ack(ctx, repo, at); pipeline.AsRefused(err) != nil {
			b.Log.Debug("ack", "repo", repo.String(), "err", err) // the answer meets the same, and says so
		} else if err != nil {
			b.Log.Warn("ack", "repo", repo.String(), "err", err)
		}
	}()
	return a
}

// end waits for a sign that is on its way: whatever is shown from here on comes
// after it.
func (a *seen) end() {
	if a == nil {
		return
	}
	a.over()
	<-a.done
}
