package commands

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	wrappers    = "\"'`“”‘’„«»()[]{}<>|*_~"
	punctuation = "#.,;:!?"
)

var (
	htmlTag = regexp.MustCompile(`</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>`)
	emoji   = regexp.MustCompile(`^:[a-z0-9_+-]+:`)
	polite  = strings.Fields("please pls thanks thx")
)

// bare is a line without what stands around its words: HTML tags, quotes,
// brackets, marks, backslashes and emoji.
func bare(line string) string {
	text := strings.ReplaceAll(html.UnescapeString(htmlTag.ReplaceAllString(item(line), "")), `\`, "")
	text = strings.TrimFunc(text, isAround)
	return strings.TrimLeftFunc(text[len(emoji.FindString(text)):], isAround)
}

func isAround(r rune) bool {
	return isBlank(r) || isUnseen(r) || strings.ContainsRune(wrappers, r) || unicode.In(r, unicode.So, unicode.Sk)
}

// onlyFlags reports whether a line is nothing but flags, whatever stands around
// them, or is in brackets or quotes and begins with a flag.
func onlyFlags(h Help, line string) bool {
	if enclosed(item(line)) && flagOf(h, bare(line)) != "" {
		return true
	}
	found := false
	words := strings.Fields(bare(line))
	for i := 0; i < len(words); i++ {
		word := strings.Trim(strings.TrimFunc(words[i], isAround), punctuation)
		word = strings.TrimFunc(word, isAround)
		f := slices.IndexFunc(h.Flags, func(f Flag) bool { return strings.EqualFold(f.Name, strings.TrimLeft(fold(word).text, "-")) })
		switch {
		case word == "", slices.Contains(polite, strings.ToLower(word)):
			continue
		case flagOf(h, word) == "":
			return false
		case f >= 0 && h.Flags[f].Prose:
			return i+1 == len(words) || strings.ContainsAny(words[i+1][:1], "\"'`") // its text in quotes
		case f >= 0 && h.Flags[f].Value != "":
			i++ // its value
		}
		found = true
	}
	return found
}

// enclosed reports whether one pair of brackets or quotes stands around a text.
func enclosed(text string) bool {
	for _, pair := range []string{`""`, `''`, "“”", "‘’", "«»", "()", "[]", "{}", "<>"} {
		signs := []rune(pair)
		inner, begins := strings.CutPrefix(text, string(signs[0]))
		inner, ends := strings.CutSuffix(inner, string(signs[1]))
		if begins && ends {
			return !strings.ContainsRune(inner, signs[1])
		}
	}
	return false
}
