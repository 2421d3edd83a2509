package pipeline

// Stands returns what runs in an environment, nil if that is not known: nothing
// was deployed, a run works on it, or the last one went wrong and left it half
// changed.
func (e *EnvironmentState) Stands() *Deployment {
	if e.Active != "" || e.Unsettled != "" {
		return nil
	}
	return e.Current
}
