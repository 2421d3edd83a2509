package pipeline

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func testVars() Vars {
	return Vars{
		SHA: "0123456789012345678901234567890123456789", ShortSHA: "0123456", Ref: "main", PR: 12, Env: "prod", Service: "shop",
		Run: "r-01234567", Actor: "mona", Event: "command",
		Params: map[string]any{"replicas": 3.0, "tag": "v1", "dry": false}, // as after a trip through JSON
		Steps: map[string]StepVars{
			"build":   {Outputs: map[string]string{"tag": "1.2", "in": "x"}, State: "succeeded"},
			"my-test": {State: "failed"},
		},
		Changed: func() ([]string, error) { return []string{"src/a/b.go", "README.md"}, nil },
	}
}

func TestEnabled(t *testing.T) {
	for _, tt := range []struct {
		expr string
		want bool
	}{
		{"", true},
		{"true", true},
		{`env == "prod" && pr > 0`, true},
		{`ref.startsWith("release/")`, false},
		{`params.replicas + 1 == 4`, true},
		{`params["dry"]`, false},
		{`has(params.other)`, false},
		{`has(steps.build.outputs.tag) && steps.build.outputs["in"] == "x"`, true},
		{`steps["my-test"].state == "failed"`, true},
		{`has(steps.build.outputs.other)`, false},
		{`"other" in steps["my-test"].outputs`, false},
		{`changed("src/**")`, true},
		{`changed("src/*")`, false},
		{`["docs/**", "*.md"].exists(g, changed(g))`, true},
		{`sha.size() == 40 && sha.startsWith(short_sha) && run.matches("^r-") && actor != service && event == "command"`, true},
	} {
		got, err := testVars().Enabled(tt.expr)
		if err != nil || got != tt.want {
			t.Errorf("%s = %v, %v; want %v", tt.expr, got, err, tt.want)
		}
	}
}

func TestExpressionsThatHaveNoValue(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"an output that was not written", `steps.build.outputs.other == "x"`, "no such key: other"},
		{"a step that is not there", `steps.other.state == "x"`, "no such key: other"},
		{"not a condition", `sha`, "neither true nor false"},
		{"secrets", `secrets.TOKEN == "x"`, "cannot see secrets"},
		{"the environment of the bot", `environ("HOME") == "x"`, `know no "environ"`},
		{"a syntax error", `env ==`, "not CEL"},
		{"a bad pattern", `changed("[")`, "is not a pattern"},
		{"a bad regular expression", `sha.matches("(")`, "missing closing"},
		{"one that is too long", `sha == "` + strings.Repeat("x", 2000) + `"`, "longer than 1024 bytes"},
		{"one that is too deep", strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), "recursion limit"},
		{"one that would run long", `[1,2,3,4,5,6,7,8,9,0].all(a, [1,2,3,4,5,6,7,8,9,0].all(b, [1,2,3,4,5,6,7,8,9,0].all(c, [1,2,3,4,5,6,7,8,9,0].all(d, [1,2,3,4,5,6,7,8,9,0].all(e, [1,2,3,4,5,6,7,8,9,0].all(f, a+b+c+d+e+f >= 0))))))`, "cost limit"},
		{"one that would grow large", `["` + strings.Repeat("x", 100) + `"].map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a)[0] == ""`, "cost limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testVars().Enabled(tt.expr)
			if Code(err) != "bad_expression" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestChangedFilesAreAskedForOnceAndOnlyIfNeeded(t *testing.T) {
	v, calls := testVars(), 0
	v.Changed = func() ([]string, error) { calls++; return []string{"a"}, nil }
	if _, err := v.Enabled(`env == "prod"`); err != nil || calls != 0 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if _, err := v.Interpolate(map[string]any{"a": `${{ changed("a") || changed("b") }}`, "b": `${{ changed("b") }}`}); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestAFailureToGetChangedFilesCanBeTriedAgain(t *testing.T) {
	v, down := testVars(), errors.New("connection refused")
	v.Changed = func() ([]string, error) { return nil, Temporary(down) }
	if _, err := v.Enabled(`changed("a")`); !IsTemporary(err) || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	v.Changed = nil
	if _, err := v.Enabled(`changed("a")`); Code(err) != "bad_expression" {
		t.Errorf("got %v", err)
	}
}

func TestInterpolate(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in, want any
	}{
		{"a text without expression", "a $b ${c} {{d}} }}", "a $b ${c} {{d}} }}"},
		{"a number stays", 3, int64(3)},
		{"an expression within a text", "shop:${{ short_sha }}-${{pr}}", "shop:0123456-12"},
		{"a whole number keeps its type", "${{ params.replicas }}", int64(3)},
		{"a truth value keeps its type", "${{ params.dry }}", false},
		{"a list keeps its type", "${{ [env, pr] }}", []any{"prod", int64(12)}},
		{"a mapping keeps its type", "${{ steps.build.outputs }}", map[string]any{"tag": "1.2", "in": "x"}},
		{"text around makes it text", " ${{ params.replicas }}", " 3"},
		{"a list within a text is JSON", "x=${{ [env, 1.5, true] }}", `x=["prod",1.5,true]`},
		{"braces and quotes are CEL's", `${{ {'a': {'b': '}}'}}.a.b + "}}" + r'\' }}`, `}}}}\`},
		{"long strings too", `${{ """a"}}"b""" }}!`, `a"}}"b!`},
		{"deep in lists and mappings", []any{map[string]any{"a": []any{"${{ env }}"}}}, []any{map[string]any{"a": []any{"prod"}}}},
		{"keys are no templates", map[string]any{"${{ env }}": "x"}, map[string]any{"${{ env }}": "x"}},
		{"a literal mark", `${{ "${{" }} x }}`, "${{ x }}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := testVars().Interpolate(map[string]any{"x": tt.in})
			if err != nil || !reflect.DeepEqual(got["x"], tt.want) {
				t.Errorf("got %#v, %v; want %#v", got["x"], err, tt.want)
			}
		})
	}
}

// What people typed may look like any template language there is; it stays the
// text it is.
func TestResultsAreNeverEvaluatedAgain(t *testing.T) {
	for _, hostile := range []string{"${{ sha }}", "${{ steps.build.outputs.tag }}", `{{ env "VAULT_TOKEN" }}`, "${secret:prod/db}", "$(cat /etc/passwd)", "%(HOME)s", "}}${{ 1/0 }}", "`id`", `"; drop`} {
		v := testVars()
		v.Ref = hostile
		v.Params = map[string]any{"tag": hostile}
		v.Steps = map[string]StepVars{"build": {Outputs: map[string]string{"tag": hostile}}}
		got, err := v.Interpolate(map[string]any{
			"whole": "${{ ref }}", "text": "a ${{ ref }} b", "twice": "${{ params.tag }}${{ params.tag }}", "output": "${{ steps.build.outputs.tag }}", "joined": `${{ "$" + "{{ sha }}" }}`,
		})
		want := map[string]any{"whole": hostile, "text": "a " + hostile + " b", "twice": hostile + hostile, "output": hostile, "joined": "${{ sha }}"}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v; want %#v", got, err, want)
		}
	}
}

func TestInterpolateRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"an expression without end", "a ${{ sha", "does not end with }}"},
		{"a time", `${{ timestamp("2026-01-01T00:00:00Z") }}`, "string() makes text of it"},
		{"a map of numbers", "${{ {1: 2} }}", "keys are not texts"},
		{"no number", "${{ 0.0/0.0 }}", "not a finite number"},
		{"division by zero", "${{ 1/(pr-12) }}", "division by zero"},
		{"a text that grows", strings.Repeat("${{ ref }}", 80), "grows beyond 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := testVars()
			v.Ref = strings.Repeat("x", 1000)
			if _, err := v.Interpolate(map[string]any{"x": tt.in}); Code(err) != "bad_expression" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCheckExpr(t *testing.T) {
	p := mustParse(t, `
pipelines:
  deploy:
    params: {n: {type: int}, tag: {}, dry: {type: bool}}
    steps:
      - {name: build, run: x, outputs: [tag]}
      - {name: my-test, run: x}
      - {name: rollout, run: x}
      - {name: aside, run: x, needs: []}
`).Pipelines[0]
	for _, tt := range []struct{ expr, want, err string }{
		{`params.dry && params.n > 2 && params.tag.startsWith("v")`, "bool", ""},
		{`steps.build.outputs.tag`, "string", ""},
		{`steps["build"].outputs["tag"]`, "string", ""},
		{`steps["my-test"].state`, "string", ""},
		{`string(params.n)`, "string", ""},
		{`params.n`, "number", ""},
		{`[params.tag].exists(t, t == "x")`, "bool", ""},
		{`has(steps.build.outputs.tag)`, "bool", ""},
		{`params.n`, "string", "The expression must be text, not a whole number. string(...) makes text of a value."},
		{`params.tag`, "int", "The expression must be of the type int, not text."},
		{`params.n == "x"`, "bool", `"==" does not work on int and string.`},
		{`params.m > 1`, "bool", `The pipeline deploy has no parameter "m". Did you mean n?`},
		{`has(params.tagg)`, "bool", `The pipeline deploy has no parameter "tagg". Did you mean tag?`},
		{`steps.aside.state`, "string", "The step aside does not end before rollout begins. Add it to the needs of rollout."},
		{`steps["my-tset"].state`, "string", `The pipeline deploy has no step "my-tset". Did you mean my-test?`},
		{`steps[params.tag].state`, "string", "steps alone has no value. Write steps.name."},
		{`[1].exists(params, params > 0)`, "bool", "params alone has no value. Write params.name."},
		{`timestamp("2026-01-01T00:00:00Z")`, "any", "The expression must be text, not a timestamp. string(...) makes text of a value."},
		{`chnged("x")`, "bool", `Expressions know no "chnged". Did you mean changed?`},
	} {
		err := CheckExpr(p, "rollout", tt.expr, tt.want)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: got %v, want %s", tt.expr, err, tt.err)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, seed := range []string{"true", `env == "prod" && changed("src/**")`, "steps.build.outputs.tag", `{'a': {'b': '}}'}}.a.b`, "params.n > 3 ? [1] : []", `"""a"}}"b""" + r'\'`, "1/0", "has(params.n)", "[[[", "${{ x }}", "'", "\xff", `b"\x00"`, "-9223372036854775808 - 1", "timestamp('x')", "[1,2].map(x, x*2)"} {
		f.Add(seed)
	}
	p := &Pipeline{Name: "p", Params: []Param{{Name: "n", Type: "int"}}, Steps: []Step{{Name: "build"}, {Name: "last", Needs: []string{"build"}}}}
	f.Fuzz(func(t *testing.T, s string) {
		_ = CheckExpr(p, "last", s, "any")
		v := testVars()
		_, _ = v.Enabled(s)
		out, err := v.Interpolate(map[string]any{"a": s, "b": "x ${{ " + s + " }}", "c": "${{" + s + "}}"})
		if err != nil {
			return
		}
		if _, err := json.Marshal(out); err != nil {
			t.Errorf("the result cannot be stored: %v", err)
		}
		if !strings.Contains(s, "${{") && out["a"] != s {
			t.Errorf("a text without expression became %q", out["a"])
		}
	})
}
