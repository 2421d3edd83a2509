package github

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// tailer reads the end of a step's log, masked.
type tailer interface {
	Tail(ctx context.Context, run pipeline.RunID, step string, attempt, lines int) ([]string, error)
}

const (
	tailLines = 60
	maxTails  = 10  // on one page; a log is a blob, and every report reads them again
	minTail   = 600 // bytes; in less than that a log says nothing
)

// logTail is the end of the log of a step that went wrong.
type logTail struct {
	run  pipeline.RunID
	step string
	text string // clean, and not markup until it is in a block of code
}

// tails reads the logs of the steps that went wrong, at most so many. One that
// cannot be read is left out: the verdict does not wait for it.
func (c ReportConfig) tails(ctx context.Context, r *pipeline.Run, most int) (all []logTail) {
	if c.Logs == nil {
		return nil
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		if len(all) == most || s.State != pipeline.Failed && s.State != pipeline.Unknown || s.Attempt == 0 {
			continue
		}
		lines, err := c.Logs.Tail(ctx, r.ID, s.FailureLog(), s.Attempt, tailLines)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			c.Client.cfg.Log.Warn("log of a step that went wrong", "run", string(r.ID), "step", s.Name, "err", err)
		}
		text := strings.Trim(strings.ReplaceAll(clean(strings.Join(lines, "\n")), "\r", "\n"), "\n")
		if err == nil && text != "" {
			all = append(all, logTail{r.ID, s.Name, text})
		}
	}
	return all
}

// render shows the tail, folded, in at most limit bytes, whatever it holds.
// "" if that is too little.
func (t logTail) render(limit int) string {
	head, foot := fmt.Sprintf("<details><summary>Log of <code>%s</code></summary>\n\n", htmlText(cutRunes(t.step, 100))), "\n</details>\n\n"
	room := limit - len(head) - len(foot)
	// A fence may be as long as what it holds, twice.
	for _, size := range []int{room - 16, room / 4} {
		if size < minTail/8 {
			break
		}
		if block := codeBlock("text", cutText(t.text, size)); len(block) <= room {
			return head + block + foot
		}
	}
	return ""
}

// renderTails shares the room among the tails.
func renderTails(tails []logTail, room int) string {
	var b strings.Builder
	for i, t := range tails {
		b.WriteString(t.render((room - b.Len()) / (len(tails) - i)))
	}
	return b.String()
}

// cutText shortens plain text to at most n bytes: the start and, twice as much,
// the end stay, in whole lines if they are not too long.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const notice = 60
	room := max(n-notice, 0)
	head := cutAt(s, room/3)
	tail := s[len(s)-(room-len(head)):]
	if i := strings.IndexByte(tail, '\n'); i >= 0 && i < len(tail)/2 {
		tail = tail[i+1:]
	}
	tail = strings.TrimLeftFunc(strings.ToValidUTF8(tail, ""), func(r rune) bool { return r == '\n' })
	return fmt.Sprintf("%s\n[%d bytes are left out here]\n%s", strings.TrimRight(head, "\n"), len(s)-len(head)-len(tail), tail)
}
