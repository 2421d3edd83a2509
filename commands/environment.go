package commands

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Missing refuses a command that leaves out what only the repository can
// suggest: it says which environments there are, and the likeliest line.
func Missing(ctx context.Context, store Store, c *Call) error {
	for _, a := range c.Line.Command.Help().Args {
		if !a.Suggested || c.Line.Arg(a.Name) != "" {
			continue
		}
		names := c.Config.EnvironmentNames()
		name := c.Line.Command.Help().Name
		if len(names) == 0 {
			return pipeline.Refuse("missing_argument", "`%s` needs an environment, and the `.shipmate.yaml` of %s names none. Add one there, under `environments:`.", name, c.Repo)
		}
		if c.Line.open.several() {
			return c.Line.noEnvironment(a.Name, c.Config)
		}
		line, err := likeliest(ctx, store, c)
		if err != nil {
			return err
		}
		return pipeline.Refuse("missing_argument", "`%s` needs an environment. Those of %s are %s. You most likely mean %s.", name, c.Config.Service, strings.Join(names, ", "), Code(Clip(line)))
	}
	return nil
}

// likeliest is the line with the environments that are most likely meant.
func likeliest(ctx context.Context, store Store, c *Call) (string, error) {
	var states []*pipeline.EnvironmentState
	for _, env := range c.Config.Environments {
		s, err := store.Environment(ctx, c.Repo.ID, env.Name)
		if err != nil {
			return "", err
		}
		states = append(states, s)
	}
	l, names := c.Line, c.Config.EnvironmentNames()
	l.Args = maps.Clone(l.Args)
	if l.Command.Help().takes("from") {
		from := max(slices.Index(names, l.Arg("from")), 0)
		l.Args["from"], l.Args["env"] = names[from], names[min(from+1, len(names)-1)]
		return l.again(), nil
	}
	l.Args["env"] = names[guess(l.Command.Help().Name, states, c)]
	return l.again(), nil
}

// guess is the place of the environment that a command is most likely about, in
// the order of the file. What brings something new goes where the pull request
// is not yet; to unlock is what is locked; all else is about what was changed last.
func guess(verb string, states []*pipeline.EnvironmentState, c *Call) int {
	var fits func(s *pipeline.EnvironmentState) bool
	switch verb {
	case "/deploy", "/diff":
		fits = func(s *pipeline.EnvironmentState) bool { return c.PR == 0 || s.Current == nil || s.Current.PR != c.PR }
	case "/unlock":
		fits = func(s *pipeline.EnvironmentState) bool { return s.Lock.Holds(c.Now) }
	default:
		newest := 0
		for i, s := range states {
			if s.Current != nil && (states[newest].Current == nil || s.Current.At.After(states[newest].Current.At)) {
				newest = i
			}
		}
		return newest
	}
	return max(slices.IndexFunc(states, fits), 0)
}
