package commands

import (
	"errors"
	"fmt"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// span reads a time span that somebody typed after a flag: more than nothing
// and at most so much.
func span(flag, text string, most time.Duration) (time.Duration, error) {
	d, err := pipeline.ParseDuration(text)
	var bad *pipeline.BadDuration
	switch {
	case errors.As(err, &bad):
		return 0, pipeline.Refuse("bad_duration", "%s", bad.Sentence(Code(Clip(text))))
	case err != nil:
		return 0, err
	case d <= 0 || d > most:
		return 0, pipeline.Refuse("bad_duration", "`%s` takes a time of more than 0s and at most %s, not %s. Write for example `%s 2h` or `%s 1d`.",
			flag, days(most), Code(Clip(text)), flag, flag)
	}
	return d, nil
}

// days is a bound in whole days.
func days(d time.Duration) string { return fmt.Sprintf("%dd", d/(24*time.Hour)) }
