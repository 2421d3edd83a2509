package pipeline

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Cleaner is a writer that passes on text and nothing a terminal would act on:
// control characters except newline and tab, escape sequences (CSI, OSC, DCS
// and the like, also in their 8-bit form) are removed, wherever the writes cut
// them. A carriage return becomes a newline, so that nothing overwrites what
// was there before, and so does a sequence that goes back to the start of the line
// or erases it; bytes that are not UTF-8 become U+FFFD.
//
// It comes before masking: an escape byte must not split a secret.
type Cleaner struct {
	w   io.Writer
	c   cleaning
	out []byte
}

// NewCleaner returns a Cleaner that writes to w. It is for one goroutine at a time.
func NewCleaner(w io.Writer) *Cleaner { return &Cleaner{w: w} }

func (c *Cleaner) Write(p []byte) (int, error) {
	c.out = c.c.feed(c.out[:0], p)
	return len(p), c.pass()
}

// Close passes on what a next byte could have changed. It leaves the writer behind it open.
func (c *Cleaner) Close() error {
	c.out = c.c.finish(c.out[:0])
	return c.pass()
}

func (c *Cleaner) pass() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.w.Write(c.out)
	return err
}

// Clean is a Cleaner for a whole text.
func Clean(s string) string {
	if strings.IndexFunc(s, unclean) < 0 {
		return s
	}
	var c cleaning
	return string(c.finish(c.feed(nil, []byte(s))))
}

func unclean(r rune) bool { return control(r) || r == utf8.RuneError }

func control(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f
}

// place is where in a control function the input stands (ECMA-48).
type place uint8

const (
	inText     place = iota
	inEscape         // after ESC
	inEscapeIn       // after ESC and an intermediate byte
	inCSI            // after CSI, up to its final byte
	inString         // in OSC, DCS, SOS, PM or APC, up to ST or BEL
)

// bad stands for a byte that is not UTF-8.
const bad rune = -1

// cleaning is the state of a Cleaner. With track set it also remembers which
// input byte each output byte came from.
type cleaning struct {
	at      place
	keep    bool   // a carriage return that is no part of a line end stays one
	cr      bool   // a carriage return waits: is a newline next?
	crPos   int64  // its place in the input
	began   int64  // where the control function that is open begins
	params  []byte // of the CSI sequence that is open; as many as matter
	partial []byte // the beginning of a rune

	in, out int64 // bytes read, partial included, and written so far
	track   bool
	spans   []span
}

// span says that from output byte out on, output and input advance together.
type span struct{ out, in int64 }

func (c *cleaning) feed(dst, p []byte) []byte { return c.run(dst, p, false) }

func (c *cleaning) finish(dst []byte) []byte {
	dst = c.run(dst, nil, true)
	if c.cr {
		dst = c.newline(dst, c.crPos)
	}
	c.at = inText
	return dst
}

func (c *cleaning) run(dst, p []byte, last bool) []byte {
	pos := c.in - int64(len(c.partial)) // of p[0]
	c.in += int64(len(p))
	if len(c.partial) > 0 {
		p = append(c.partial, p...)
		c.partial = nil
	}
	for i := 0; i < len(p); {
		if c.at == inText && !c.cr {
			if n := plain(p[i:]); n > 0 {
				dst = c.emit(dst, p[i:i+n], pos+int64(i), n)
				i += n
				continue
			}
		}
		if !last && !utf8.FullRune(p[i:]) {
			c.partial = append([]byte(nil), p[i:]...)
			break
		}
		r, n := decode(p[i:])
		dst = c.step(dst, r, p[i:i+n], pos+int64(i))
		i += n
	}
	return dst
}

// plain is how many bytes at the start of p are simply text.
func plain(p []byte) int {
	for i, b := range p {
		if (b < 0x20 || b > 0x7e) && b != '\n' && b != '\t' {
			return i
		}
	}
	return len(p)
}

// decode reads a rune. A stray byte from 0x80 to 0x9f is what an 8-bit terminal
// takes it for: a C1 control.
func decode(p []byte) (rune, int) {
	r, n := utf8.DecodeRune(p)
	if r != utf8.RuneError || n != 1 {
		return r, n
	}
	if p[0] >= 0x80 && p[0] <= 0x9f {
		return rune(p[0]), 1
	}
	return bad, 1
}

func (c *cleaning) step(dst []byte, r rune, raw []byte, pos int64) []byte {
	if c.at != inText && !c.leaves(r, pos) {
		return dst
	}
	switch {
	case r == '\r':
		c.cr, c.crPos = true, pos
	case r == '\n':
		dst = c.newline(dst, pos)
	case r == bad:
		dst = c.returned(dst)
		dst = c.emit(dst, []byte("\uFFFD"), pos, 1)
	case control(r):
		c.at, c.began, c.params = introduces(r), pos, c.params[:0]
	default:
		dst = c.returned(dst)
		dst = c.emit(dst, raw, pos, len(raw))
	}
	return dst
}

// introduces is the place a control character leads to.
func introduces(r rune) place {
	switch r {
	case 0x1b:
		return inEscape
	case 0x9b:
		return inCSI
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f:
		return inString
	}
	return inText
}

// leaves takes r inside a control function and reports whether r is text again.
// A line end ends every function: an unfinished one must not swallow the log.
func (c *cleaning) leaves(r rune, pos int64) bool {
	switch {
	case r == '\n' || r == '\r':
		c.at = inText
		return true
	case r == 0x18 || r == 0x1a: // CAN, SUB
		c.at = inText
		return false
	case r == 0x1b:
		c.at, c.began = inEscape, pos
		return false
	case r == 0x7f: // DEL means nothing here
		return false
	}
	switch c.at {
	case inString:
		if r == 0x07 || r == 0x9c {
			c.at = inText
		}
		return false
	case inEscape:
		c.at, c.params = afterEscape(r), c.params[:0]
	case inEscapeIn:
		if r >= 0x30 && r <= 0x7e {
			c.at = inText
		}
	case inCSI:
		c.sequence(r)
	}
	if r > 0x7e || r == bad { // not part of any control function
		c.at = inText
		return true
	}
	return false
}

// sequence takes a character of a CSI sequence. To go to the first column (CHA),
// and to erase the line up to the cursor or all of it (EL), is what a carriage
// return is: what the line held is over. yarn and others draw like that.
func (c *cleaning) sequence(r rune) {
	const matter = 4
	switch {
	case r >= 0x40 && r <= 0x7e:
		c.at = inText
		switch params := string(c.params); {
		case r == 'G' && (params == "" || params == "0" || params == "1"), r == 'K' && (params == "1" || params == "2"):
			c.cr, c.crPos = true, c.began
		}
	case r < 0x80 && len(c.params) < matter:
		c.params = append(c.params, byte(r))
	}
}

func afterEscape(r rune) place {
	switch {
	case r == '[':
		return inCSI
	case r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_':
		return inString
	case r >= 0x20 && r <= 0x2f:
		return inEscapeIn
	case r < 0x20:
		return inEscape
	}
	return inText
}

// returned writes a waiting carriage return, or the newline it stands for.
func (c *cleaning) returned(dst []byte) []byte {
	if c.cr && c.keep {
		c.cr = false
		return c.emit(dst, []byte{'\r'}, c.crPos, 1)
	}
	if c.cr {
		dst = c.newline(dst, c.crPos)
	}
	return dst
}

func (c *cleaning) newline(dst []byte, pos int64) []byte {
	c.cr = false
	return c.emit(dst, []byte{'\n'}, pos, 1)
}

// emit writes b, which stands for n input bytes at pos.
func (c *cleaning) emit(dst, b []byte, pos int64, n int) []byte {
	c.mark(pos)
	c.out += int64(len(b))
	if len(b) != n {
		c.mark(pos + int64(n))
	}
	return append(dst, b...)
}

func (c *cleaning) mark(in int64) {
	if !c.track {
		return
	}
	if n := len(c.spans); n > 0 && in-c.spans[n-1].in == c.out-c.spans[n-1].out {
		return
	}
	c.spans = append(c.spans, span{c.out, in})
}

// input is the input byte from which a new cleaning would write the output from
// byte out on. What lies before out may be forgotten.
func (c *cleaning) input(out int64) int64 {
	if out == c.out && c.at == inText && !c.cr && len(c.partial) == 0 {
		c.spans = append(c.spans[:0], span{out, c.in})
		return c.in
	}
	i := len(c.spans) - 1
	for i > 0 && c.spans[i].out > out {
		i--
	}
	if i < 0 {
		return 0
	}
	c.spans = c.spans[:copy(c.spans, c.spans[i:])]
	return c.spans[0].in + out - c.spans[0].out
}
