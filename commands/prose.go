package commands

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const maxProse = 500 // runes of a reason

// prose cleans free text that people typed: composed letters, no control and
// no invisible formatting characters, not too long.
func prose(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, norm.NFC.String(text))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > maxProse {
		text = string(runes[:maxProse]) + "…"
	}
	return text
}

// Clip is what somebody typed, as long as a sentence about it can hold.
func Clip(text string) string {
	const most = 300
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
