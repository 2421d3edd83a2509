package pipeline

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Next is the trigger's time after the given one, which is now or its last
// time; zero if there is none. A time that the clocks of its zone skip in
// spring is left out; one that they pass twice in autumn comes once, unless the
// schedule is for every hour.
func (t ScheduleTrigger) Next(after time.Time) time.Time {
	schedule, err := cron.ParseStandard(t.Cron)
	if err != nil {
		return time.Time{} // the file was checked: this is an old record
	}
	zone, err := time.LoadLocation(t.Timezone)
	if err != nil {
		return time.Time{}
	}
	after = after.In(zone)
	next := schedule.Next(after)
	const wall = "2006-01-02 15:04"
	if next.Format(wall) == after.Format(wall) && !strings.HasPrefix(strings.Fields(t.Cron)[1], "*") {
		next = schedule.Next(next)
	}
	return next.UTC()
}
