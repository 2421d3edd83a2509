package pipeline

import (
	"archive/zip"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wall is what a clock on a wall shows, as far as cron reads it.
type wall struct {
	month         time.Month
	day, hour, mi int
	weekday       time.Weekday
}

// crons are expressions and what they say, written down a second time.
var crons = []struct {
	text    string
	elapsed bool // it goes by elapsed time
	fits    func(wall) bool
}{
	{"30 2 * * *", false, func(w wall) bool { return w.mi == 30 && w.hour == 2 }},
	{"0,30 2 * * *", false, func(w wall) bool { return (w.mi == 0 || w.mi == 30) && w.hour == 2 }},
	{"0 0 * * *", false, func(w wall) bool { return w.mi == 0 && w.hour == 0 }},
	{"0 */2 * * *", false, func(w wall) bool { return w.mi == 0 && w.hour%2 == 0 }},
	{"15 0-3 * * SUN", false, func(w wall) bool { return w.mi == 15 && w.hour <= 3 && w.weekday == time.Sunday }},
	{"45 1,23 1 * 5,6", false, func(w wall) bool {
		return w.mi == 45 && (w.hour == 1 || w.hour == 23) && (w.day == 1 || w.weekday == time.Friday || w.weekday == time.Saturday)
	}},
	{"59 23 31 3,10 ?", false, func(w wall) bool {
		return w.mi == 59 && w.hour == 23 && w.day == 31 && (w.month == time.March || w.month == time.October)
	}},
	{"20 * * * *", true, func(w wall) bool { return w.mi == 20 }},
	{"*/30 * * * SUN", true, func(w wall) bool { return w.mi%30 == 0 && w.weekday == time.Sunday }},
	{"* 2 * 3,4,9-11 0", true, func(w wall) bool {
		return w.hour == 2 && w.weekday == time.Sunday && (w.month == 3 || w.month == 4 || w.month >= 9 && w.month <= 11)
	}},
}

// ticks is the rule, told minute by minute of real time: a clock that never
// showed a time before has reached it, and all it passed over, just now.
func ticks(zone *time.Location, from, to time.Time) [][]int64 {
	out := make([][]int64, len(crons))
	reached := int64(math.MinInt64) // the furthest minute that the clock has shown or passed over
	for at := from.Add(-72 * time.Hour); at.Before(to); at = at.Add(time.Minute) {
		_, offset := at.In(zone).Zone()
		shows := (at.Unix() + int64(offset)) / 60
		begin := shows
		if reached > math.MinInt64 && shows > reached {
			begin = reached + 1
		}
		for minute := begin; minute <= shows; minute++ {
			look := wallAt(minute)
			for i, c := range crons {
				due := c.fits(look) && (c.elapsed && minute == shows || !c.elapsed && minute > reached)
				if n := len(out[i]); due && !at.Before(from) && (n == 0 || out[i][n-1] != at.Unix()) {
					out[i] = append(out[i], at.Unix())
				}
			}
		}
		reached = max(reached, shows)
	}
	return out
}

// wallAt reads minutes since 1970 as a date and a time of day.
func wallAt(minute int64) wall {
	t := time.Unix(minute*60, 0).UTC()
	return wall{t.Month(), t.Day(), t.Hour(), t.Minute(), t.Weekday()}
}

func TestSchedulesOfAllZones(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(2, 0, 0)
	alike := map[string][]string{} // by how their clocks are changed
	for _, name := range zoneNames(t) {
		key := changes(t, name, from, to)
		alike[key] = append(alike[key], name)
	}
	if len(alike) < 50 {
		t.Fatalf("only %d kinds of zones", len(alike))
	}
	for key, names := range alike {
		t.Run(strings.ReplaceAll(names[0], "/", "-"), func(t *testing.T) {
			t.Parallel()
			until := to
			if strings.Count(key, "\n") == 1 { // its clocks are never changed, so one month is like the other
				until = from.AddDate(0, 1, 0)
			}
			againstTheModel(t, names[0], from, until)
		})
	}
}

// Clocks that were changed in ways that they are not now.
func TestSchedulesOfOldTimes(t *testing.T) {
	for _, old := range []struct{ zone, from string }{
		{"Pacific/Apia", "2011-12-25T00:00"},        // a day is skipped
		{"Pacific/Kwajalein", "1993-08-15T00:00"},   // likewise
		{"Pacific/Kwajalein", "1969-09-25T00:00"},   // a day, almost, comes twice
		{"America/Sao_Paulo", "2018-10-30T00:00"},   // midnight is skipped
		{"America/Asuncion", "2023-09-28T00:00"},    // likewise
		{"Asia/Tehran", "2021-09-18T00:00"},         // midnight comes twice
		{"America/Caracas", "2007-12-05T00:00"},     // half an hour comes twice
		{"Asia/Pyongyang", "2018-05-01T00:00"},      // half an hour is skipped
		{"Antarctica/Casey", "2018-03-08T00:00"},    // three hours come twice
		{"Antarctica/Vostok", "2023-12-15T00:00"},   // two hours do
		{"America/Goose_Bay", "2010-11-04T00:00"},   // at one minute past midnight
		{"Europe/Istanbul", "2015-11-05T00:00"},     // later than all others
		{"Africa/Casablanca", "2024-03-05T00:00"},   // back for a month
		{"Africa/Cairo", "2014-05-10T00:00"},        // four times in a year
		{"America/Nuuk", "2023-03-20T00:00"},        // a gap that is for ever
		{"Pacific/Norfolk", "2015-10-01T00:00"},     // half an hour comes twice
		{"Australia/Lord_Howe", "1981-02-25T00:00"}, // and there it is skipped
	} {
		from := clockAt(t, old.from)
		againstTheModel(t, old.zone, from, from.AddDate(0, 0, 21))
	}
}

// againstTheModel asks for one time after the other, and then after moments of
// all kinds, most of them near a change.
func againstTheModel(t *testing.T, name string, from, to time.Time) {
	zone := loadZone(t, name)
	all := ticks(zone, from, to)
	rng := rand.New(rand.NewPCG(1, 2))
	for i, c := range crons {
		want := all[i]
		times, err := newWallTimes(c.text, name)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for at := times.after(from.Add(-time.Nanosecond)); at.Before(to) && !at.IsZero(); at = times.after(at) {
			got = append(got, at.Unix())
		}
		if n := firstDifference(got, want); n >= 0 {
			t.Fatalf("%s in %s: time %d of %d is %s, want %s", c.text, name, n, len(want), say(got, n, zone), say(want, n, zone))
		}
		for _, after := range moments(rng, zone, from, to) {
			n, there := slices.BinarySearch(want, after.Unix())
			if there {
				n++
			}
			if at := times.after(after); n < len(want) && at.Unix() != want[n] {
				t.Fatalf("%s in %s after %s: %s, want %s", c.text, name, after.In(zone), at.In(zone), say(want, n, zone))
			}
		}
	}
}

func firstDifference(a, b []int64) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func say(list []int64, i int, zone *time.Location) string {
	if i >= len(list) {
		return "none"
	}
	return time.Unix(list[i], 0).In(zone).String()
}

// moments are anywhere, and before and after each change.
func moments(rng *rand.Rand, zone *time.Location, from, to time.Time) []time.Time {
	var out []time.Time
	length := to.Sub(from)
	for range 50 {
		out = append(out, from.Add(time.Duration(rng.Int64N(int64(length)))))
	}
	for at := from.In(zone); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(to) {
			return out
		}
		for range 20 {
			out = append(out, end.Add(time.Duration(rng.Int64N(int64(8*time.Hour)))-4*time.Hour))
		}
		out, at = append(out, end, end.Add(-time.Nanosecond)), end
	}
}

// changes is what the clocks of a zone are from half hour to half hour, where that is new.
func changes(t *testing.T, name string, from, to time.Time) string {
	zone := loadZone(t, name)
	var b strings.Builder
	last := -1
	for at := from; at.Before(to); at = at.Add(30 * time.Minute) {
		if _, offset := at.In(zone).Zone(); offset != last {
			fmt.Fprintf(&b, "%d %d\n", at.Unix(), offset)
			last = offset
		}
	}
	return b.String()
}

func loadZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// zoneNames are all names of the tz database that Go brings along.
func zoneNames(t *testing.T) []string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var names []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	if len(names) < 400 {
		t.Fatalf("only %d zones", len(names))
	}
	return names
}
