package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/shipmate/shipmate/commands"
	"github.com/shipmate/shipmate/pipeline"
)

// Starts tells who asked for a deploy on a pull request that it starts now, if
// it was held up meanwhile: by then they look elsewhere. It is a
// [pipeline.Sink] that shows nothing itself: it has them told, once.
type Starts struct{ Queue enqueuer }

// worthTelling is how long somebody must have waited to be told.
const worthTelling = time.Minute

// Name is stable: what was shown is stored under it.
func (Starts) Name() string { return "starts" }

// Subject is the run, once it has begun after it was held up.
func (Starts) Subject(r *pipeline.Run) string {
	if !r.Admitted || r.Origin.PR == 0 || r.Origin.Surface != "github" || r.Actor.IsBot() || r.CausedBy.ID != 0 || len(waits(r)) == 0 {
		return ""
	}
	return string(r.ID)
}

// Show has it said. Done again, the job and the comment are the same.
func (s Starts) Show(ctx context.Context, r *pipeline.Run, before pipeline.Shown) (json.RawMessage, error) {
	if before.Data != nil {
		return before.Data, nil
	}
	at := r.Origin
	at.Comment = 0 // it was answered when they asked
	n := commands.Notice{Repo: r.Repo, To: r.Actor, At: at, Text: fmt.Sprintf("%s starts now; it waited %s.", r.ID, strings.Join(waits(r), " and "))}
	if err := s.Queue.Enqueue(ctx, n.Job("starts:"+string(r.ID))); err != nil {
		return nil, pipeline.Temporary(err)
	}
	return json.RawMessage(`"told"`), nil
}

// waits says what a run waited for that is other people's or the clock's, and
// how long, if it was long enough. An approval is not among it: who gave it is
// told, and the comment tells the others.
func waits(r *pipeline.Run) (out []string) {
	for _, w := range r.Waited {
		what := map[string]string{"locked": "for the lock", "frozen": "for the freeze", "queued": "in the queue"}[w.Code]
		if what != "" && time.Duration(w.For) >= worthTelling {
			out = append(out, fmt.Sprintf("%s %s of **%s**", lasting(time.Duration(w.For).Truncate(time.Minute)), what, r.EnvironmentName()))
		}
	}
	return out
}

// lasting is a stretch of time as people write it: "12m", "2h5m", "24h".
func lasting(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
