package commands

import (
	"fmt"
	"regexp"
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

// moment is a time as "--at" takes it, in a way that has one reading only.
func moment(t time.Time) string { return t.Format("2006-01-02T15:04Z07:00") }

// startTime reads "--at": a time from now, "+2h", or a time of the day, or a
// day and a time, with the IANA name of a zone after it, or an offset from UTC;
// UTC without one. A time
// of the day is the next one there is. What the clocks of the zone show twice
// or never is refused, with the moments that may be meant. "" is now. line
// writes the command with another "--at".
func startTime(text string, now time.Time, line func(at string) string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if after, is := strings.CutPrefix(text, "+"); is {
		return fromNow(after, now)
	}
	clock, zone, err := cutZone(text, line)
	if err != nil {
		return time.Time{}, err
	}
	at, err := nextTime(clock, zone, now, line)
	switch {
	case pipeline.Code(err) != "":
		return time.Time{}, err
	case err != nil && isSpan(text):
		return time.Time{}, pipeline.Refuse("bad_time", "%s is a span of time. To deploy when it is over, say %s.", Code(text), Code(line("+"+text)))
	case err != nil:
		return time.Time{}, pipeline.Refuse("bad_time", "%s is no time. Write `--at 22:00`, `--at +2h`, `--at 2026-03-31T22:00` or `--at \"22:00 Europe/Berlin\"`.", Code(text))
	case !at.After(now):
		return time.Time{}, pipeline.Refuse("bad_time", "%s is over. To deploy now, leave `--at` out.", Code(text))
	case at.Sub(now) > farthest:
		return time.Time{}, pipeline.Refuse("bad_time", "%s is more than 30 days ahead. Ask for it nearer to the time.", Code(text))
	}
	return at, nil
}

// fromNow is the first whole minute at which so much time has passed.
func fromNow(text string, now time.Time) (time.Time, error) {
	d, err := span("--at", strings.TrimSpace(text), farthest)
	if err != nil {
		return time.Time{}, err
	}
	at := now.Add(d).UTC()
	if whole := at.Truncate(time.Minute); whole.Before(at) {
		return whole.Add(time.Minute), nil
	}
	return at, nil
}

func isSpan(text string) bool {
	_, err := pipeline.ParseDuration(text)
	return err == nil
}

var withOffset = regexp.MustCompile(`^(.*[0-9]:[0-9]{2}) ?(Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])$`)

// cutZone takes a time zone off the end: its name, or an offset from UTC.
func cutZone(text string, line func(at string) string) (clock string, zone *time.Location, err error) {
	if m := withOffset.FindStringSubmatch(text); m != nil {
		at, err := time.Parse("Z0700", strings.Replace(m[2], ":", "", 1))
		_, offset := at.Zone()
		if offset == 0 {
			return m[1], time.UTC, err
		}
		return m[1], time.FixedZone("", offset), err
	}
	i := strings.LastIndexByte(text, ' ')
	if i < 0 || text[i+1] >= '0' && text[i+1] <= '9' {
		return text, time.UTC, nil
	}
	name, clock := text[i+1:], strings.TrimSpace(text[:i])
	zone, instead := pipeline.ReadZone(name)
	switch {
	case instead == nil:
		return clock, zone, nil
	case len(instead) == 0:
		return "", nil, pipeline.Refuse("bad_time", "%s is no time zone. Write a name like `Europe/Berlin`, or `UTC`.", Code(name))
	}
	var lines []string
	for _, name := range instead {
		lines = append(lines, Code(line(clock+" "+name)))
	}
	return "", nil, pipeline.Refuse("bad_time", "%s is an abbreviation, and no name of a time zone. Say which zone is meant: %s.", Code(name), strings.Join(lines, " or "))
}

// nextTime is the first time after now that reads so in the zone.
func nextTime(clock string, zone *time.Location, now time.Time, line func(at string) string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if shown, err := time.Parse(layout, clock); err == nil {
			return readings(shown, zone).one(now, line)
		}
	}
	of, err := time.Parse("15:04", clock)
	if err != nil {
		return time.Time{}, err
	}
	here := now.In(zone)
	for day := 0; ; day++ {
		shown := time.Date(here.Year(), here.Month(), here.Day()+day, of.Hour(), of.Minute(), 0, 0, time.UTC)
		if at, err := readings(shown, zone).one(now, line); err != nil || at.After(now) {
			return at, err
		}
	}
}

// reading is what a time on the wall may mean.
type reading struct {
	shown time.Time   // what the clock shows, as if it were UTC
	at    []time.Time // when it does: once, twice where it is put back, or never
	gap   time.Time   // where it never does: when it is put forward past it
}

// readings looks at the time on the wall as it is before and after each change
// of the clocks that is near.
func readings(shown time.Time, zone *time.Location) reading {
	r := reading{shown: shown}
	const near = 36 * time.Hour // farther from UTC than any zone, a day that is skipped included
	for span := shown.Add(-near).In(zone); ; {
		_, offset := span.Zone()
		start, end := span.ZoneBounds()
		at := shown.Add(-time.Duration(offset) * time.Second).In(zone)
		switch {
		case at.Before(start):
			if len(r.at) == 0 {
				r.gap = start
			}
			return r
		case end.IsZero() || at.Before(end):
			r.at = append(r.at, at)
		}
		if end.IsZero() || end.After(shown.Add(near)) {
			return r
		}
		span = end
	}
}

// one is the moment that is meant. Where that is not certain, it is asked for;
// what is over is over by all readings.
func (r reading) one(now time.Time, line func(at string) string) (time.Time, error) {
	paste := func(t time.Time) string { return Code(line(moment(t))) }
	day, clock := r.shown.Format(time.DateOnly), r.shown.Format("15:04")
	switch {
	case len(r.at) == 1:
		return r.at[0], nil
	case len(r.at) == 0 && r.gap.After(now):
		_, seconds := r.gap.Add(-time.Second).Zone()
		before := time.FixedZone("", seconds)
		from, to := r.gap.In(before).Format("15:04"), r.gap.Format("15:04")
		byOld := r.shown.Add(-time.Duration(seconds) * time.Second).In(r.gap.Location())
		text := fmt.Sprintf("On %s the clocks of %s go from %s to %s and never show %s. For the moment when they do: %s.", day, r.gap.Location(), from, to, clock, paste(r.gap))
		if byOld.After(r.gap) {
			text += fmt.Sprintf(" For %s by the time before: %s.", clock, paste(byOld))
		}
		return r.gap, pipeline.Refuse("bad_time", "%s", text)
	case len(r.at) == 0:
		return r.gap, nil
	}
	first, second := r.at[0], r.at[len(r.at)-1]
	twice := fmt.Sprintf("On %s the clocks of %s show %s twice", day, first.Location(), clock)
	switch {
	case first.After(now):
		return first, pipeline.Refuse("bad_time", "%s. For the first time: %s. For the second: %s.", twice, paste(first), paste(second))
	case second.After(now):
		return second, pipeline.Refuse("bad_time", "%s, and the first time is over. For the second: %s.", twice, paste(second))
	}
	return second, nil
}
