package pipeline

import (
	"fmt"
	"math"
	"time"
)

// outputs are those of all steps so far, as "step.name".
func (r *Run) outputs() map[string]string {
	out := map[string]string{}
	for _, s := range r.Steps {
		for k, v := range s.Outputs {
			out[s.Name+"."+k] = v
		}
	}
	return out
}

// vars are what expressions may speak of.
func (r *Run) vars(changed func() ([]string, error)) Vars {
	v := Vars{SHA: r.SHA, ShortSHA: r.ShortSHA(), Ref: r.Ref, PR: r.PR, Env: r.EnvironmentName(), Service: r.Service,
		Run: string(r.ID), Actor: r.Actor.Login, Params: r.Params, Steps: map[string]StepVars{}, Event: string(r.Trigger), Changed: changed}
	for _, s := range r.Steps {
		v.Steps[s.Name] = StepVars{Outputs: s.Outputs, State: string(s.State)}
	}
	return v
}

// StepApproval reads the policy of an approval step from its parameters.
func StepApproval(s Step) ApprovalPolicy {
	p := ApprovalPolicy{Count: 1}
	if n, ok := asInt(s.With["count"]); ok && n > 0 {
		p.Count = int(n)
	}
	if list, ok := s.With["by"].([]any); ok {
		for _, entry := range list {
			p.By = append(p.By, fmt.Sprint(entry))
		}
	}
	if d, err := ParseDuration(fmt.Sprint(s.With["expires"])); err == nil {
		p.Expires = Duration(d)
	}
	return p
}

func waitFor(s Step) time.Duration {
	d, err := ParseDuration(fmt.Sprint(s.With["for"]))
	if err != nil {
		return 0
	}
	return d
}

// asInt takes the number types that YAML, JSON and CEL bring.
func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}
