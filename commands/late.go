package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// How long a command is done without asking back, and how long it is worth
// anything. The clocks of the platforms and ours differ by seconds: that moves
// these limits by as much, and nothing that was just said is near them.
const (
	lateAfter    = 10 * time.Minute
	expiredAfter = 24 * time.Hour
)

// pinned commands mean something else at another time: a branch moves, another
// run is the last one. Pin returns the line that means then, too, what this one
// means now. Its errors are refusals, as in Do.
type pinned interface {
	Pin(ctx context.Context, c *Call) (string, error)
}

// InTime refuses a command that changes something and whose turn comes long
// after it was said: much may have happened since. A question is answered
// however late it is.
func InTime(ctx context.Context, c *Call) error {
	if c.Line.Command.Help().Question || c.Said.IsZero() || c.Now.Sub(c.Said) <= lateAfter {
		return nil
	}
	line := c.Line.Text
	if p, ok := c.Line.Command.(pinned); ok {
		var err error
		if line, err = p.Pin(ctx, c); err != nil {
			return err
		}
	}
	code, why := lateness(c)
	return pipeline.Refuse(code, "%s If it is still what you want, paste: %s", why, Code(line))
}

// lateness says how late a command is, and where it was held up.
func lateness(c *Call) (code, sentence string) {
	age := c.Now.Sub(c.Said)
	said := "This was written " + roughly(age) + " ago"
	switch {
	case age > expiredAfter:
		return "expired", said + ", so it was not done."
	case !c.Came.IsZero() && c.Came.Sub(c.Said) <= lateAfter:
		return "late", said + " and its turn came only now, so it was not done."
	}
	return "late", said + " and came to shipmate only now, so it was not done."
}

// roughly is a time as people say it.
func roughly(d time.Duration) string {
	n, unit := int(d.Minutes()), "minute"
	switch {
	case d >= 48*time.Hour:
		n, unit = int(d.Hours())/24, "day"
	case d >= 2*time.Hour:
		n, unit = int(d.Hours()), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// Begun reports whether an earlier try of this very command fixed what it is
// about, or started its run. Then it was in time, and is not left half done.
func Begun(ctx context.Context, records Records, store Store, c *Call) (bool, error) {
	kept, err := records.Get(ctx, c.Repo.ID, aboutKey(c.Key))
	if err == nil && kept != nil {
		return true, nil
	}
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return false, err
	}
	_, started, err := start{Store: store, Records: records}.again(ctx, c)
	return started, err
}
