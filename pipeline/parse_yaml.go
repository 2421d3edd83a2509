package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
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
func readYAML(d *decoder, src []byte) *node {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !d.checkBytes(src) {
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if !d.checkTokens(tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	body := d.document(file)
	if body == nil {
		return nil
	}
	b := &builder{d: d, anchors: map[string]*node{}}
	root := b.build(body, nil, "", 0)
	if b.stopped {
		return nil
	}
	return root
}

// parseTokens calls the YAML parser. It is somebody else's and meets text from
// strangers, so that a panic in it must not end the process.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, errors.New("it cannot be read")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func (d *decoder) syntaxError(err error) {
	var s *yaml.SyntaxError
	if !errors.As(err, &s) || s.GetToken() == nil {
		d.reportAt(1, 1, "This is not YAML: %s.", strings.SplitN(err.Error(), "\n", 2)[0])
		return
	}
	at := s.GetToken().Position
	d.reportAt(at.Line, max(1, at.Column), "This is not YAML: %s.", s.GetMessage())
}

// document returns the body of the file's one document.
func (d *decoder) document(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch b := doc.Body.(type) {
		case nil:
		case *ast.DirectiveNode:
			d.reportAt(b.GetToken().Position.Line, 1, "YAML directives are not allowed.")
			return nil
		default:
			if body != nil {
				at := b.GetToken().Position
				d.reportAt(at.Line, max(1, at.Column), "There is a second YAML document in the file; only one is allowed.")
				return nil
			}
			body = b
		}
	}
	if body == nil {
		d.reportAt(1, 1, "The file is empty. It needs at least a pipeline.")
	}
	return body
}

// builder makes nodes of the parser's tree.
type builder struct {
	d       *decoder
	anchors map[string]*node
	stopped bool // a limit was passed; said once
}

func (b *builder) build(in ast.Node, parent *node, name string, depth int) *node {
	if a, ok := in.(*ast.AliasNode); ok {
		return b.alias(a, parent, name)
	}
	n := &node{kind: nothing, parent: parent, name: name, nodes: 1, line: 1, column: 1}
	if t := in.GetToken(); t != nil {
		n.line, n.column = t.Position.Line, max(1, t.Position.Column)
	}
	switch in := in.(type) {
	case *ast.AnchorNode:
		made := b.build(in.Value, parent, name, depth)
		b.anchors[in.Name.GetToken().Value] = made
		return made
	case *ast.TagNode: // reported with the tokens
		made := b.build(in.Value, parent, name, depth)
		made.reported = true
		return made
	case *ast.MappingNode:
		b.pairs(n, in.Values, depth+1)
	case *ast.MappingValueNode:
		b.pairs(n, []*ast.MappingValueNode{in}, depth+1)
	case *ast.SequenceNode:
		b.list(n, in.Values, depth+1)
	default:
		b.scalar(n, in)
	}
	n.bytes += len(n.text)
	b.limit(n, depth+n.depth)
	return n
}

func (b *builder) scalar(n *node, in ast.Node) {
	switch in := in.(type) {
	case *ast.StringNode:
		n.kind, n.text = text, in.Value
	case *ast.LiteralNode:
		n.kind, n.text = text, in.Value.Value
	case *ast.BoolNode:
		n.kind, n.text = boolean, in.Token.Value
	case *ast.IntegerNode:
		n.kind, n.text = integer, in.Token.Value
	case *ast.FloatNode:
		n.kind, n.text = decimal, in.Token.Value
	case *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = decimal, in.GetToken().Value
	case *ast.NullNode:
		n.kind, n.text = nothing, ""
	default:
		b.d.report(n, "This kind of YAML value is not allowed.")
		b.stopped = true
	}
}

// alias follows an alias to the node its anchor made. That node keeps its own
// place, so that a mistake in it is reported where it is written.
func (b *builder) alias(in *ast.AliasNode, parent *node, name string) *node {
	target := in.Value.GetToken()
	if made, ok := b.anchors[target.Value]; ok {
		return made
	}
	n := &node{kind: nothing, parent: parent, name: name, nodes: 1, line: target.Position.Line, column: max(1, in.GetToken().Position.Column)}
	b.d.report(n, "No value above is called &%s.", clip(target.Value))
	b.stopped = true
	return n
}

func (b *builder) pairs(n *node, values []*ast.MappingValueNode, depth int) {
	n.kind = mapping
	seen := map[string]int{}
	for i, v := range values {
		if _, merge := v.Key.(*ast.MergeKeyNode); merge || b.stopped {
			continue // reported with the tokens
		}
		shared := *b.build(v.Key, n, "", depth) // an alias may stand for a key
		key := &shared
		key.name = clip(key.text)
		if i == 0 && n.column >= key.column { // a block mapping starts where its first key does
			n.line, n.column = key.line, key.column
		}
		if key.kind != text {
			b.d.report(key, "A key must be text. Put %s in quotes if it is meant to be one.", quote(key.text))
			continue
		}
		value := b.build(v.Value, n, clip(key.text), depth)
		if line, twice := seen[key.text]; twice {
			b.d.report(key, "The key %s is here twice; the first is on line %d.", quote(key.text), line)
			continue
		}
		seen[key.text] = key.line
		n.keys, n.items = append(n.keys, key), append(n.items, value)
		n.add(key)
		n.add(value)
	}
	n.depth++
}

func (b *builder) list(n *node, values []ast.Node, depth int) {
	n.kind = sequence
	for i, v := range values {
		if b.stopped {
			return
		}
		item := b.build(v, n, fmt.Sprintf("[%d]", i), depth)
		n.items = append(n.items, item)
		n.add(item)
	}
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
