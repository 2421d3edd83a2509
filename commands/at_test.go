package commands

import (
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

func TestStartTime(t *testing.T) {
	now := time.Date(2026, 3, 28, 21, 30, 0, 0, time.UTC) // the evening before clocks go forward in Berlin
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{"22:00", "2026-03-28T22:00:00Z"},
		{"21:30", "2026-03-29T21:30:00Z"}, // this very minute has begun
		{"21:00", "2026-03-29T21:00:00Z"},
		{"09:05", "2026-03-29T09:05:00Z"},
		{" 22:00 ", "2026-03-28T22:00:00Z"},
		{"22:00 UTC", "2026-03-28T22:00:00Z"},
		{"23:00 Europe/Berlin", "2026-03-28T22:00:00Z"},
		{"02:30 Europe/Berlin", "! bad_time"}, // there is no 02:30 that night
		{"03:30 Europe/Berlin", "2026-03-29T01:30:00Z"},
		{"22:00 Europe/Berlin", "2026-03-29T20:00:00Z"}, // today's is over, and tomorrow's is an hour nearer
		{"17:00 America/New_York", "2026-03-29T21:00:00Z"},
		{"2026-04-01T06:00", "2026-04-01T06:00:00Z"},
		{"2026-04-01 06:00", "2026-04-01T06:00:00Z"},
		{"2026-04-01T06:00 Asia/Tokyo", "2026-03-31T21:00:00Z"},
		{"2026-03-28T21:30", "! bad_time"},
		{"2026-04-27T21:30", "2026-04-27T21:30:00Z"},
		{"2026-04-27T21:31", "! bad_time"},
		{"2026-02-30T10:00", "! bad_time"},
		{"24:00", "! bad_time"},
		{"7pm", "! bad_time"},
		{"22:00 Berlin", "! bad_time"},
		{"22:00 Local", "! bad_time"},
		{"22:00 ../../etc/passwd", "! bad_time"},
		{"tomorrow", "! bad_time"},
		{"22:00 EST", "! bad_time"},
		{"22:00 cet", "! bad_time"},
		{"22:00 GMT", "! bad_time"},
		{"22:00 UTC+2", "! bad_time"},
		{"23:00+01:00", "2026-03-28T22:00:00Z"},
		{"23:00 +0100", "2026-03-28T22:00:00Z"},
		{"22:00Z", "2026-03-28T22:00:00Z"},
		{"2026-03-29T03:00+02:00", "2026-03-29T01:00:00Z"},
		{"2026-03-29 02:30-02:30", "2026-03-29T05:00:00Z"},
		{"2026-03-29T02:30Z", "2026-03-29T02:30:00Z"},
		{"2026-03-29T02:30+01:00 Europe/Berlin", "! bad_time"},
		{"22:00+25:00", "! bad_time"},
		{"22:00+02:75", "! bad_time"},
		{"+2h", "2026-03-28T23:30:00Z"},
		{"+1d", "2026-03-29T21:30:00Z"},
		{"+ 2w", "2026-04-11T21:30:00Z"},
		{"+90s", "2026-03-28T21:32:00Z"}, // a run starts at a whole minute
		{"+30d", "2026-04-27T21:30:00Z"},
		{"+31d", "! bad_duration"},
		{"+0s", "! bad_duration"},
		{"+2", "! bad_duration"},
		{"+1 day", "! bad_duration"},
		{"2h", "! bad_time"},
	} {
		got := ""
		at, err := startTime(row.text, now, noLine)
		switch {
		case err != nil:
			got = "! " + pipeline.Code(err)
		case !at.IsZero():
			got = at.UTC().Format(time.RFC3339)
		}
		if got != row.want {
			t.Errorf("%q is %s, want %s (%v)", row.text, got, row.want, err)
		}
	}
}

func noLine(at string) string { return "--at " + quote(at) }

// What the clocks show twice or never, and what has no zone of its own.
func TestStartTimesThatMayMeanSeveral(t *testing.T) {
	for _, row := range []struct{ text, now, want string }{
		{"2026-10-25T02:30 Europe/Berlin", "2026-10-24T12:00:00Z",
			"On 2026-10-25 the clocks of Europe/Berlin show 02:30 twice. For the first time: `--at 2026-10-25T02:30+02:00`. For the second: `--at 2026-10-25T02:30+01:00`."},
		{"02:30 Europe/Berlin", "2026-10-24T12:00:00Z",
			"On 2026-10-25 the clocks of Europe/Berlin show 02:30 twice. For the first time: `--at 2026-10-25T02:30+02:00`. For the second: `--at 2026-10-25T02:30+01:00`."},
		{"02:30 Europe/Berlin", "2026-10-25T00:45:00Z",
			"On 2026-10-25 the clocks of Europe/Berlin show 02:30 twice, and the first time is over. For the second: `--at 2026-10-25T02:30+01:00`."},
		{"02:30 Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-26T02:30+01:00"},
		{"03:00 Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T03:00+01:00"},
		{"01:59 Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T01:59+02:00"},
		{"2026-10-25T02:30 Europe/Berlin", "2026-10-25T05:00:00Z", "`2026-10-25T02:30 Europe/Berlin` is over. To deploy now, leave `--at` out."},
		{"2026-03-29 02:30 Europe/Berlin", "2026-03-28T12:00:00Z",
			"On 2026-03-29 the clocks of Europe/Berlin go from 02:00 to 03:00 and never show 02:30. For the moment when they do: `--at 2026-03-29T03:00+02:00`. For 02:30 by the time before: `--at 2026-03-29T03:30+02:00`."},
		{"02:00 Europe/Berlin", "2026-03-28T12:00:00Z",
			"On 2026-03-29 the clocks of Europe/Berlin go from 02:00 to 03:00 and never show 02:00. For the moment when they do: `--at 2026-03-29T03:00+02:00`."},
		{"02:30 Europe/Berlin", "2026-03-29T01:10:00Z", "2026-03-30T02:30+02:00"},
		{"03:00 Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T03:00+02:00"},
		{"00:30 Africa/Cairo", "2026-04-23T12:00:00Z",
			"On 2026-04-24 the clocks of Africa/Cairo go from 00:00 to 01:00 and never show 00:30. For the moment when they do: `--at 2026-04-24T01:00+03:00`. For 00:30 by the time before: `--at 2026-04-24T01:30+03:00`."},
		{"01:45 Australia/Lord_Howe", "2026-04-04T10:00:00Z",
			"On 2026-04-05 the clocks of Australia/Lord_Howe show 01:45 twice. For the first time: `--at 2026-04-05T01:45+11:00`. For the second: `--at 2026-04-05T01:45+10:30`."},
		{"02:30 UTC", "2026-10-24T12:00:00Z", "2026-10-25T02:30Z"},
		{"22:00 IST", "2026-10-24T12:00:00Z",
			"`IST` is an abbreviation, and no name of a time zone. Say which zone is meant: `--at \"22:00 Asia/Kolkata\"` or `--at \"22:00 Europe/Dublin\"` or `--at \"22:00 Asia/Jerusalem\"`."},
	} {
		now, err := time.Parse(time.RFC3339, row.now)
		if err != nil {
			t.Fatal(err)
		}
		at, err := startTime(row.text, now, noLine)
		got := moment(at)
		if err != nil {
			got = pipeline.Message(err)
		}
		if got != row.want {
			t.Errorf("%q at %s:\n%s\nwant\n%s", row.text, row.now, got, row.want)
		}
	}
}
