package pipeline

// LogFilter cleans a step's output, hides the secrets in it and keeps of a line
// that is drawn over and over its last state. It knows how far it has come: a
// filter begun anew at Done goes on with exactly the output that is still missing.
type LogFilter struct {
	clean   cleaning
	mask    masking
	cleaned []byte
}

// Filter returns a LogFilter. It is for one goroutine at a time.
func (m *Masker) Filter() *LogFilter {
	return &LogFilter{clean: cleaning{track: true, keep: true}, mask: masking{masker: m, lines: &lines{}}}
}

// Append reads raw output and appends to dst the lines that are certain.
func (f *LogFilter) Append(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := min(maskChunk, len(raw))
		f.cleaned = f.clean.feed(f.cleaned[:0], raw[:n])
		dst = f.mask.feed(dst, f.cleaned)
		raw = raw[n:]
	}
	return dst
}

// Holds reports whether Show would append something.
func (f *LogFilter) Holds() bool { return len(f.mask.lines.held) > 0 }

// Show appends the line that has no end yet, but for what may still become a
// secret. A state of it that comes later is a line of its own.
func (f *LogFilter) Show(dst []byte) []byte { return f.mask.lines.show(dst) }

// Finish appends what Append held back.
func (f *LogFilter) Finish(dst []byte) []byte {
	f.cleaned = f.clean.finish(f.cleaned[:0])
	return f.Show(f.mask.finish(f.mask.feed(dst, f.cleaned)))
}

// Done is the number of raw bytes whose output has been returned, whole.
func (f *LogFilter) Done() int64 {
	if l := f.mask.lines; len(l.held) > 0 {
		return f.clean.input(l.start)
	}
	return f.clean.input(f.mask.passed)
}
