package pipeline

// LogFilter cleans a step's output and hides the secrets in it, and knows how
// far it has come: a filter begun anew at Done goes on with exactly the output
// that is still missing.
type LogFilter struct {
	clean   cleaning
	mask    masking
	cleaned []byte
}

// Filter returns a LogFilter. It is for one goroutine at a time.
func (m *Masker) Filter() *LogFilter {
	return &LogFilter{clean: cleaning{track: true}, mask: masking{masker: m}}
}

// Append reads raw output and appends to dst what is certain.
func (f *LogFilter) Append(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := min(maskChunk, len(raw))
		f.cleaned = f.clean.feed(f.cleaned[:0], raw[:n])
		dst = f.mask.feed(dst, f.cleaned)
		raw = raw[n:]
	}
	return dst
}

// Finish appends what Append held back.
func (f *LogFilter) Finish(dst []byte) []byte {
	f.cleaned = f.clean.finish(f.cleaned[:0])
	return f.mask.finish(f.mask.feed(dst, f.cleaned))
}

// Done is the number of raw bytes whose output has been returned, whole.
func (f *LogFilter) Done() int64 {
	return f.clean.input(f.clean.out - int64(len(f.mask.buf)))
}
