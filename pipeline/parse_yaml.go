package pipeline

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// nodeKind is what a value in the file is.
type nodeKind string

const (
	nothing  nodeKind = "nothing"
	text     nodeKind = "text"
	boolean  nodeKind = "true or false"
	integer  nodeKind = "a whole number"
	decimal  nodeKind = "a number"
	sequence nodeKind = "a list"
	mapping  nodeKind = "a mapping"
)

// node is a value of the file with its place. It is all the decoder sees of
// YAML: aliases are followed, duplicate keys dropped.
type node struct {
	kind         nodeKind
	line, column int
	text         string  // of a scalar; numbers and truth values as they are written
	items        []*node // of a list or mapping
	keys         []*node // of a mapping: keys[i] belongs to items[i]

	reported bool // what is wrong with it was said

	parent *node
	name   string // in the parent: its key, or [index]

	depth, nodes, bytes int // of the whole value
}

// yes is the truth value of a boolean.
func (n *node) yes() bool { return strings.EqualFold(n.text, "true") }

// get returns the value under a key, or nil.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k.text == key {
			return n.items[i]
		}
	}
	return nil
}

// at returns the value under the keys, or the innermost one that is there: the
// place to point at when the value is missing.
func (n *node) at(keys ...string) *node {
	for _, key := range keys {
		next := n.get(key)
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// item returns the i-th value, or n itself if there are not that many.
func (n *node) item(i int) *node {
	if i < len(n.items) {
		return n.items[i]
	}
	return n
}

func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	before := n.parent.path()
	if before == "" || strings.HasPrefix(n.name, "[") {
		return before + n.name
	}
	return before + "." + n.name
}

// readYAML turns the file into nodes. After a problem that leaves nothing to
// look at it returns nil.
func readYAML(d *decoder) *node {
	if !d.checkBytes([]byte(d.src)) {
		return nil
	}
	if strings.HasPrefix(d.src, "%") {
		d.reportAt(1, 1, "YAML directives are not allowed.")
		return nil
	}
	body, err := d.document()
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	if body == nil {
		return nil
	}
	b := &builder{d: d, anchors: map[*yaml.Node]*node{}}
	root := b.build(body, nil, "", 0)
	if b.stopped {
		return nil
	}
	return root
}

// document returns the file's one document; nil if what is there was reported.
func (d *decoder) document() (body *yaml.Node, err error) {
	reader := yaml.NewDecoder(strings.NewReader(d.src))
	for {
		var doc yaml.Node
		switch err := reader.Decode(&doc); {
		case errors.Is(err, io.EOF) && body == nil:
			d.reportAt(1, 1, "The file is empty. It needs at least a pipeline.")
			return nil, nil
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, err
		case body != nil:
			at := doc.Content[0]
			d.reportAt(at.Line, at.Column, "There is a second YAML document in the file; only one is allowed.")
			return nil, nil
		case doc.Content[0].ShortTag() != "!!null" || doc.Content[0].Value != "": // "---" alone says nothing
			body = doc.Content[0]
		}
	}
}

// builder makes nodes of the reader's tree.
type builder struct {
	d                *decoder
	anchors          map[*yaml.Node]*node
	anchored, shared int  // anchors and aliases so far
	stopped          bool // a limit was passed; said once
}

func (b *builder) build(in *yaml.Node, parent *node, name string, depth int) *node {
	if in.Kind == yaml.AliasNode {
		return b.alias(in, parent, name)
	}
	n := &node{kind: nothing, parent: parent, name: name, nodes: 1, line: in.Line, column: max(1, in.Column)}
	if in.Style&yaml.TaggedStyle != 0 {
		b.d.report(n, "YAML tags such as %s are not allowed. If the value begins with \"!\", put it in quotes.", quote(in.Tag))
		n.reported = true
	}
	if in.Anchor != "" {
		b.count(n, &b.anchored, "anchors")
		defer func() { b.anchors[in] = n }()
	}
	switch in.Kind {
	case yaml.MappingNode:
		b.pairs(n, in.Content, depth+1)
	case yaml.SequenceNode:
		b.list(n, in.Content, depth+1)
	default:
		n.kind, n.text = scalarKind(in), in.Value
		if n.kind == nothing {
			n.text = ""
		}
		if n.kind == text && in.Style == 0 && issueNumber.MatchString(in.LineComment) {
			b.d.report(n, "What follows # is a comment. If it is part of the text, put all of it in quotes: %s.", quoteYAML(in.Value+" "+in.LineComment))
		}
	}
	n.bytes += len(n.text)
	b.limit(n, depth+n.depth)
	return n
}

// issueNumber is a comment that was probably not meant as one.
var issueNumber = regexp.MustCompile(`^#[0-9]`)

// odd is what some readers of YAML take for a number and others for text. We
// leave it the text it is.
var odd = regexp.MustCompile(`^[-+]?(0[0-9]*[89][0-9]*|[0-9]+[eE][-+]?[0-9]+)$`)

func scalarKind(in *yaml.Node) nodeKind {
	if in.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return text
	}
	switch tag := in.ShortTag(); {
	case tag == "!!null":
		return nothing
	case tag == "!!bool":
		return boolean
	case tag == "!!int":
		return integer
	case tag == "!!float" && !odd.MatchString(in.Value):
		return decimal
	}
	return text // times too
}

// count holds the limits of anchors and aliases.
func (b *builder) count(n *node, so *int, what string) {
	if *so++; *so > maxAliases && !b.stopped {
		b.d.report(n, "There are more than %d %s.", maxAliases, what)
		b.stopped = true
	}
}

// alias follows an alias to the node its anchor made. That node keeps its own
// place, so that a mistake in it is reported where it is written.
func (b *builder) alias(in *yaml.Node, parent *node, name string) *node {
	n := &node{kind: nothing, parent: parent, name: name, nodes: 1, line: in.Line, column: max(1, in.Column)}
	b.count(n, &b.shared, "aliases")
	if made, ok := b.anchors[in.Alias]; ok {
		return made
	}
	if !b.stopped { // the value is not at its end
		b.d.report(n, "*%s stands within the value that it means.", clip(in.Value))
		b.stopped = true
	}
	return n
}

func (b *builder) pairs(n *node, content []*yaml.Node, depth int) {
	seen := map[string]int{}
	if len(content)/2 > maxKeys && !b.stopped {
		b.d.report(n, "A mapping has more than %d keys.", maxKeys)
		b.stopped = true
	}
	for i := 0; i < len(content) && !b.stopped; i += 2 {
		shared := *b.build(content[i], n, "", depth) // an alias may stand for a key
		key := &shared
		key.name = clip(key.text)
		switch {
		case content[i].Tag == "!!merge" && content[i].Style == 0:
			b.d.report(key, "The merge key << is not allowed. Write the keys out.")
			continue
		case b.d.marked(key):
			b.d.reportAt(key.line, max(1, key.column-2), "Keys written with \"?\" are not allowed.")
			continue
		case key.kind != text:
			b.d.report(key, "A key must be text. Put %s in quotes if it is meant to be one.", quote(key.text))
			continue
		}
		value := b.build(content[i+1], n, clip(key.text), depth)
		if line, twice := seen[key.text]; twice {
			b.d.report(key, "The key %s is here twice; the first is on line %d.", quote(key.text), line)
			continue
		}
		seen[key.text] = key.line
		n.keys, n.items = append(n.keys, key), append(n.items, value)
		n.add(key)
		n.add(value)
	}
	n.kind = mapping
	n.depth++
}

// marked reports whether a key is written as "? key".
func (d *decoder) marked(key *node) bool {
	line := d.lines[min(key.line, len(d.lines))-1]
	before := strings.TrimRight(line[:byteOf(line, key.column)], " \t")
	return strings.HasSuffix(before, "?") && strings.Trim(before, "-? \t{[,") == ""
}

func (b *builder) list(n *node, values []*yaml.Node, depth int) {
	for i, v := range values {
		if b.stopped {
			return
		}
		item := b.build(v, n, fmt.Sprintf("[%d]", i), depth)
		n.items = append(n.items, item)
		n.add(item)
	}
	n.kind = sequence
	n.depth++
}

func (n *node) add(part *node) {
	n.nodes += part.nodes
	n.bytes += part.bytes
	n.depth = max(n.depth, part.depth)
}

func (b *builder) limit(n *node, depth int) {
	if b.stopped {
		return
	}
	b.stopped = true
	switch {
	case depth > maxDepth:
		b.d.report(n, "Values are nested more than %d deep.", maxDepth)
	case n.nodes > maxNodes:
		b.d.report(n, "The file has more than %d values once its aliases are followed.", maxNodes)
	case n.bytes > maxText:
		b.d.report(n, "The file has more than %d bytes of text once its aliases are followed.", maxText)
	default:
		b.stopped = false
	}
}
