package script

import (
	"testing"

	"github.com/shipmate/shipmate/pipeline"
)

func environ(outputs map[string]string, undo bool) (Environ, error) {
	run := &pipeline.Run{Request: pipeline.Request{SHA: "0123456789012345678901234567890123456789", Params: pipeline.Values{"n": int64(9007199254740993)}},
		Progress: pipeline.Progress{Steps: []pipeline.StepRun{{Name: "a", Outputs: map[string]string{"b_c": "own"}}}}}
	return Environment(Call{StepContext: &pipeline.StepContext{Run: run, Step: pipeline.Step{Name: "a"}, Outputs: outputs}, Undo: undo}, Place{}, "")
}

func TestOutputsThatBecomeOneVariable(t *testing.T) {
	for name, tt := range map[string]struct {
		outputs map[string]string
		undo    bool
		code    string
	}{
		"two steps":             {outputs: map[string]string{"a-b.c": "1", "x.b_c": "2", "a.b_c": "3"}, code: "invalid_environment"},
		"two of one step":       {outputs: map[string]string{"a.b-c": "1", "a.b_c": "2"}, code: "invalid_environment"},
		"one value":             {outputs: map[string]string{"a-b.c": "own", "a.b_c": "own"}},
		"an undo takes its own": {outputs: map[string]string{"a-b.c": "1", "a.b-c": "2"}, undo: true},
	} {
		t.Run(name, func(t *testing.T) {
			env, err := environ(tt.outputs, tt.undo)
			if pipeline.Code(err) != tt.code || err == nil && tt.code != "" {
				t.Fatalf("got %v, want %q", err, tt.code)
			}
			if err == nil && env["SHIPMATE_OUTPUT_A_B_C"] != "own" {
				t.Errorf("got %q", env["SHIPMATE_OUTPUT_A_B_C"])
			}
		})
	}
}

func TestAScriptGetsAllDigitsOfAParameter(t *testing.T) {
	env, err := environ(nil, false)
	if err != nil || env["SHIPMATE_PARAM_N"] != "9007199254740993" {
		t.Errorf("got %q, %v", env["SHIPMATE_PARAM_N"], err)
	}
}
