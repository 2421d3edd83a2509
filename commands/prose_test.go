package commands

import (
	"strings"
	"testing"
)

func TestProse(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "big sale", "big sale"},
		{"blanks around it", "  big sale \n", "big sale"},
		{"lines become blanks", "big\nsale\tnow", "big sale now"},
		{"other letters stay", "größere Körbe 🚀", "größere Körbe 🚀"},
		{"composed letters", "gro\u0308ße", "größe"},
		{"no direction marks", "a\u202eb\u2066c", "abc"},
		{"no invisible letters", "a\u200bb\u00adc\ufeffd", "abcd"},
		{"no tag characters", "a\U000e0041b", "ab"},
		{"no control characters", "a\x00b\x1b[31mc\x7f", "ab[31mc"},
		{"no private characters", "a\ue000b", "ab"},
		{"nothing left", "\u200b \u202e", ""},
		{"cut at 500 characters", strings.Repeat("ä", 501), strings.Repeat("ä", 500) + "…"},
		{"500 characters fit", strings.Repeat("ä", 500), strings.Repeat("ä", 500)},
	} {
		if got := prose(test.text); got != test.want {
			t.Errorf("%s: %q becomes %q, want %q", test.name, test.text, got, test.want)
		}
	}
}

func TestCodeCannotBeLeft(t *testing.T) {
	for text, want := range map[string]string{"a": "`a`", "a`b``c": "`a'b''c`", "a\nb": "`a b`", "`": "`'`"} {
		if got := Code(text); got != want {
			t.Errorf("Code(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestFenceCannotBeLeft(t *testing.T) {
	for _, line := range []string{"plain", "```", "`````", "a ``` b ```` c"} {
		text := Fence([]string{line})
		mark, _, _ := strings.Cut(text, "\n")
		if strings.Count(text, mark) != 2 {
			t.Errorf("%q is fenced as %q", line, text)
		}
	}
}
