package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

const (
	maxWait  = 30 * time.Second
	lookEach = 200 * time.Millisecond // while somebody waits; what is waited for may happen in any replica
)

// patience is how long the caller would wait, and answers for itself if that
// is no time.
func patience(w http.ResponseWriter, r *http.Request) (time.Duration, bool) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, true
	}
	d, err := pipeline.ParseDuration(text)
	if err != nil {
		fail(w, http.StatusBadRequest, "bad_wait", fmt.Sprintf("The value of wait is wrong: %v Write for example wait=25s; 30s is the most.", err))
		return 0, false
	}
	return min(d, maxWait), true
}

// wait looks again and again until there is what was waited for, the time is
// up, or nobody is there to be told.
func (h *handler) wait(ctx context.Context, most time.Duration, look func(ctx context.Context) (found bool, err error)) error {
	if found, err := look(ctx); found || err != nil || most == 0 {
		return err
	}
	end := time.NewTimer(most)
	defer end.Stop()
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.Stop:
			return nil
		case <-end.C:
			return nil
		case <-tick.C:
			if found, err := look(ctx); found || err != nil {
				return err
			}
		}
	}
}
