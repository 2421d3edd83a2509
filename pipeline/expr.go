package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Bounds of expressions. Cost is CEL's own measure, about one for each
// operation and one for every ten bytes of text handled.
const (
	maxExpression  = 1024     // bytes
	maxExpressions = 500      // in a file
	maxExpressed   = 32 << 10 // bytes of all expressions of a file
	maxCost        = 100_000
	maxResult      = 64 << 10 // bytes of a value after evaluation
)

// Vars are what expressions see: facts of the run, no secrets.
type Vars struct {
	SHA, ShortSHA, Ref       string
	PR                       int // 0: none
	Env, Service, Run, Actor string
	Event                    string                   // what the run came from, a [Trigger]
	Params                   map[string]any           //
	Matrix                   map[string]string        // of the step that a matrix made
	Steps                    map[string]StepVars      // those that ended
	Changed                  func() ([]string, error) // changed files; called at most once an evaluation, and only if needed
}

// StepVars is what expressions see of a step.
type StepVars struct {
	Outputs map[string]string
	State   string
}

// Enabled evaluates a step's "if"; an empty one is true.
func (v Vars) Enabled(expr string) (bool, error) {
	if expr == "" {
		return true, nil
	}
	e, err := v.evaluator()
	if err != nil {
		return false, err
	}
	out, err := e.eval(expr)
	if err != nil {
		return false, err
	}
	yes, ok := out.(bool)
	if !ok {
		return false, Refuse("bad_expression", "The condition %q is neither true nor false.", clip(expr))
	}
	return yes, nil
}

// Interpolate returns a step's parameters with every ${{ ... }} in their texts
// evaluated, once: what comes out is never looked at for expressions again. A
// text that is one expression and nothing else becomes its value, whatever its
// type; in others values become text.
func (v Vars) Interpolate(with map[string]any) (map[string]any, error) {
	e, err := v.evaluator()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(with))
	for name, value := range with {
		if out[name], err = e.fill(native(value)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// evaluator evaluates expressions over one set of variables.
type evaluator struct {
	env       *cel.Env
	vars      cel.FunctionActivation
	changedBy error // why changed() failed, if it did
}

func (v Vars) evaluator() (*evaluator, error) {
	env, err := exprEnv()
	if err != nil {
		return nil, fmt.Errorf("expressions: %w", err)
	}
	e := &evaluator{env: env}
	files := sync.OnceValues(func() ([]string, error) {
		if v.Changed == nil {
			return nil, Refuse("bad_expression", "Nothing is known here about changed files, so that changed() cannot be evaluated.")
		}
		return v.Changed()
	})
	changed := func(_ string, args ...ref.Val) ref.Val { return e.changed(string(args[0].(types.String)), files) }
	e.vars, err = cel.FunctionVars(v.values(), map[string]cel.LateBoundFunction{"changed": changed})
	if err != nil {
		return nil, fmt.Errorf("expressions: %w", err)
	}
	return e, nil
}

func (v Vars) values() map[string]any {
	steps := map[string]any{}
	for name, s := range v.Steps {
		outputs := s.Outputs
		if outputs == nil {
			outputs = map[string]string{}
		}
		steps[name] = map[string]any{"outputs": outputs, "state": s.State}
	}
	params := map[string]any{}
	for name, value := range v.Params {
		params[name] = native(value)
	}
	matrix := v.Matrix
	if matrix == nil {
		matrix = map[string]string{}
	}
	return map[string]any{
		"sha": v.SHA, "short_sha": v.ShortSHA, "ref": v.Ref, "pr": v.PR, "env": v.Env, "service": v.Service,
		"run": v.Run, "actor": v.Actor, "event": v.Event, "params": params, "steps": steps, "matrix": matrix,
	}
}

func (e *evaluator) changed(pattern string, files func() ([]string, error)) ref.Val {
	re, err := compileGlob(pattern)
	if err != nil {
		return types.NewErr("%s", err)
	}
	names, err := files()
	if err != nil {
		e.changedBy = err
		return types.NewErr("changed files: %s", err)
	}
	for _, name := range names {
		if re.MatchString(name) {
			return types.True
		}
	}
	return types.False
}

// eval evaluates one expression to a plain value.
func (e *evaluator) eval(expr string) (any, error) {
	if len(expr) > maxExpression {
		return nil, Refuse("bad_expression", "The expression %q is longer than %d bytes.", clip(expr), maxExpression)
	}
	ast, issues := e.env.Compile(expr)
	if issues.Err() != nil {
		return nil, Refuse("bad_expression", "The expression %q is wrong: %s", clip(expr), plainCEL(issues.Errors()[0].Message, nil).message)
	}
	program, err := e.env.Program(ast, cel.CostLimit(maxCost))
	if err != nil {
		return nil, Refuse("bad_expression", "The expression %q cannot be used: %s.", clip(expr), clip(err.Error()))
	}
	out, _, err := program.Eval(e.vars)
	switch {
	case err != nil && e.changedBy != nil:
		return nil, fmt.Errorf("changed files: %w", e.changedBy)
	case err != nil:
		return nil, Refuse("bad_expression", "The expression %q has no value: %s.", clip(strings.TrimSpace(expr)), clip(err.Error()))
	}
	value, err := plainValue(out)
	if err != nil {
		return nil, Refuse("bad_expression", "The expression %q has a value that cannot be used: %s.", clip(strings.TrimSpace(expr)), err)
	}
	return value, nil
}

// fill evaluates the expressions in a value, however deep they are.
func (e *evaluator) fill(value any) (any, error) {
	var err error
	switch value := value.(type) {
	case string:
		return e.fillText(value)
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			if items[i], err = e.fill(item); err != nil {
				return nil, err
			}
		}
		return items, nil
	case map[string]any:
		m := make(map[string]any, len(value))
		for k, item := range value {
			if m[k], err = e.fill(item); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return value, nil
}

func (e *evaluator) fillText(s string) (any, error) {
	parts, bad := splitTemplate(s)
	if bad != nil {
		return nil, Refuse("bad_expression", "The text %s is wrong: %s", quote(s), bad.message)
	}
	var b strings.Builder
	for _, part := range parts {
		if !part.expression {
			b.WriteString(part.text)
			continue
		}
		value, err := e.eval(part.text)
		if err != nil {
			return nil, err
		}
		if len(parts) == 1 {
			return value, nil
		}
		b.WriteString(asText(value))
		if b.Len() > maxResult {
			return nil, Refuse("bad_expression", "The text %s grows beyond %d bytes.", quote(s), maxResult)
		}
	}
	return b.String(), nil
}

// asText is how a value looks within a text: lists and mappings are JSON.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return shortestNumber(v)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)              // "<" is a plain character to those who get this
	if err := e.Encode(v); err != nil { // cannot happen: plainValue makes only what JSON holds
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// plainValue turns a CEL value into string, bool, int64, float64, nil, []any or
// map[string]any.
func plainValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		if len(v) > maxResult {
			return nil, fmt.Errorf("a text of more than %d bytes", maxResult)
		}
		return string(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("a number above %d; string() makes text of it", math.MaxInt64)
		}
		return int64(v), nil
	case types.Double:
		if f := float64(v); f-f == 0 { // neither infinite nor NaN
			return f, nil
		}
		return nil, errors.New("not a finite number")
	case types.Null:
		return nil, nil
	case traits.Mapper:
		return plainMap(v)
	case traits.Lister:
		items := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			item, err := plainValue(it.Next())
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	}
	return nil, fmt.Errorf("a %s; string() makes text of it", v.Type().TypeName())
}

func plainMap(v traits.Mapper) (any, error) {
	m := map[string]any{}
	for it := v.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, errors.New("a map whose keys are not texts")
		}
		item, err := plainValue(v.Get(key))
		if err != nil {
			return nil, err
		}
		m[string(name)] = item
	}
	return m, nil
}

// exprEnv declares what expressions may name. It is the same for all of them;
// what a pipeline adds, its parameters and steps, are members of maps.
var exprEnv = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(20),
		cel.Variable("pr", cel.IntType),
		cel.Variable("params", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("matrix", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("steps", cel.MapType(cel.StringType, cel.MapType(cel.StringType, cel.DynType))),
		cel.Function("changed", cel.Overload("changed_string", []*cel.Type{cel.StringType}, cel.BoolType, cel.LateFunctionBinding())),
	}
	for _, name := range []string{"sha", "short_sha", "ref", "env", "service", "run", "actor", "event"} {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	return cel.NewEnv(options...)
})

// variables are the names expressions may begin with, for suggestions.
var variables = []string{"sha", "short_sha", "ref", "pr", "env", "service", "run", "actor", "event", "params", "steps", "matrix",
	"changed", "has", "size", "string", "int", "double", "bool", "type", "duration", "timestamp"}
