package pipeline

import "time"

// Deployment is one line of an environment's history.
type Deployment struct {
	Run       RunID             `json:"run"`
	SHA       string            `json:"sha"`
	Ref       string            `json:"ref,omitempty"`
	PR        int               `json:"pr,omitempty"`
	Pipeline  string            `json:"pipeline"`
	By        string            `json:"by"`
	State     State             `json:"state"`
	Restores  RunID             `json:"restores,omitempty"`  // the run whose revision, or whose very files, run again
	Trigger   Trigger           `json:"trigger,omitempty"`   // ByRollback marks what brought an earlier revision back; "" in older records
	Reverts   RunID             `json:"reverts,omitempty"`   // the run that was undone
	Parent    RunID             `json:"parent,omitempty"`    // the failed run that it served
	Artifacts map[string]string `json:"artifacts,omitempty"` // outputs to deploy again: "step.name" -> value
	Made      map[string]RunID  `json:"made,omitempty"`      // step -> the run in which it ended well; nil in older records
	Images    []string          `json:"images,omitempty"`    // what runs there: full references, sorted
	Untouched bool              `json:"untouched,omitempty"` // it failed before it changed anything
	At        time.Time         `json:"at"`
}

// Stands returns what runs in an environment, nil if that is not known: nothing
// was deployed, a run works on it, or the last one went wrong and left it half
// changed.
func (e *EnvironmentState) Stands() *Deployment {
	if e.Active != "" || e.Unsettled != "" {
		return nil
	}
	return e.Current
}
