package pipeline

import "slices"

// secrets completes and checks what a step asks for. In a run with an environment
// its secrets are those of the environment, in one without those of checks, so
// they must be declared where the pipeline runs by itself.
func (l *linker) secrets(p *Pipeline, s *Step, n *node) {
	for _, name := range sortedKeys(s.Environment) {
		l.d.reserved(n.at("environment", name), name)
	}
	for i, name := range s.Secrets {
		here := n.at("secrets").item(i)
		l.d.reserved(here, name)
		if !l.declared(p, name, here) {
			continue
		}
		if ref, ok := l.config.Checks.Secrets[name]; ok && !p.On.onlyDeploys() {
			if p.Secrets == nil {
				p.Secrets = map[string]string{}
			}
			p.Secrets[name] = ref
		}
		for _, target := range p.On.targets() {
			if e, ok := l.config.Environment(target); ok && e.Secrets[name] == "" {
				l.d.report(here, "The environment %s, to which this pipeline deploys by itself, declares no secret %s.", e.Name, quote(name))
			}
		}
	}
}

// declared reports a secret that no run of the pipeline could be given.
func (l *linker) declared(p *Pipeline, name string, here *node) bool {
	ofChecks, ofEnvironments := l.config.Checks.Secrets, map[string]string{}
	for _, e := range l.config.Environments {
		for k, ref := range e.Secrets {
			ofEnvironments[k] = ref
		}
	}
	_, check := ofChecks[name]
	_, environment := ofEnvironments[name]
	switch {
	case p.On.onlyChecks() && environment && !check:
		l.d.report(here, "%s is a secret of environments, and this pipeline runs without one. "+
			"Declare it under \"checks: {secrets: ...}\", if the operator allows checks to have it.", quote(name))
	case p.On.onlyChecks() && !check:
		l.d.unknown(here, sortedKeys(ofChecks), "\"checks: {secrets: ...}\" declares no secret %s.", quote(name))
	case p.On.onlyDeploys() && check && !environment:
		l.d.report(here, "%s is a secret of checks, and this pipeline deploys. Declare it in the environments it deploys to.", quote(name))
	case !check && !environment:
		l.d.unknown(here, sortedKeys(ofEnvironments), "No environment declares the secret %s.", quote(name))
	default:
		return true
	}
	return false
}

// targets are the environments a pipeline deploys to without being asked.
func (t Triggers) targets() []string {
	var names []string
	if t.Push != nil && t.Push.Environment != "" {
		names = append(names, t.Push.Environment)
	}
	for _, s := range t.Schedule {
		if s.Environment != "" {
			names = append(names, s.Environment)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// deploys reports whether something starts the pipeline for an environment.
func (t Triggers) deploys() bool { return t.Command != "" || len(t.targets()) > 0 }

// checks reports whether something starts the pipeline without an environment.
func (t Triggers) checks() bool {
	clock := slices.ContainsFunc(t.Schedule, func(s ScheduleTrigger) bool { return s.Environment == "" })
	return t.PullRequest != nil || t.MergeGroup || clock || t.Push != nil && t.Push.Environment == ""
}

func (t Triggers) onlyDeploys() bool { return t.deploys() && !t.checks() }

func (t Triggers) onlyChecks() bool { return t.checks() && !t.deploys() }
