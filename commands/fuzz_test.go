package commands

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// FuzzComment: whatever somebody writes into a comment, reading it does not
// panic, and what was understood comes back when it is written down again.
func FuzzComment(f *testing.F) {
	for _, seed := range []string{
		"/deploy prod", "Please:\n/deploy prod v1.4.0 --param a=b --param \"c=d e\" --wait\n/status", "@shipmate lock all --reason \"it's \\\"new\\\"\" --for 2h",
		"```\n/deploy\n```\n/rollback prod to r-1a2b3c4d", "<!-- /deploy -->\n/ok-to-test 5a1f0c9d3b7e2846a0c4d8e6f1b3957c2e4a6d80", "/override r-1 freeze --reason “curly”", "/deploy —wait prod", "/rollback \"to\" to to", "\ufeff/deploy prod", "/deploy \"--at\" --at=22:00",
		"/deploy prod\n--dry-run\n\nthanks", "/deploy prod \\\nv1", "**/deploy prod** <!-- x -->", "@shipmate\ndeploy `prod`", "/deploy prod --reason \"a\nb\"",
	} {
		f.Add(seed)
	}
	set := All(Desk{})
	f.Fuzz(func(t *testing.T, text string) {
		for _, line := range Lines(text, "shipmate") {
			l, err := set.Parse(line)
			if err != nil {
				if pipeline.Code(err) == "" || pipeline.Message(err) == "" {
					t.Fatalf("%q is refused without a code or a sentence: %v", line, err)
				}
				continue
			}
			again := written(l)
			back, err := set.Parse(again)
			if err != nil || back.Command.Help().Name != l.Command.Help().Name || !maps.Equal(back.Args, l.Args) || !maps.EqualFunc(back.Flags, l.Flags, slices.Equal) {
				t.Fatalf("%q was read as %v %v; written as %q it is %v %v, %v", line, l.Args, l.Flags, again, back.Args, back.Flags, err)
			}
		}
	})
}

// FuzzUnseen: a line that names a verb of ours is never passed over in silence,
// whatever stands in it that people cannot see, or take for a blank.
func FuzzUnseen(f *testing.F) {
	for _, seed := range []string{"\u200b", "\ufeff", "\u00a0", "\u3000\u200d", "\u202e", "\u2028", "\v", "\u0301", "\ufe0f", "\u00ad", "\u180e", "\U000e0041"} {
		f.Add("deploy prod --dry-run", seed, uint(0), uint(3), false)
		f.Add("status", seed, uint(1), uint(7), true)
		f.Add("LOCK all", seed, uint(5), uint(5), true)
	}
	set := All(Desk{})
	f.Fuzz(func(t *testing.T, said, unseen string, at, and uint, called bool) {
		verb, _, _ := strings.Cut(said, " ")
		if _, ours := set.Find(verb); !ours || verb == "" || !isPlain(said) || strings.HasPrefix(verb, "/") || strings.Contains(said, "<!--") {
			return
		}
		unseen = strings.Map(func(r rune) rune {
			if reads := readAs(r); reads != "" && reads != " " || strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, unseen)
		text := "/" + said
		if called {
			text = "@shipmate " + said
		}
		for _, place := range []uint{at, and} {
			place %= uint(len([]rune(text)) + 1)
			if blank := strings.ContainsFunc(unseen, isBlank); called && blank {
				place = max(place, uint(len("@shipmate"))) // within its name it is no mention
			}
			text = string([]rune(text)[:place]) + unseen + string([]rune(text)[place:])
		}
		for _, line := range Lines(text, "shipmate") {
			if _, err := set.Parse(line); !errors.Is(err, ErrNotOurs) {
				return
			}
		}
		t.Errorf("%q is passed over in silence", text)
	})
}

// written is a line once more, from what was understood of it.
func written(l Line) string {
	h := l.Command.Help()
	var args []string
	for _, a := range h.Args {
		if value, given := l.Args[a.Name]; given {
			args = append(args, value)
		}
	}
	text := Paste(h.Name, args...)
	for _, f := range h.Flags {
		for _, value := range l.Flags[f.Name] {
			if f.Value == "" {
				text += " --" + f.Name
			} else {
				text += PasteFlag(f.Name, value)
			}
		}
	}
	return text
}

// FuzzStartTime: whatever is said after --at is a time from now to 30 days ahead,
// or a refusal.
func FuzzStartTime(f *testing.F) {
	for _, seed := range []string{"22:00", "2026-03-31T22:00", "22:00 Europe/Berlin", "02:30 Europe/Berlin", "2026-03-29 02:30 Europe/Berlin", "01:30 America/New_York", "23:59 Pacific/Apia", "00:00 Asia/Kathmandu", "24:00", "22:00 Local", " 7:00  UTC", "22:00 ../../etc/passwd", ""} {
		f.Add(seed, int64(1774742400))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		now := time.Unix(unix%(1<<33), 0)
		at, err := startTime(text, now, noLine)
		switch {
		case err != nil:
			if pipeline.Code(err) != "bad_time" || pipeline.Message(err) == "" {
				t.Errorf("%q is refused without a code or a sentence: %v", text, err)
			}
		case at.IsZero():
			if strings.TrimSpace(text) != "" {
				t.Errorf("%q is now", text)
			}
		case !at.After(now), at.Sub(now) > farthest:
			t.Errorf("%q at %s is %s", text, now, at)
		}
	})
}
