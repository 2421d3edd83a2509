package pipeline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// What a file says must not hang on who reads it. So files of every style are
// made together with the values that are in them by the rules of YAML. We must
// find these values, and so must a second reader, which shares no code with ours.

func TestFilesOfEveryStyleAreReadAsWritten(t *testing.T) {
	const files = 5_000
	for seed := range uint64(files) {
		src, want, plain := yamlFile(rand.New(rand.NewPCG(seed, 9)))
		if got, err := firstReader(src); err != nil {
			t.Errorf("seed %d: we refuse it: %v\n%q", seed, err, src)
		} else if got != want {
			t.Errorf("seed %d: %q\nis   %s\nwant %s", seed, src, got, want)
		}
		if !plain {
			continue
		}
		if got, err := secondReader(src); err != nil {
			t.Errorf("seed %d: the second reader refuses it: %v\n%q", seed, err, src)
		} else if got != want {
			t.Errorf("seed %d: %q\nthe second reader finds %s\nwant %s", seed, src, got, want)
		}
	}
}

// FuzzFilesOfEveryStyle makes files of what the fuzzer brings.
func FuzzFilesOfEveryStyle(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, seed*seed)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		src, want, _ := yamlFile(rand.New(rand.NewPCG(a, b)))
		if got, err := firstReader(src); err != nil || got != want {
			t.Errorf("%q\nis   %s %v\nwant %s", src, got, err, want)
		}
	})
}

// firstReader is what we read, as one line.
func firstReader(src string) (string, error) {
	d := newDecoder("f", []byte(src))
	root := readYAML(d)
	if root == nil || d.total > 0 {
		return "", d.result()
	}
	var b strings.Builder
	root.show(&b)
	return b.String(), nil
}

func (n *node) show(b *strings.Builder) {
	switch n.kind {
	case mapping:
		b.WriteString("{")
		for i, key := range n.keys {
			key.show(b)
			b.WriteString(": ")
			n.items[i].show(b)
			b.WriteString(", ")
		}
		b.WriteString("}")
	case sequence:
		b.WriteString("[")
		for _, item := range n.items {
			item.show(b)
			b.WriteString(", ")
		}
		b.WriteString("]")
	case nothing:
		b.WriteString("null")
	case text:
		fmt.Fprintf(b, "%q", n.text)
	default:
		fmt.Fprintf(b, "%s", n.text)
	}
}

func secondReader(src string) (string, error) {
	file, err := parser.ParseBytes([]byte(strings.ReplaceAll(strings.TrimPrefix(src, "\ufeff"), "\r\n", "\n")), 0)
	if err != nil {
		return "", err
	}
	s := &secondShow{anchors: map[string]string{}}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return s.show(doc.Body), nil
		}
	}
	return "", errors.New("empty")
}

type secondShow struct{ anchors map[string]string }

func (s *secondShow) show(n ast.Node) string {
	switch n := n.(type) {
	case *ast.AnchorNode:
		v := s.show(n.Value)
		s.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return s.anchors[n.Value.GetToken().Value]
	case *ast.MappingNode:
		out := "{"
		for _, v := range n.Values {
			out += s.show(v.Key) + ": " + s.show(v.Value) + ", "
		}
		return out + "}"
	case *ast.MappingValueNode:
		return "{" + s.show(n.Key) + ": " + s.show(n.Value) + ", }"
	case *ast.SequenceNode:
		out := "["
		for _, v := range n.Values {
			out += s.show(v) + ", "
		}
		return out + "]"
	case *ast.LiteralNode:
		return strconv.Quote(n.Value.Value)
	case *ast.StringNode:
		return strconv.Quote(n.Value)
	case *ast.NullNode:
		return "null"
	}
	return n.GetToken().Value
}

// yamlMaker writes a file of random values in random styles, and what they are.
type yamlMaker struct {
	*rand.Rand
	b       strings.Builder
	want    strings.Builder
	anchors []string // what each one means
	odd     bool     // it holds what the second reader is known to read wrongly
}

// yamlFile is a valid file with what it says. plain: the second reader reads it too.
func yamlFile(r *rand.Rand) (src, want string, plain bool) {
	m := &yamlMaker{Rand: r}
	if m.once(8) {
		m.b.WriteString("# a comment\n\n")
	}
	if m.once(8) {
		m.b.WriteString("---\n")
	}
	m.mapping(0, 0)
	src = m.b.String()
	if m.once(5) {
		src += pick(m, "# the end\n", "# the end")
	} else if m.once(4) && !strings.ContainsAny(src, "|>") { // the text of a block scalar would be another
		src = strings.TrimSuffix(src, "\n")
		m.odd = true
	}
	if m.once(3) {
		src = strings.ReplaceAll(src, "\n", "\r\n")
	}
	if m.once(10) {
		src = "\ufeff" + src
	}
	return src, m.want.String(), !m.odd
}

func (m *yamlMaker) once(in int) bool { return m.IntN(in) == 0 }

func pick[T any](m *yamlMaker, of ...T) T { return of[m.IntN(len(of))] }

// mapping writes the lines of a mapping; the first line's indentation is there already.
func (m *yamlMaker) mapping(indent, depth int) {
	m.want.WriteString("{")
	for i := range 1 + m.IntN(4) {
		if i > 0 || indent == 0 {
			m.blank()
			m.b.WriteString(strings.Repeat(" ", indent))
		}
		key := fmt.Sprintf(pick(m, "k%d", "k%d", "k-%d.x", "k %d", "ключ%d"), i)
		fmt.Fprintf(&m.b, pick(m, "%s:", "%s:", "%s :", "'%s':", "\"%s\":"), key)
		fmt.Fprintf(&m.want, "%q: ", key)
		m.value(indent, depth, false)
		m.want.WriteString(", ")
	}
	m.want.WriteString("}")
}

// blank may write a line that says nothing. Not behind a block scalar that keeps
// its line ends: they would belong to it.
func (m *yamlMaker) blank() {
	if strings.ContainsAny(m.b.String(), "|>") {
		return
	}
	m.b.WriteString(pick(m, "", "", "", "", "", "\n", "# k: x\n", "   \n"))
}

// value writes what follows a colon or a dash, to the end of the line or further.
func (m *yamlMaker) value(indent, depth int, inList bool) {
	kind := m.IntN(12)
	if depth > 3 {
		kind = 2 + m.IntN(10)
	}
	switch {
	case kind == 0 && inList:
		pad := pick(m, 1, 1, 3)
		m.b.WriteString(strings.Repeat(" ", pad))
		m.mapping(indent+1+pad, depth+1)
	case kind == 0:
		step := pick(m, 1, 2, 2, 4)
		m.b.WriteString(m.comment() + "\n")
		m.b.WriteString(strings.Repeat(" ", indent+step))
		m.mapping(indent+step, depth+1)
	case kind == 1 && !inList:
		m.list(indent+pick(m, 0, 2, 4), depth+1)
	case kind < 5 && kind > 1:
		m.block(indent)
	case kind < 6:
		m.write(m.flow(0))
	case kind < 8:
		m.write(m.folded(indent))
	case kind < 9 && len(m.anchors) < 3:
		src, want := m.scalar()
		m.anchors = append(m.anchors, want)
		m.write(fmt.Sprintf("&a%d %s", len(m.anchors), src), want)
	case kind < 10 && len(m.anchors) > 0:
		i := m.IntN(len(m.anchors))
		m.write(fmt.Sprintf("*a%d", i+1), m.anchors[i])
	default:
		if !inList {
			m.b.WriteString(pick(m, "", "", " ", "\t"))
		}
		m.write(m.scalar())
	}
}

func (m *yamlMaker) write(src, want string) {
	m.b.WriteString(" " + src + m.comment() + "\n")
	m.want.WriteString(want)
}

func (m *yamlMaker) list(indent, depth int) {
	m.b.WriteString(m.comment() + "\n")
	m.want.WriteString("[")
	for range 1 + m.IntN(3) {
		m.blank()
		m.b.WriteString(strings.Repeat(" ", indent) + "-")
		m.value(indent, depth, true)
		m.want.WriteString(", ")
	}
	m.want.WriteString("]")
}

func (m *yamlMaker) comment() string {
	return pick(m, "", "", "", "", "  ", " # it's \"x\": [y", " #")
}

var yamlWords = []string{"x", "make", "a-b", "v1.10", "http://x/y", "C:\\dir", "it's", "say \"hi\"", "é", "日本", "😀", "$HOME", "${{ sha }}", "a#b", "a:b", "100%", "--flag", "/usr", "~x", "on", "&&", "|", ">", "a@b", "x=1", "{", "]", ","}

func (m *yamlMaker) text(n int, good func(string) bool) string {
	var out []string
	for range n {
		if w := pick(m, yamlWords...); good == nil || good(w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, pick(m, " ", " ", "  "))
}

// scalar is a value on one line.
func (m *yamlMaker) scalar() (src, want string) {
	switch m.IntN(8) {
	case 0: // numbers, truth values and nothing
		v := pick(m, "1", "0", "-1", "9007199254740993", "9223372036854775807", "12345678901234567890", "1.10", "0.5", "-0.0", "0x1F", "0o14", "010", "1_000",
			"+5", ".5", "5.", "0b11", "685_230.15", "1.5e3", "true", "false", "True", "FALSE", "null", "~", "Null", "")
		if v == "" || v == "~" || strings.EqualFold(v, "null") {
			m.odd = m.odd || v == ""
			return v, "null"
		}
		return v, v
	case 1: // what may look like one of them
		v := pick(m, "yes", "no", "on", "off", "y", "2001-12-14", "2001-12-14 21:59:43", "-x", "a", "=", "-.5x", "1-2", "<none>", "NULLS", "1e400", "1e3", "12e45678", "1:30", "08", "1.2.3", "190:20:30", "0x", "1__x", "tRue")
		return v, strconv.Quote(v)
	case 2, 3:
		v := m.edged()
		return "'" + strings.ReplaceAll(v, "'", "''") + "'", strconv.Quote(v)
	case 4, 5:
		v, last := m.edged(), pick(m, [2]string{}, [2]string{`\n`, "\n"}, [2]string{`\t`, "\t"}, [2]string{`\u00e9`, "é"}, [2]string{`\x41`, "A"}, [2]string{`\U0001F600`, "😀"}, [2]string{`\\`, `\`}, [2]string{`\"`, `"`})
		m.odd = m.odd || strings.Contains(v, "\t")
		return "\"" + strings.NewReplacer("\\", "\\\\", "\"", "\\\"").Replace(v) + last[0] + "\"", strconv.Quote(v + last[1])
	}
	v := "p" + m.text(m.IntN(3), func(w string) bool { return !strings.ContainsAny(w, "{}[],") })
	return v, strconv.Quote(v)
}

func (m *yamlMaker) edged() string {
	return pick(m, "", "", " ", "# ", "- ", "%", "@", "`", "!x ", "*x", "&x", "? ", ": ", "{", "[") + m.text(m.IntN(4), nil) + pick(m, "", "", " ", ":", " #", "\ty")
}

// folded is a plain or quoted text over several lines: a line end is a space, and
// one followed by n empty lines is n line ends.
func (m *yamlMaker) folded(indent int) (src, want string) {
	src = "p" + m.text(1, alnum)
	want = src
	for range 1 + m.IntN(3) {
		empty := pick(m, 0, 0, 1, 2)
		blank := pick(m, "\n", "  \n")
		m.odd = m.odd || empty > 0 && blank != "\n"
		src += pick(m, "", "", "", "  ") + "\n" + strings.Repeat(blank, empty)
		want += " "[:max(0, 1-empty)] + strings.Repeat("\n", empty)
		line := "q" + m.text(1+m.IntN(2), alnum)
		line = strings.TrimRight(line, " ")
		src += strings.Repeat(" ", indent+1+m.IntN(4)) + line
		want += line
	}
	quote := pick(m, "", "'", "\"")
	return quote + src + quote, strconv.Quote(want)
}

func alnum(w string) bool { return !strings.ContainsAny(w, "{}[],:#'\"\\&|>@~%$") }

// block is a block scalar with any header.
func (m *yamlMaker) block(indent int) {
	step, extra, indicator := pick(m, 1, 2, 2, 4), 0, ""
	if m.once(3) {
		indicator, extra = strconv.Itoa(step), m.IntN(3)
	}
	style, chomp := pick(m, "|", ">"), pick(m, "", "", "-", "+")
	m.b.WriteString(" " + style + pick(m, indicator+chomp, chomp+indicator) + pick(m, "", "", " # c") + "\n")
	margin := strings.Repeat(" ", indent+step)
	var lines []string
	for i := range 1 + m.IntN(5) {
		if i > 0 && m.once(4) {
			lines = append(lines, make([]string, 1+m.IntN(2))...)
		}
		lead := strings.Repeat(" ", extra)
		if i > 0 {
			lead = pick(m, "", "", "", " ", "  ")
		}
		lines = append(lines, lead+pick(m, "# no comment", "- x", "k: v", "'q", "\"q", "exit 1", "a \\", "x\ty", "é 😀", "*x", "%", "---", "trailing  "))
	}
	last := m.IntN(3)
	m.odd = m.odd || style == ">" || indicator != "" || strings.HasSuffix(lines[len(lines)-1], " ")
	for _, line := range append(lines, make([]string, last)...) {
		if line != "" || m.once(3) {
			line = margin + line
		}
		m.b.WriteString(line + "\n")
	}
	text := strings.Join(lines, "\n")
	if style == ">" {
		text = foldLines(lines)
	}
	switch chomp {
	case "":
		text += "\n"
	case "+":
		text += strings.Repeat("\n", last+1)
	}
	m.want.WriteString(strconv.Quote(text))
}

// foldLines is what ">" makes of lines: between two that are not indented further
// one line end is a space, and more lose one; others are kept.
func foldLines(lines []string) string {
	out, empty := lines[0], 0
	before := lines[0]
	for _, line := range lines[1:] {
		if line == "" {
			empty++
			continue
		}
		switch further := indented(before) || indented(line); {
		case further:
			out += strings.Repeat("\n", empty+1)
		case empty == 0:
			out += " "
		default:
			out += strings.Repeat("\n", empty)
		}
		out, before, empty = out+line, line, 0
	}
	return out
}

func indented(line string) bool { return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") }

// flow is a value in brackets or braces, or a scalar that may stand in them.
func (m *yamlMaker) flow(depth int) (src, want string) {
	var srcs, wants []string
	switch n := m.IntN(4); {
	case n < 2 && depth < 3 || depth == 0:
		for range m.IntN(4) {
			s, w := m.flow(depth + 1)
			srcs, wants = append(srcs, s), append(wants, w+", ")
		}
		return "[" + pick(m, "", " ") + strings.Join(srcs, pick(m, ",", ", ", " , ")) + pick(m, "", " ") + "]", "[" + strings.Join(wants, "") + "]"
	case n == 2 && depth < 3:
		for i := range m.IntN(4) {
			s, w := m.flow(depth + 1)
			srcs, wants = append(srcs, fmt.Sprintf("k%d: %s", i, s)), append(wants, fmt.Sprintf("\"k%d\": %s, ", i, w))
		}
		return "{" + pick(m, "", " ") + strings.Join(srcs, ", ") + pick(m, "", " ") + "}", "{" + strings.Join(wants, "") + "}"
	}
	one := pick(m, [2]string{"x"}, [2]string{"1", "1"}, [2]string{"1.10", "1.10"}, [2]string{"true", "true"}, [2]string{"a b"}, [2]string{"http://x/y"}, [2]string{"a:b"},
		[2]string{"'x, y'", `"x, y"`}, [2]string{`"x]"`, `"x]"`}, [2]string{`"é\n"`, `"é\n"`}, [2]string{"-1", "-1"}, [2]string{"a#b"}, [2]string{"''", `""`}, [2]string{"v1.2.3"}, [2]string{"$HOME"})
	m.odd = m.odd || one[0] == "a:b"
	if one[1] == "" {
		one[1] = strconv.Quote(one[0])
	}
	return one[0], one[1]
}
