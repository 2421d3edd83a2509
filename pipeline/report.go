package pipeline

import (
	"context"
	"encoding/json"
)

// Sink is a place that shows runs to people: a PR status, a check run, a
// comment, a deployment, a Slack thread. It is level-triggered: it is never
// told of an event, it is brought to the state of the run.
type Sink interface {
	// Name is unique and stable: what was shown is stored under it.
	Name() string
	// Subject is what the sink keeps one record and one job for: the run's id,
	// or something several runs share such as "pr/12". "" means that the run
	// is none of its business.
	Subject(r *Run) string
	// Show brings the outside to the state of the run. shown is what it
	// returned last time for this subject: external ids, a digest of what
	// stands there. A Temporary error is tried again until it works.
	Show(ctx context.Context, r *Run, shown json.RawMessage) (json.RawMessage, error)
}
