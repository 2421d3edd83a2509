// Package needs is the one place that knows what tests need of a machine besides
// Go and a shell. A test says so with [On] before it does anything: all of it is
// looked for, and where something is missing the test is skipped with the
// command that installs it. With CI set it fails instead, so that nothing is
// left out unseen.
package needs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Thing is something a test needs.
type Thing struct {
	Name    string
	Install string          // the command that installs it, on Debian and Ubuntu
	Missing func() []string // what is not there, in words; none: all of it is
}

// On skips the test unless all the things are there; on CI it fails.
func On(t testing.TB, things ...Thing) {
	t.Helper()
	Skip(t, Check(things...))
}

// Skip skips the test if there is an error, see [Check]; on CI it fails.
func Skip(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case OnCI():
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// OnCI reports whether nothing may be skipped.
func OnCI() bool { return os.Getenv("CI") != "" }

// ErrMissing is what every error of Check is.
var ErrMissing = errors.New("this test needs")

// Check says what is missing and how it is installed; nil: nothing is.
func Check(things ...Thing) error {
	var texts []string
	for _, thing := range things {
		if missing := thing.Missing(); len(missing) > 0 {
			texts = append(texts, fmt.Sprintf("%s, and here is no %s. To install it: %s", thing.Name, strings.Join(missing, ", no "), thing.Install))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s", ErrMissing, strings.Join(texts, "; and "))
}
