package commands

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// folded is how a text reads to people: letters that look like ASCII are ASCII,
// every kind of blank is a space, and what cannot be seen is not there.
type folded struct {
	text string
	at   []int // where each byte of text came from; nil: text is the original
	size int   // of the original
	odd  int   // where the first thing stood that cannot be seen, or is a blank beyond ASCII; -1: nowhere
}

// from is the place in the original of a place in the folded text.
func (f folded) from(i int) int {
	switch {
	case f.at == nil:
		return i
	case i == len(f.at):
		return f.size
	}
	return f.at[i]
}

func fold(text string) folded {
	if isPlain(text) {
		return folded{text: text, size: len(text), odd: -1}
	}
	var b strings.Builder
	f := folded{at: make([]int, 0, len(text)), size: len(text), odd: -1}
	for i, r := range text {
		reads := readAs(r)
		if f.odd < 0 && (reads == "" || reads == " " && r != ' ' && r != '\t') {
			f.odd = i
		}
		b.WriteString(reads)
		for range len(reads) {
			f.at = append(f.at, i)
		}
	}
	f.text = b.String()
	return f
}

// Visible reports whether people see anything of a text.
func Visible(text string) bool { return strings.TrimSpace(fold(text).text) != "" }

// isPlain reports whether a text is printable ASCII.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > unicodeASCII {
			return false
		}
	}
	return true
}

// readAs is what people take a character for; "" if they cannot see it.
func readAs(r rune) string {
	switch {
	case r >= ' ' && r <= unicodeASCII:
		return string(r)
	case isBlank(r):
		return " "
	case isUnseen(r):
		return ""
	case strings.ContainsRune("\u2044\u2215\u29f8\uff0f\u2571\u3033", r):
		return "/"
	case isDash(r):
		return "-"
	}
	var b strings.Builder
	for _, part := range norm.NFKD.String(string(r)) {
		if twin, ok := twins[part]; ok {
			part = twin
		}
		if !unicode.Is(unicode.Mn, part) {
			b.WriteRune(part)
		}
	}
	if strings.HasPrefix(b.String(), " ") {
		return string(r) // an accent that stands alone
	}
	return b.String()
}

// emptySigns are drawn as room though Unicode calls them letters or symbols:
// Braille without a dot, a musical note without a head, and hieroglyphs that
// leave a place free.
const emptySigns = "\u2800\U0001D159\U00013441\U00013442"

// isBlank: what is shown as nothing but room, tabs and ends of lines included.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(emptySigns, r)
}

// closeUp leaves out blanks that are not ASCII's.
func closeUp(text string) string {
	return strings.Map(func(r rune) rune {
		if isBlank(r) && r != ' ' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// isUnseen: control and format characters, marks on the letter before, and
// letters that are drawn as nothing (Unicode's Other_Default_Ignorable_Code_Point).
func isUnseen(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point)
}

// isDash: phones and word processors make one of two hyphens.
func isDash(r rune) bool {
	return r == '-' || unicode.Is(unicode.Pd, r) || r == '\u2212'
}

// twins are letters of other scripts that are drawn like an ASCII one, from
// Unicode's confusables.txt (UTS 39): those that a command could be typed with.
var twins = func() map[rune]rune {
	out := map[rune]rune{}
	for _, pair := range []struct{ others, ascii string }{
		{"асԁеһіјӏорԛѕтѵԝхуѡкмпг", "acdehijlopqstvwxywkmnr"}, // Cyrillic
		{"АВСЕНІЈКМОРЅТХУԜ", "ABCEHIJKMOPSTXYW"},
		{"αεικνορτυχγω", "aeiKvoptuxyw"}, // Greek
		{"ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"},
		{"օոսհցԁ", "onuhgd"},     // Armenian
		{"ıɡɩøđłɑʟ", "igiodlal"}, // Latin
	} {
		ascii := []rune(pair.ascii)
		for i, r := range []rune(pair.others) {
			out[r] = ascii[i]
		}
	}
	return out
}()
