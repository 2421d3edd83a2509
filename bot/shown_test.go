package bot_test

import "testing"

// What the living comment shows of accepted commands needs no answer; whatever
// it does not show has one.
func TestWhatTheReportShowsIsNotSaidAgain(t *testing.T) {
	for _, c := range []struct {
		name, before, says string
		shown              bool
	}{
		{"a deploy of the pull request", "", "/deploy staging", true},
		{"a dry run of it", "", "/deploy staging --dry-run", true},
		{"a deploy at a later time", "", "/deploy staging --at 23:59", true},
		{"an end of it", "/deploy prod", "/cancel prod", true},
		{"another commit, which no comment shows", "", "/deploy staging main", false},
		{"a lock", "", "/lock staging --reason x", false},
		{"a question", "/deploy staging", "/status", false},
		{"a refusal", "", "/deploy nowhere", false},
		{"a deploy and a refusal", "", "/deploy staging\n/unlock staging", false},
		{"a deploy and a question", "", "/deploy staging\n/history staging", false},
		{"two deploys", "", "/deploy staging\n/deploy prod", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t)
			if c.before != "" {
				s.say(mona, c.before)
			}
			if a := s.say(mona, c.says); a.Shown != c.shown || a.Text == "" {
				t.Errorf("shown %v, with the text %q (%s)", a.Shown, a.Text, a.Outcome)
			}
		})
	}
}
