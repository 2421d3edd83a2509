package bot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

// TestWithoutGitHubNobodyMay: whatever way GitHub does not say what somebody
// may do, nothing is done that takes a right, and nothing has changed.
func TestWithoutGitHubNobodyMay(t *testing.T) {
	t.Parallel()
	down := pipeline.Temporary(errors.New("502 Bad Gateway"))
	// What bot/github makes of a permission it does not know, or an answer about somebody else.
	unknown := &pipeline.Error{Code: "cannot_verify", Message: "GitHub could not be asked what you may do here, so nothing was done.", Err: errors.New(`unknown permission "owner"`)}
	rights := func(err error) func(string) error {
		return func(what string) error {
			if what == "standing" || what == "live" {
				return err
			}
			return nil
		}
	}
	all := func(err error) func(string) error { return func(string) error { return err } }
	for name, broken := range map[string]func(w *matrix){
		"everything fails":                        func(w *matrix) { w.github.broken = all(down) },
		"everything takes too long":               func(w *matrix) { w.github.broken = all(context.DeadlineExceeded) },
		"everything is refused":                   func(w *matrix) { w.github.broken = all(unknown) },
		"what people may cannot be asked":         func(w *matrix) { w.github.broken = rights(down) },
		"what people may takes too long":          func(w *matrix) { w.github.broken = rights(context.DeadlineExceeded) },
		"what people may is a word nobody knows":  func(w *matrix) { w.github.broken, w.github.blind = rights(unknown), true },
		"people are there, and GitHub knows none": func(w *matrix) { w.github.amnesia = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, l := range lines() {
				for _, who := range roles {
					for at := range columns {
						switch outcome := l.cell(t, at, who, broken); {
						case outcome != "done" && outcome != "asked":
						case l.needsNoRight() || who.nobody && !columns[at].slack && slices.Contains(questions, l.name):
						default:
							t.Errorf("%s as %s by %s: %s", l.name, who.name, columns[at].name, outcome)
						}
					}
				}
			}
		})
	}
}

// questions may be asked with a token that stands for nobody: it is the
// operator's own, and no person's right is looked up for it.
var questions = []string{"/status", "/history prod", "/diff prod", "/why prod", "/why prod, of another commit", "/logs", "/whoami"}

func (l line) needsNoRight() bool {
	return strings.HasPrefix(l.name, "/help") || strings.HasPrefix(l.name, "/link")
}

// TestWhatIsBlindlyDone: where people's rights are known but a run's own facts
// are not, nothing is started; what stops something still works.
func TestWhatIsDoneBlindly(t *testing.T) {
	t.Parallel()
	may := []string{"/reject", "/cancel", "/lock", "/unlock", "/approve", "/resolve", "/retry, a check", "\"Re-run\" of a check", "\"Re-run all\" of a commit", "/ok-to-test"}
	for _, l := range lines() {
		for _, who := range roles {
			w := func(w *matrix) { w.github.blind = true }
			outcome := l.cell(t, onComment, who, w)
			if l.on != nil && !slices.Contains(l.on, onComment) {
				outcome = l.cell(t, onCheckButton, who, w)
			}
			starts := strings.HasPrefix(l.name, "/deploy") || strings.HasPrefix(l.name, "/rollback") || strings.HasPrefix(l.name, "/promote") || strings.HasPrefix(l.name, "/retry, a run") || strings.HasPrefix(l.name, "/override")
			known := slices.ContainsFunc(may, func(m string) bool { return strings.HasPrefix(l.name, m) })
			if outcome == "done" && (starts || !known && !slices.Contains(questions, l.name) && !l.needsNoRight()) {
				t.Errorf("%s as %s: %s", l.name, who.name, outcome)
			}
		}
	}
}
