package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Drifter is a Runner that can say how what stands outside differs from what
// the step made of it. It changes nothing, and is given no secrets.
type Drifter interface {
	// Drift returns a Message and, if there is a difference, a Summary.
	Drift(ctx context.Context, c *StepContext) (Result, error)
}

// Drift is what one step of a run left, compared with what is there now.
type Drift struct {
	Step    string
	Message string // a sentence, or why it could not be asked
	Summary string // markdown; "" if nothing differs
}

// Drift compares what a run left with what stands there now, as far as the
// runners of the steps that made it can. It is nothing if none can.
func (e *Engine) Drift(ctx context.Context, id RunID) ([]Drift, error) {
	const patience = 30 * time.Second // somebody waits for the answer
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := standing(ctx, e.Store, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Drift
	for i := range r.Steps {
		s := &r.Steps[i]
		def, _ := r.Pipeline.Step(s.Name)
		d, ok := e.Runners[def.Runner()].Runner.(Drifter)
		if !ok || s.State != Succeeded {
			continue
		}
		res, err := d.Drift(ctx, &StepContext{
			Run: r, Step: def, With: s.With, Attempt: s.Attempt, Fence: r.Fence, Now: e.Now(), Checkpoint: s.Checkpoint, Outputs: r.outputs(), Log: silent{},
			Say: func(string) {}, Save: func(context.Context, json.RawMessage) error { return nil },
		})
		found := Drift{Step: s.Name, Message: res.Message, Summary: res.Summary}
		if err != nil {
			found = Drift{Step: s.Name, Message: fmt.Sprintf("It could not be asked: %s", Message(err))}
		}
		out = append(out, found)
	}
	return out, nil
}

// standing loads the run whose steps made what stands there: not one that undid
// it back to that, nor one that had nothing to do because it was there already.
func standing(ctx context.Context, from loader, id RunID) (*Run, error) {
	for {
		r, err := Deployed(ctx, from, &Deployment{Run: id})
		if err != nil || r.Nothing == "" || r.Same == "" {
			return r, err
		}
		id = r.Same
	}
}

// silent is a Log nobody reads.
type silent struct{}

func (silent) Write(b []byte) (int, error) { return len(b), nil }
func (silent) Offset() int64               { return 0 }
