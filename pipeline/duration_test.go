package pipeline

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, row := range []struct {
		text string
		want time.Duration
		err  string
	}{
		{"90s", 90 * time.Second, ""},
		{"1h30m", 90 * time.Minute, ""},
		{"1d", 24 * time.Hour, ""},
		{"2w", 14 * 24 * time.Hour, ""},
		{"1w2d3h4m5s6ms", 9*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond, ""},
		{"1.5d", 36 * time.Hour, ""},
		{"0s", 0, ""},
		{"5", 0, `"5" is not a duration: it needs a unit, as in 5s, 5m, 5h or 5d.`},
		{"", 0, `"" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w.`},
		{"-1h", 0, `"-1h" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w.`},
		{"1y", 0, `"1y" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w.`},
		{"2 days", 0, `"2 days" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w. Did you mean 2d?`},
		{"1D", 0, `"1D" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w. Did you mean 1d?`},
		{"1 hour and 30 min", 0, `"1 hour and 30 min" is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w. Did you mean 1h30m?`},
		{"300000w", 0, `"300000w" is longer than any time span can be.`},
		{"9999999999999999999h", 0, `"9999999999999999999h" is longer than any time span can be.`},
		{"15000w15000w", 0, `"15000w15000w" is longer than any time span can be.`},
	} {
		got, err := ParseDuration(row.text)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != row.want || said != row.err {
			t.Errorf("%q is %v, %q; want %v, %q", row.text, got, said, row.want, row.err)
		}
	}
}
