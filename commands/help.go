package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// HelpCommand explains the commands, with this repository's own names.
type HelpCommand struct{ Set Set }

func (*HelpCommand) Help() Help {
	return Help{
		Name:     "/help",
		Args:     []Arg{{Name: "command", Optional: true}},
		Summary:  "Explains what you can say here.",
		Needs:    pipeline.NoAccess,
		Examples: []string{"/help", "/help deploy"},
	}
}

func (h *HelpCommand) Do(_ context.Context, c *Call) (Reply, error) {
	set := append(h.Set[:len(h.Set):len(h.Set)], h)
	if name := c.Line.Arg("command"); name != "" {
		cmd, ok := set.Find(name)
		if !ok {
			return Reply{}, set.unknownTopic(name)
		}
		return Reply{Text: page(cmd.Help())}, nil
	}
	var b strings.Builder
	b.WriteString("What you can say here:\n")
	for _, cmd := range set {
		fmt.Fprintf(&b, "- `%s` %s\n", cmd.Help().Usage(), cmd.Help().Summary)
	}
	if c.Config != nil {
		if names := c.Config.EnvironmentNames(); len(names) > 0 {
			fmt.Fprintf(&b, "\nEnvironments of %s: %s.", c.Config.Service, strings.Join(names, ", "))
		}
	}
	return Reply{Text: strings.TrimSpace(b.String())}, nil
}

func (s Set) unknownTopic(name string) error {
	if near, ok := pipeline.Nearest(name, s.Names()); ok {
		return pipeline.Refuse("unknown_command", "There is no command %s. Did you mean `/help %s`?", Code(name), near)
	}
	return pipeline.Refuse("unknown_command", "There is no command %s. The commands are: %s.", Code(name), strings.Join(s.Names(), ", "))
}

func page(h Help) string {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`\n%s", h.Usage(), h.Summary)
	if h.Needs > pipeline.NoAccess {
		fmt.Fprintf(&b, " Needs %s access, or what the environment's policy says.", h.Needs)
	}
	b.WriteString("\nFor example:\n")
	for _, e := range h.Examples {
		fmt.Fprintf(&b, "- `%s`\n", e)
	}
	return strings.TrimSpace(b.String())
}
