package pipeline

import (
	"slices"
	"testing"
	"time"
)

func TestScheduleNext(t *testing.T) {
	for _, test := range []struct{ cron, zone, after, want string }{
		{"0 7 * * MON-THU", "UTC", "2026-03-05T07:00:00Z", "2026-03-09T07:00:00Z"}, // a Thursday
		{"0 7 * * *", "Europe/Berlin", "2026-01-05T05:59:59Z", "2026-01-05T06:00:00Z"},
		{"0 7 * * *", "Europe/Berlin", "2026-07-05T04:00:00Z", "2026-07-05T05:00:00Z"},
		{"*/15 * * * *", "UTC", "2026-03-05T07:00:00.001Z", "2026-03-05T07:15:00Z"},
		{"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", ""}, // the next one is eight years off
		{"0 7 * * *", "nowhere", "2026-01-05T05:59:59Z", ""},
		{"now and then", "UTC", "2026-01-05T05:59:59Z", ""},
		{"TZ=UTC", "UTC", "2026-01-05T05:59:59Z", ""},
		{"@daily", "UTC", "2026-01-05T05:59:59Z", ""},
	} {
		after, err := time.Parse(time.RFC3339Nano, test.after)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next := (ScheduleTrigger{Cron: test.cron, Timezone: test.zone}).Next(after); !next.IsZero() {
			got = next.Format(time.RFC3339)
		}
		if got != test.want {
			t.Errorf("%s in %s after %s: %s, want %s", test.cron, test.zone, test.after, got, test.want)
		}
	}
}

// What a schedule does in a span of time, in UTC.
func TestSchedulesWhereClocksAreChanged(t *testing.T) {
	const berlin = "Europe/Berlin"
	for _, test := range []struct {
		name, cron, zone, from, to string
		want                       []string
	}{
		{"a time that comes twice in autumn comes the first time", "30 2 * * *", berlin, "2026-10-24T22:00", "2026-10-25T22:00", []string{"25 00:30"}},
		{"two times of the hour that comes twice come once each", "0,30 2 * * *", berlin, "2026-10-24T22:00", "2026-10-25T22:00", []string{"25 00:00", "25 00:30"}},
		{"so do several, as steps", "*/20 2 * * *", berlin, "2026-10-24T22:00", "2026-10-25T22:00", []string{"25 00:00", "25 00:20", "25 00:40"}},
		{"every other hour comes once at two", "0 */2 * * *", berlin, "2026-10-24T21:59", "2026-10-25T05:30", []string{"24 22:00", "25 00:00", "25 03:00", "25 05:00"}},
		{"every hour comes both times", "0 * * * *", berlin, "2026-10-24T23:30", "2026-10-25T02:30", []string{"25 00:00", "25 01:00", "25 02:00"}},
		{"so does every minute of an hour", "*/30 * * * *", berlin, "2026-10-24T23:45", "2026-10-25T02:15", []string{"25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"}},
		{"a time that is skipped in spring comes right after the gap", "30 2 * * *", berlin, "2026-03-28T12:00", "2026-03-30T12:00", []string{"29 01:00", "30 00:30"}},
		{"two that are skipped come once", "0,30 2 * * *", berlin, "2026-03-28T12:00", "2026-03-29T12:00", []string{"29 01:00"}},
		{"what is skipped and what comes at the end of the gap are one", "0 2,3 * * *", berlin, "2026-03-28T12:00", "2026-03-29T12:00", []string{"29 01:00"}},
		{"every hour leaves the gap out", "30 * * * *", berlin, "2026-03-29T00:00", "2026-03-29T02:00", []string{"29 00:30", "29 01:30"}},
		{"a day without a midnight begins when its clocks say one", "0 0 * * *", "Africa/Cairo", "2026-04-23T00:00", "2026-04-25T00:00", []string{"23 22:00", "24 21:00"}},
		{"a midnight that comes twice comes once", "0 0 * * *", "America/Havana", "2026-10-31T12:00", "2026-11-02T12:00", []string{"01 04:00", "02 05:00"}},
		{"half an hour is skipped", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", "2026-10-04T00:00", []string{"03 15:30"}},
		{"half an hour comes twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", "2026-04-05T00:00", []string{"04 14:45"}},
		{"two hours come twice", "30 1,2 * * *", "Antarctica/Troll", "2026-10-24T20:00", "2026-10-25T20:00", []string{"24 23:30", "25 00:30"}},
		{"a weekday that the calendar skips comes right after it", "0 7 * * FRI", "Pacific/Apia", "2011-12-24T00:00", "2012-01-08T00:00", []string{"30 10:00", "05 17:00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			schedule := ScheduleTrigger{Cron: test.cron, Timezone: test.zone}
			to := clockAt(t, test.to)
			var got []string
			for at := schedule.Next(clockAt(t, test.from)); at.Before(to) && !at.IsZero(); at = schedule.Next(at) {
				got = append(got, at.Format("02 15:04"))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func clockAt(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
