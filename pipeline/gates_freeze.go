package pipeline

import (
	"fmt"
	"time"
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
// It begins when a schedule with its expression would start, also where clocks
// are changed. Its length is real time: 64h are 64 hours, whatever the clocks do.
func (w Freeze) At(now time.Time) (end time.Time, open bool) {
	const closed = time.Hour // a window that cannot be read is closed to deploys
	begins, err := newWallTimes(w.Cron, w.Timezone)
	if err != nil {
		return now.Add(closed), true
	}
	length := time.Duration(w.For)
	// The window that began last ends last, so it is looked for from now on backwards.
	for back := 24 * time.Hour; ; back *= 4 {
		back = min(back, length)
		for at := begins.after(now.Add(-back)); !at.IsZero() && !at.After(now); at = begins.after(at) {
			end, open = at.Add(length), true
		}
		if open || back == length {
			return end, open
		}
	}
}
