package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shipmate/shipmate/pipeline"
)

// child is a step within the step, and what it remembers between calls.
type child struct {
	Began      time.Time       `json:"began,omitzero"`
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
	began := cmp.Or(at.Children[key].Began, d.cfg.Now().UTC())
	keep := func(cp json.RawMessage, done bool) {
		if at.Children == nil {
			at.Children = map[string]child{}
		}
		at.Children[key] = child{began, cp, done}
	}
	keep(at.Children[key].Checkpoint, false)
	uses, c, err := d.childStep(at, def, param, key)
	if err != nil {
		return pipeline.Result{}, false, err
	}
	c.Step.Environment = maps.Clone(env)
	maps.Copy(c.Step.Environment, d.Step.Environment)
	c.Save = func(ctx context.Context, cp json.RawMessage) error {
		keep(cp, false)
		b, err := json.Marshal(at)
		if err != nil {
			return err
		}
		return d.Save(ctx, b)
	}
	var cancel context.CancelFunc = func() {}
	call := ctx
	if def.Timeout != 0 {
		call, cancel = d.until(ctx, began.Add(def.Timeout.Or(0)))
	}
	defer cancel()
	res, err = uses.Runner.Run(call, c)
	if tooLate := errors.Is(context.Cause(call), errTooLate); tooLate && (err != nil || !res.Done) {
		return pipeline.Result{}, false, pipeline.Refuse(param+"_failed", "The %s step did not end within %s.", param, def.Timeout.Or(0))
	}
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
		keep(nil, true)
		code := map[string]string{"smoke": "smoke_failed", "analysis": "analysis_failed"}[param]
		return pipeline.Result{}, false, pipeline.Refuse(code, "The %s step says no: %s", param, sentence(cmp.Or(res.Message, string(state))))
	}
	keep(nil, true)
	return pipeline.Result{}, true, d.save(ctx, at)
}

// childStep is the step within the step as its runner sees it.
func (d *deploy) childStep(at *state, def *pipeline.Step, param, key string) (pipeline.Uses, *pipeline.StepContext, error) {
	uses, ok := d.cfg.Runner(def.Runner())
	if !ok {
		return uses, nil, pipeline.Refuse("no_runner", "`%s:` uses %s, which this shipmate does not have.", param, def.Runner())
	}
	c := *d.StepContext
	c.Step = *def
	c.Step.Name, c.Step.AfterCrash, c.Step.Secrets = d.Step.Name+"-"+key, pipeline.Rerun, d.Step.Secrets
	c.Checkpoint = at.Children[key].Checkpoint
	var err error
	if c.With, err = uses.CheckWith(def.With); def.Uses != "" && err != nil {
		return uses, nil, err
	}
	return uses, &c, nil
}

// cancelChildren stops what steps within the step have begun outside of us.
func (d *deploy) cancelChildren(ctx context.Context, at *state) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(at.Children)) {
		if at.Children[key].Done {
			continue
		}
		param, _, _ := strings.Cut(key, "-")
		def, err := childOf(d.With, param)
		if err != nil || def == nil {
			continue
		}
		uses, c, err := d.childStep(at, def, param, key)
		if err != nil {
			continue // it was never begun
		}
		if runner, ok := uses.Runner.(pipeline.Canceller); ok {
			errs = append(errs, runner.Cancel(ctx, c))
		}
	}
	return errors.Join(errs...)
}
