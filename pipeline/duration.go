package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const durationPattern = `^([0-9]+(\.[0-9]+)?(w|d|h|m|s|ms))+$`

var (
	durationForm = regexp.MustCompile(durationPattern)
	durationPart = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(w|d|ms|h|m|s)`)
	spelledPart  = regexp.MustCompile(`(?i)([0-9]+(?:\.[0-9]+)?) *([a-z]+)`)
)

// ParseDuration reads a time span as people write it in files, settings and
// commands: "90s", "1h30m", "1d", "2w". A day is 24 hours. Any error is a [*BadDuration].
func ParseDuration(text string) (time.Duration, error) {
	v, wrong, better := readDuration(text)
	if wrong != "" {
		return 0, &BadDuration{text, wrong, better}
	}
	return v, nil
}

// BadDuration is a text that is no time span.
type BadDuration struct {
	Text   string // as it was written, by anybody
	Wrong  string // goes on from the text: "is not a duration. ..."
	Better string // what was probably meant; "" if that cannot be told
}

func (e *BadDuration) Error() string { return e.Sentence(quote(e.Text)) }

// Sentence says what is wrong, about the text as it is to be shown, and what to write.
func (e *BadDuration) Sentence(shown string) string {
	if e.Better == "" {
		return shown + " " + e.Wrong
	}
	return fmt.Sprintf("%s %s Did you mean %s?", shown, e.Wrong, e.Better)
}

// readDuration reads a time span. What is wrong with it comes as a sentence
// without its subject, with the text that was probably meant if that can be told.
func readDuration(s string) (v time.Duration, wrong, better string) {
	if !durationForm.MatchString(s) {
		return 0, notADuration(s), spelledOut(s)
	}
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		more, ok := durationOf(part[1], part[2])
		if !ok || more > math.MaxInt64-v {
			return 0, "is longer than any time span can be.", ""
		}
		v += more
	}
	return v, "", ""
}

// durationOf is a number with its unit; false: it is too long.
func durationOf(number, unit string) (time.Duration, bool) {
	times := time.Duration(1)
	switch unit {
	case "d":
		unit, times = "h", 24
	case "w":
		unit, times = "h", 7*24
	}
	v, err := time.ParseDuration(number + unit)
	if err != nil || v > math.MaxInt64/times {
		return 0, false
	}
	return v * times, true
}

func notADuration(s string) string {
	if _, err := strconv.ParseUint(s, 10, 32); err == nil && s != "0" {
		return fmt.Sprintf("is not a duration: it needs a unit, as in %ss, %sm, %sh or %sd.", s, s, s, s)
	}
	return "is not a duration. It is written like 90s, 20m, 1h30m, 1d or 2w."
}

// spelledOut is a time span with words for units, such as "2 days", as it is
// to be written; "" if it is none.
func spelledOut(s string) string {
	units := map[string]string{"w": "w", "d": "d", "h": "h", "hr": "h", "hrs": "h", "m": "m", "min": "m", "mins": "m", "s": "s", "sec": "s", "secs": "s", "ms": "ms",
		"week": "w", "day": "d", "hour": "h", "minute": "m", "second": "s", "millisecond": "ms"}
	rest := spelledPart.ReplaceAllStringFunc(s, func(part string) string {
		m := spelledPart.FindStringSubmatch(part)
		word := strings.ToLower(m[2])
		unit := cmp.Or(units[word], units[strings.TrimSuffix(word, "s")])
		if unit == "" {
			return part
		}
		return m[1] + unit
	})
	rest = strings.Join(strings.Fields(strings.NewReplacer(" and ", "", ",", "").Replace(rest)), "")
	if rest == s || !durationForm.MatchString(rest) {
		return ""
	}
	return rest
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
