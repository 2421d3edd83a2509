package script

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Environ is the environment of a script: nothing else of ours reaches it.
type Environ map[string]string

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Environment is what a script sees; the list is a promise to users
// (docs/configuration.md). PATH is the runner's to add: machines and images have
// their own. baseURL is the bot's, and may be empty.
func Environment(c Call, at Place, baseURL string) (Environ, error) {
	run := c.Run
	env := Environ{
		"HOME": at.Home, "LANG": "C.UTF-8", "CI": "true",
		"SHIPMATE_RUN":         string(run.ID),
		"SHIPMATE_STEP":        c.Step.Name,
		"SHIPMATE_ATTEMPT":     strconv.Itoa(c.Attempt),
		"SHIPMATE_REPO":        run.Repo.String(),
		"SHIPMATE_SHA":         run.SHA,
		"SHIPMATE_SHORT_SHA":   run.ShortSHA(),
		"SHIPMATE_REF":         run.Ref,
		"SHIPMATE_PR":          "",
		"SHIPMATE_ENV":         run.EnvironmentName(),
		"SHIPMATE_SERVICE":     run.Service,
		"SHIPMATE_ACTOR":       run.Actor.Login,
		"SHIPMATE_URL":         strings.TrimSuffix(baseURL, "/"), // where the command line finds the bot
		"SHIPMATE_OUTPUT":      at.Outputs,
		"SHIPMATE_SUMMARY":     at.Summary,
		"SHIPMATE_ANNOTATIONS": at.Annotations,
	}
	if run.PR != 0 {
		env["SHIPMATE_PR"] = strconv.Itoa(run.PR)
	}
	for name, v := range run.Params {
		env["SHIPMATE_PARAM_"+pipeline.VariablePart(name)] = text(v)
	}
	for name, v := range c.Step.Matrix {
		env["SHIPMATE_MATRIX_"+pipeline.VariablePart(name)] = v
	}
	if err := env.addOutputs(c); err != nil {
		return nil, err
	}
	if err := env.addDeclared(c); err != nil {
		return nil, err
	}
	for name, v := range env {
		if strings.ContainsRune(v, 0) {
			return nil, pipeline.Refuse("invalid_environment", "The value of %s holds a zero byte, which no environment variable can.", name)
		}
	}
	return env, nil
}

// addOutputs adds what the steps before have put out, and for an undo what its own
// step has. Two names that become one variable are refused where they have
// different values: the script cannot tell whose value it got. An undo has to go
// on, so its own step's come last there.
func (env Environ) addOutputs(c Call) error {
	from := map[string]string{} // variable -> whose value it has
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		variable := "SHIPMATE_OUTPUT_" + pipeline.VariablePart(name)
		if other := from[variable]; other != "" && env[variable] != c.Outputs[name] && !c.Undo {
			return pipeline.Refuse("invalid_environment", "The outputs %s and %s have names that are alike in %s, and different values. Rename one.", other, name, variable)
		}
		env[variable], from[variable] = c.Outputs[name], name
	}
	if s := c.Run.Step(c.Step.Name); c.Undo && s != nil {
		for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
			env["SHIPMATE_OUTPUT_"+pipeline.VariablePart(c.Step.Name+"."+name)] = s.Outputs[name]
		}
	}
	return nil
}

// addDeclared adds the step's own variables and secrets.
func (env Environ) addDeclared(c Call) error {
	check := func(what, name string) error {
		if !variable.MatchString(name) {
			return pipeline.Refuse("invalid_environment", "%q cannot be the name of the %s of `%s`: use letters, digits and underscores.", name, what, c.Step.Name)
		}
		if strings.HasPrefix(name, "SHIPMATE_") {
			return pipeline.Refuse("invalid_environment", "The %s %s of `%s` needs another name: SHIPMATE_ is shipmate's own prefix.", what, name, c.Step.Name)
		}
		return nil
	}
	for name, v := range c.Step.Environment {
		if err := check("environment variable", name); err != nil {
			return err
		}
		env[name] = v
	}
	for _, name := range c.Step.Secrets {
		if err := check("secret", name); err != nil {
			return err
		}
		secret, ok := c.Secrets[name]
		if !ok {
			return pipeline.Refuse("missing_secret", "`%s` needs the secret %s, which the environment does not have.", c.Step.Name, name)
		}
		env[name] = secret.Reveal() // goes to the script, and nowhere else
	}
	return nil
}

// Encode is the form in which an environment travels: name=value, a zero byte
// after each, because values need not be UTF-8.
func (env Environ) Encode() []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(env)) {
		b = append(b, name...)
		b = append(b, '=')
		b = append(b, env[name]...)
		b = append(b, 0)
	}
	return b
}

// text writes a parameter as people would. Numbers that went through JSON are floats.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		if v == math.Trunc(v) {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
