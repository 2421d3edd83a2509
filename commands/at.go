package commands

import (
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// farthest is how far ahead a deploy may be asked for.
const farthest = 30 * 24 * time.Hour

// said is when somebody spoke, by which a time of the day is meant.
func said(c *Call) time.Time {
	if c.Said.IsZero() {
		return c.Now
	}
	return c.Said
}

// startTime reads "--at": a time of the day, or a day and a time, with the
// IANA name of a zone after it; UTC without one. A time of the day is the next
// one there is. "" is now.
func startTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	clock, zone, err := cutZone(text)
	if err != nil {
		return time.Time{}, err
	}
	at, err := nextTime(clock, zone, now)
	switch {
	case err != nil:
		return time.Time{}, pipeline.Refuse("bad_time", "%s is no time. Write `--at 22:00`, `--at 2026-03-31T22:00` or `--at \"22:00 Europe/Berlin\"`.", Code(text))
	case !at.After(now):
		return time.Time{}, pipeline.Refuse("bad_time", "%s is over. To deploy now, leave `--at` out.", Code(text))
	case at.Sub(now) > farthest:
		return time.Time{}, pipeline.Refuse("bad_time", "%s is more than 30 days ahead. Ask for it nearer to the time.", Code(text))
	}
	return at, nil
}

// cutZone takes the name of a time zone off the end.
func cutZone(text string) (clock string, zone *time.Location, err error) {
	i := strings.LastIndexByte(text, ' ')
	if i < 0 || text[i+1] >= '0' && text[i+1] <= '9' {
		return text, time.UTC, nil
	}
	name := text[i+1:]
	zone, err = time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return "", nil, pipeline.Refuse("bad_time", "%s is no time zone. Write a name like `Europe/Berlin`, or `UTC`.", Code(name))
	}
	return strings.TrimSpace(text[:i]), zone, nil
}

// nextTime is the first time after now that reads so in the zone. Where clocks
// are put forward past it, it is the moment they are.
func nextTime(clock string, zone *time.Location, now time.Time) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, clock, zone); err == nil {
			return at, nil
		}
	}
	of, err := time.Parse("15:04", clock)
	if err != nil {
		return time.Time{}, err
	}
	here := now.In(zone)
	for day := range 2 {
		at := time.Date(here.Year(), here.Month(), here.Day()+day, of.Hour(), of.Minute(), 0, 0, zone)
		if at.After(now) {
			return at, nil
		}
	}
	return time.Time{}, err
}
