package pipeline

import (
	"fmt"
	"slices"
	"strings"

	_ "time/tzdata" // time zones must be known on hosts that have no list of them
)

// Parse reads a .shipmate.yaml. It is strict: what it does not know is an
// error. The error is a Problems with everything that is wrong in the file,
// file being the name it is called by there. uses are the runners a step may
// name, besides the built-in ones.
//
// What Parse returns is complete: defaults are filled in, names are unique and
// refer to something, Step.Needs holds what a step waits for. Only Service may
// be empty; the repository's name is the caller's to know.
func Parse(file string, src []byte, uses []Uses) (*Config, error) {
	c, _, err := decodeConfig(newDecoder(file, src), uses)
	return c, err
}

// decodeConfig also returns the nodes, which say where what is right stands.
func decodeConfig(d *decoder, uses []Uses) (*Config, *node, error) {
	uses = slices.Concat(BuiltIn(), uses)
	if root := readYAML(d); root != nil {
		if c, ok := fileShape(uses).decode(d, root); ok {
			l := &linker{d: d, root: root, config: &c, uses: uses}
			l.link()
			if d.total == 0 {
				return &c, root, nil
			}
		}
	}
	return nil, nil, d.result()
}

// decoder collects what is wrong with one file.
type decoder struct {
	file     string
	src      string   // without byte order mark, lines end in "\n"
	lines    []string // of src
	problems Problems
	total    int // problems found, also those that were not kept
}

// newDecoder takes the line ends of Windows for what they are: to YAML "\r\n" is
// one line break, wherever it stands.
func newDecoder(file string, src []byte) *decoder {
	s := strings.ReplaceAll(strings.TrimPrefix(string(src), "\ufeff"), "\r\n", "\n")
	return &decoder{file: file, src: s, lines: strings.Split(s, "\n")}
}

func (d *decoder) add(line, column int, path, suggestion, message string) {
	d.total++
	if len(d.problems) < 10*maxProblems { // some may be doubles
		d.problems = append(d.problems, Problem{d.file, line, column, path, message, suggestion})
	}
}

// reportAt adds a problem at a place that is no node.
func (d *decoder) reportAt(line, column int, format string, args ...any) {
	d.add(line, column, "", "", fmt.Sprintf(format, args...))
}

// report adds a problem at a node.
func (d *decoder) report(n *node, format string, args ...any) {
	d.suggest(n, "", format, args...)
}

// suggest is report with what was probably meant, or "".
func (d *decoder) suggest(n *node, better, format string, args ...any) {
	if len(d.problems) >= 10*maxProblems {
		d.total++
		return
	}
	d.add(n.line, n.column, n.path(), better, fmt.Sprintf(format, args...))
}

// unknown reports a name that is none of the known ones, with the nearest.
func (d *decoder) unknown(n *node, known []string, format string, args ...any) {
	near, _ := Nearest(n.text, known)
	d.suggest(n, near, format, args...)
}

// is reports a value that is not of the kind wanted. hint may be empty.
func (d *decoder) is(n *node, want nodeKind, hint string) bool {
	if n.kind == want {
		return true
	}
	if n.kind == nothing {
		d.noValue(n)
		return false
	}
	d.report(n, "%s", strings.TrimSpace(fmt.Sprintf("%s must be %s, not %s. %s", n.label(), want, n.kind, hint)))
	return false
}

// noValue reports a key that stands alone. Often a value was meant to be there
// and YAML took it for a comment.
func (d *decoder) noValue(n *node) {
	if n.reported {
		return
	}
	if line := d.lines[min(n.line, len(d.lines))-1]; strings.Contains(line, " #") {
		d.report(n, "%s has no value: what follows # is a comment. Put a value that begins with # in quotes.", n.label())
		return
	}
	d.report(n, "%s has no value.", n.label())
}

func (d *decoder) result() Problems {
	ps := d.problems.inOrder()
	if len(ps) > maxProblems {
		last := ps[maxProblems-1]
		ps = append(ps[:maxProblems], Problem{d.file, last.Line, last.Column, "", "There are more problems after this one.", ""})
	}
	return ps
}
