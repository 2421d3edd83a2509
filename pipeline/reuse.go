package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// source is the deployment that a run deploys once more, here or elsewhere; nil:
// it is a new one.
func (r *Run) source() *Deployment {
	if r.Restores != nil {
		return r.Restores
	}
	return r.Promotes
}

// recorded are the outputs that a step had in the deployment that is deployed
// once more.
func (r *Run) recorded(step string) map[string]string {
	from := r.source()
	if from == nil {
		return nil
	}
	outputs := map[string]string{}
	for name, value := range from.Artifacts {
		if of, output, ok := strings.Cut(name, "."); ok && of == step {
			outputs[output] = value
		}
	}
	return outputs
}

// Made is the run that a step need not be run again after: it ended well there,
// and what it made is deployed once more. "": it has to be run.
func (r *Run) Made(step string) RunID {
	from := r.source()
	switch {
	case from == nil:
		return ""
	case from.Made != nil:
		return from.Made[step]
	case len(r.recorded(step)) > 0: // an older record, which names steps by their outputs alone
		return from.Run
	}
	return ""
}

// Sources are the runs whose files may be needed to deploy it once more.
func (d *Deployment) Sources() []RunID {
	if d == nil {
		return nil
	}
	from := []RunID{d.Run}
	if d.Restores != "" {
		from = append(from, d.Restores)
	}
	return slices.AppendSeq(from, maps.Values(d.Made))
}

// taken: the step is not run; what was recorded of it is taken over.
func (r *Run) taken(def *Step) bool { return def.Reuse && r.Made(def.Name) != "" }

// made says for each step that ended well in which run it was done.
func (r *Run) made() map[string]RunID {
	made := map[string]RunID{}
	for _, s := range r.Steps {
		switch {
		case s.State != Succeeded:
		case s.Code == "reused":
			made[s.Name] = r.Made(s.Name)
		default:
			made[s.Name] = r.ID
		}
	}
	return made
}

// reuse ends a step without running it: what it made then is deployed again.
func (m *move) reuse(step string) {
	s := m.run.Step(step)
	s.Outputs = m.run.recorded(step)
	m.end(s, Succeeded, "reused", fmt.Sprintf("Taken over from run %s.", m.run.Made(step)))
}
