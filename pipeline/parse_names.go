package pipeline

import "strings"

// stepNames are unique, also as parts of the names of environment variables.
func (l *linker) stepNames(p *Pipeline, n *node) {
	variables := map[string]string{}
	for i, s := range p.Steps {
		variable := VariablePart(s.Name)
		here := n.item(i).at("name")
		switch other, taken := variables[variable]; {
		case s.Name == "":
			continue
		case taken && other == s.Name:
			l.d.report(here, "There are two steps called %s.", s.Name)
		case taken:
			l.d.report(here, "The steps %s and %s have names that are alike in SHIPMATE_OUTPUT_%s_... Rename one.", other, s.Name, variable)
		}
		variables[variable] = s.Name
	}
}

// VariablePart is a name as it stands in the name of an environment variable: in
// upper case, with "_" for what cannot stand there. Different names may come out alike.
func VariablePart(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, name)
}

// outputNames are unique as names of environment variables: two that are not
// would hand a script the value of one under the name of the other.
func (l *linker) outputNames(p *Pipeline, n *node) {
	type output struct{ step, name string }
	taken := map[string]output{}
	for i, s := range p.Steps {
		for j, name := range s.Outputs {
			variable := VariablePart(s.Name + "_" + name)
			other, twice := taken[variable]
			switch here := n.item(i).at("outputs").item(j); {
			case name == "", twice && other == output{s.Name, name}: // said already
			case twice && other.step == s.Name:
				l.d.report(here, "The outputs %s and %s of %s have names that are alike in SHIPMATE_OUTPUT_%s. Rename one.", other.name, name, s.Name, variable)
			case twice:
				l.d.report(here, "The output %s of %s and the output %s of %s have names that are alike in SHIPMATE_OUTPUT_%s. Rename one.", other.name, other.step, name, s.Name, variable)
			}
			taken[variable] = output{s.Name, name}
		}
	}
}
