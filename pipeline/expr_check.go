package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// exprProblem is what is wrong with an expression, and where in its text.
type exprProblem struct {
	offset     int // bytes
	message    string
	suggestion string
}

// CheckExpr checks an expression of a step without evaluating it: names and
// types are those of the pipeline, and steps it looks at must end before it
// begins. want is a parameter type or "any".
func CheckExpr(p *Pipeline, step, expr, want string) error {
	wrong := newScope(p).check(step, expr, want)
	if len(wrong) == 0 {
		return nil
	}
	if first := wrong[0]; first.suggestion != "" {
		return Refuse("bad_expression", "%s Did you mean %s?", first.message, first.suggestion)
	}
	return Refuse("bad_expression", "%s", wrong[0].message)
}

// scope is what the expressions of a pipeline may name.
type scope struct {
	pipeline *Pipeline
	needs    map[string][]string
	env      *cel.Env // made with the first expression
}

func newScope(p *Pipeline) *scope {
	s := &scope{pipeline: p, needs: map[string][]string{}}
	for _, step := range p.Steps {
		s.needs[step.Name] = step.Needs
	}
	return s
}

// compiler knows the types of parameters and step outputs, on top of what exprEnv knows.
func (s *scope) compiler() (*cel.Env, error) {
	if s.env != nil {
		return s.env, nil
	}
	base, err := exprEnv()
	if err != nil {
		return nil, err
	}
	declared := map[string]*cel.Type{}
	for _, p := range s.pipeline.Params {
		if paramNames.re.MatchString(p.Name) {
			declared["params."+p.Name] = map[string]*cel.Type{"int": cel.IntType, "bool": cel.BoolType}[p.Type]
			if declared["params."+p.Name] == nil {
				declared["params."+p.Name] = cel.StringType
			}
		}
	}
	for _, step := range s.pipeline.Steps {
		if paramNames.re.MatchString(step.Name) { // others are reached as steps["name"]
			declared["steps."+step.Name+".outputs"] = cel.MapType(cel.StringType, cel.StringType)
			declared["steps."+step.Name+".state"] = cel.StringType
		}
	}
	var options []cel.EnvOption
	for _, name := range sortedKeys(declared) {
		options = append(options, cel.Variable(name, declared[name]))
	}
	s.env, err = base.Extend(options...)
	return s.env, err
}

// check returns what is wrong with an expression of the step.
func (s *scope) check(step, expr, want string) []exprProblem {
	switch {
	case len(expr) > maxExpression:
		return []exprProblem{{message: fmt.Sprintf("The expression is longer than %d bytes.", maxExpression)}}
	case strings.TrimSpace(expr) == "":
		return []exprProblem{{message: "The expression is empty."}}
	}
	env, err := s.compiler()
	if err != nil {
		return []exprProblem{{message: fmt.Sprintf("The expression cannot be checked: %s.", err)}}
	}
	parsed, issues := env.Parse(expr)
	if issues.Err() != nil {
		return fromIssues(expr, issues)
	}
	w := &exprWalk{pipeline: s.pipeline, upstream: s.upstream(step), step: step, expr: expr, info: parsed.NativeRep().SourceInfo()}
	w.walk(parsed.NativeRep().Expr())
	if w.lost {
		return w.problems
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return append(w.problems, fromIssues(expr, issues)...)
	}
	if len(w.problems) > 0 {
		return w.problems
	}
	if wrong := wrongResult(checked.OutputType(), want); wrong != "" {
		return []exprProblem{{offset: len(expr) - len(strings.TrimLeft(expr, " \t\n")), message: wrong}}
	}
	return nil
}

// upstream are the steps that end before the step begins.
func (s *scope) upstream(step string) map[string]bool {
	before := map[string]bool{}
	for left := []string{step}; len(left) > 0; left = left[1:] {
		for _, need := range s.needs[left[0]] {
			if !before[need] {
				before[need] = true
				left = append(left, need)
			}
		}
	}
	return before
}

// wrongResult says that a type is not what is wanted; "" if it is or may be.
func wrongResult(t *cel.Type, want string) string {
	fits := map[string][]types.Kind{
		"bool": {types.BoolKind}, "int": {types.IntKind}, "number": {types.IntKind, types.DoubleKind},
		"list": {types.ListKind}, "people": {types.ListKind}, "map": {types.MapKind},
		"string": {types.StringKind}, "duration": {types.StringKind},
	}[want]
	anything := []types.Kind{types.StringKind, types.BoolKind, types.IntKind, types.DoubleKind, types.ListKind, types.MapKind}
	switch {
	case t.Kind() == types.DynKind || t.Kind() == types.TypeParamKind:
		return ""
	case fits != nil && slices.Contains(fits, t.Kind()), fits == nil && slices.Contains(anything, t.Kind()):
		return ""
	case fits == nil || fits[0] == types.StringKind:
		return fmt.Sprintf("The expression must be text, not %s. string(...) makes text of a value.", typeName(t))
	case want == "bool":
		return fmt.Sprintf("The expression must be true or false, not %s.", typeName(t))
	}
	return fmt.Sprintf("The expression must be of the type %s, not %s.", want, typeName(t))
}

func typeName(t *cel.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "text"
	case types.BoolKind:
		return "true or false"
	case types.IntKind:
		return "a whole number"
	}
	return "a " + strings.ToLower(strings.ReplaceAll(t.String(), "google.protobuf.", ""))
}

// exprWalk looks for parameters and steps that are not there.
type exprWalk struct {
	pipeline *Pipeline
	upstream map[string]bool
	step     string
	expr     string
	info     *ast.SourceInfo
	problems []exprProblem
	lost     bool // the text means something else than its writer thinks: say no more
}

func (w *exprWalk) walk(e ast.Expr) {
	if operand, name, ok := member(e); ok {
		w.member(e, operand, name)
		return
	}
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); name == "params" || name == "steps" || name == "matrix" {
			w.report(e, "", "%s alone has no value. Write %s.name.", name, name)
		}
	case ast.SelectKind:
		w.walk(e.AsSelect().Operand())
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			w.walk(e.AsCall().Target())
		}
		w.all(e.AsCall().Args())
	case ast.ListKind:
		w.all(e.AsList().Elements())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			w.all([]ast.Expr{entry.AsMapEntry().Key(), entry.AsMapEntry().Value()})
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		w.all([]ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()})
	}
}

func (w *exprWalk) all(es []ast.Expr) {
	for _, e := range es {
		w.walk(e)
	}
}

// member checks "operand.name", which "operand['name']" means as well.
func (w *exprWalk) member(e, operand ast.Expr, name string) {
	switch inner, step, ok := member(operand); {
	case is(operand, "params"):
		w.param(e, name)
	case is(operand, "steps"):
		w.stepName(e, name)
	case is(operand, "matrix"):
		w.matrix(e, name)
	case ok && is(inner, "steps") && name != "outputs" && name != "state":
		w.stepName(operand, step)
		near, _ := Nearest(name, []string{"outputs", "state"})
		w.report(e, near, "A step has outputs and state, not %s.", quote(name))
	default:
		w.output(e, operand, name)
		w.walk(operand)
	}
}

func (w *exprWalk) param(e ast.Expr, name string) {
	var names []string
	for _, p := range w.pipeline.Params {
		names = append(names, p.Name)
	}
	if !slices.Contains(names, name) {
		near, _ := Nearest(name, names)
		w.report(e, near, "The pipeline %s has no parameter %s.", w.pipeline.Name, quote(name))
	}
}

func (w *exprWalk) matrix(e ast.Expr, name string) {
	s, _ := w.pipeline.Step(w.step)
	switch names := sortedKeys(s.Matrix); {
	case len(names) == 0:
		w.report(e, "", "The step %s has no matrix.", w.step)
	case !slices.Contains(names, name):
		near, _ := Nearest(name, names)
		w.report(e, near, "The matrix of the step has no %s.", quote(name))
	}
}

func (w *exprWalk) stepName(e ast.Expr, name string) {
	switch {
	case w.upstream[name]:
		return
	case name == w.step:
		w.report(e, "", "The step %s cannot look at itself.", name)
		return
	}
	if _, ok := w.pipeline.Step(name); ok {
		w.report(e, "", "The step %s does not end before %s begins. Add it to the needs of %s.", name, w.step, w.step)
		return
	}
	var names []string
	for _, s := range w.pipeline.Steps {
		names = append(names, s.Name)
	}
	near, ok := Nearest(name, names)
	if !ok && e.Kind() == ast.SelectKind && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, name+"-") }) {
		w.lost = true
		w.report(e, "", "The pipeline %s has no step %s. A name with a dash is written steps[\"my-step\"].", w.pipeline.Name, quote(name))
		return
	}
	w.report(e, near, "The pipeline %s has no step %s.", w.pipeline.Name, quote(name))
}

// output checks the name of an output where the step lists them.
func (w *exprWalk) output(e, operand ast.Expr, name string) {
	inner, field, ok := member(operand)
	if !ok || field != "outputs" {
		return
	}
	if steps, step, ok := member(inner); ok && is(steps, "steps") {
		if s, _ := w.pipeline.Step(step); len(s.Outputs) > 0 && !slices.Contains(s.Outputs, name) {
			near, _ := Nearest(name, s.Outputs)
			w.report(e, near, "The step %s has no output %s.", step, quote(name))
		}
	}
}

func (w *exprWalk) report(e ast.Expr, better, format string, args ...any) {
	offset := 0
	if at := w.info.GetStartLocation(e.ID()); at != nil {
		offset = byteOffset(w.expr, at.Line(), at.Column())
	}
	w.problems = append(w.problems, exprProblem{offset, fmt.Sprintf(format, args...), better})
}

// member takes "x.name" and "x['name']" apart.
func member(e ast.Expr) (operand ast.Expr, name string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == operators.Index && call.Args()[1].Kind() == ast.LiteralKind {
			name, ok := call.Args()[1].AsLiteral().(types.String)
			return call.Args()[0], string(name), ok
		}
	}
	return nil, "", false
}

func is(e ast.Expr, ident string) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == ident }

func fromIssues(expr string, issues *cel.Issues) []exprProblem {
	var problems []exprProblem
	for _, e := range issues.Errors() {
		p := plainCEL(e.Message, variables)
		p.offset = byteOffset(expr, e.Location.Line(), e.Location.Column())
		problems = append(problems, p)
		if strings.HasPrefix(e.Message, "Syntax error") {
			break // what follows is the parser losing its way
		}
	}
	return problems
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
)

// plainCEL says what the CEL compiler says in words people use.
func plainCEL(message string, known []string) exprProblem {
	if m := undeclared.FindStringSubmatch(message); m != nil {
		if m[1] == "secrets" {
			return exprProblem{message: "Expressions cannot see secrets. List the name under the step's \"secrets\"."}
		}
		near, _ := Nearest(m[1], known)
		return exprProblem{message: fmt.Sprintf("Expressions know no %s.", quote(m[1])), suggestion: near}
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		name := m[1]
		if symbol, ok := operators.FindReverse(name); ok && symbol != "" {
			name = symbol
		}
		return exprProblem{message: fmt.Sprintf("%q does not work on %s.", name, strings.ReplaceAll(strings.Trim(m[2], "()"), ", ", " and "))}
	}
	if rest, ok := strings.CutPrefix(message, "Syntax error: "); ok {
		if rest, _, _ = strings.Cut(rest, " expecting"); strings.Contains(rest, "<EOF>") {
			return exprProblem{message: "The expression is not CEL: it ends where something is missing."}
		}
		return exprProblem{message: fmt.Sprintf("The expression is not CEL: %s.", clip(rest))}
	}
	return exprProblem{message: fmt.Sprintf("The expression is wrong: %s.", clip(message))}
}

// byteOffset turns CEL's place, a line from 1 and a column from 0 in
// characters, into bytes from the beginning.
func byteOffset(expr string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(expr[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	for i := range expr[offset:] {
		if column == 0 {
			return offset + i
		}
		column--
	}
	return len(expr)
}
