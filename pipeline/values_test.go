package pipeline

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestNumbersSurviveTheRecord(t *testing.T) {
	for name, value := range map[string]any{
		"above 2^53":                  int64(9007199254740993),
		"the largest":                 int64(9223372036854775807),
		"the smallest":                int64(-9223372036854775808),
		"one past 2^53 below nothing": int64(-9007199254740993),
		"with a fraction":             0.1,
		"a large one with a fraction": 1e300,
		"in a list":                   []any{int64(9007199254740993), "9007199254740993"},
		"deep in a mapping":           map[string]any{"a": map[string]any{"b": int64(9007199254740993)}},
		"a digit that is text":        "0123",
		"nothing":                     nil,
	} {
		t.Run(name, func(t *testing.T) {
			values := Values{"v": value}
			run := Run{Request: Request{Params: values, Pipeline: Pipeline{
				Params: []Param{{Name: "p", Type: "int", Default: value}}, Steps: []Step{{Name: "s", With: values}}}},
				Progress: Progress{Steps: []StepRun{{Name: "s", With: values}}, Plans: []Planning{{Steps: []StepPlan{{Step: "s", With: values}}}}}}
			var back Run
			reread(t, run.Request, &back.Request)
			reread(t, run.Progress, &back.Progress)
			for where, got := range map[string]any{
				"params": back.Params["v"], "default": back.Pipeline.Params[0].Default, "with": back.Pipeline.Steps[0].With["v"],
				"evaluated": back.Steps[0].With["v"], "plan": back.Plans[0].Steps[0].With["v"],
			} {
				if !reflect.DeepEqual(got, value) {
					t.Errorf("%s: %T %v became %T %v", where, value, value, got, got)
				}
			}
		})
	}
}

func reread(t *testing.T, from, into any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExpressionsKeepAllDigits(t *testing.T) {
	v := testVars()
	v.Params = Values{"n": int64(9007199254740993), "list": []any{int64(9007199254740993)}}
	v.Steps = map[string]StepVars{"build": {Outputs: map[string]string{"n": "9007199254740993", "v": "1.10"}}}
	for expr, want := range map[string]any{
		"${{ params.n }}":                        int64(9007199254740993),
		"n=${{ params.n }}":                      "n=9007199254740993",
		"${{ params.n + 1 }}":                    int64(9007199254740994),
		"${{ params.list }}":                     []any{int64(9007199254740993)},
		"x${{ params.list }}":                    "x[9007199254740993]",
		"${{ int(steps.build.outputs.n) }}":      int64(9007199254740993),
		"${{ uint(steps.build.outputs.n) }}":     int64(9007199254740993),
		"${{ steps.build.outputs.v }}":           "1.10",
		`${{ {"a": "<&>"} }} `:                   `{"a":"<&>"} `,
		"${{ string(params.n) }}":                "9007199254740993",
		"${{ params.n == 9007199254740993 }}":    true,
		"${{ params.n == 9007199254740992 }}":    false,
		"${{ 9223372036854775807 }}":             int64(9223372036854775807),
		"${{ double(steps.build.outputs.v) }}":   1.1,
		"at ${{ 1000000000000000000000000.0 }}.": "at 1000000000000000000000000.",
	} {
		got, err := v.Interpolate(Values{"x": expr})
		if err != nil || !reflect.DeepEqual(got["x"], want) {
			t.Errorf("%s = %T %v, %v; want %v", expr, got["x"], got["x"], err, want)
		}
	}
}

func TestBoundsAreComparedToTheLastDigit(t *testing.T) {
	most := int64(9007199254740992)
	for text, want := range map[string]string{"9007199254740992": "", "9007199254740993": "it must be at most 9007199254740992."} {
		if _, wrong := (Param{Type: "int", Max: &most}).parse(text); wrong != want {
			t.Errorf("parse %s: %q", text, wrong)
		}
	}
	if _, wrong := (Param{Type: "int", Max: &most}).check(int64(9007199254740993)); wrong == "" {
		t.Error("a number above the bound is accepted in a step")
	}
	if v, wrong := (Param{Type: "number"}).check(int64(9007199254740993)); wrong == "" {
		t.Errorf("a number that a float cannot hold became %v", v)
	}
}

// Text that looks like something else reaches a script as it is written.
func TestTextArrivesAsWritten(t *testing.T) {
	for _, v := range []string{"1.10", "010", "0x1F", "0o14", "1_000", "1:30", "12e45678", "1e400", "9007199254740993", "12345678901234567890", "yes", "on", "No", "TRUE",
		"2001-12-14", "2001-12-14 21:59:43", "+5", ".5", "-0.0", "08", "1.0", ".inf"} {
		src := "pipelines:\r\n  deploy:\r\n    steps:\r\n      - name: build\r\n        run: make\r\n        environment: {V: " + v + "}\r\n        matrix: {v: [" + v + "]}\r\n"
		s := mustParse(t, src).Pipelines[0].Steps[0]
		if s.Environment["V"] != v || s.Matrix["v"] != v {
			t.Errorf("%s became %q and, in a matrix, %q", v, s.Environment["V"], s.Matrix["v"])
		}
	}
}

func TestAScriptIsTheSameWithTheLineEndsOfWindows(t *testing.T) {
	for _, script := range []string{"\"make\n          deploy\"", "'make\n          deploy'", "make\n          deploy", "|\n          make\n          deploy\n", ">-\n          make\n          deploy\n",
		"|2\n            make\n          deploy\n\n", "|+\n          make\n\n\n", "\"make \\\n          deploy\""} {
		src := "pipelines:\n  deploy:\n    steps:\n      - name: build\n        run: " + script + "\n"
		unix := mustParse(t, src).Pipelines[0].Steps[0].Run
		windows := mustParse(t, strings.ReplaceAll(src, "\n", "\r\n")).Pipelines[0].Steps[0].Run
		if windows != unix || strings.Contains(windows, "\r") {
			t.Errorf("%q: %q on Windows, else %q", script, windows, unix)
		}
	}
}
