package pipeline

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// What a file may hold. They keep the time and memory of Parse small whatever
// somebody pushes, and are far above what a real file needs.
const (
	maxFile     = 256 << 10
	maxLines    = 20_000
	maxDepth    = 40
	maxAliases  = 64
	maxNodes    = 50_000  // aliases counted as often as they are used
	maxText     = 1 << 20 // likewise
	maxKeys     = 1000    // of one mapping: the YAML parser's time grows with the square of it
	maxProblems = 100
)

// checkBytes refuses what no editor shows: a reviewer must see what runs.
func (d *decoder) checkBytes(src []byte) bool {
	if len(src) > maxFile {
		d.reportAt(1, 1, "The file has %d bytes; at most %d are read.", len(src), maxFile)
		return false
	}
	if bytes.Count(src, []byte("\n")) > maxLines {
		d.reportAt(maxLines, 1, "The file has more than %d lines.", maxLines)
		return false
	}
	line, column := 1, 1
	for i, r := range string(src) {
		switch {
		case r == utf8.RuneError && !utf8.FullRune(src[i:]), r == utf8.RuneError && !bytes.HasPrefix(src[i:], []byte("\ufffd")):
			d.reportAt(line, column, "The file is not UTF-8 text.")
			return false
		case r == '\r': // "\r\n" is "\n" by now
			d.reportAt(line, column, "A carriage return stands alone, and not every reader of YAML ends a line there. Save the file with the line ends of Linux (LF) or Windows (CRLF).")
			return false
		case hidden(r):
			d.reportAt(line, column, "The invisible character U+%04X is not allowed.", r)
			return false
		case r == '\n':
			line, column = line+1, 0
		}
		column++
	}
	return true
}

// hidden reports control characters and those that reorder or hide text.
func hidden(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x200b, r == 0x2028, r == 0x2029, r == 0x2060, r == 0xfeff:
		return true
	case r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// checkTokens holds the limits that must be known before the parser that says where
// a file is wrong, and is recursive, sees the tokens; and names what shipmate's YAML leaves out. It
// reports whether it is safe to go on.
func (d *decoder) checkTokens(tokens token.Tokens) bool {
	var c tokenCount
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		c.add(t)
		line, column := t.Position.Line, t.Position.Column
		switch t.Type {
		case token.TagType:
			d.reportAt(line, column, "YAML tags such as %s are not allowed. If the value begins with \"!\", put it in quotes.", quote(t.Value))
		case token.MergeKeyType:
			d.reportAt(line, column, "The merge key << is not allowed. Write the keys out.")
		case token.MappingKeyType:
			d.reportAt(line, column, "Keys written with \"?\" are not allowed.")
			return false
		}
		if passed := c.passed(); passed != "" {
			d.reportAt(line, column, "%s", passed)
			return false
		}
		if d.total > maxAliases {
			return false
		}
	}
	return true
}

// tokenCount is how much of everything there was up to a token.
type tokenCount struct {
	all, anchors, aliases int
	flow, dashes          int         // open brackets and braces; dashes in a row
	open                  []keyColumn // block mappings, by how far they are indented
}

func (c *tokenCount) add(t *token.Token) {
	c.all++
	if t.Type != token.SequenceEntryType {
		c.dashes = 0
	}
	switch t.Type {
	case token.SequenceEntryType:
		c.dashes++
	case token.SequenceStartType, token.MappingStartType:
		c.flow++
	case token.SequenceEndType, token.MappingEndType:
		c.flow = max(0, c.flow-1)
	case token.AnchorType:
		c.anchors++
	case token.AliasType:
		c.aliases++
	}
	c.open = countKeys(c.open, t, c.flow)
}

// passed names the limit that was passed, if one was.
func (c *tokenCount) passed() string {
	switch {
	case c.flow > maxDepth || c.dashes > maxDepth:
		return fmt.Sprintf("Values are nested more than %d deep.", maxDepth)
	case c.anchors > maxAliases:
		return fmt.Sprintf("There are more than %d anchors.", maxAliases)
	case c.aliases > maxAliases:
		return fmt.Sprintf("There are more than %d aliases.", maxAliases)
	case c.all > 2*maxNodes:
		return fmt.Sprintf("The file has more than %d values.", maxNodes)
	case len(c.open) > 0 && c.open[len(c.open)-1].keys > maxKeys:
		return fmt.Sprintf("A mapping has more than %d keys.", maxKeys)
	}
	return ""
}

// keyColumn counts the keys of one block mapping by the column they start in.
type keyColumn struct{ column, keys int }

func countKeys(open []keyColumn, t *token.Token, flow int) []keyColumn {
	column := t.Position.Column
	switch {
	case flow > 0, t.Type != token.SequenceEntryType && t.Type != token.MappingValueType:
		return open
	case t.Type == token.MappingValueType && t.Prev != nil:
		column = t.Prev.Position.Column
	}
	for len(open) > 0 && open[len(open)-1].column > column {
		open = open[:len(open)-1]
	}
	if t.Type == token.SequenceEntryType {
		return open
	}
	if len(open) == 0 || open[len(open)-1].column < column {
		open = append(open, keyColumn{column: column})
	}
	open[len(open)-1].keys++
	return open
}
