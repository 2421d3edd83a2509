package pipeline

import (
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	for _, test := range []struct{ cron, zone, after, want string }{
		{"0 7 * * MON-THU", "UTC", "2026-03-05T07:00:00Z", "2026-03-09T07:00:00Z"}, // a Thursday
		{"0 7 * * *", "Europe/Berlin", "2026-01-05T05:59:59Z", "2026-01-05T06:00:00Z"},
		{"0 7 * * *", "Europe/Berlin", "2026-07-05T04:00:00Z", "2026-07-05T05:00:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"}, // on the 29th there is no 2:30
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"}, // the first of two
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}, // and not the second
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}, // every hour, so both
		{"*/15 * * * *", "UTC", "2026-03-05T07:00:00.001Z", "2026-03-05T07:15:00Z"},
	} {
		after, err := time.Parse(time.RFC3339Nano, test.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := (ScheduleTrigger{Cron: test.cron, Timezone: test.zone}).Next(after).Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s after %s: %s, want %s", test.cron, test.zone, test.after, got, test.want)
		}
	}
}
