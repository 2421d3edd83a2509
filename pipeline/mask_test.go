package pipeline

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func newMasker(t testing.TB, values ...string) *Masker {
	t.Helper()
	secrets := make([]Secret, len(values))
	for i, v := range values {
		secrets[i] = NewSecret(v)
	}
	m, err := NewMasker(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func maskParts(m *Masker, parts ...string) string {
	var b bytes.Buffer
	w := m.Writer(&b)
	for _, p := range parts {
		_, _ = w.Write([]byte(p))
	}
	_ = w.Close()
	return b.String()
}

func TestMask(t *testing.T) {
	m := newMasker(t, "hunter2hunter2", "two words", "line one\nx\nline two")
	for _, c := range []struct{ name, in, want string }{
		{"nothing to hide", "deploying shop", "deploying shop"},
		{"a secret", "password=hunter2hunter2;", "password=***;"},
		{"twice in a row", "hunter2hunter2hunter2hunter2", "***"},
		{"overlapping itself", "hunter2hunter2hunter2", "***"},
		{"a beginning alone is no secret", "hunter2hunt is short", "hunter2hunt is short"},
		{"a beginning at the very end may be one", "x hunter2hunt", "x ***"},
		{"all lines", "a line one\nx\nline two b", "a *** b"},
		{"a line of several", "line two only", "*** only"},
		{"a GitHub token nobody told us about", "use ghs_16C7e42F292c6912E7710c838347Ae178B4a now", "use *** now"},
		{"a fine-grained token", "github_pat_11ABCDEFG0123456789_abcdefghij", "***"},
		{"a Slack token", "(xoxb-1234567890-abcdefABCDEF)", "(***)"},
		{"an AWS key id", "id AKIAIOSFODNN7EXAMPLE.", "id ***"},
		{"a Vault token", "token: hvs.CAESIJzMq7Yb1234567890", "token: ***"},
		{"a name that looks like a token's beginning", "ghp_helper_function_name xoxb-short", "ghp_helper_function_name xoxb-short"},
		{"a private key", "k -----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY----- z", "k -----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- z"},
		{"a private key in JSON", `"-----BEGIN PRIVATE KEY-----\nMIIEow\n-----END PRIVATE KEY-----"`, `"-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----"`},
		{"a private key without an end", "-----BEGIN PRIVATE KEY-----\nMIIEow", "-----BEGIN PRIVATE KEY-----***"},
		{"a certificate is public", "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := m.String(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for i := range len(c.in) + 1 {
				if got := maskParts(m, c.in[:i], c.in[i:]); got != c.want {
					t.Errorf("cut at %d: got %q, want %q", i, got, c.want)
				}
			}
		})
	}
}

func TestMaskRefusesWhatIsNoSecret(t *testing.T) {
	for _, v := range []string{"", "true", "12345", "  abc \n", "\x9c00000", "Enabled", "disabled", "aaaaaaaa", strings.Repeat("ab", maxSecret)} {
		_, err := NewMasker(NewSecret(v))
		if err == nil || !strings.HasPrefix(Code(err), "secret_too_") || !strings.HasSuffix(Message(err), ".") {
			t.Errorf("%.20q: got %v", v, err)
		}
	}
}

// encodings are written apart from the code they test.
var encodings = map[string]func(string) string{
	"raw":            func(s string) string { return s },
	"trimmed":        strings.TrimSpace,
	"json":           func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"json in json":   func(s string) string { b, _ := json.Marshal(s); b, _ = json.Marshal(string(b)); return string(b) },
	"python json":    pythonJSON,
	"go quoted":      func(s string) string { return fmt.Sprintf("%q", s) },
	"query":          url.QueryEscape,
	"path":           url.PathEscape,
	"query lower":    func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	"hex":            func(s string) string { return hex.EncodeToString([]byte(s)) },
	"hex upper":      func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"xxd":            func(s string) string { return fold(hex.EncodeToString([]byte(s)), 60) },
	"base64":         std64,
	"base64 -w":      func(s string) string { return fold(std64(s), 76) },
	"base64 openssl": func(s string) string { return fold(std64(s), 64) },
	"base64 nl":      func(s string) string { return std64(s + "\n") },
	"base64 1":       func(s string) string { return std64("u" + s + "@host") },
	"base64 2":       func(s string) string { return std64("u:" + s) },
	"base64 3":       func(s string) string { return std64("usr" + s + "!") },
	"base64 raw":     func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64 url":     func(s string) string { return base64.URLEncoding.EncodeToString([]byte(":" + s)) },
	"base64 rawurl":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 twice":   func(s string) string { return std64(std64(s)) },
	"base64 twice nl": func(s string) string {
		return fold(std64(fold(std64(s), 76)+"\n"), 76)
	},
	"base64 twice in text": func(s string) string { return std64("k=" + std64("u:"+s)) },
	"single quoted":        func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
	"double quoted": func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s) + `"`
	},
	"reversed": func(s string) string { r := []rune(s); slices.Reverse(r); return string(r) },
	"html":     html.EscapeString,
	"escapes":  func(s string) string { return "\x1b[1m" + s[:1] + "\x1b[0m" + s[1:] + "\x00" },
}

func std64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func pythonJSON(s string) string {
	b := &strings.Builder{}
	for _, r := range strings.Trim(encodeJSON(s), `"`) {
		if r > 126 {
			for _, u := range []rune(string(r)) {
				if u > 0xffff {
					fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(u-0x10000)>>10, 0xdc00+(u-0x10000)&0x3ff)
				} else {
					fmt.Fprintf(b, `\u%04x`, u)
				}
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func encodeJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSpace(b.String())
}

func lowerEscapes(s string) string {
	parts := strings.Split(s, "%")
	for i := range parts {
		if i > 0 {
			parts[i] = strings.ToLower(parts[i][:2]) + parts[i][2:]
		}
	}
	return strings.Join(parts, "%")
}

func fold(s string, width int) string {
	var lines []string
	for c := range slices.Chunk([]byte(s), width) {
		lines = append(lines, string(c))
	}
	return strings.Join(lines, "\n")
}

// sampleSecrets are of every kind people have: words, keys, JSON, PEM, bytes.
func sampleSecrets(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{
		"abcdefghijklmnopqrstuvwxyz0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"aB3$!'\"\\ &<>%?#/=+;`~", "äöüß€✓🔑abc", "0123456789abcdef",
	}
	var out []string
	for i := range n {
		a := []rune(alphabets[i%len(alphabets)])
		var b strings.Builder
		b.WriteByte(byte('a' + i%26))
		for range 7 + r.IntN(90) {
			b.WriteRune(a[r.IntN(len(a))])
		}
		b.WriteByte(byte('A' + i%26))
		if i%11 == 3 {
			b.WriteString("\nsecond line " + std64(b.String())[:12] + "\n")
		}
		out = append(out, b.String())
	}
	return out
}

// TestMaskLeaksNothing writes every secret in every encoding, whole, byte by byte
// and, for some, in two parts cut at every place, and looks for what is left of it.
func TestMaskLeaksNothing(t *testing.T) {
	secrets := sampleSecrets(200)
	all := newMasker(t, secrets...)
	for i, s := range secrets {
		m := all
		if i%2 == 0 {
			m = newMasker(t, s) // also alone: others must not be what helps
		}
		for name, encode := range encodings {
			e := encode(s)
			in := "before " + e + " after\n"
			// What stands around the secret in its encoding may stay: quotes, padding, a prefix.
			whole := filterParts(m, in)
			if rest := leftOver(whole); rest > 14 {
				t.Fatalf("secret %d as %s: %d bytes are left: %q in %q (secret %q)", i, name, rest, whole, in, s)
			}
			if got := filterParts(m, bytewise(in)...); got != whole {
				t.Fatalf("secret %d as %s, byte by byte: %q, whole: %q", i, name, got, whole)
			}
			for cut := range len(in) + 1 {
				if i >= 40 {
					break
				}
				if got := filterParts(m, in[:cut], in[cut:]); got != whole {
					t.Fatalf("secret %d as %s, cut at %d: %q, whole: %q", i, name, cut, got, whole)
				}
			}
		}
	}
}

func bytewise(s string) []string {
	parts := make([]string, len(s))
	for i := range parts {
		parts[i] = s[i : i+1]
	}
	return parts
}

// leftOver is how many bytes were not hidden between "before " and " after".
func leftOver(out string) int {
	out = strings.TrimSuffix(strings.TrimPrefix(out, "before "), " after\n")
	return len(strings.ReplaceAll(out, "***", ""))
}

func filterParts(m *Masker, parts ...string) string {
	f := m.Filter()
	var out []byte
	for _, p := range parts {
		out = f.Append(out, []byte(p))
	}
	return string(f.Finish(out))
}

func TestMaskHoldsBackOnlyWhatMayBecomeASecret(t *testing.T) {
	m := newMasker(t, "correct horse battery")
	var b bytes.Buffer
	w := m.Writer(&b)
	for _, c := range []struct{ write, want string }{
		{"building 1/3 ", "building 1/3 "},
		{"correct", "building 1/3 "},
		{" answer\n", "building 1/3 correct answer\n"},
		{"correct horse battery", "building 1/3 correct answer\n"},
		{"\n", "building 1/3 correct answer\n***\n"},
	} {
		_, _ = w.Write([]byte(c.write))
		if b.String() != c.want {
			t.Errorf("after %q: %q, want %q", c.write, b.String(), c.want)
		}
	}
}

func TestMaskAddReachesWritersInUse(t *testing.T) {
	m := newMasker(t)
	var b bytes.Buffer
	w := m.Writer(&b)
	_, _ = w.Write([]byte("-----minted-to")) // held: it may become a private key
	if err := m.Add(NewSecret("minted-token-1")); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(" minted-token-1\n"))
	_ = w.Close()
	if got := b.String(); got != "-----minted-to ***\n" {
		t.Errorf("got %q", got)
	}
}

// A filter begun anew at Done must write exactly what is missing.
func TestLogFilterGoesOnAtDone(t *testing.T) {
	m := newMasker(t, "abcabcab", "{\n  \"key\": 1\n}", "zz-secret")
	in := "a\x1b[1mbc\x1b[0mabcab\r\nx\xffy✓ \r50%\r\r\nabc{\n  \"key\": 1\n} ghs_0123456789ABCDEFabcdef {\n \x1b]0;t\x07zz-\x1b[0msecret\n-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nabcabc"
	want := oneMask(filterParts(m, in))
	for cut := range len(in) + 1 {
		if got := resumed(m, in, cut); got != want {
			t.Fatalf("after %d:\n got %q\nwant %q", cut, got, want)
		}
	}
}

// resumed filters with a filter that dies after cut bytes, and another.
func resumed(m *Masker, in string, cut int) string {
	f := m.Filter()
	out := f.Append(nil, []byte(in[:cut]))
	return oneMask(string(out) + filterParts(m, in[f.Done():]))
}

// oneMask joins masks: two filters make two of what is one for a single filter.
func oneMask(s string) string {
	for strings.Contains(s, "******") {
		s = strings.ReplaceAll(s, "******", "***")
	}
	return s
}

func FuzzMask(f *testing.F) {
	f.Add("hunter2hunter2", "x", "y", 3)
	f.Add("\x9c00000", "0", "0", 0)
	f.Add("a\nb\nccccccd", "{\n", "-----BEGIN PRIVATE KEY-----", 9)
	f.Fuzz(func(t *testing.T, secret, before, after string, cut int) {
		if Maskable(NewSecret(secret)) != nil {
			return
		}
		m := newMasker(t, secret)
		in := before + secret + after
		cut = max(0, min(cut, len(in)))
		got := maskParts(m, in[:cut], in[cut:])
		if whole := m.String(in); got != whole {
			t.Fatalf("cut at %d: %q, whole: %q", cut, got, whole)
		}
		if strings.Contains(strings.ReplaceAll(got, "***", "\x00"), secret) {
			t.Fatalf("%q leaks %q", got, secret)
		}
		whole := filterParts(m, in)
		if got := filterParts(m, in[:cut], in[cut:]); got != whole {
			t.Fatalf("filter, cut at %d: %q, whole: %q", cut, got, whole)
		}
		if got := resumed(m, in, cut); got != oneMask(whole) {
			t.Fatalf("begun anew after %d: %q, whole: %q", cut, got, whole)
		}
	})
}

func benchmarkInput() []byte {
	var b bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&b, "2026-01-02T03:04:05Z step build: compiled package number %d of shop/internal/cart\n", i)
	}
	return b.Bytes()
}

func BenchmarkCopy(b *testing.B) {
	in := benchmarkInput()
	var out []byte
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		out = append(out[:0], in...)
	}
}

func BenchmarkMask(b *testing.B) {
	in := benchmarkInput()
	for _, n := range []int{0, 5, 200} {
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			w := newMasker(b, sampleSecrets(n)...).Writer(io.Discard)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = w.Write(in)
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	in := benchmarkInput()
	f := newMasker(b, sampleSecrets(5)...).Filter()
	var out []byte
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		out = f.Append(out[:0], in)
		f.Done()
	}
}

func BenchmarkNewMasker(b *testing.B) {
	secrets := sampleSecrets(20)
	b.ReportAllocs()
	for b.Loop() {
		newMasker(b, secrets...)
	}
}
