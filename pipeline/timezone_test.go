package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestNamesOfZones(t *testing.T) {
	for _, row := range []struct{ name, instead string }{
		{"UTC", "a zone"}, {"Etc/UTC", "a zone"}, {"Europe/Berlin", "a zone"}, {"America/Argentina/Buenos_Aires", "a zone"}, {"US/Eastern", "a zone"}, {"Japan", "a zone"},
		{"EST", "America/New_York America/Toronto America/Panama"},
		{"est", "America/New_York America/Toronto America/Panama"},
		{"CET", "Europe/Berlin Europe/Paris Europe/Madrid"},
		{"PST8PDT", "America/Los_Angeles America/Vancouver Asia/Manila"},
		{"IST", "Asia/Kolkata Europe/Dublin Asia/Jerusalem"},
		{"GMT", "UTC Europe/London Africa/Abidjan"},
		{"NZ", "Pacific/Auckland"},
		{"XST", ""}, {"", ""}, {"Local", ""}, {"LOCAL", ""}, {"localtime", ""}, {"Factory", ""}, {"posixrules", ""}, {"right/Europe/Berlin", ""}, {"posix/Europe/Berlin", ""},
		{"../../etc/passwd", ""}, {"Atlantis/Central", ""}, {"UTC+2", ""},
	} {
		zone, instead := ReadZone(row.name)
		got := strings.Join(instead, " ")
		if instead == nil {
			got = "a zone"
		}
		if got != row.instead || (zone == nil) == (instead == nil) {
			t.Errorf("%q: %q and %v, want %q", row.name, got, zone, row.instead)
		}
	}
}

// Whatever letters the tz database shows for a zone in these years, they are
// refused, and one of the zones that are named instead does show them.
func TestEveryAbbreviationIsRefused(t *testing.T) {
	legacy := []string{"MET", "MEST"} // no place has them any more
	checked := 0
	for name := range lettersOfZones(t) {
		if name == "UTC" || slices.Contains(legacy, name) {
			continue
		}
		checked++
		zone, instead := ReadZone(name)
		if zone != nil || len(instead) == 0 {
			t.Errorf("%s is taken as %v, or nothing is named instead", name, zone)
			continue
		}
		if !slices.ContainsFunc(instead, func(zone string) bool { return slices.Contains(letters(loadZone(t, zone)), name) }) {
			t.Errorf("instead of %s: %v, none of which has it", name, instead)
		}
	}
	if checked < 40 {
		t.Fatalf("only %d abbreviations", checked)
	}
	for short, instead := range abbreviations {
		for _, name := range instead {
			if zone, wrong := ReadZone(name); zone == nil {
				t.Errorf("instead of %s: %s, which is none: %v", short, name, wrong)
			}
		}
	}
}

func lettersOfZones(t *testing.T) map[string]bool {
	all := map[string]bool{}
	for _, name := range zoneNames(t) {
		for _, l := range letters(loadZone(t, name)) {
			if !strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsLetter(r) }) {
				all[l] = true
			}
		}
	}
	return all
}

// letters are what a zone calls its time in the course of a year.
func letters(zone *time.Location) []string {
	var all []string
	for day := range 366 {
		name, _ := time.Date(2026, 1, 1+day, 12, 0, 0, 0, zone).Zone()
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
