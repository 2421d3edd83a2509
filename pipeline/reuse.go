package pipeline

import (
	"fmt"
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

// reuse ends a step without running it: what it made then is deployed again.
func (m *move) reuse(step string) {
	s := m.run.Step(step)
	s.Outputs = m.run.recorded(step)
	m.end(s, Succeeded, "reused", fmt.Sprintf("Taken over from run %s.", m.run.source().Run))
}
