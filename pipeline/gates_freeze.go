package pipeline

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// freeze: nothing is deployed in a window, however many overlap. Rollbacks pass.
func freeze(q Question, f Facts, now time.Time) Gate {
	first, end, frozen := frozenAt(f.Policy.Freeze, now)
	if !frozen || q.Trigger == ByRollback {
		return pass(GateFreeze, "No freeze.")
	}
	return Gate{Name: GateFreeze, State: Waits, Code: "frozen", Until: end,
		Sentence: fmt.Sprintf("%s is frozen until %s (%s).", f.Policy.Name, end.Format("Mon 2006-01-02 15:04 MST"), first.Reason),
		Fix:      "Wait; it starts by itself."}
}

// FrozenAt says whether nothing is deployed to the environment now, why, and
// until when.
func (e *Environment) FrozenAt(now time.Time) (reason string, until time.Time, frozen bool) {
	first, until, frozen := frozenAt(e.Freeze, now)
	return first.Reason, until, frozen
}

// frozenAt returns a window that is open and the end of the freeze, which goes
// on while one window opens before the other closes.
func frozenAt(windows []Freeze, now time.Time) (first Freeze, end time.Time, frozen bool) {
	const horizon = 366 * 24 * time.Hour // windows that never leave a gap have no end; look again there
	end = now
	for end.Sub(now) < horizon {
		w, until, open := openWindow(windows, end)
		if !open {
			break
		}
		if !frozen {
			first, frozen = w, true
		}
		end = until
	}
	return first, end, frozen
}

func openWindow(windows []Freeze, now time.Time) (Freeze, time.Time, bool) {
	for _, w := range windows {
		if end, open := w.At(now); open {
			return w, end, true
		}
	}
	return Freeze{}, now, false
}

// At reports whether the window is open at now, and when it ends. The cron
// expression and the time zone were checked at load.
//
// It begins when the clock on the wall shows what the expression says; where
// the clocks are moved that may be twice. Its length is real time: 64h are 64
// hours, whatever the clocks do meanwhile.
func (w Freeze) At(now time.Time) (end time.Time, open bool) {
	const closed = time.Hour // a window that cannot be read is closed to deploys
	zone, err := time.LoadLocation(w.Timezone)
	if err != nil {
		return now.Add(closed), true
	}
	schedule, err := cron.ParseStandard(w.Cron)
	if err != nil {
		return now.Add(closed), true
	}
	const shift = 3 * time.Hour // more than clocks are ever moved
	length := time.Duration(w.For)
	wall := asUTC(now.In(zone))
	// The window that began last ends last, so it is looked for from now on backwards.
	for back := 24 * time.Hour; ; back *= 4 {
		back = min(back, length)
		for at := schedule.Next(wall.Add(-back - shift)); !at.IsZero() && !at.After(wall.Add(shift)); at = schedule.Next(at) {
			for _, begin := range readings(at, zone, shift) {
				until := begin.Add(length)
				if !begin.After(now) && until.After(now) && until.After(end) {
					end, open = until, true
				}
			}
		}
		if open || back == length {
			return end, open
		}
	}
}

// readings are the moments at which a clock in the zone shows the time of day:
// one, or two where clocks are put back. Where they are put forward and never
// show it, it is read by the time before and the time after.
func readings(wall time.Time, zone *time.Location, shift time.Duration) []time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, zone)
	var read, shown []time.Time
	for _, at := range []time.Time{near.Add(-shift), near.Add(shift)} {
		_, offset := at.Zone()
		read = append(read, wall.Add(-time.Duration(offset)*time.Second).In(zone))
	}
	for _, t := range read {
		if asUTC(t).Equal(wall) {
			shown = append(shown, t)
		}
	}
	if len(shown) == 0 {
		return read
	}
	return shown
}

// asUTC is the time at which a clock in UTC shows what t shows: there every
// time of day is there once a day, which cron expressions rely on.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}
