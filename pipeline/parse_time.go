package pipeline

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const durationPattern = `^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`

var durationForm = regexp.MustCompile(durationPattern)

// duration is a time span between two bounds.
func duration(low, high time.Duration) kind[Duration] {
	return kind[Duration]{schema: schema{"type": "string", "pattern": durationPattern}, decode: func(d *decoder, n *node) (Duration, bool) {
		v, wrong, better := readDuration(n.text)
		switch {
		case n.kind == sequence || n.kind == mapping || n.kind == boolean:
			return 0, d.is(n, text, "A duration is written like 90s, 20m or 1h30m.")
		case wrong != "":
			d.suggest(n, better, "%s", wrong)
		case v < low || v > high:
			d.report(n, "%s must be between %s and %s, not %s.", n.label(), brief(low), brief(high), n.text)
		default:
			return Duration(v), true
		}
		return 0, false
	}}
}

// readDuration reads a time span. What is wrong with it comes as a sentence,
// with the text that was probably meant if that can be told.
func readDuration(s string) (v time.Duration, wrong, better string) {
	v, err := time.ParseDuration(s)
	if err == nil && durationForm.MatchString(s) {
		return v, "", ""
	}
	if days, err := strconv.ParseUint(strings.TrimSuffix(s, "d"), 10, 16); err == nil && strings.HasSuffix(s, "d") {
		return 0, fmt.Sprintf("%s is not a duration: days are written in hours.", quote(s)), fmt.Sprintf("%dh", days*24)
	}
	if _, err := strconv.ParseUint(s, 10, 32); err == nil && s != "0" {
		return 0, fmt.Sprintf("%s is not a duration: it needs a unit, as in %ss, %sm or %sh.", quote(s), s, s, s), ""
	}
	return 0, fmt.Sprintf("%s is not a duration. It is written like 90s, 20m or 1h30m.", quote(s)), ""
}

// brief writes a duration without its zero parts: 24h, not 24h0m0s.
func brief(v time.Duration) string {
	s := v.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return cmp.Or(s, "0s")
}

// cronTimes is a cron expression of five fields that comes true some day.
func cronTimes() kind[string] {
	return kind[string]{schema: schema{"type": "string", "pattern": `^[^=\s]+( +[^=\s]+){4}$`}, decode: func(d *decoder, n *node) (string, bool) {
		if !d.is(n, text, "A cron expression is written like \"0 7 * * MON-FRI\".") {
			return "", false
		}
		fields := strings.Fields(n.text)
		if len(fields) != 5 || strings.ContainsAny(n.text, "=\t\n") {
			d.report(n, "%s is not a cron expression: it needs five fields, minute hour day month weekday, as in \"0 7 * * MON-FRI\".", quote(n.text))
			return "", false
		}
		schedule, err := parseCron(n.text)
		if err != nil {
			d.report(n, "%s is not a cron expression: %s.", quote(n.text), wrongField(fields))
			return "", false
		}
		if schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
			d.report(n, "%s names a day that never comes.", quote(n.text))
			return "", false
		}
		return strings.Join(fields, " "), true
	}}
}

// wrongField names the field a cron parser does not take.
func wrongField(fields []string) string {
	for i, what := range []string{"minute", "hour", "day", "month", "weekday"} {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = fields[i]
		if _, err := parseCron(strings.Join(alone, " ")); err != nil {
			return fmt.Sprintf("%s is no %s", quote(fields[i]), what)
		}
	}
	return "its fields do not fit together"
}

// timezone is an IANA name. "Local" would mean something else on every host,
// an abbreviation to every reader.
func timezone() kind[string] {
	return kind[string]{schema: schema{"type": "string", "pattern": `^(UTC|[A-Za-z0-9_+/-]*[a-z/][A-Za-z0-9_+/-]*)$`}, decode: func(d *decoder, n *node) (string, bool) {
		if !d.is(n, text, "") {
			return "", false
		}
		_, instead := ReadZone(n.text)
		switch {
		case instead == nil:
			return n.text, true
		case len(instead) > 0:
			d.report(n, "%s is an abbreviation, and no name of a time zone. Write the zone you mean: %s.", quote(n.text), strings.Join(instead, " or "))
		default:
			d.unknown(n, []string{"UTC", "Europe/Berlin", "Europe/London", "Europe/Paris", "America/New_York", "America/Los_Angeles", "Asia/Tokyo"},
				"%s is not a time zone. Use a name of the IANA list, such as Europe/Berlin or UTC.", quote(n.text))
		}
		return "", false
	}}
}
