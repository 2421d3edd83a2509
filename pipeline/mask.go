package pipeline

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	mask      = "***"
	minToken  = 16       // characters after a token's prefix
	maxToken  = 16 << 10 // bytes of a token or private key; what comes after is text again
	maskChunk = 32 << 10 // bytes looked at in one go
)

// Masker hides secrets in text: as they are and in the encodings they are
// usually printed in, together with everything that looks like a well-known
// token or a private key. It may be used by many goroutines.
//
// It cannot hide what a script computes in a way of its own. Nothing secret
// should be printed in the first place.
type Masker struct {
	mu       sync.Mutex // over Add
	patterns patterns
	matcher  atomic.Pointer[matcher]
}

// NewMasker returns a Masker, or an *Error if a secret cannot be hidden. Which
// one it is only the caller can say; Maskable asks about one.
func NewMasker(secrets ...Secret) (*Masker, error) {
	m := &Masker{}
	if err := m.Add(secrets...); err != nil {
		return nil, err
	}
	return m, nil
}

// Add hides more secrets from the next write on, also in writers made earlier:
// those that come to be while a step runs.
func (m *Masker) Add(secrets ...Secret) error {
	for _, s := range secrets {
		if err := Maskable(s); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range secrets {
		m.patterns.secret(s.Reveal())
	}
	m.matcher.Store(newMatcher(m.patterns.list))
	return nil
}

// Maskable returns an *Error if the value is no fit secret: hiding it would
// blank out ordinary text, or cost too much.
func Maskable(s Secret) error {
	if err := maskable(strings.TrimSpace(s.Reveal())); err != nil {
		return err
	}
	return nil
}

func maskable(v string) *Error {
	switch {
	case printable(v) < minSecret:
		return Refuse("secret_too_short", "A secret has fewer than %d bytes of text, so it cannot be hidden in logs. Use a longer value.", minSecret)
	case len(v) > maxSecret:
		return Refuse("secret_too_long", "A secret is longer than %d KiB, so it cannot be hidden in logs. Use only the part that is secret.", maxSecret>>10)
	case strings.Count(v, v[:1]) == len(v):
		return Refuse("secret_too_plain", "A secret is one character over and over, so hiding it would hide ordinary text. Use a random value.")
	}
	switch strings.ToLower(v) {
	case "enabled", "disabled", "default", "undefined":
		return Refuse("secret_too_plain", "A secret is an everyday word such as true, enabled or default, so hiding it would hide ordinary text. Use a random value, or make it an ordinary environment variable.")
	}
	return nil
}

// printable is how many bytes are left of v in a log.
func printable(v string) int { return len(strings.ReplaceAll(Clean(v), "\uFFFD", "")) }

// String hides the secrets in a whole text.
func (m *Masker) String(s string) string {
	w := masking{masker: m}
	return string(w.finish(w.feed(nil, []byte(s))))
}

// Writer returns a writer that hides the secrets in what passes through to w,
// however the writes cut them. A write passes on all but the end that could
// still become a secret; only Close passes on that. It is for one goroutine at a time.
func (m *Masker) Writer(w io.Writer) *MaskWriter {
	return &MaskWriter{w: w, m: masking{masker: m}}
}

// MaskWriter is made by Masker.Writer.
type MaskWriter struct {
	w   io.Writer
	m   masking
	out []byte
}

func (w *MaskWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(maskChunk, len(p)-done)
		w.out = w.m.feed(w.out[:0], p[done:done+n])
		if err := w.pass(); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// Close passes on what was held back. It leaves the writer behind it open.
func (w *MaskWriter) Close() error {
	w.out = w.m.finish(w.out[:0])
	return w.pass()
}

func (w *MaskWriter) pass() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.w.Write(w.out)
	return err
}

// masking is the state of masking one stream.
type masking struct {
	masker  *Masker
	matcher *matcher
	buf     []byte // read, but not passed on yet; without carriage returns
	returns []int  // where in buf they stood: a secret is found across them
	passed  int64  // bytes passed on so far, carriage returns included
	lines   *lines // takes what is passed on; nil: all of it goes on at once
	at      int32  // the matcher's state
	hits    []hit  // what to hide in buf: in order, apart from one another
	open    opened
	masked  bool // the last thing passed on was a mask
}

type hit struct{ from, to int }

// opened is a token or private key that has begun.
type opened struct {
	kind signKind
	from int  // in buf: where the sign starts
	hide int  // and where what it announces starts
	body int  // characters after a token's prefix
	rich bool // with a digit or a capital: ghp_helper_function is no token
}

// feed reads p and appends to dst what can no longer be part of a secret.
func (w *masking) feed(dst, p []byte) []byte {
	start := len(w.buf)
	if m := w.masker.matcher.Load(); m != w.matcher {
		// New patterns: what is held back is read again with them.
		w.matcher, w.at, w.hits, w.open, start = m, 0, nil, opened{}, 0
	}
	for {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			break
		}
		w.buf = append(w.buf, p[:i]...)
		w.returns = append(w.returns, len(w.buf))
		p = p[i+1:]
	}
	w.buf = append(w.buf, p...)
	w.scan(start)
	limit := len(w.buf) - int(w.matcher.nodes[w.at].depth)
	if w.open.kind != noSign {
		limit = min(limit, w.open.from)
	}
	return w.pass(dst, limit)
}

// finish appends to dst what feed held back. What could have become a secret is
// hidden, unless it is too short to tell.
func (w *masking) finish(dst []byte) []byte {
	if w.matcher == nil {
		return dst
	}
	end := len(w.buf)
	w.shut(end)
	if depth := int(w.matcher.nodes[w.at].depth); depth >= minSecret {
		w.hide(end-depth, end)
	}
	w.at = 0
	dst = w.pass(dst, end)
	for range w.returns { // at the very end
		dst = w.back(dst, w.passed+1)
		w.passed++
	}
	w.returns = nil
	return dst
}

func (w *masking) scan(i int) {
	m := w.matcher
	for ; i < len(w.buf); i++ {
		c := w.buf[i]
		if w.open.kind != noSign {
			w.read(c, i)
		} else if w.at == 0 && m.root[c] == 0 {
			continue
		}
		w.at = m.next(w.at, c)
		node := &m.nodes[w.at]
		if node.match > 0 {
			w.hide(i+1-int(node.match), i+1)
		}
		if node.sign > 0 {
			w.see(m.signs[node.sign-1], i+1)
		}
	}
}

// read takes one more character of what is open.
func (w *masking) read(c byte, i int) {
	o := &w.open
	switch {
	case o.kind == tokenSign && !tokenChar(c):
		w.shut(i)
	case i-o.from >= maxToken:
		w.shut(i)
	case o.kind == tokenSign:
		o.body++
		o.rich = o.rich || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
	}
}

// see acts on a sign that ends at end. All tokens are read by one rule, so the
// one that began first covers those inside it.
func (w *masking) see(s sign, end int) {
	switch {
	case w.open.kind == noSign && s.kind == tokenSign:
		w.open = opened{kind: tokenSign, from: end - len(s.text), hide: end - len(s.text)}
	case w.open.kind != keySign && s.kind == keySign:
		w.open = opened{kind: keySign, from: end - len(s.text), hide: end}
	case w.open.kind == keySign && s.kind == keyEndSign:
		w.shut(end - len(s.text))
	}
}

// shut ends what is open and hides it if it was what it seemed.
func (w *masking) shut(end int) {
	o := w.open
	w.open = opened{}
	if o.kind == keySign || o.kind == tokenSign && o.body >= minToken && o.rich {
		w.hide(o.hide, end)
	}
}

func tokenChar(c byte) bool { return alphanumeric(c) || strings.IndexByte("_-.+/=", c) >= 0 }

// hide marks a part of buf, together with all it overlaps.
func (w *masking) hide(from, to int) {
	if from >= to {
		return
	}
	i := len(w.hits)
	for i > 0 && w.hits[i-1].to > from {
		i--
	}
	j := i
	for ; j < len(w.hits) && w.hits[j].from < to; j++ {
		from, to = min(from, w.hits[j].from), max(to, w.hits[j].to)
	}
	w.hits = slices.Replace(w.hits, i, j, hit{from, to})
}

// pass appends to dst what lies before limit, and takes it off buf. A hidden
// part that reaches beyond limit may still grow, so it stays.
func (w *masking) pass(dst []byte, limit int) []byte {
	pos, used := 0, 0
	for _, h := range w.hits {
		if h.to > limit {
			limit = min(limit, h.from)
			break
		}
		dst = w.text(dst, pos, h.from)
		dst = w.hidden(dst, h)
		pos = h.to
		used++
	}
	dst = w.text(dst, pos, limit)
	w.buf = w.buf[:copy(w.buf, w.buf[limit:])]
	w.hits = w.hits[:copy(w.hits, w.hits[used:])]
	for i := range w.hits {
		w.hits[i].from -= limit
		w.hits[i].to -= limit
	}
	for i := range w.returns {
		w.returns[i] -= limit
	}
	w.open.from -= limit
	w.open.hide -= limit
	return dst
}

// text passes on a part of buf as it is.
func (w *masking) text(dst []byte, from, to int) []byte {
	for from < to {
		for len(w.returns) > 0 && w.returns[0] == from {
			dst = w.back(dst, w.passed+1)
			w.passed, w.returns = w.passed+1, w.returns[1:]
		}
		end := to
		if len(w.returns) > 0 {
			end = min(end, w.returns[0])
		}
		if b := w.buf[from:end]; w.lines != nil {
			dst = w.lines.text(dst, b, w.passed)
		} else {
			dst = append(dst, b...)
		}
		w.masked = false
		w.passed += int64(end - from)
		from = end
	}
	return dst
}

// hidden passes on the mask for a part of buf. A carriage return within comes
// first, so that the mask stands in the line that is seen.
func (w *masking) hidden(dst []byte, h hit) []byte {
	begin := w.passed
	for len(w.returns) > 0 && w.returns[0] < h.to {
		dst = w.back(dst, begin)
		w.passed, w.returns = w.passed+1, w.returns[1:]
	}
	w.passed += int64(h.to - h.from)
	switch {
	case w.masked:
	case w.lines != nil:
		dst = w.lines.text(dst, []byte(mask), begin)
	default:
		dst = append(dst, mask...)
	}
	w.masked = true
	return dst
}

// back passes on a carriage return.
func (w *masking) back(dst []byte, next int64) []byte {
	w.masked = false
	if w.lines != nil {
		return w.lines.back(dst, next)
	}
	return append(dst, '\r')
}
