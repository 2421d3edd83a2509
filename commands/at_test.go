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
		{"02:30 Europe/Berlin", "2026-03-29T01:30:00Z"}, // there is no 02:30 that night: an hour later by the clocks
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
	} {
		got := ""
		at, err := startTime(row.text, now)
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
