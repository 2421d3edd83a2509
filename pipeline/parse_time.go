package pipeline

import (
	"fmt"
	"strings"
	"time"
)

// duration is a time span between two bounds.
func duration(low, high time.Duration) kind[Duration] {
	return kind[Duration]{schema: schema{"type": "string", "pattern": durationPattern}, decode: func(d *decoder, n *node) (Duration, bool) {
		v, wrong, better := readDuration(n.text)
		switch {
		case n.kind == sequence || n.kind == mapping || n.kind == boolean:
			return 0, d.is(n, text, "A duration is written like 90s, 20m, 1h30m, 1d or 2w.")
		case wrong != "":
			d.suggest(n, better, "%s %s", quote(n.text), wrong)
		case v < low || v > high:
			d.report(n, "%s must be between %s and %s, not %s.", n.label(), brief(low), brief(high), n.text)
		default:
			return Duration(v), true
		}
		return 0, false
	}}
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
