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
	Done       bool            `json:"done,omitempty"` // and it succeeded
	No         *verdict        `json:"no,omitempty"`   // it is over, and did not
}

// verdict is why a step within the step did not succeed. It is asked once: what
// went back because of it does not go forward again after a crash.
type verdict struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (c child) over() bool { return c.Done || c.No != nil }

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
			return nil, pipeline.Refuse("bad_param", "`%s:` has no key %q.%s It takes %s.", name, key, didYouMean(near), strings.Join(known, ", "))
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
		timeout, err := pipeline.ParseDuration(text)
		if err != nil {
			return nil, pipeline.Refuse("bad_param", "The `timeout` of `%s:` is wrong: %v", name, err)
		}
		s.Timeout = pipeline.Duration(timeout)
	}
	return s, nil
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", near)
}

// child moves the step within the step forward. Until it is done its Result is
// that of this call; if it does not succeed there is an error.
func (d *deploy) child(ctx context.Context, at *state, param, key string, env map[string]string) (res pipeline.Result, done bool, err error) {
	def, err := childOf(d.With, param)
	was := at.Children[key]
	switch {
	case was.No != nil:
		return pipeline.Result{}, false, &pipeline.Error{Code: was.No.Code, Message: was.No.Message}
	case err != nil || def == nil || was.Done:
		return pipeline.Result{}, err == nil, err
	}
	now := child{Began: cmp.Or(was.Began, d.cfg.Now().UTC()), Checkpoint: was.Checkpoint}
	at.keep(key, now)
	uses, c, err := d.childStep(at, def, param, key)
	if err != nil {
		return pipeline.Result{}, false, err
	}
	c.Step.Environment = maps.Clone(env)
	maps.Copy(c.Step.Environment, d.Step.Environment)
	c.Save = func(ctx context.Context, cp json.RawMessage) error {
		now.Checkpoint = cp
		at.keep(key, now)
		return d.save(ctx, at)
	}
	var cancel context.CancelFunc = func() {}
	call := ctx
	if def.Timeout != 0 {
		call, cancel = d.until(ctx, now.Began.Add(def.Timeout.Or(0)))
	}
	defer cancel()
	res, err = uses.Runner.Run(call, c)
	if tooLate := errors.Is(context.Cause(call), errTooLate); tooLate && (err != nil || !res.Done) {
		return pipeline.Result{}, false, pipeline.Refuse(param+"_failed", "The %s step did not end within %s.", param, def.Timeout.Or(0))
	}
	if err != nil {
		return pipeline.Result{}, false, err
	}
	if !res.Done {
		if res.Checkpoint != nil {
			now.Checkpoint = res.Checkpoint
			at.keep(key, now)
		}
		b, err := json.Marshal(at)
		return pipeline.Result{RetryAfter: res.RetryAfter, Message: res.Message, Checkpoint: b}, false, err
	}
	end := child{Began: now.Began, Done: true}
	if state := cmp.Or(res.State, pipeline.Succeeded); state != pipeline.Succeeded {
		code := map[string]string{"smoke": "smoke_failed", "analysis": "analysis_failed"}[param]
		says := fmt.Sprintf("The %s step says no: %s", param, sentence(cmp.Or(res.Message, string(state))))
		if state == pipeline.Unknown { // what its runner says of that is for a step of the run
			says = fmt.Sprintf("Nobody saw how the %s step ended, so it counts as a no.", param)
		}
		end, err = child{Began: now.Began, No: &verdict{code, says}}, pipeline.Refuse(code, "%s", says)
	}
	at.keep(key, end)
	if saved := d.save(ctx, at); saved != nil {
		return pipeline.Result{}, false, saved
	}
	d.forget(uses, c)
	return pipeline.Result{}, end.Done, err
}

func (at *state) keep(key string, c child) {
	if at.Children == nil {
		at.Children = map[string]child{}
	}
	at.Children[key] = c
}

// forget has a runner clean up after a step within the step, whose end is saved.
func (d *deploy) forget(uses pipeline.Uses, c *pipeline.StepContext) {
	f, ok := uses.Runner.(pipeline.Forgetter)
	if !ok {
		return
	}
	if err := f.Forget(c.Run.ID, c.Step.Name, c.Attempt, c.Fence); err != nil {
		d.logf("Something of %s is left: %s", c.Step.Name, pipeline.Message(err))
	}
}

// childStep is the step within the step as its runner sees it.
func (d *deploy) childStep(at *state, def *pipeline.Step, param, key string) (pipeline.Uses, *pipeline.StepContext, error) {
	uses, ok := d.cfg.Runner(def.Runner())
	if !ok {
		return uses, nil, pipeline.Refuse("no_runner", "`%s:` uses %s, which this shipmate does not have.", param, def.Runner())
	}
	c := *d.StepContext
	c.Step, c.Within = *def, d.Named()
	c.Step.Name, c.Step.AfterCrash, c.Step.Secrets = d.Step.Name+"-"+key, pipeline.Rerun, d.Step.Secrets
	c.Checkpoint = at.Children[key].Checkpoint
	var err error
	if c.With, err = uses.CheckWith(def.With); def.Uses != "" && err != nil {
		return uses, nil, err
	}
	return uses, &c, nil
}

// cancelChildren stops what steps within the step have begun outside of us. It
// comes after the way back: the traffic does not wait for them.
func (d *deploy) cancelChildren(ctx context.Context, at *state) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(at.Children)) {
		if at.Children[key].over() {
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
