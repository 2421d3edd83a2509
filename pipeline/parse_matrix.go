package pipeline

import (
	"slices"
	"strings"
)

// axis is one key of a step's matrix as it is written.
type axis struct {
	name   string
	values []string
}

const maxMatrix = 20 // steps one step may become

var axisNames = newGrammar("the name of a matrix value", paramNames.pattern, paramNames.rule)

// matrixShape reads the axes in the order of the file.
func matrixShape() kind[[]axis] {
	values := some(scalar())
	one := kind[axis]{schema: values.schema, decode: func(d *decoder, n *node) (axis, bool) {
		v, ok := values.decode(d, n)
		return axis{values: v}, ok
	}}
	return named(axisNames, one, func(a axis, name string) axis { a.name = name; return a }).
		saying(schema{"minProperties": 1}).
		and(func(d *decoder, n *node, axes *[]axis) {
			if len(*axes) == 0 {
				d.report(n, "The matrix is empty. Leave it out, or write what the step is to run for: {go: [\"1.25\", \"1.26\"]}.")
			}
		})
}

// matrices makes one step of every combination of a step's matrix and returns
// the nodes the steps then stand at. groups has the names that stand for them.
func (l *linker) matrices(p *Pipeline, n *node) (at *node, groups map[string][]string) {
	groups = map[string][]string{}
	if !slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.axes) > 0 }) {
		return n, groups
	}
	var steps []Step
	out := *n
	out.items = nil
	for i, s := range p.Steps {
		made := []Step{s}
		if len(s.axes) > 0 {
			made = l.combinations(s, n.item(i))
		}
		for _, one := range made {
			steps, out.items = append(steps, one), append(out.items, n.item(i))
			if len(s.axes) > 0 {
				groups[s.Name] = append(groups[s.Name], one.Name)
			}
		}
	}
	p.Steps = steps
	l.matrixNames(p, &out, groups)
	return &out, groups
}

// matrixNames refuses steps that a matrix makes where others have their names.
func (l *linker) matrixNames(p *Pipeline, n *node, groups map[string][]string) {
	taken := map[string]int{} // by how they are written in variables, as in stepNames
	for i, s := range p.Steps {
		variable := VariablePart(s.Name)
		other, twice := taken[variable]
		matrix := i // the one that a matrix made
		if s.Matrix == nil {
			matrix = other
		}
		switch here := n.item(matrix).at("matrix"); {
		case s.Matrix != nil && groups[s.Name] != nil:
			l.d.report(here, "The matrix makes a step called %s, and that already means all steps of another matrix. Rename one.", s.Name)
		case twice && p.Steps[matrix].Matrix != nil && n.item(i) != n.item(other):
			l.d.report(here, "The matrix makes a step called %s, and there is %s already. Rename one.", p.Steps[matrix].Name, p.Steps[i+other-matrix].Name)
		}
		taken[variable] = i
	}
}

// combinations are the steps of one matrix; none if it is wrong.
func (l *linker) combinations(s Step, n *node) []Step {
	here := n.at("matrix")
	all := 1
	for _, a := range s.axes {
		all = min(all*len(a.values), maxMatrix*maxMatrix)
	}
	switch {
	case s.builtIn():
		l.d.report(here, "A step that uses %s has no use for a matrix.", s.Uses)
		return nil
	case all > maxMatrix:
		l.d.report(here, "The matrix of %s makes more than %d steps. Write several steps, or fewer values.", s.Name, maxMatrix)
		return nil
	case !l.parts(s, here):
		return nil
	}
	axes := s.axes
	s.axes = nil
	made := []Step{s}
	for _, a := range axes {
		var next []Step
		for _, before := range made {
			for _, value := range a.values {
				one := before
				one.Name = before.Name + "-" + namePart(value)
				one.Matrix = map[string]string{a.name: value}
				for k, v := range before.Matrix {
					one.Matrix[k] = v
				}
				next = append(next, one)
			}
		}
		made = next
	}
	names := map[string]bool{}
	for _, one := range made {
		switch {
		case !stepNames.re.MatchString(one.Name):
			l.d.report(here, "The matrix makes a step called %s, and that cannot be %s: %s.", quote(one.Name), stepNames.what, stepNames.rule)
			return nil
		case names[one.Name]:
			l.d.report(here, "Two combinations of the matrix make a step called %s. Write the values so that they differ in letters or digits.", one.Name)
			return nil
		}
		names[one.Name] = true
	}
	return made
}

// parts reports whether each value makes a part of a name, and each its own.
func (l *linker) parts(s Step, n *node) bool {
	good := true
	for i, a := range s.axes {
		taken := map[string]string{}
		for j, value := range a.values {
			part := namePart(value)
			other, twice := taken[part]
			switch here := n.item(i).item(j); {
			case value == "" || value == other: // said when it was read
				good = false
			case part == "":
				l.d.report(here, "%s has no letter or digit to name the step by.", quote(value))
				good = false
			case twice:
				l.d.report(here, "%s and %s make steps of one name: %s-%s.", quote(other), quote(value), s.Name, part)
				good = false
			}
			taken[part] = value
		}
	}
	return good
}

// namePart is a value of a matrix as a part of a step's name: "1.25" is "1-25".
func namePart(value string) string {
	part := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '-'
	}, strings.ToLower(value))
	return strings.Trim(part, "-")
}

// spread puts the steps of a matrix where its name stands.
func spread(needs []string, groups map[string][]string) []string {
	if !slices.ContainsFunc(needs, func(need string) bool { return groups[need] != nil }) {
		return needs
	}
	var out []string
	for _, need := range needs {
		some := groups[need]
		if some == nil {
			some = []string{need}
		}
		for _, name := range some {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// Resources are what a script may use of a cluster, as Kubernetes writes it.
type Resources struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// The grammar is that of Kubernetes' quantities, without a sign.
var quantities = newGrammar("a quantity", `^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$`, "write it as Kubernetes does, for example \"500m\" or \"2\" for cpu and \"512Mi\" or \"2Gi\" for memory")

func resourcesShape() kind[Resources] {
	return object("resources", "What a script gets of the cluster.",
		optional("cpu", written(quantities), func(r *Resources) *string { return &r.CPU }, "Processors, in quotes: \"500m\" is half of one."),
		optional("memory", written(quantities), func(r *Resources) *string { return &r.Memory }, "Memory, such as 512Mi."),
	).saying(schema{"minProperties": 1}).and(func(d *decoder, n *node, _ *Resources) {
		if len(n.keys) == 0 {
			d.report(n, "\"resources\" names nothing. Leave it out, or name cpu or memory.")
		}
	})
}
