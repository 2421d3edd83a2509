package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

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
		Question: true,
		Steady:   true,
		Flags:    []Flag{{Name: "service", Value: "name"}},
		Examples: []string{"/status", "/status prod", "/status r-1a2b3c4d"},
	}
}

func (s Status) Do(ctx context.Context, c *Call) (Reply, error) {
	name := c.Run("env|run")
	if strings.HasPrefix(strings.ToLower(name), "r-") {
		r, err := known(ctx, s.Store, c, name)
		if err != nil {
			return Reply{}, err
		}
		return Reply{Run: r.ID, Text: capital(describe(r)) + "."}, nil
	}
	if name != "" {
		env, err := environment(c, name)
		if err != nil {
			return Reply{}, err
		}
		text, runs, err := s.environment(ctx, c, env)
		if runs != nil {
			text += images(runs.Images)
		}
		return Reply{Text: text}, err
	}
	if len(c.Config.Environments) == 0 {
		return Reply{Text: "`.shipmate.yaml` names no environments."}, nil
	}
	text := fmt.Sprintf("Environments of %s:", c.Config.Service)
	all, err := s.Store.Environment(ctx, c.Repo.ID, pipeline.Everywhere)
	if err != nil {
		return Reply{}, err
	}
	if l := all.Lock; l.Holds(c.Now) {
		text = fmt.Sprintf("All environments are locked by %s until %s: %s.\n%s", l.By.Login, l.Expires.UTC().Format("2006-01-02 15:04 MST"), Code(l.Reason), text)
	}
	for _, env := range c.Config.Environments {
		line, _, err := s.environment(ctx, c, env)
		if err != nil {
			return Reply{}, err
		}
		text += "\n- " + line
	}
	for _, next := range ticks(c.Config, "", c.Now) {
		text += "\n- " + next
	}
	return Reply{Text: text}, nil
}

// environment is one line: what runs there, who locked it, what is going on. It
// returns what runs there too, nil if nothing does.
func (s Status) environment(ctx context.Context, c *Call, env *pipeline.Environment) (string, *pipeline.Deployment, error) {
	state, err := s.Store.Environment(ctx, c.Repo.ID, env.Name)
	if err != nil {
		return "", nil, err
	}
	open, err := s.Store.Runs(ctx, pipeline.RunQuery{Repo: c.Repo.ID, Environment: env.Name, Open: true})
	if err != nil {
		return "", nil, err
	}
	parts := []string{"nothing deployed yet"}
	if d := state.Current; d != nil {
		parts[0] = fmt.Sprintf("`%s` since %s, by %s (%s)", d.SHA[:min(7, len(d.SHA))], d.At.UTC().Format("2006-01-02 15:04 MST"), d.By, d.Run)
	}
	if state.Unsettled != "" {
		parts = append(parts, fmt.Sprintf("Run %s did not end well after that", state.Unsettled))
	}
	if l := state.Lock; l.Holds(c.Now) {
		parts = append(parts, lockedBy(l))
	}
	if why, until, frozen := env.FrozenAt(c.Now); frozen {
		parts = append(parts, fmt.Sprintf("Frozen until %s: %s", until.UTC().Format("2006-01-02 15:04 MST"), Code(cmp.Or(why, "no reason given"))))
	}
	if state.Active != "" {
		r, err := s.Store.Load(ctx, state.Active)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return "", nil, err
		}
		if err == nil {
			parts = append(parts, "Now: "+describe(r))
		}
	}
	for i, id := range state.Queue {
		parts = append(parts, fmt.Sprintf("Number %d in the queue: run %s", i+1, id))
	}
	slices.Reverse(open) // the oldest first
	for _, r := range open {
		if r.ID != state.Active && !slices.Contains(state.Queue, r.ID) {
			parts = append(parts, capital(describe(r)))
		}
	}
	parts = append(parts, ticks(c.Config, env.Name, c.Now)...)
	return fmt.Sprintf("**%s**: %s.", env.Name, strings.Join(parts, ". ")), state.Current, nil
}

var digest = regexp.MustCompile(`(@sha256:[0-9a-f]{12})[0-9a-f]{52}$`)

// images says what runs in containers, with digests as short as people compare
// them.
func images(list []string) string {
	const most = 10
	var out []string
	for _, image := range list[:min(most, len(list))] {
		out = append(out, Code(digest.ReplaceAllString(image, "$1")))
	}
	switch {
	case len(list) == 0:
		return ""
	case len(list) > most:
		out = append(out, fmt.Sprintf("and %d more", len(list)-most))
	}
	return "\nImages: " + strings.Join(out, ", ") + "."
}

// ticks says when the schedules that concern an environment come next; "":
// those that concern none.
func ticks(cfg *pipeline.Config, env string, now time.Time) []string {
	var out []string
	for _, p := range cfg.Pipelines {
		for _, s := range p.On.Schedule {
			if next := s.Next(now); s.Environment == env && !next.IsZero() {
				out = append(out, fmt.Sprintf("By schedule, %s runs next at %s", Code(p.Name), next.UTC().Format("2006-01-02 15:04 MST")))
			}
		}
	}
	return out
}

// lockedBy says who locked an environment, or which rollback did.
func lockedBy(l *pipeline.Lock) string {
	if l.Run != "" {
		return "Locked: " + l.Reason
	}
	return fmt.Sprintf("Locked by %s until %s: %s", l.By.Login, l.Expires.UTC().Format("2006-01-02 15:04 MST"), Code(l.Reason))
}

// describe is a run in one sentence, without its end.
func describe(r *pipeline.Run) string {
	sha, _ := r.Brings()
	what := "run"
	if r.DryRun {
		what = "dry run"
	}
	text := fmt.Sprintf("%s %s of `%s` by %s %s", what, r.ID, short(sha), r.Actor.Login, stands(r.State))
	if r.DryRun && !r.State.Terminal() {
		text += " and changes nothing"
	}
	if r.Message != "" {
		text += ": " + strings.TrimSuffix(r.Message, ".")
	}
	return text
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// stands says how a run stands, after "it" or its name.
func stands(s pipeline.State) string {
	switch s {
	case pipeline.Succeeded, pipeline.Failed:
		return "has " + string(s)
	case pipeline.Cancelled:
		return "was cancelled"
	case pipeline.RolledBack:
		return "was rolled back"
	case pipeline.RollingBack:
		return "is rolling back"
	case pipeline.Unknown:
		return "has a step that nobody saw the end of"
	}
	return "is " + string(s)
}
