package pipeline

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// wallTimes are the moments at which a clock on the wall of a time zone shows
// what a cron expression says. Where clocks are changed the rule is that of
// vixie cron:
//
//   - What is at fixed times comes once for each of them. A time that the clock
//     skips comes right after the gap, once however many are skipped; one that
//     it shows twice comes the first time.
//   - What names every minute or every hour with "*" goes by elapsed time: it
//     comes whenever the clock shows a time that fits, also the second time.
type wallTimes struct {
	shown   *cron.SpecSchedule // by the clock of UTC, which shows each time once
	zone    *time.Location
	elapsed bool // it names every minute or every hour
}

var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// parseCron reads the five fields. A prefix that sets a zone is not taken: the
// zone has a place of its own.
func parseCron(text string) (*cron.SpecSchedule, error) {
	if strings.ContainsAny(text, "=@") {
		return nil, errors.New("a cron expression is five fields and nothing else")
	}
	schedule, err := cronParser.Parse(text)
	if err != nil {
		return nil, err
	}
	fields, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("a cron expression is five fields")
	}
	return fields, nil
}

func newWallTimes(text, timezone string) (wallTimes, error) {
	shown, err := parseCron(text)
	if err != nil {
		return wallTimes{}, err
	}
	zone, err := time.LoadLocation(timezone)
	const star = 1 << 63 // the parser sets it in a field that is "*", and not in one that is "*/2"
	return wallTimes{shown, zone, (shown.Minute|shown.Hour)&star != 0}, err
}

// after is the first of the moments that comes after t, zero if there is none.
func (w wallTimes) after(t time.Time) time.Time {
	const horizon = 8 * 366 * 24 * time.Hour // the 29th of February may be that far away
	span := t.In(w.zone)                     // any moment of a span in which the clock is not changed
	seen := onWall(span)
	if !w.elapsed {
		seen = furthest(span)
	}
	for span.Sub(t) < horizon {
		next := w.shown.Next(seen)
		if next.IsZero() {
			return next
		}
		_, offset := span.Zone()
		at := next.Add(-time.Duration(offset) * time.Second).In(w.zone)
		start, end := span.ZoneBounds()
		if at.Before(start) { // it was skipped
			at = start
		}
		if end.IsZero() || at.Before(end) {
			return at
		}
		if span = end; w.elapsed {
			seen = onWall(end).Add(-time.Nanosecond)
		}
	}
	return time.Time{}
}

// furthest is the latest time that the clock has shown by t. Once it was put
// back, that is more than it shows at t.
func furthest(t time.Time) time.Time {
	const longest = 48 * time.Hour // no clock was ever put back by more than a day
	seen := onWall(t)
	for at := t; ; {
		start, _ := at.ZoneBounds()
		if start.IsZero() || t.Sub(start) > longest {
			return seen
		}
		at = start.Add(-time.Nanosecond)
		seen = later(seen, onWall(at))
	}
}

// onWall is the time that a clock in the zone of t shows then, as if it were
// UTC: times on a wall are compared and counted on so.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
