package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/shipmate/shipmate/pipeline"
)

// Status says what runs where, who waits, and how a run stands.
type Status struct{ Store Store }

func (Status) Help() Help {
	return Help{
		Name:     "/status",
		Args:     []Arg{{Name: "env|run", Optional: true}},
		Summary:  "Says what runs where and what is going on.",
		Needs:    pipeline.Read,
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Examples: []string{"/status", "/status prod", "/status r-1a2b3c4d"},
	}
}

func (s Status) Do(ctx context.Context, c *Call) (Reply, error) {
	name := c.Line.Arg("env|run")
	if strings.HasPrefix(strings.ToLower(name), "r-") {
		r, err := known(ctx, s.Store, c, name)
		if err != nil {
			return Reply{}, err
		}
		return Reply{Run: r.ID, Text: describe(r)}, nil
	}
	envs := c.Config.Environments
	if name != "" {
		c.Line.Args["env"] = name
		env, err := environment(c)
		if err != nil {
			return Reply{}, err
		}
		envs = []*pipeline.Environment{env}
	}
	var b strings.Builder
	for _, env := range envs {
		line, err := s.environment(ctx, c, env)
		if err != nil {
			return Reply{}, err
		}
		b.WriteString(line)
	}
	if len(envs) == 0 {
		b.WriteString("`.shipmate.yaml` names no environments.")
	}
	return Reply{Text: strings.TrimSpace(b.String())}, nil
}

func (s Status) environment(ctx context.Context, c *Call, env *pipeline.Environment) (string, error) {
	state, err := s.Store.Environment(ctx, c.Repo.ID, env.Name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "- **%s**: ", env.Name)
	if d := state.Current; d != nil {
		fmt.Fprintf(&b, "`%s` since %s, by %s (%s).", d.SHA[:min(7, len(d.SHA))], d.At.UTC().Format("2006-01-02 15:04 MST"), d.By, d.Run)
	} else {
		b.WriteString("nothing deployed yet.")
	}
	if l := state.Lock; l != nil {
		fmt.Fprintf(&b, " Locked by %s: %s.", l.By.Login, Code(l.Reason))
	}
	if state.Active != "" {
		r, err := s.Store.Load(ctx, state.Active)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, " Now: %s.", describe(r))
	}
	if len(state.Queue) > 0 {
		var ids []string
		for _, id := range state.Queue {
			ids = append(ids, string(id))
		}
		fmt.Fprintf(&b, " Queue: %s.", strings.Join(ids, ", "))
	}
	b.WriteString("\n")
	return b.String(), nil
}

// describe is a run in one line.
func describe(r *pipeline.Run) string {
	text := fmt.Sprintf("run %s of `%s` by %s is %s", r.ID, r.ShortSHA(), r.Actor.Login, strings.ReplaceAll(string(r.State), "_", " "))
	if r.Message != "" {
		text += ": " + strings.TrimSuffix(r.Message, ".")
	}
	return text
}
