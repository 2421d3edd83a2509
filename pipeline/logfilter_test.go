package pipeline

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const hunter = "hunter22-and-more"

var filterCases = []struct{ name, in, want string }{
	{"a progress bar is one line", "10%\r20%\r100%\ndone\n", "100%\ndone\n"},
	{"the error above it stays", "error: disk full\n" + strings.Repeat("tick 1%\r", 5000) + "tick 2%\n", "error: disk full\ntick 2%\n"},
	{"Windows line ends", "a\r\nb\r\r\nc\r\n", "a\nb\nc\n"},
	{"a return before the line end shows the line", "50%\r\n", "50%\n"},
	{"a return at the end", "10%\r50%\r", "50%\n"},
	{"no line end at the end", "10%\r50%", "50%"},
	{"a return at the start", "\r10%\r20%\n", "20%\n"},
	{"a bar that wipes itself", "10%\r20%\r\x1b[Kdone\n", "done\n"},
	{"erase and first column, as yarn draws", "\x1b[2K\x1b[1G[1/4] a\x1b[2K\x1b[1G[2/4] b\x1b[2K\x1b[1Gdone\n", "done\n"},
	{"erase before the return", "10%\x1b[2K\r20%\n", "20%\n"},
	{"first column in its short forms", "1\x1b[G2\x1b[0G3\n", "3\n"},
	{"8-bit first column", "1\x9b1G2\n", "2\n"},
	{"other columns and erasing to the right are no return", "a\x1b[12Gb\x1b[Kc\x1b[0Kd\x1b[31mr\x1b[0m\n", "abcdr\n"},
	{"a secret that is drawn over", hunter + "\rok\n", "ok\n"},
	{"a secret split by a return", "see hun\rter22-and-more\n", "***\n"},
	{"a secret split by many", "h\runter\r22-and\r\r-more x\n", "*** x\n"},
	{"a secret split by erasing", "hun\x1b[2K\x1b[1Gter22-and-more x\n", "*** x\n"},
	{"a secret over two states and text behind", "hunter22\r-and-more\rok\n", "ok\n"},
	{"a secret again and again", hunter + "\r" + hunter + "\n", "***\n"},
	{"a secret in the last state", "10%\r" + hunter + "\n", "***\n"},
	{"a long line is shown before its end", strings.Repeat("x", 3*maxHeldLine) + "\rok\n", strings.Repeat("x", 3*maxHeldLine) + "\nok\n"},
	{"what only begins like a secret", "hunter\rhunting\n", "hunting\n"},
}

func filtered(m *Masker, parts ...string) string {
	f := m.Filter()
	var out []byte
	for _, p := range parts {
		out = f.Append(out, []byte(p))
	}
	return string(f.Finish(out))
}

func TestOfALineItsLastStateIsKept(t *testing.T) {
	m := newMasker(t, hunter)
	for _, c := range filterCases {
		t.Run(c.name, func(t *testing.T) {
			if got := filtered(m, c.in); got != c.want {
				t.Fatalf("got %.200q, want %.200q", got, c.want)
			}
			if len(c.in) > 200 {
				return
			}
			for i := range c.in {
				if got := filtered(m, c.in[:i], c.in[i:]); got != c.want {
					t.Errorf("cut at %d: got %q, want %q", i, got, c.want)
				}
				if got := takenUp(m, c.in, i); got != c.want {
					t.Errorf("taken up after %d bytes: got %q, want %q", i, got, c.want)
				}
			}
		})
	}
}

// takenUp is the output when the first filter is gone after some bytes.
func takenUp(m *Masker, in string, cut int) string {
	f := m.Filter()
	out := f.Append(nil, []byte(in[:cut]))
	rest := in[f.Done():]
	f = m.Filter()
	return string(f.Finish(f.Append(out, []byte(rest))))
}

// Whatever is printed, however it is cut: the secret does not come out, taking up
// gives the same text, and little is held.
func TestLinesAndSecretsInAnyMixture(t *testing.T) {
	m := newMasker(t, hunter)
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for range r.IntN(12) {
			switch r.IntN(8) {
			case 0:
				b.WriteString("\r")
			case 1:
				b.WriteString("\n")
			case 2:
				b.WriteString("\r\n")
			case 3:
				i := r.IntN(len(hunter))
				b.WriteString(hunter[:i] + []string{"\r", "\x1b[1G", "\r\r", "\x1b[K", ""}[r.IntN(5)] + hunter[i:])
			case 4:
				b.WriteString(hunter[:r.IntN(len(hunter))])
			case 5:
				b.WriteString("\x1b[2K")
			default:
				fmt.Fprintf(&b, "%d%%", r.IntN(100))
			}
		}
		in := b.String()
		want := filtered(m, in)
		if strings.Contains(want, hunter) || strings.ContainsAny(want, "\r\x1b") {
			t.Fatalf("%q became %q", in, want)
		}
		for cut := range len(in) + 1 {
			if got := filtered(m, in[:cut], in[cut:]); got != want {
				t.Fatalf("%q cut at %d: %q, whole %q", in, cut, got, want)
			}
			if got := takenUp(m, in, cut); got != want {
				t.Fatalf("%q taken up after %d: %q, whole %q", in, cut, got, want)
			}
		}
	}
}

func TestALineWithoutEndIsHeldInBounds(t *testing.T) {
	f := newMasker(t, hunter).Filter()
	for range 100 {
		f.Append(nil, []byte(strings.Repeat("x", 64<<10)))
		if n := len(f.mask.lines.held); n > maxHeldLine {
			t.Fatalf("%d bytes are held", n)
		}
	}
	for range 100_000 {
		f.Append(nil, []byte("50% of it\r"))
	}
	if n := cap(f.mask.lines.held) + cap(f.mask.buf) + 16*len(f.clean.spans) + 8*cap(f.mask.returns); n > 256<<10 {
		t.Errorf("%d bytes are held", n)
	}
}

func TestAStateThatWasShownIsALineOfItsOwn(t *testing.T) {
	f := newMasker(t, hunter).Filter()
	out := f.Append(nil, []byte("10%\r20%"))
	if len(out) > 0 || !f.Holds() {
		t.Fatalf("shown too early: %q", out)
	}
	out = f.Show(out)
	out = f.Append(out, []byte("\r30%\r40%\nend\nwaiting"))
	out = f.Append(f.Show(out), []byte(" for it\n"))
	if got, want := string(f.Finish(out)), "20%\n40%\nend\nwaiting for it\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
