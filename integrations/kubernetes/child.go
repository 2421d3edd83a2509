package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// child is a step within the step, and what it remembers between calls.
type child struct {
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
	Done       bool            `json:"done,omitempty"`
}

// childOf reads a step that a parameter holds; nil: there is none.
func childOf(params map[string]any, name string) (*pipeline.Step, error) {
	v, ok := params[name]
	if !ok {
		return nil, nil
	}
	m, _ := v.(map[string]any)
	known := []string{"run", "uses", "with", "image", "timeout"}
	s := &pipeline.Step{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(known, key) {
			near, _ := pipeline.Nearest(key, known)
			return nil, pipeline.Refuse("bad_param", "`%s:` has no key %q%s. It takes %s.", name, key, didYouMean(near), strings.Join(known, ", "))
		}
	}
	s.Run, _ = m["run"].(string)
	s.Uses, _ = m["uses"].(string)
	s.Image, _ = m["image"].(string)
	s.With, _ = m["with"].(map[string]any)
	if (s.Run == "") == (s.Uses == "") {
		return nil, pipeline.Refuse("bad_param", "`%s:` is a step: give it either `run:` or `uses:`.", name)
	}
	if strings.Contains(s.Run, "${{") {
		return nil, pipeline.Refuse("bad_param", "`%s: run:` takes no expressions; values arrive as environment variables.", name)
	}
	if text, ok := m["timeout"].(string); ok {
		if err := s.Timeout.UnmarshalJSON(fmt.Appendf(nil, "%q", text)); err != nil {
			return nil, pipeline.Refuse("bad_param", "`%s: timeout: %s` is not a duration like 5m.", name, text)
		}
	}
	return s, nil
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// child moves the step within the step forward. Until it is done its Result is
// that of this call; if it does not succeed there is an error.
func (d *deploy) child(ctx context.Context, at *state, param, key string, env map[string]string) (res pipeline.Result, done bool, err error) {
	def, err := childOf(d.With, param)
	if err != nil || def == nil || at.Children[key].Done {
		return pipeline.Result{}, err == nil, err
	}
	uses, ok := d.cfg.Runner(def.Runner())
	if !ok {
		return pipeline.Result{}, false, pipeline.Refuse("no_runner", "`%s:` uses %s, which this shipmate does not have.", param, def.Runner())
	}
	c := *d.StepContext
	c.Step = *def
	c.Step.Name, c.Step.AfterCrash, c.Step.Secrets, c.Step.Environment = d.Step.Name+"-"+key, pipeline.Rerun, d.Step.Secrets, maps.Clone(env)
	maps.Copy(c.Step.Environment, d.Step.Environment)
	if c.With, err = uses.CheckWith(def.With); def.Uses != "" && err != nil {
		return pipeline.Result{}, false, err
	}
	keep := func(cp json.RawMessage, done bool) {
		if at.Children == nil {
			at.Children = map[string]child{}
		}
		at.Children[key] = child{cp, done}
	}
	c.Checkpoint = at.Children[key].Checkpoint
	c.Save = func(ctx context.Context, cp json.RawMessage) error {
		keep(cp, false)
		b, err := json.Marshal(at)
		if err != nil {
			return err
		}
		return d.Save(ctx, b)
	}
	if def.Timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, def.Timeout.Or(0))
		defer cancel()
	}
	res, err = uses.Runner.Run(ctx, &c)
	if err != nil {
		return pipeline.Result{}, false, err
	}
	if res.Checkpoint != nil {
		keep(res.Checkpoint, res.Done)
	}
	if !res.Done {
		b, err := json.Marshal(at)
		return pipeline.Result{RetryAfter: res.RetryAfter, Message: res.Message, Checkpoint: b}, false, err
	}
	if state := cmp.Or(res.State, pipeline.Succeeded); state != pipeline.Succeeded {
		code := map[string]string{"smoke": "smoke_failed", "analysis": "analysis_failed"}[param]
		return pipeline.Result{}, false, pipeline.Refuse(code, "The %s step says no: %s", param, sentence(cmp.Or(res.Message, string(state))))
	}
	keep(nil, true)
	return pipeline.Result{}, true, d.save(ctx, at)
}
