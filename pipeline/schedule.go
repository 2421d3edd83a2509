package pipeline

import "time"

// Next is the trigger's time after the given one, which is now or its last
// time; zero if there is none. Where clocks are changed each of its times comes
// once, unless it is for every minute or hour; docs/configuration.md has the rule.
func (t ScheduleTrigger) Next(after time.Time) time.Time {
	times, err := newWallTimes(t.Cron, t.Timezone)
	if err != nil {
		return time.Time{} // the file was checked: this is an old record
	}
	next := times.after(after)
	if next.IsZero() {
		return next
	}
	return next.UTC()
}
