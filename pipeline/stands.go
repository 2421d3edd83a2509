package pipeline

// Stands returns what runs in an environment, nil if that is not known: nothing
// was deployed, a run works on it, or the last one went wrong and left it half
// changed. newest is the first line of the environment's history, nil if there
// is none.
func (e *EnvironmentState) Stands(newest *Deployment) *Deployment {
	if e.Current == nil || e.Active != "" {
		return nil
	}
	if newest != nil && newest.State != Succeeded && newest.State != RolledBack {
		return nil
	}
	return e.Current
}
