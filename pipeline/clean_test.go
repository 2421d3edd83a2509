package pipeline

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

var cleanCases = []struct{ name, in, want string }{
	{"plain text stays", "héllo\tworld ✓\n", "héllo\tworld ✓\n"},
	{"colours go", "\x1b[1;31mred\x1b[0m", "red"},
	{"a hyperlink goes, its text stays", "\x1b]8;;http://evil\x07click\x1b]8;;\x07", "click"},
	{"a title ended by ST goes", "a\x1b]0;title ✜ \x1b\\b", "ab"},
	{"an unfinished string ends with the line", "a\x1b]0;no end\nb", "a\nb"},
	{"an unfinished sequence ends with the line", "a\x1b[12\n3mb", "a\n3mb"},
	{"a device control string goes", "a\x1bPq#0;2;0;0;0#0~~@@\x1b\\b", "ab"},
	{"8-bit CSI, as one byte and as UTF-8", "a\x9b31mb\u009b0mc", "abc"},
	{"8-bit OSC", "a\x9d0;x\x9cb\u009d0;x\u009cc", "abc"},
	{"a charset sequence", "a\x1b(Bb\x1b=c\x1bcd", "abcd"},
	{"control characters", "a\x00b\x07c\x08d\x7fe\u0085f", "abcdef"},
	{"CAN cuts a sequence short", "a\x1b[3\x18mb", "amb"},
	{"ESC starts anew", "a\x1b[3\x1b[0mb", "ab"},
	{"carriage return overwrites nothing", "deploying\r[OK] approved", "deploying\n[OK] approved"},
	{"Windows line ends", "a\r\nb\r\r\nc\r\n", "a\nb\nc\n"},
	{"erase between CR and LF", "a\r\x1b[K\nb", "a\nb"},
	{"CR at the end", "50%\r", "50%\n"},
	{"invalid bytes", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
	{"a cut rune", "a\xe2\x9cb", "a\uFFFDb"},
	{"an escape inside a word", "se\x1b[0mcret", "secret"},
}

func TestClean(t *testing.T) {
	for _, c := range cleanCases {
		t.Run(c.name, func(t *testing.T) {
			if got := Clean(c.in); got != c.want {
				t.Errorf("Clean(%q)\n got %q\nwant %q", c.in, got, c.want)
			}
			for i := range len(c.in) + 1 {
				if got := cleanParts(c.in[:i], c.in[i:]); got != c.want {
					t.Errorf("cut at %d: got %q, want %q", i, got, c.want)
				}
			}
			if got := cleanParts(bytewise(c.in)...); got != c.want {
				t.Errorf("byte by byte: got %q, want %q", got, c.want)
			}
		})
	}
}

func cleanParts(parts ...string) string {
	var b bytes.Buffer
	c := NewCleaner(&b)
	for _, p := range parts {
		_, _ = c.Write([]byte(p))
	}
	_ = c.Close()
	return b.String()
}

func FuzzClean(f *testing.F) {
	for _, c := range cleanCases {
		f.Add([]byte(c.in), len(c.in)/2)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		cut = max(0, min(cut, len(in)))
		got := cleanParts(string(in[:cut]), string(in[cut:]))
		if whole := cleanParts(string(in)); got != whole {
			t.Fatalf("cut at %d: %q, whole: %q", cut, got, whole)
		}
		if !utf8.ValidString(got) || strings.IndexFunc(got, control) >= 0 {
			t.Fatalf("not clean: %q", got)
		}
	})
}
