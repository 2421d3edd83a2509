package commands

import (
	"context"
	"fmt"
	"slices"
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
		Question: true,
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
		return Reply{Text: page(cmd.Help(), c.Config)}, nil
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
	return pipeline.Refuse("unknown_command", "There is no command %s. Name one of these: %s.", Code(name), strings.Join(s.Names(), ", "))
}

// page is one command's help, with the names of this repository; cfg may be nil.
func page(h Help, cfg *pipeline.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`\n%s", h.Usage(), h.Summary)
	if h.Needs > pipeline.NoAccess {
		fmt.Fprintf(&b, " Needs %s access, or what the environment's policy says.", h.Needs)
	}
	b.WriteString("\nFor example:\n")
	for _, e := range h.Examples {
		fmt.Fprintf(&b, "- `%s`\n", localized(e, cfg))
	}
	if cfg == nil {
		return strings.TrimSpace(b.String())
	}
	if h.takes("env") && len(cfg.Environments) > 0 {
		b.WriteString("Environments:\n")
		for _, env := range cfg.Environments {
			fmt.Fprintf(&b, "- **%s**%s\n", env.Name, policy(env))
		}
	}
	if p, ok := cfg.CommandPipeline("deploy"); ok && h.flag("param") && len(p.Params) > 0 {
		b.WriteString("Parameters:\n")
		for _, param := range p.Params {
			fmt.Fprintf(&b, "- `--param %s=<%s>`%s\n", param.Name, param.Type, bounds(param))
		}
	}
	return strings.TrimSpace(b.String())
}

func (h Help) takes(arg string) bool {
	return slices.ContainsFunc(h.Args, func(a Arg) bool { return a.Name == arg || strings.HasPrefix(a.Name, arg+"|") })
}

func (h Help) flag(name string) bool {
	return slices.ContainsFunc(h.Flags, func(f Flag) bool { return f.Name == name })
}

// localized puts environments that there are into an example.
func localized(example string, cfg *pipeline.Config) string {
	if cfg == nil || len(cfg.Environments) == 0 {
		return example
	}
	words := strings.Split(example, " ")
	for i, w := range words {
		_, known := cfg.Environment(w)
		switch {
		case known:
		case w == "staging":
			words[i] = cfg.Environments[0].Name
		case w == "prod":
			words[i] = cfg.Environments[len(cfg.Environments)-1].Name
		}
	}
	return strings.Join(words, " ")
}

// policy is what somebody who deploys to an environment has to know.
func policy(env *pipeline.Environment) string {
	var parts []string
	if len(env.Aliases) > 0 {
		parts = append(parts, "also "+strings.Join(env.Aliases, ", "))
	}
	if len(env.After) > 0 {
		parts = append(parts, "after "+strings.Join(env.After, ", "))
	}
	if len(env.Deployers) > 0 {
		parts = append(parts, "deployed by "+strings.Join(env.Deployers, ", "))
	}
	if a := env.Approvals; a != nil && a.Count > 0 {
		text := counted(a.Count, "approval")
		if len(a.By) > 0 {
			text += " by " + strings.Join(a.By, ", ")
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// bounds is what a parameter's value may be.
func bounds(p pipeline.Param) string {
	var parts []string
	if p.Required {
		parts = append(parts, "needed")
	}
	if p.Default != nil {
		parts = append(parts, "default "+Code(fmt.Sprint(p.Default)))
	}
	if p.Min != nil {
		parts = append(parts, fmt.Sprintf("at least %d", *p.Min))
	}
	if p.Max != nil {
		parts = append(parts, fmt.Sprintf("at most %d", *p.Max))
	}
	if len(p.Enum) > 0 {
		parts = append(parts, "one of "+strings.Join(p.Enum, ", "))
	}
	if p.Help != "" {
		parts = append(parts, p.Help)
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, ", ")
}
