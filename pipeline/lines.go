package pipeline

import "bytes"

// maxHeldLine is how much of a line is held back until it is known to be its last
// state. What a longer one begins with is shown.
const maxHeldLine = 8 << 10

// lines keeps of each line what a terminal would show in the end: after a carriage
// return the line begins anew. So a progress bar is one line, and what was said
// before it stays in sight.
type lines struct {
	held  []byte // of the line that has no end yet
	start int64  // where in the input that begins
	shown bool   // the beginning of this line was passed on: it cannot be taken back
}

// text takes text that begins at a place in the input, and appends to dst all
// lines that are whole.
func (l *lines) text(dst, b []byte, pos int64) []byte {
	for len(b) > 0 {
		if len(l.held) == 0 {
			l.start = pos
		}
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			l.held = append(l.held, b...)
			if len(l.held) > maxHeldLine {
				dst = l.show(dst)
			}
			return dst
		}
		dst = append(append(dst, l.held...), b[:n]...)
		l.held, l.shown = l.held[:0], false
		b, pos = b[n:], pos+int64(n)
	}
	return dst
}

// back is a carriage return. next is where in the input the line goes on.
func (l *lines) back(dst []byte, next int64) []byte {
	if l.shown {
		dst = append(dst, '\n')
	}
	l.held, l.start, l.shown = l.held[:0], next, false
	return dst
}

// show passes on the line as it is now.
func (l *lines) show(dst []byte) []byte {
	l.shown = l.shown || len(l.held) > 0
	dst = append(dst, l.held...)
	l.held = l.held[:0]
	return dst
}
